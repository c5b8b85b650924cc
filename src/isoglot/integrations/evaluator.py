"""`LanguageBiasEvaluator`: a small audit as an evaluator of sentence-transformers, for a model in training."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator

from isoglot.corpora.collection import Collection
from isoglot.corpora.sources import load_collection
from isoglot.encoders.encoder import Encoder
from isoglot.evaluation.audit import audit
from isoglot.evaluation.measures import mean_of_known
from isoglot.evaluation.results import ScenarioResult
from isoglot.platform.languages import canonical
from isoglot.ranking.pools import build_pools


class LanguageBiasEvaluator(BaseEvaluator):  # type: ignore[misc]
    """An audit of the model in training, as an evaluator of sentence-transformers.

    A call returns means over pools and query languages, in the units of `isoglot.audit`:

    - ``multi_complete@10`` and ``multi_max_r``; with ``_en`` for English questions, with ``_targets`` for the others;
    - ``SCENARIO_ndcg@10`` for each further scenario, which training must not lower;
    - ``multi_complete@10_en+zh_zh`` and so on: each mixed pool asked in each language.

    The primary metric is ``multi_complete@10``, or without mixed pools the ndcg@10 of the first scenario. Vectors are
    not kept on disk, since the weights change between two calls.

    Args:
        collection: Source such as ``mini@test``, or a `Collection`.
        pools: Languages of each pool; None: English with each other language of the documents.
        query_languages: Query languages; None: those of each pool, and those in which there is no document.
        scenarios: Scenarios, out of ``multi``, ``mono-same``, ``mono-cross`` and ``control``.
        documents_mode: ``dedup`` or ``per-question``.
        limit: Largest number of questions, the same in all languages; None: all.
        seed: Random seed for ties, control pools and the limit.
        prompts: Role -> prompt put before its texts, as for `isoglot.audit`; None: the model's own.
        name: Prefix of all metrics; with ``mini`` they are ``mini_multi_complete@10`` and so on.
        write_csv: Whether each call with an output path adds a line to a CSV file there.

    Raises:
        IsoglotError: The collection has no such language or scenario, or no pool has a query with a relevant document.
    """

    def __init__(
        self,
        collection: str | Collection,
        *,
        pools: Sequence[Sequence[str]] | None = None,
        query_languages: Sequence[str] | None = None,
        scenarios: Sequence[str] = ("multi", "mono-same", "control"),
        documents_mode: str = "dedup",
        limit: int | None = None,
        seed: int = 0,
        prompts: Mapping[str, str] | None = None,
        name: str = "",
        write_csv: bool = True,
    ) -> None:
        super().__init__()
        self.collection = load_collection(collection) if isinstance(collection, str) else collection
        settings: dict[str, Any] = {
            "pools": pools,
            "query_languages": query_languages,
            "scenarios": scenarios,
            "documents_mode": documents_mode,
            "limit": limit,
            "seed": seed,
        }
        # Built here as well, so that a mistake is reported before training begins.
        built = {pool.scenario for pool in build_pools(self.collection, **settings)}
        self._settings = settings | {"scenarios": [scenario for scenario in scenarios if scenario in built]}
        self.prompts, self.name, self.write_csv = prompts, name, write_csv
        self.primary_metric = "multi_complete@10" if "multi" in built else f"{self._settings['scenarios'][0]}_ndcg@10"
        self.csv_file = f"language_bias_evaluation{'_' if name else ''}{name}_results.csv"

    def __call__(
        self, model: SentenceTransformer, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """Audit the model as it is now, and put the metrics into its model card.

        Args:
            model: Model in training.
            output_path: Folder for the CSV file; None: no file is written.
            epoch: Epoch, for the CSV file; -1: none.
            steps: Number of steps, for the CSV file; -1: none.

        Returns:
            Metric -> value.
        """
        encoder = Encoder(model, loaded_from(model), self.prompts)
        measures = ("complete@10", "max_r", "ndcg@10")
        results = audit(encoder, self.collection, measures=measures, keep_vectors=False, **self._settings).scenarios
        metrics = _metrics(results)
        if output_path is not None and self.write_csv:
            self._add_line(Path(output_path) / self.csv_file, {"epoch": epoch, "steps": steps, **metrics})
        prefixed: dict[str, float] = self.prefix_name_to_metrics(metrics, self.name)
        self.store_metrics_in_model_card_data(model, prefixed, epoch, steps)
        return prefixed

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings that the model card shows."""
        return {"collection": self.collection.name, "fingerprint": self.collection.fingerprint, **self._settings}

    def _add_line(self, path: Path, line: dict[str, float]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        begun = path.is_file()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerows([line.values()] if begun else [line.keys(), line.values()])


def loaded_from(model: SentenceTransformer) -> str:
    """The hub id or folder from which a model's transformer was loaded, by which its prompts are found."""
    transformer = model.transformers_model
    return "model" if transformer is None else str(transformer.config.name_or_path)


def _metrics(all_results: Sequence[ScenarioResult]) -> dict[str, float]:
    mixed = [result for result in all_results if result.scenario == "multi"]
    english = [result for result in mixed if canonical(result.query_language) == "en"]
    targets = [result for result in mixed if canonical(result.query_language) != "en"]
    metrics = {
        f"multi_{measure}{suffix}": _mean(results, measure)
        for suffix, results in (("", mixed), ("_en", english), ("_targets", targets))
        for measure in ("complete@10", "max_r")
        if results
    }
    for scenario in dict.fromkeys(result.scenario for result in all_results if result.scenario != "multi"):
        metrics[f"{scenario}_ndcg@10"] = _mean([r for r in all_results if r.scenario == scenario], "ndcg@10")
    for result in mixed:
        pool = f"{'+'.join(result.pool_languages)}_{result.query_language}"
        metrics[f"multi_complete@10_{pool}"] = result.measures["complete@10"].mean
    return metrics


def _mean(results: Sequence[ScenarioResult], measure: str) -> float:
    return mean_of_known([result.measures[measure].mean for result in results])
