"""Training rows: their file format, where they come from, and the checks that make them trustworthy."""
