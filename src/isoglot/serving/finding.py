"""One question, asked in one or two ways: what each finds, and how what they find goes together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.languages import canonical
from isoglot.serving.messages import SHOWN_LENGTH, Column, FoundColumn, Result, SearchResponse, Twin

if TYPE_CHECKING:
    from isoglot.indexing.passages import Hit
    from isoglot.indexing.store import Index


def default_columns(models: Sequence[str], compare: str | None = None) -> list[Column]:
    """The two ways to search that are shown first: base and last model, or one model without and with shares.

    Args:
        models: Of the index, the base first.
        compare: The model of the left column; None: the first.

    Raises:
        IsoglotError: The index has no such model.
    """
    if compare is not None and compare not in models:
        raise IsoglotError(f"--compare {compare}: the index has no vectors of that model; it has {', '.join(models)}")
    base = compare or models[0]
    others = [model for model in models if model != base]
    if others:
        return [Column(model=base, balance="none"), Column(model=others[-1], balance="none")]
    return [Column(model=base, balance="none"), Column(model=base, balance="equal")]


def known_languages(index: Index, asked: Sequence[str] | None) -> list[str] | None:
    """The filter in canonical tags.

    Raises:
        IsoglotError: The index has no passage in one of them.
    """
    if not asked:
        return None
    tags = list(dict.fromkeys(canonical(tag) for tag in asked))
    missing = [tag for tag in tags if tag not in index.languages]
    if missing:
        raise IsoglotError(
            f"the index has no passage in {', '.join(missing)}; it has {', '.join(sorted(index.languages))}"
        )
    return tags


def find(
    index: Index,
    columns: Sequence[Column],
    vectors: Mapping[str, Vectors],
    *,
    k: int,
    languages: Sequence[str] | None,
    with_twins: bool,
    language: str | None,
) -> SearchResponse:
    """What each column finds for the question that `vectors` stand for.

    Args:
        index: Where to search.
        columns: One or two.
        vectors: Model -> (d,) unit vector of the question.
        k: How many results a column has.
        languages: The filter, in canonical tags; None: none.
        with_twins: Whether translations of results are told.
        language: Of the question, for the answer.
    """
    hits = [
        index.search_vector(vectors[c.model], model=c.model, k=k, languages=languages, balance=c.balance)
        for c in columns
    ]
    found = []
    for at, column in enumerate(columns):
        others = [hit for other, some in enumerate(hits) if other != at for hit in some]
        twins = _twins(index, hits[at]) if with_twins else {}
        wanted = {twin.id for some in twins.values() for twin in some}
        ranks = _ranks(index, column, vectors, wanted | {hit.passage.id for hit in others}, languages)
        found.append((column, hits[at], twins, ranks))
    answers = []
    for at, (column, own, twins, ranks) in enumerate(found):
        other = found[1 - at][3] if len(found) == 2 else {}
        results = [_result(hit, other, twins.get(hit.passage.id, []), ranks) for hit in own]
        answers.append(
            FoundColumn(
                model=column.model,
                balance=column.balance,
                results=results,
                mix=_shares(Counter(result.language for result in results)),
            )
        )
    counts = {tag: n for tag, n in index.languages.items() if languages is None or tag in languages}
    return SearchResponse(language=language, columns=answers, corpus=_shares(counts))


def _twins(index: Index, hits: Sequence[Hit]) -> dict[str, list[Twin]]:
    """Id of a result -> its translations, without ranks."""
    twins = index.twins_of([hit.passage for hit in hits])
    return {
        identity: [Twin(id=twin.id, language=twin.language, rank=None) for twin in some]
        for identity, some in twins.items()
    }


def _ranks(
    index: Index,
    column: Column,
    vectors: Mapping[str, Vectors],
    ids: set[str],
    languages: Sequence[str] | None,
) -> dict[str, int]:
    if not ids:
        return {}
    vector = vectors[column.model]
    return index.rank_of(sorted(ids), vector, model=column.model, languages=languages, balance=column.balance)


def _result(hit: Hit, other: Mapping[str, int], twins: Sequence[Twin], ranks: Mapping[str, int]) -> Result:
    passage = hit.passage
    return Result(
        rank=hit.rank,
        score=hit.score,
        id=passage.id,
        document_id=passage.document_id,
        content_id=passage.content_id,
        language=passage.language,
        title=passage.title[:SHOWN_LENGTH],
        text=passage.text[:SHOWN_LENGTH],
        cut=max(0, len(passage.text) - SHOWN_LENGTH),
        source=passage.source[:SHOWN_LENGTH],
        other_rank=other.get(passage.id),
        twins=[twin.model_copy(update={"rank": ranks.get(twin.id)}) for twin in twins],
    )


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    """Language -> its share of all, the largest first."""
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {tag: round(n / total, 4) for tag, n in ordered if n}
