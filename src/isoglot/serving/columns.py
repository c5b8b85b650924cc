"""Columns, the ways to search side by side: which the page begins with, and what each returns for a question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from isoglot.indexing.languages import largest_first
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.ranking.balance import parse_balance
from isoglot.serving.messages import SHOWN_LENGTH, Column, FoundColumn, Result, SearchResponse, Twin

if TYPE_CHECKING:
    from isoglot.indexing.passages import Hit
    from isoglot.indexing.store import Index


def default_columns(models: Sequence[str], compare: str | None = None, balance: str = "none") -> list[Column]:
    """Choose the two columns that the page begins with; the API uses the first one by default.

    They are the base and the last model. An index of one model gets it twice, the second time for comparison: by score
    if the first column is balanced, else scaled by language.

    Args:
        models: Models of the index, the base first.
        compare: Model of the left column; None: the first.
        balance: Balance of the columns, one of `isoglot.ranking.balance.BALANCES`.

    Raises:
        IsoglotError: The index has no such model, or the balance is unknown.
    """
    if parse_balance(balance).name != balance:
        raise IsoglotError(f"--balance {balance}: a server's columns take scaled without options")
    if compare is not None and compare not in models:
        raise IsoglotError(f"--compare {compare}: the index has no vectors of that model; it has {', '.join(models)}")
    base = compare or models[0]
    others = [model for model in models if model != base]
    if others:
        columns = [(base, balance), (others[-1], balance)]
    else:
        columns = [(base, balance), (base, "scaled" if balance == "none" else "none")]
    return [Column.model_validate({"model": model, "balance": shared}) for model, shared in columns]


class _ColumnHits(NamedTuple):
    """What a column returns for a question.

    Attributes:
        column: The way to search.
        hits: The hits, best first.
        twins: Passage id of a hit -> its translations, without ranks.
        ranks: Passage id -> exact rank, for the twins and for the other column's hits.
    """

    column: Column
    hits: Sequence[Hit]
    twins: Mapping[str, Sequence[Twin]]
    ranks: Mapping[str, int]


def search_columns(
    index: Index,
    columns: Sequence[Column],
    vectors: Mapping[str, Vectors],
    *,
    k: int,
    languages: Sequence[str] | None,
    with_twins: bool,
    language: str | None,
) -> SearchResponse:
    """Search for a question in one or two ways.

    Args:
        index: The index to search.
        columns: One or two columns.
        vectors: Model -> vector (d,) of the question, of unit length.
        k: Number of results in a column.
        languages: Languages to search in, as canonical tags; None: all.
        with_twins: Whether to return the translations of results.
        language: Language of the question, for the response.
    """
    hits_of_columns = [
        index.search_vector(vectors[column.model], model=column.model, k=k, languages=languages, balance=column.balance)
        for column in columns
    ]
    searched = []
    for number, (column, hits) in enumerate(zip(columns, hits_of_columns, strict=True)):
        twins = _twins(index, hits) if with_twins else {}
        ids = {twin.id for hit_twins in twins.values() for twin in hit_twins}
        ids |= {hit.passage.id for hit in (hits_of_columns[1 - number] if len(columns) == 2 else [])}
        searched.append(_ColumnHits(column, hits, twins, _ranks(index, column, vectors, ids, languages)))
    answers = []
    for number, column_hits in enumerate(searched):
        other_ranks = searched[1 - number].ranks if len(searched) == 2 else {}
        results = [_result(hit, column_hits, other_ranks) for hit in column_hits.hits]
        answers.append(
            FoundColumn(
                model=column_hits.column.model,
                balance=column_hits.column.balance,
                results=results,
                mix=_shares(Counter(result.language for result in results)),
            )
        )
    counts = {tag: n for tag, n in index.languages.items() if languages is None or tag in languages}
    return SearchResponse(language=language, columns=answers, corpus=_shares(counts))


def _twins(index: Index, hits: Sequence[Hit]) -> dict[str, list[Twin]]:
    return {
        passage_id: [Twin(id=twin.id, language=twin.language, rank=None) for twin in twins]
        for passage_id, twins in index.twins_of([hit.passage for hit in hits]).items()
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


def _result(hit: Hit, column: _ColumnHits, other_ranks: Mapping[str, int]) -> Result:
    passage = hit.passage
    twins = column.twins.get(passage.id, [])
    return Result(
        rank=hit.rank,
        score=hit.score,
        scaled=hit.scaled,
        id=passage.id,
        document_id=passage.document_id,
        content_id=passage.content_id,
        language=passage.language,
        title=passage.title[:SHOWN_LENGTH],
        text=passage.text[:SHOWN_LENGTH],
        cut=max(0, len(passage.text) - SHOWN_LENGTH),
        source=passage.source[:SHOWN_LENGTH],
        other_rank=other_ranks.get(passage.id),
        twins=[twin.model_copy(update={"rank": column.ranks.get(twin.id)}) for twin in twins],
    )


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    """Return language -> its share of all passages, the largest first; languages without passages are left out."""
    total = sum(counts.values())
    return {tag: round(counts[tag] / total, 4) for tag in largest_first(counts) if counts[tag]}
