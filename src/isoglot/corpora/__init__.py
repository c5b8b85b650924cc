"""Documents and queries: collections, the files they are read from, and where collections come from."""
