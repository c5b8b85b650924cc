"""Alignment methods, one file each, all with the same `run`."""
