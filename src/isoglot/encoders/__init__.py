"""Texts to unit vectors: loading and encoding, prompts, the bundled models, and the cache of vectors."""
