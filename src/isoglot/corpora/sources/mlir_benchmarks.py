"""mlir-benchmarks: Belebele, XQuAD-R, MLQA and Multi-EuP as pools of several languages, as SHIFT and MIMO use them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isoglot.corpora.collection import Collection
from isoglot.corpora.left_out import LeftOut
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.corpora.readers.lines import or_gzipped
from isoglot.corpora.sources.beir import Part, collection
from isoglot.corpora.sources.hub_datasets import hub_folder
from isoglot.corpora.sources.shared_questions import content_ids
from isoglot.platform.errors import InputError, IsoglotError

HUB_NAME = "yjoonjang/mlir-benchmarks"
BENCHMARKS = ("Belebele_test", "MLQA_test", "MultiEup_test", "XQuAD_test")
VARIANT = "MMLIR"
"""The folder in which the questions are in all languages; in the others, such as ``MLIR-en``, they are in one."""
NOTES = ("mlir-benchmarks (SHIFT, MIMO); documents with the same questions count as versions of one content",)
_LANGUAGES = {"dt": "nl"}
"""Names of languages there that are not their tags: the Dutch of Belebele."""


def load(path: Path | None, split: str | None, left_out: LeftOut) -> Collection:
    """Load one benchmark; documents that the same questions find are versions of one content.

    Args:
        path: A folder with ``MMLIR/XQuAD_test`` and the like, or one of these folders; None: the hub's
            yjoonjang/mlir-benchmarks.
        split: ``XQuAD_test``, of `VARIANT`; or ``MLIR-en.XQuAD_test``. None if `path` is that folder.
        left_out: Counts what is left out.

    Raises:
        IsoglotError: There is no such benchmark, or a file is missing or malformed.
    """
    if split is None and path is None:
        raise IsoglotError(f"name a benchmark: mlir-benchmarks@{', @'.join(BENCHMARKS)}")
    folder = path or Path()
    if split is not None:
        variant, _, name = split.rpartition(".")
        inside = Path(variant or VARIANT, name)
        root = path or hub_folder(HUB_NAME, [f"{inside.as_posix()}/*"], "mlir-benchmarks:DIR")
        folder = root / inside
        if not folder.is_dir():
            raise InputError(f"no such benchmark; there are {', '.join(BENCHMARKS)}", folder)
    language = folder.resolve().parent.name.removeprefix("MLIR-")
    stated = {"lang": language} if folder.resolve().parent.name.startswith("MLIR-") else {}
    files = {name: or_gzipped(folder / f"{name}.jsonl") for name in ("corpus", "queries", "qrels")}
    queries = [
        (line, _query({**stated, **fields}, files["queries"], line)) for line, fields in read_jsonl(files["queries"])
    ]
    shared = {query["_id"]: query["query_id"] for _, query in queries}
    qrels = []
    asked: dict[str, set[str]] = {}
    for line, query, judged in _entries(files["qrels"]):
        for document, score in judged.items():
            qrels.append((line, {"query-id": query, "corpus-id": document, "score": score}))
            asked.setdefault(document, set()).add(shared.get(query, query))
    documents = [
        (line, _with_tag({"_id": identity, "text": fields.get("text"), "lang": fields.get("lang")}))
        for line, identity, fields in _entries(files["corpus"])
    ]
    versions = [(str(document["lang"]), document["_id"]) for _, document in documents]
    contents = content_ids({version: asked.get(version[1], ()) for version in versions})
    corpus = [
        (line, {**document, "content_id": contents[version]})
        for (line, document), version in zip(documents, versions, strict=True)
    ]
    return collection(
        f"mlir-benchmarks@{split or folder.resolve().name}",
        [Part.of_rows(files["corpus"], corpus)],
        [Part.of_rows(files["queries"], queries)],
        [Part.of_rows(files["qrels"], qrels)],
        left_out,
        where=folder,
        notes=NOTES,
    )


def _entries(file: Path) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield line, key and value of each entry: a line is an object of one or more objects."""
    for line, entries in read_jsonl(file):
        for key, value in entries.items():
            if not isinstance(value, dict):
                raise InputError(f"field {key!r} is {type(value).__name__}, not an object", file, line)
            yield line, key, value


def _query(fields: dict[str, Any], file: Path, line: int) -> dict[str, Any]:
    """Return a query; the ids of its translations differ by its language, which stands before them (``de_q1``)."""
    identity = fields.get("_id")
    if not isinstance(identity, str) or not identity:
        raise InputError("field '_id' is missing or no text", file, line)
    shared = identity.removeprefix(f"{fields.get('lang')}_")
    return _with_tag({**fields, "query_id": shared})


def _with_tag(fields: dict[str, Any]) -> dict[str, Any]:
    language = fields.get("lang")
    return {**fields, "lang": _LANGUAGES.get(language, language) if isinstance(language, str) else language}
