"""Documents and queries: collections, where collections come from, and the readers of files of each format."""
