"""The loss modules, data sets and batches for `SentenceTransformerTrainer` (`isoglot.integrations.losses`)."""

from isoglot.integrations.losses import (
    CONTENT,
    ContentBatches,
    DistillLoss,
    JsdNceLoss,
    MultiPositiveNceLoss,
    prompts,
    quads,
    taught,
    triplets,
)

__all__ = [
    "CONTENT",
    "ContentBatches",
    "DistillLoss",
    "JsdNceLoss",
    "MultiPositiveNceLoss",
    "prompts",
    "quads",
    "taught",
    "triplets",
]
