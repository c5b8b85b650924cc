"""A stored, searchable corpus: documents in several languages, cut into passages, with the vectors of models."""
