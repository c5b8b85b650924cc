"""Fine-tune a model with a loss of isoglot in sentence-transformers' trainer, and keep the checkpoint with least bias.

Each batch pulls an English question, its document and the document's translation together. After every epoch the
evaluator audits the model in a pool of English and Chinese documents, and the trainer keeps the best checkpoint.

Install:  pip install isoglot
Run:      python examples/fine_tune_with_losses.py      # under a minute without a GPU
Prints:   before and after, for how many questions (%) both versions of the relevant document are in the top 10
Writes:   fine-tuned/, an ordinary sentence-transformers folder, whose model card has the evaluator's metrics
"""

from __future__ import annotations

from collections.abc import Sequence

from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments

import isoglot
from isoglot import losses


def main(
    model_name: str = "e5-small-q4",
    train: str = "mini@demo-train",  # or a file of training rows: rows.jsonl
    test: str = "mini@demo",  # other questions and documents than those of `train`
    languages: Sequence[str] = ("en", "zh"),
    folder: str = "fine-tuned",
) -> None:
    """Train, print the evaluator's metric before and after, and save the model."""
    model = SentenceTransformer(isoglot.model_path(model_name))
    evaluator = isoglot.LanguageBiasEvaluator(test, pools=[languages], limit=20)
    metric = evaluator.primary_metric
    print(f"{metric} before: {evaluator(model)[metric]:.1f}")

    rows = isoglot.training_rows(train, languages)
    # Two other losses, each with the data set that it needs:
    #   losses.MultiPositiveNceLoss(model)             losses.quads(rows)
    #   losses.DistillLoss(model, nce_weight=1.0)      losses.taught(model, rows, mix=0.5, paired=True)
    trainer = SentenceTransformerTrainer(
        model,
        SentenceTransformerTrainingArguments(
            folder,
            num_train_epochs=1,
            per_device_train_batch_size=16,
            learning_rate=5e-5,
            batch_sampler=losses.ContentBatches,  # no translation of a positive becomes a negative
            prompts=losses.prompts(model),
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            load_best_model_at_end=True,
            metric_for_best_model=f"eval_{metric}",
            report_to="none",
        ),
        train_dataset=losses.triplets(rows),
        loss=losses.JsdNceLoss(model),
        evaluator=evaluator,
    )
    trainer.train()
    print(f"{metric} after: {trainer.state.best_metric:.1f}")
    model.save_pretrained(folder)


if __name__ == "__main__":
    main()
