"""Transforms: maps of vectors that need nothing but them, for APIs, stored vectors and indexes that people have."""
