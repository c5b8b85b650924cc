"""Multi-EuP v2: speeches in the European Parliament in 24 languages, found by the titles of their debates."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from isoglot.corpora.collection import Collection
from isoglot.corpora.left_out import ROWS_WITHOUT_ID, LeftOut
from isoglot.corpora.readers.delimited import read_csv
from isoglot.corpora.readers.lines import or_gzipped
from isoglot.corpora.sources.beir import Part, collection
from isoglot.corpora.sources.hub_datasets import hub_folder
from isoglot.platform.errors import InputError, IsoglotError

HUB_NAME = "unimelb-nlp/MultiEup-v2"
FILE = "clean_all_with_did_qid.MEP.csv"
NOTES = (
    "Multi-EuP v2, CC-BY-4.0; speeches are no translations of each other; the titles of a debate are, and all its "
    "speeches are relevant",
)
_COLUMNS = ("did", "TEXT", "LANGUAGE", "qid_EN")


def load(path: Path | None, split: str | None, left_out: LeftOut) -> Collection:
    """Load the speeches (``TEXT``) and, for every language, the titles of debates (``title_DE``) as queries.

    A query id is the English id of a debate (``qid_EN``), up to ``#``.

    Args:
        path: A folder with `FILE`; None: that of the hub's unimelb-nlp/MultiEup-v2.
        split: None, since there are no splits.
        left_out: Counts speeches without id or text, and what else is left out.

    Raises:
        IsoglotError: A split was named, or the file is missing or malformed.
    """
    if split is not None:
        raise IsoglotError(f"multieup has no split {split!r}")
    file = or_gzipped((path or hub_folder(HUB_NAME, [FILE], "multieup:DIR")) / FILE)
    corpus, qrels = [], []
    titles: dict[str, tuple[int, dict[str, Any]]] = {}
    columns: set[str] = set()
    for line, fields in read_csv(file):
        columns |= fields.keys()
        if "did" not in fields:
            left_out.add(ROWS_WITHOUT_ID, file, line)
            continue
        speech = {"_id": fields["did"], "text": fields.get("TEXT"), "lang": fields.get("LANGUAGE", "").lower()}
        corpus.append((line, speech))
        debate = fields.get("qid_EN", "").partition("#")[0]
        if not debate:
            continue
        for name, title in fields.items():
            if match := re.fullmatch(r"title_([A-Z]{2})", name):
                language = match[1].lower()
                query = {"_id": f"{debate}#{language}", "query_id": debate, "text": title, "lang": language}
                titles.setdefault(query["_id"], (line, query))
                qrels.append((line, {"query-id": query["_id"], "corpus-id": fields["did"], "score": 1}))
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise InputError(f"has no column {missing[0]!r}; expected are {', '.join(_COLUMNS)} and title_EN ...", file, 1)
    return collection(
        "multieup",
        [Part.of_rows(file, corpus)],
        [Part.of_rows(file, titles.values())],
        [Part.of_rows(file, qrels)],
        left_out,
        where=file,
        notes=NOTES,
    )
