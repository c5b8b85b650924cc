"""Text -> unit vectors: one file a kind of encoder, the embedded model, prompts, and the vector cache."""
