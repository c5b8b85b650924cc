"""Watch language bias while sentence-transformers trains a model, and keep the checkpoint with the least bias.

Usage:
    python examples/evaluate_while_training.py                          # e5-small-q4, mini@demo-train, mini@demo
    python examples/evaluate_while_training.py MODEL TRAIN TEST FOLDER
"""

from __future__ import annotations

import sys

from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

import isoglot


def main(
    model_name: str = "e5-small-q4", train: str = "mini@demo-train", test: str = "mini@demo", folder: str = "trained"
) -> None:
    """Train on English questions and documents only, as one does without translations."""
    model = SentenceTransformer(isoglot.model_path(model_name))
    rows = isoglot.training_rows(train, ["en"])
    pairs = Dataset.from_dict(
        {"query": [row.query["en"] for row in rows], "document": [row.document["en"] for row in rows]}
    )
    evaluator = isoglot.LanguageBiasEvaluator(test, limit=20, name="test")
    print("before:", evaluator(model)[evaluator.primary_metric])

    trainer = SentenceTransformerTrainer(
        model,
        SentenceTransformerTrainingArguments(
            folder,
            num_train_epochs=2,
            per_device_train_batch_size=16,
            learning_rate=2e-5,
            prompts=isoglot.losses.prompts(model),
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            load_best_model_at_end=True,
            metric_for_best_model=f"eval_{evaluator.primary_metric}",
            report_to="none",
        ),
        train_dataset=pairs,
        loss=MultipleNegativesRankingLoss(model),
        evaluator=evaluator,
    )
    trainer.train()
    print("after:", evaluator(model)[evaluator.primary_metric])
    model.save_pretrained(f"{folder}/best")  # its model card holds all metrics


if __name__ == "__main__":
    main(*sys.argv[1:])
