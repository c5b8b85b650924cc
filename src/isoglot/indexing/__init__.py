"""A stored, searchable corpus: documents of several languages, in passages, with one or more models' vectors."""
