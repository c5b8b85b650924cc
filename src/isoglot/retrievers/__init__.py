"""What can be audited: one file a kind of retriever; `registry` finds them by name."""
