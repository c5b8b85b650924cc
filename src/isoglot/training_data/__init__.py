"""Training rows: their file format, the origins they come from, and the checks that make them trustworthy."""
