"""Alignment methods, one file each, all with a function ``run`` that changes an encoder's model."""
