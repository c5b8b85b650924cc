"""What the stages of a pipeline do to the languages of a pool: which of them buries the other versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isoglot.corpora.collection import Collection
from isoglot.evaluation.measures import parse_measure
from isoglot.evaluation.results import StageResult
from isoglot.evaluation.scoring import RankedPool
from isoglot.platform.arrays import Floats
from isoglot.ranking.pools import Pool
from isoglot.ranking.result import Ranking


@dataclass(frozen=True)
class StagedPool:
    """A mixed pool, and what a pipeline made of it.

    Attributes:
        collection: As for `RankedPool`.
        pool: Likewise.
        ranking: The last ranking, with those of the stages before.
        seed: As for `RankedPool`.
    """

    collection: Collection
    pool: Pool
    ranking: Ranking
    seed: int

    def results(self, documents_mode: str, measures: Sequence[str]) -> tuple[StageResult, ...]:
        """What each stage found, the last one included.

        Args:
            documents_mode: How the pool was built, for the record.
            measures: Names of the audit's measures; the stages are judged by the first ``complete@K`` among them.
        """
        chosen = [name for name in measures if name.startswith("complete@")][:1] or ["complete@10"]
        last = RankedPool(self.collection, self.pool, self.ranking, self.seed)
        stages = [(stage.name, stage.ranking) for stage in self.ranking.stages]
        found = [(name, RankedPool(self.collection, self.pool, ranking, self.seed)) for name, ranking in stages]
        final = parse_measure(chosen[0])(last.judged)
        return tuple(
            StageResult(
                stage=name,
                result=ranked.result(documents_mode, chosen, 0).stored(),
                lost=_share(parse_measure(chosen[0])(ranked.judged), final),
                gained=_share(final, parse_measure(chosen[0])(ranked.judged)),
            )
            for name, ranked in (*found, ("all", last))
        )


def _share(there: Floats, here: Floats) -> float:
    """The share of queries, in percent, that are complete `there` and not `here`; of those of which both is known."""
    known = np.isfinite(there) & np.isfinite(here)
    return 100 * float(np.mean(there[known] > here[known])) if known.any() else np.nan
