"""Measures of rankings, audits, and the statistics and comparisons made of them."""
