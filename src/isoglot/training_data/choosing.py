"""Which rows, and which of their languages, a file gets: evenly over origins and languages, and by a seeded hash."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from isoglot.platform.errors import IsoglotError
from isoglot.training_data.row import Row

SPARE = 2
"""How many times as many rows are checked as are wanted, since some fail."""

THIN = 0.01
"""A language in less than this share of the rows is left out: a handful of texts has no reliable mean vector."""


def stable_hash(text: str, seed: int) -> bytes:
    """Return a hash of `text` and `seed`, for an order that looks random and depends on nothing else."""
    return hashlib.sha256(f"{seed} {text}".encode()).digest()


def spread(rows: Sequence[Row], per_row: int, seed: int = 0) -> list[Row]:
    """Return the rows with English and at most `per_row` of their other languages, so that no language dominates.

    Rows with few languages choose first; each takes those of its languages that were taken least so far.

    Args:
        rows: Rows in any order, on which the result does not depend.
        per_row: Largest number of languages besides English; at least 1.
        seed: Random seed for the choice between languages taken equally often.

    Raises:
        IsoglotError: `per_row` is below 1.
    """
    if per_row < 1:
        raise IsoglotError(f"{per_row} languages in a row; it must be at least 1")
    taken: Counter[str] = Counter()
    chosen: dict[int, Row] = {}
    for i in sorted(range(len(rows)), key=lambda i: (len(rows[i].languages), stable_hash(rows[i].hash, seed))):
        row = rows[i]
        others = [language for language in row.languages if language != "en"]
        others.sort(key=lambda language: (taken[language], stable_hash(row.hash + language, seed)))
        taken.update(others[:per_row])
        chosen[i] = row.keep(["en", *others[:per_row]])
    return [chosen[i] for i in range(len(rows))]


def choose_candidates(
    available: Mapping[str, Sequence[Row]], size: int, per_row: int, seed: int
) -> dict[str, list[Row]]:
    """Return the rows of each origin that are worth checking for a file of `size` rows: `SPARE` times its share."""
    shares = _even_shares({origin: len(rows) for origin, rows in available.items()}, size)
    return {
        origin: _in_order(_preferred(rows, per_row, seed)[: SPARE * shares[origin]])
        for origin, rows in available.items()
    }


def choose(passed: Mapping[str, Sequence[Row]], size: int, per_row: int, seed: int) -> list[Row]:
    """Return at most `size` rows, evenly over origins as far as each goes, by content id.

    Rows with `per_row` languages besides English come first, then those with fewer; a seeded hash orders equals.
    Languages in less than `THIN` of the rows are left out.

    Args:
        passed: Origin -> its rows that passed the checks.
        size: Largest number of rows.
        per_row: Largest number of languages besides English in a row.
        seed: Random seed for the choice of rows and languages.
    """
    shares = _even_shares({origin: len(rows) for origin, rows in passed.items()}, size)
    chosen = [
        row for origin, rows in sorted(passed.items()) for row in _preferred(rows, per_row, seed)[: shares[origin]]
    ]
    chosen = spread(chosen, per_row, seed)
    counts = Counter(language for row in chosen for language in row.languages)
    frequent = [language for language, count in counts.items() if count >= THIN * len(chosen)]
    kept = (row.keep(frequent) for row in chosen)
    return _in_order(row for row in kept if row.query and row.document)


def _in_order(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.content_id, row.hash))


def _preferred(rows: Sequence[Row], per_row: int, seed: int) -> list[Row]:
    return sorted(rows, key=lambda row: (-min(len(row.languages) - 1, per_row), stable_hash(row.hash, seed)))


def _even_shares(available: Mapping[str, int], size: int) -> dict[str, int]:
    """Divide `size` evenly over origins; what an origin with few rows lacks goes to the others."""
    shares, left = {}, size
    by_size = sorted(available.items(), key=lambda item: (item[1], item[0]))
    for remaining, (origin, rows) in zip(range(len(by_size), 0, -1), by_size, strict=True):
        shares[origin] = min(rows, -(-left // remaining))
        left -= shares[origin]
    return shares
