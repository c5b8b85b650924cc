"""Text -> unit vectors: one file a kind of encoder, the bundled model, prompts, and the vector cache."""
