"""Choosing: several models on one's own data, each as it is and after the mends that cost nothing."""
