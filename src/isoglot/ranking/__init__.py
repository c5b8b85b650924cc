"""Pools of documents, exact ranks in them, and lists of several languages merged into one."""
