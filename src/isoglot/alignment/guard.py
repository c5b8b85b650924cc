"""The guard: what an alignment gained and lost on a development split that is neither training nor evaluation data.

The split, its bounds and the rule are isoglot's own.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.sources import load_collection
from isoglot.evaluation.audit import audit
from isoglot.evaluation.comparison.cells import mean_over_cells, unit_sums
from isoglot.evaluation.measures import parse_measure
from isoglot.evaluation.results import Audit
from isoglot.evaluation.statistics.intervals import Interval
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.choosing import stable_hash
from isoglot.training_data.overlap import EightGrams
from isoglot.training_data.row import Row

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder

log = logging.getLogger(__name__)

SHARE, FEWEST, MOST = 0.1, 8, 100
"""The share of contents that is held out, and the bounds of how many: an audit of them takes about a minute."""

MOST_OF_A_LANGUAGE = 0.25
"""At most this share of a language's contents is held out, so that every language stays in the training rows."""

LANGUAGES = 8
"""How many languages the development split has at most, besides English."""

QUESTIONS = 2
"""How many questions of a held-out content are asked."""

SHOWN = (("multi", "complete@10"), ("multi", "max_r"), ("mono-same", "ndcg@10"), ("control", "ndcg@10"))
"""What records, cards and tables show of an audit: the first two say what was gained, the others what was kept."""

GUARDED = ("mono-same", "ndcg@10")
"""What must not fall."""

Measures = dict[str, dict[str, float]]
"""Query language, or ``mean`` -> such as ``multi complete@10`` -> its mean."""


@dataclass(frozen=True)
class Verdict:
    """Whether an aligned model kept what its base could do.

    Attributes:
        difference: Aligned less base in mono-same ndcg@10, in points, the mean over languages, with its 95% interval.
        max_loss: How many points it may fall.
    """

    difference: Interval
    max_loss: float

    @property
    def passed(self) -> bool:
        """False only if the mean fell by more than `max_loss` and the interval excludes zero."""
        return not (self.difference.mean < -self.max_loss and self.difference.high < 0)

    def __str__(self) -> str:
        found = self.difference
        if math.isnan(found.mean):
            return "no language has queries and documents to compare mono-same ndcg@10"
        return f"mono-same ndcg@10 changed by {found.mean:+.2f} points [{found.low:+.2f}, {found.high:+.2f}]"


class LossyError(IsoglotError):
    """An aligned model lost more of what its base could do than allowed; the command line exits with 3.

    Attributes:
        folder: Where the model was kept.
        verdict: What it lost.
    """

    def __init__(self, message: str, folder: Path, verdict: Verdict) -> None:
        super().__init__(message)
        self.folder, self.verdict = folder, verdict


def split(rows: Sequence[Row], name: str) -> tuple[list[Row], Collection | None]:
    """Hold a tenth of the contents out of `rows`, from 8 to 100, chosen by a hash of their ids.

    No content is on both sides, and no document text: training rows with a held-out text are left out. Contents about
    one topic under different ids cannot be known and may be on both sides. The pool is filled up to 100 contents with
    documents of the training rows, as distractors, for both models alike.

    Args:
        rows: With all their languages.
        name: Of `rows`.

    Returns:
        The training rows, and the held-out contents in English and the 8 languages that most of them have; None where
        fewer than 8 contents can be held out, since at most a quarter of each language's may.
    """
    languages: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        languages[row.content_id].update(row.languages)
    order = sorted(languages, key=lambda content: stable_hash(content, 0))
    held = _held_out(order, languages)
    if len(held) < FEWEST:
        return list(rows), None
    out = [row for row in rows if row.content_id in held]
    texts = {text for row in out for text in row.document.values()}
    others = [row for row in rows if row.content_id not in held]
    training = [row for row in others if texts.isdisjoint(row.document.values())]
    if len(training) < len(others):
        log.warning("%s: %d rows share a document with the held-out ones", name, len(others) - len(training))
    return training, _collection(f"{name}, held out", out, training, order)


def _held_out(order: Sequence[str], languages: Mapping[str, set[str]]) -> set[str]:
    wanted = min(max(round(SHARE * len(order)), FEWEST), MOST)
    total = Counter(chain.from_iterable(languages.values()))
    taken: Counter[str] = Counter()
    held: set[str] = set()
    for content in order:
        if len(held) < wanted and all(taken[tag] < int(MOST_OF_A_LANGUAGE * total[tag]) for tag in languages[content]):
            held.add(content)
            taken.update(languages[content])
    return held


def _collection(name: str, out: Sequence[Row], training: Sequence[Row], order: Sequence[str]) -> Collection:
    """The questions of `out` among its documents and so many of `training`."""
    versions: dict[str, dict[str, str]] = defaultdict(dict)
    for row in (*out, *training):
        versions[row.content_id].update(row.document)
    held = {row.content_id for row in out}
    common = Counter(tag for content in held for tag in versions[content])
    kept = sorted(common, key=lambda tag: (tag != "en", -common[tag], tag))[: LANGUAGES + 1]
    pool = sorted((content for content in order if content in versions), key=lambda content: content not in held)[:MOST]
    documents = [Document(c, tag, text) for c in pool for tag, text in versions[c].items() if tag in kept]
    asked: Counter[str] = Counter()
    queries, golds = [], {}
    for row in out:
        asked[row.content_id] += 1
        if asked[row.content_id] <= QUESTIONS and any(tag in kept for tag in row.document):
            query_id = f"{row.content_id} {asked[row.content_id]}"
            queries += [Query(query_id, tag, text) for tag, text in row.query.items() if tag in kept]
            golds[query_id] = (row.content_id,)
    return Collection(name, documents, queries, golds)


def named_development(source: str | Collection, rows: Sequence[Row]) -> Collection:
    """A collection that the user named, in English and those languages of `rows` that it has.

    Raises:
        IsoglotError: It cannot be loaded, has none of the languages, or a row shares 8 words in a row with it.
    """
    found = load_collection(source) if isinstance(source, str) else source
    grams = EightGrams.of([*(d.text for d in found.documents), *(q.text for q in found.queries)])
    shared = [row for row in rows if any(map(grams.overlaps, (*row.query.values(), *row.document.values())))]
    if shared:
        raise IsoglotError(
            f"{len(shared)} of {len(rows)} rows, the first {shared[0].content_id}, share 8 words in a row with "
            f"{found.name}; what is trained on cannot guard: name another --dev"
        )
    kept = {"en"}.union(*(row.languages for row in rows))
    documents = [document for document in found.documents if document.language in kept]
    contents = {document.content_id for document in documents}
    queries = [q for q in found.queries if q.language in kept and contents.issuperset(found.golds[q.query_id])]
    if not queries:
        raise IsoglotError(f"{found.name}: has no query with its documents in {', '.join(sorted(kept))}; name another")
    return replace(found, documents=documents, queries=queries)


def development_audit(encoder: Encoder, development: Collection, *, show_progress: bool) -> Audit:
    """The audit by which an alignment is judged: all scenarios, and seed 0, so that seeds are judged alike."""
    measures = list(dict.fromkeys(measure for _, measure in SHOWN))
    return audit(encoder, development, measures=measures, show_progress=show_progress)


def measures_of(found: Audit) -> Measures:
    """What is `SHOWN` of an audit: each language's mean over the pools that it asks, and the mean over languages."""
    table: Measures = {}
    for scenario, measure in SHOWN:
        values: dict[str, list[float]] = defaultdict(list)
        for result in found.scenarios:
            if result.scenario == scenario:
                values[result.query_language].append(result.measures[measure].mean)
        for language, means in values.items():
            table.setdefault(language, {})[f"{scenario} {measure}"] = fmean(means)
    names = {name: None for row in table.values() for name in row}
    return {**table, "mean": {name: fmean(row[name] for row in table.values() if name in row) for name in names}}


def judge(base: Audit, aligned: Audit, golds: Mapping[str, tuple[str, ...]], max_loss: float) -> Verdict:
    """Compare what two audits of one collection found in pools of one language.

    The interval is that of a comparison's mean (see `isoglot.evaluation.comparison.cells`): a paired percentile
    bootstrap that draws all questions about a content, in all languages, together.

    Args:
        base: Before.
        aligned: After.
        golds: Query id -> content ids, of the collection.
        max_loss: In points of ndcg@10.
    """
    scenario, measure = GUARDED
    columns, units = [], []
    for before in base.scenarios:
        if before.scenario == scenario:
            after = aligned.find(*before.cell)
            if before.judged is None or after.judged is None:
                raise IsoglotError("an audit was saved without its ranks (ranks.npz); make it anew to judge by it")
            value = parse_measure(measure)
            columns.append((value(after.judged) - value(before.judged))[:, None])
            units.append([golds[query][0] for query in before.query_ids])
    if not columns:
        return Verdict(Interval(math.nan, math.nan, math.nan), max_loss)
    return Verdict(mean_over_cells(*unit_sums(columns, units), seed=0)[0], max_loss)
