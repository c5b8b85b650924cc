"""The guard: what an alignment gained and lost on a development split that is neither training nor evaluation data.

The split and its bounds are isoglot's own; the rule is that of `isoglot compare`.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from isoglot.corpora.collection import Collection, Document, Query
from isoglot.corpora.sources import load_collection
from isoglot.evaluation.audit import audit
from isoglot.evaluation.comparison.cells import mean_over_cells, unit_sums
from isoglot.evaluation.comparison.comparison import GUARDED
from isoglot.evaluation.goals import TOGETHER, find_goal
from isoglot.evaluation.measures import mean_of_known, parse_measure
from isoglot.evaluation.results import Audit
from isoglot.evaluation.statistics.intervals import Interval
from isoglot.evaluation.statistics.significance import non_inferior
from isoglot.platform.errors import IsoglotError
from isoglot.training_data.choosing import stable_hash
from isoglot.training_data.overlap import EightGrams
from isoglot.training_data.row import Row

if TYPE_CHECKING:
    from isoglot.encoders.encoder import Encoder
    from isoglot.retrievers.base import Retriever

log = logging.getLogger(__name__)

HELD_OUT_SHARE, FEWEST_HELD_OUT, MOST_HELD_OUT = 0.1, 8, 100
"""The share of contents that is held out, and the bounds of their number: an audit of them takes about a minute."""

MOST_OF_A_LANGUAGE = 0.25
"""The largest share of a language's contents that is held out, so that every language stays in the training rows."""

MOST_LANGUAGES = 8
"""The most languages that the development split has besides English."""

MOST_QUESTIONS = 2
"""The most questions of a held-out content that are asked."""

JUDGED = next(entry for entry in GUARDED if entry[0] == "mono-same")
"""The scenario and the measure that the guard judges: the one of `GUARDED` that every development split has."""


def shown(goal: str) -> tuple[tuple[str, str], ...]:
    """What records, cards and tables show of an audit: the first two say what was gained, the others what was kept.

    Args:
        goal: A name out of `isoglot.evaluation.goals.GOALS`.
    """
    return (("multi", find_goal(goal).headline), ("multi", "max_r"), *GUARDED)


LIFT = "own-language lift"
"""How often documents of the query's language are in its top 10, over how often they are in its pool: 1 is by meaning
alone. It needs no label, so it is shown of a corpus without labels too."""

Measures = dict[str, dict[str, float | None]]
"""Query language, or ``mean`` -> a measure such as ``multi complete@10`` -> its mean; None: it has none."""


@dataclass(frozen=True)
class Verdict:
    """Whether an aligned model kept the quality of its base in one language, by the rule of every comparison.

    Attributes:
        difference: Change of mono-same ndcg@10 in points: the mean over languages, with its 95% interval.
        max_loss: Largest accepted fall, in points.
    """

    difference: Interval
    max_loss: float

    @property
    def kept(self) -> bool | None:
        """True: the whole interval is above -max_loss. False: it is below. None: not certain either way."""
        return non_inferior(self.difference, self.max_loss)

    @property
    def passed(self) -> bool:
        """Whether the guard lets the model pass: it fails one only if it is certain that too much was lost."""
        return self.kept is not False

    @property
    def note(self) -> str:
        """Reason why the verdict is not certain, and what would help, in one sentence; empty if it is certain."""
        if self.kept is not None:
            return ""
        if math.isnan(self.difference.mean):
            return "Not certain means that no language has both queries and documents; name another --dev."
        bound = 0 - self.max_loss
        return f"Not certain means that the 95% interval contains {bound:g}; a larger --dev would make it narrower."

    def __str__(self) -> str:
        measure, difference = " ".join(JUDGED), self.difference
        if math.isnan(difference.mean):
            return f"no language has queries and documents to compare {measure}"
        return f"{measure} changed by {difference.mean:+.2f} points [{difference.low:+.2f}, {difference.high:+.2f}]"


class LossyError(IsoglotError):
    """Raised when an aligned model lost more mono-same ndcg@10 than allowed; the command line exits with 3.

    Attributes:
        folder: Folder in which the model was kept.
        verdict: Change of the measure, with its interval.
    """

    exit_code = 3

    def __init__(self, message: str, folder: Path, verdict: Verdict) -> None:
        super().__init__(message)
        self.folder, self.verdict = folder, verdict


def hold_out(rows: Sequence[Row], name: str) -> tuple[list[Row], Collection | None]:
    """Hold a tenth of the contents out of `rows`, from 8 to 100, chosen by a hash of their ids.

    No content is on both sides, and no document text: training rows with a held-out text are left out. Contents about
    one topic under different ids cannot be recognised and may be on both sides. The pool is filled up to 100 contents
    with documents of the training rows, as distractors for both models alike.

    Args:
        rows: Training rows with all their languages.
        name: The name of their source.

    Returns:
        The training rows, and the held-out contents in English and the 8 languages that most of them have; None where
        fewer than 8 contents can be held out, since at most a quarter of each language's may be.
    """
    languages: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        languages[row.content_id].update(row.languages)
    order = sorted(languages, key=lambda content: stable_hash(content, 0))
    held = _held_out(order, languages)
    if len(held) < FEWEST_HELD_OUT:
        return list(rows), None
    held_rows = [row for row in rows if row.content_id in held]
    held_texts = {text for row in held_rows for text in row.document.values()}
    others = [row for row in rows if row.content_id not in held]
    training = [row for row in others if held_texts.isdisjoint(row.document.values())]
    if len(training) < len(others):
        log.warning("%s: %d rows share a document with the held-out ones", name, len(others) - len(training))
    return training, _collection(f"{name}, held out", held_rows, training, order)


def _held_out(order: Sequence[str], languages: Mapping[str, set[str]]) -> set[str]:
    """The first contents of `order` that leave at least three quarters of every language in the training rows."""
    wanted = min(max(round(HELD_OUT_SHARE * len(order)), FEWEST_HELD_OUT), MOST_HELD_OUT)
    total = Counter(chain.from_iterable(languages.values()))
    taken: Counter[str] = Counter()
    held: set[str] = set()
    for content in order:
        if len(held) < wanted and all(taken[tag] < int(MOST_OF_A_LANGUAGE * total[tag]) for tag in languages[content]):
            held.add(content)
            taken.update(languages[content])
    return held


def _collection(name: str, held_rows: Sequence[Row], training: Sequence[Row], order: Sequence[str]) -> Collection:
    """The questions of `held_rows` among their documents and documents of `training`, up to 100 contents in all."""
    versions: dict[str, dict[str, str]] = defaultdict(dict)
    for row in (*held_rows, *training):
        versions[row.content_id].update(row.document)
    held = {row.content_id for row in held_rows}
    frequency = Counter(tag for content in held for tag in versions[content])
    by_frequency = sorted(frequency, key=lambda tag: (tag != "en", -frequency[tag], tag))
    languages = by_frequency[: MOST_LANGUAGES + 1]
    pool = sorted((content for content in order if content in versions), key=lambda content: content not in held)
    documents = [
        Document(content, tag, text)
        for content in pool[:MOST_HELD_OUT]
        for tag, text in versions[content].items()
        if tag in languages
    ]
    shown = {document.content_id for document in documents}
    answers: dict[str, dict[str, None]] = defaultdict(dict)
    for row in (*held_rows, *training):
        for text in row.query.values() if row.content_id in shown else ():
            answers[text][row.content_id] = None
    asked: Counter[str] = Counter()
    queries, golds, identical = [], {}, {}
    for row in held_rows:
        asked[row.content_id] += 1
        if asked[row.content_id] <= MOST_QUESTIONS and any(tag in languages for tag in row.document):
            query_id = f"{row.content_id} {asked[row.content_id]}"
            queries += [Query(query_id, tag, text) for tag, text in row.query.items() if tag in languages]
            golds[query_id] = tuple(dict.fromkeys(chain.from_iterable(answers[text] for text in row.query.values())))
            own = [tag for tag, text in row.query.items() if row.document.get(tag) == text]  # parallel sentences
            identical.update({(query_id, tag): (row.content_id, tag) for tag in own})
    return Collection(name, documents, queries, golds, identical=identical)


def named_development(source: str | Collection, rows: Sequence[Row]) -> Collection:
    """A collection that the user named, in English and those languages of `rows` that it has.

    Raises:
        IsoglotError: It cannot be loaded, has none of the languages, or a row shares 8 words in a row with it.
    """
    named = load_collection(source) if isinstance(source, str) else source
    grams = EightGrams.of([*(d.text for d in named.documents), *(q.text for q in named.queries)])
    shared = [row for row in rows if any(map(grams.overlaps, (*row.query.values(), *row.document.values())))]
    if shared:
        raise IsoglotError(
            f"{len(shared)} of {len(rows)} rows, the first {shared[0].content_id}, share 8 words in a row with "
            f"{named.name}; what is trained on cannot guard: name another --dev"
        )
    languages = {"en"}.union(*(row.languages for row in rows))
    documents = [document for document in named.documents if document.language in languages]
    contents = {document.content_id for document in documents}
    queries = [q for q in named.queries if q.language in languages and contents.issuperset(named.golds[q.query_id])]
    if not queries:
        raise IsoglotError(
            f"{named.name}: has no query with its documents in {', '.join(sorted(languages))}; name another"
        )
    return replace(named, documents=documents, queries=queries)


def development_audit(
    encoder: Encoder | Retriever, development: Collection, *, goal: str = TOGETHER.name, show_progress: bool
) -> Audit:
    """Audit an encoder in all scenarios, with random seed 0, so that models of all training seeds are judged alike."""
    measures = list(dict.fromkeys(measure for _, measure in shown(goal)))
    return audit(encoder, development, measures=measures, goal=goal, show_progress=show_progress)


def measures_of(audited: Audit) -> Measures:
    """What `shown` names of an audit, and `LIFT`: each language's mean over its pools, and the mean over languages."""
    collected: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, language, value in _shown_values(audited):
        collected[language][name].append(value)
    table = {
        language: {name: mean_of_known(values) for name, values in row.items()} for language, row in collected.items()
    }
    names = {name: None for row in table.values() for name in row}
    table["mean"] = {name: mean_of_known([row[name] for row in table.values() if name in row]) for name in names}
    return {
        language: {name: value if math.isfinite(value) else None for name, value in row.items()}
        for language, row in table.items()
    }


def _shown_values(audited: Audit) -> Iterator[tuple[str, str, float]]:
    """The measure's name, the query language and the value of each cell, measure by measure."""
    for scenario, measure in shown(audited.goal):
        for result in audited.scenarios:
            if result.scenario == scenario:
                yield f"{scenario} {measure}", result.query_language, result.measures[measure].mean
    for result in audited.scenarios:
        own = result.by_language.get(result.query_language)  # None: the pool has no document in it
        if result.scenario == "multi" and own is not None:
            yield LIFT, result.query_language, own.top_share.mean / own.pool_share


def judge(base: Audit, aligned: Audit, golds: Mapping[str, tuple[str, ...]], max_loss: float) -> Verdict:
    """Compare two audits of one collection by what the guard judges (`JUDGED`).

    The interval is that of a comparison's mean (see `isoglot.evaluation.comparison.cells`): a paired percentile
    bootstrap that draws all questions about a content, in all languages, together.

    Args:
        base: The audit of the base.
        aligned: The audit of the aligned model.
        golds: Query id -> content ids, of the collection.
        max_loss: The most points that the measure may fall.

    Raises:
        IsoglotError: An audit was saved without its ranks.
    """
    scenario, measure = JUDGED
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
