"""Stores: the vector databases and indexes that people have, read and mended without a text and without a model."""
