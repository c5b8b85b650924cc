"""mini@train: questions and passages that a language model wrote and translated, in the package itself."""

from __future__ import annotations

import msgspec

from isoglot.platform.downloads import Downloads
from isoglot.training_data.loading import training_rows
from isoglot.training_data.origins import ORIGINS
from isoglot.training_data.row import Row

_ORIGIN = ORIGINS["mini"]


def rows(downloads: Downloads, languages: frozenset[str] | None = None) -> list[Row]:
    """Return a row for each question of each topic, those of a topic with one content id.

    Args:
        downloads: Without effect: nothing is fetched.
        languages: Canonical tags of the languages wanted besides English; None: all.
    """
    named = [
        msgspec.structs.replace(
            row,
            content_id=f"{_ORIGIN.name}:{row.content_id}",
            source=_ORIGIN.name,
            licence=_ORIGIN.licence,
            provenance=dict.fromkeys(row.languages, "machine"),
        )
        for row in training_rows("mini@train")
    ]
    return named if languages is None else [row.keep({"en", *languages}) for row in named]
