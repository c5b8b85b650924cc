"""Align a model with isoglot's losses in sentence-transformers' trainer.

Usage:
    python examples/train_with_isoglot_losses.py                        # e5-small-q4, mini@demo-train, mini@demo
    python examples/train_with_isoglot_losses.py MODEL TRAIN TEST FOLDER
"""

from __future__ import annotations

import sys

from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments

import isoglot
from isoglot import losses


def main(
    model_name: str = "e5-small-q4", train: str = "mini@demo-train", test: str = "mini@demo", folder: str = "aligned"
) -> None:
    """Distil language-neutral vectors; the comments show two other objectives."""
    model = SentenceTransformer(isoglot.model_path(model_name))
    evaluator = isoglot.LanguageBiasEvaluator(test, limit=20)
    print("before:", evaluator(model)[evaluator.primary_metric])

    rows = isoglot.training_rows(train, per_row=1)  # English and one other language a row

    dataset, loss = losses.taught(model, rows, mix=0.5, paired=True), losses.DistillLoss(model, nce_weight=1.0)
    # dataset, loss = losses.triplets(rows), losses.JsdNceLoss(model)
    # dataset, loss = losses.quads(rows), losses.MultiPositiveNceLoss(model)

    trainer = SentenceTransformerTrainer(
        model,
        SentenceTransformerTrainingArguments(
            folder,
            num_train_epochs=1,
            per_device_train_batch_size=16,
            learning_rate=5e-5,
            batch_sampler=losses.ContentBatches,
            prompts=losses.prompts(model),
            save_strategy="no",
            report_to="none",
        ),
        train_dataset=dataset,
        loss=loss,
    )
    trainer.train()
    print("after:", evaluator(model)[evaluator.primary_metric])
    model.save_pretrained(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
