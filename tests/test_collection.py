"""What a collection refuses, and what identifies it."""

from __future__ import annotations

import pytest

from isoglot import Collection, Document, IsoglotError, Query
from isoglot.corpora.collection import CollectionRecord

DOCUMENTS = [Document("a", "en", "one"), Document("a", "zh", "一"), Document("b", "en", "two")]
QUERIES = [Query("q", "en", "one?")]


@pytest.mark.parametrize(
    ("documents", "queries", "golds", "message"),
    [
        ([], QUERIES, {"q": ("a",)}, "has no documents"),
        (DOCUMENTS, [], {}, "has no queries"),
        ([*DOCUMENTS, Document("a", "zh", "又")], QUERIES, {"q": ("a",)}, "document 'a' occurs twice in zh"),
        (DOCUMENTS, [*QUERIES, Query("q", "en", "?")], {"q": ("a",)}, "query 'q' occurs twice in en"),
        ([*DOCUMENTS, Document("c", "en", " \n")], QUERIES, {"q": ("a",)}, "document 'c' in en has an empty text"),
        (DOCUMENTS, QUERIES, {}, "query 'q' has no gold document"),
        (DOCUMENTS, QUERIES, {"q": ("z",)}, "gold 'z' of query 'q' is not among the documents"),
    ],
)
def test_what_cannot_be_ranked_is_refused(
    documents: list[Document], queries: list[Query], golds: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(IsoglotError, match=message):
        Collection("c", documents, queries, golds)


def test_english_comes_first_and_the_users_spelling_is_found() -> None:
    found = Collection("c", DOCUMENTS, QUERIES, {"q": ("a",)}, {"zh": "zho_Hans"})
    assert found.languages == ["en", "zh"]
    assert found.find_language("zh-CN") == "zh"
    assert found.named("zh") == "zho_Hans"
    with pytest.raises(IsoglotError, match="no text in 'ja'; it has en, zho_Hans"):
        found.find_language("ja")


def test_a_record_names_languages_as_the_source_does() -> None:
    collection = Collection("c", DOCUMENTS, QUERIES, {"q": ("a",)}, {"zh": "zho_Hans"}, ("a note",))
    assert collection.record() == CollectionRecord("c", collection.fingerprint, ("en", "zho_Hans"), ("a note",))


def test_languages_are_spelled_as_the_user_does_and_else_as_the_source_did() -> None:
    found = Collection("c", DOCUMENTS, QUERIES, {"q": ("a",)}, names={"zh": "zho_Hans"})
    spelled = found.spelled_as(["eng_Latn", "en-US", "en"])
    assert (spelled.named("en"), spelled.named("zh"), found.named("en")) == ("en", "zho_Hans", "en")
    assert found.spelled_as(["zh-CN"]).names == {"zh": "zh-CN"}
    assert spelled.fingerprint == found.fingerprint
    with pytest.raises(IsoglotError, match="no text in 'ja'; it has en, zho_Hans"):
        found.spelled_as(["en", "ja"])


def test_the_fingerprint_ignores_order_and_notices_every_change() -> None:
    golds = {"q": ("a",)}
    base = Collection("c", DOCUMENTS, QUERIES, golds).fingerprint
    assert Collection("other", DOCUMENTS[::-1], QUERIES, golds).fingerprint == base
    changed = [
        Collection("c", [*DOCUMENTS[:2], Document("b", "en", "two.")], QUERIES, golds),
        Collection("c", DOCUMENTS, [Query("q", "en", "One?")], golds),
        Collection("c", DOCUMENTS, QUERIES, {"q": ("a", "b")}),
        Collection("c", DOCUMENTS[:2], QUERIES, golds),
    ]
    assert len({base, *(found.fingerprint for found in changed)}) == 5
