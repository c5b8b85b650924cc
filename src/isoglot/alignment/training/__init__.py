"""Training a model: batches, losses, low-rank factors, checkpoints."""
