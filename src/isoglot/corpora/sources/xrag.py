"""XRAG: questions about news in 5 languages, with articles in English and in the question's language."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from isoglot.corpora.collection import Collection
from isoglot.corpora.fields import language_field, text_field
from isoglot.corpora.left_out import LeftOut
from isoglot.corpora.readers.jsonl import read_jsonl
from isoglot.corpora.readers.lines import or_gzipped
from isoglot.corpora.sources.beir import Part, collection
from isoglot.corpora.sources.hub_datasets import hub_folder
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.languages import likelihoods
from isoglot.platform.text import cleaned

HUB_NAME = "AmazonScience/XRAG"
NOTES = (
    "XRAG, CC-BY-NC-4.0; articles are no translations of each other; supporting articles are relevant, also those that "
    "answer in part alone",
    "XRAG does not say in which language an article is: detected, as English or the language of its question",
)
_SUPPORT = {"0": False, "1": True, "False": False, "True": True}


def load(path: Path | None, split: str | None, left_out: LeftOut) -> Collection:
    """Load the articles of all questions as one pool, and each question in its language and in English.

    Questions with the same English version are translations of each other.

    Args:
        path: A folder with ``xrag.test.jsonl`` or ``xrag.dev.jsonl``; None: that of the hub's AmazonScience/XRAG.
        split: ``test`` or ``dev``; None: ``test``.
        left_out: Counts what is left out.

    Raises:
        IsoglotError: There is no such split, or the file is missing or malformed.
    """
    if split not in (None, "test", "dev"):
        raise IsoglotError(f"xrag has no split {split!r}; it has test, dev")
    name = f"xrag.{split or 'test'}.jsonl"
    file = or_gzipped((path or hub_folder(HUB_NAME, [name], "xrag:DIR")) / name)
    corpus: dict[str, tuple[int, dict[str, Any]]] = {}
    queries: dict[str, tuple[int, dict[str, Any]]] = {}
    qrels = []
    for line, fields in read_jsonl(file):
        language = language_field(text_field(fields, "language", file, line), file, line)
        texts = {
            tag: text_field(fields, name, file, line) for tag, name in ((language, "question"), ("en", "en_question"))
        }
        question = _digest(texts["en"])
        for tag, text in texts.items():
            query = {"_id": f"{question}#{tag}", "query_id": question, "text": text, "lang": tag}
            queries.setdefault(f"{question}#{tag}", (line, query))
        for article, supports in _articles(fields, file, line):
            identity = _digest(article)
            if identity not in corpus:
                tags = likelihoods(article)
                tag = max(("en", language), key=lambda tag: tags.get(tag, 0.0))
                corpus[identity] = (line, {"_id": identity, "text": article, "lang": tag})
            if supports:
                qrels.append((line, {"query-id": f"{question}#en", "corpus-id": identity, "score": 1}))
    return collection(
        f"xrag@{split or 'test'}",
        [Part.of_rows(file, corpus.values())],
        [Part.of_rows(file, queries.values())],
        [Part.of_rows(file, qrels)],
        left_out,
        where=file,
        notes=NOTES,
    )


def _articles(fields: dict[str, Any], file: Path, line: int) -> list[tuple[str, bool]]:
    """Return the articles of a question, and whether each supports the answer."""
    articles, supports = fields.get("articles"), fields.get("is_support")
    if not isinstance(articles, list) or not all(isinstance(article, str) for article in articles):
        raise InputError("field 'articles' is missing or no list of texts", file, line)
    if not isinstance(supports, list) or len(supports) != len(articles) or not {*map(str, supports)} <= _SUPPORT.keys():
        raise InputError("field 'is_support' is missing or not 0 or 1 for each of 'articles'", file, line)
    return [(cleaned(article), _SUPPORT[str(support)]) for article, support in zip(articles, supports, strict=True)]


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
