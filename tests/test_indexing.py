from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isoglot import Index, IsoglotError
from isoglot.indexing import ann, snapshot, writer
from isoglot.indexing.tables import TABLE, connect
from isoglot.indexing.update import delete_documents, drop_model, update_index
from isoglot.ranking.balance import order, top
from tests.forked import Forked
from tests.indexing import HashEncoder, numbered, use_hash_encoders, vector_of, write_jsonl


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> list[HashEncoder]:
    return use_hash_encoders(monkeypatch)


@pytest.fixture
def index(tmp_path: Path, encoders: list[HashEncoder]) -> Index:
    """30 documents with the vectors of two models."""
    update_index(write_jsonl(tmp_path / "corpus.jsonl", numbered(30)), tmp_path / "index", ["base", "other"])
    return Index(tmp_path / "index")


def stored_ids(folder: Path) -> list[str]:
    return sorted(passage.document_id for passage in Index(folder).passages(limit=10**6))


def question(text: str, model: str = "base") -> np.ndarray[Any, Any]:
    return vector_of(f"{model} first {text}")


def test_a_search_finds_the_nearest_passages_in_order(index: Index) -> None:
    vector = question("document number 7")
    hits = index.search_vector(vector, model="base", k=5)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    assert (hits[0].passage.id, hits[0].passage.content_id, hits[0].passage.language) == ("d7#1", "c2", "en")
    assert hits[0].score == pytest.approx(1, abs=1e-5)
    expected = sorted((-float(question(f"document number {n}") @ vector), n) for n in range(30))
    assert [hit.passage.document_id for hit in hits] == [f"d{n}" for _, n in expected[:5]]


def test_an_index_says_what_it_holds(index: Index) -> None:
    assert len(index) == 30
    assert index.models == ["base", "other"]
    assert index.languages == {"de": 10, "en": 10, "zh": 10}
    assert index.get("d4#1").text == "document number 4"  # type: ignore[union-attr]
    assert index.get("d99#1") is None
    assert [passage.language for passage in index.passages("zho", limit=3, offset=8)] == ["zh", "zh"]
    assert [twin.id for twin in index.twins(index.get("d4#1"))] == ["d3#1", "d5#1"]  # type: ignore[arg-type]


def test_languages_filter_and_unknown_ones_are_refused(index: Index) -> None:
    hits = index.search_vector(question("x"), languages=["zho_Hans", "de"], k=30)
    assert Counter(hit.passage.language for hit in hits) == {"de": 10, "zh": 10}
    with pytest.raises(IsoglotError, match="no passage in fr; it has de, en, zh"):
        index.search_vector(question("x"), languages=["fr"])


def test_a_filter_of_no_language_is_none_and_two_spellings_of_one_are_one(index: Index) -> None:
    assert index.language_filter(None) is None
    assert index.language_filter([]) is None
    assert index.language_filter(["zho_Hans", "de", "zh"]) == ["zh", "de"]


def test_a_text_that_shows_no_language_is_in_the_largest_of_the_index(index: Index, tmp_path: Path) -> None:
    assert index.text_language("1869 ?") == ("de", False)  # all are as large, and it is the first by tag
    rows = [{"_id": f"more{n}", "lang": "zh", "text": f"text {n}"} for n in range(3)]
    update_index(write_jsonl(tmp_path / "more.jsonl", rows), tmp_path / "index", add=True)
    assert index.text_language("1869 ?") == ("zh", False)
    assert index.text_language("1869 ?", "deu") == ("de", True)
    assert index.text_language("where does the train stop tonight?") == ("en", True)
    with pytest.raises(IsoglotError, match="unknown language 'klingonish'"):
        index.text_language("1869 ?", "klingonish")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "nope"}, "no vectors of 'nope'; its models: base, other"),
        ({"k": 0}, "k is 0"),
        ({"balance": "fair"}, "unknown balance 'fair'; choose none, equal, proportional"),
    ],
)
def test_wrong_arguments_of_a_search_are_reported(index: Index, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(IsoglotError, match=message):
        index.search_vector(question("x"), **arguments)
    with pytest.raises(IsoglotError, match=r"shape \(3,\)"):
        index.search_vector(np.zeros(3, dtype=np.float32))


def test_balanced_results_hold_the_languages_in_their_shares(tmp_path: Path, encoders: list[HashEncoder]) -> None:
    rows = [{"_id": f"d{n}", "lang": "de" if n < 24 else "en", "text": f"text {n}"} for n in range(32)]
    update_index(write_jsonl(tmp_path / "c.jsonl", rows), tmp_path / "index", ["base"])
    index = Index(tmp_path / "index")
    for seed in range(5):
        mixes = {
            balance: Counter(h.passage.language for h in index.search_vector(question(str(seed)), k=8, balance=balance))
            for balance in ("equal", "proportional")
        }
        assert mixes == {"equal": {"de": 4, "en": 4}, "proportional": {"de": 6, "en": 2}}


def test_the_first_k_are_those_of_the_whole_order_and_ranks_agree(index: Index) -> None:
    ids = [passage.id for passage in index.passages(limit=100)]
    for balance, languages in itertools.product(("none", "equal", "proportional"), (None, ["de", "zh"])):
        ranks = index.rank_of([*ids, "unknown"], question("x"), balance=balance, languages=languages)
        hits = index.search_vector(question("x"), k=7, balance=balance, languages=languages)
        assert [ranks[hit.passage.id] for hit in hits] == list(range(1, 8))
        assert sorted(ranks.values()) == list(range(1, (30 if languages is None else 20) + 1))


def test_scaled_hits_say_by_what_they_are_ordered(index: Index) -> None:
    vector = question("document number 7")
    plain = index.search_vector(vector, k=len(index))
    assert {hit.scaled for hit in plain} == {None}
    scores: dict[str, list[float]] = defaultdict(list)
    for hit in plain:
        scores[hit.passage.language].append(hit.score)
    usual = {tag: 0.7 * np.mean(of_language[:5]) + 0.3 * np.mean(of_language) for tag, of_language in scores.items()}
    expected = sorted(((hit.score - usual[hit.passage.language], hit.passage.id) for hit in plain), reverse=True)
    scaled = index.search_vector(vector, k=8, balance="scaled")
    assert [hit.passage.id for hit in scaled] == [passage for _, passage in expected[:8]]
    np.testing.assert_allclose([hit.scaled for hit in scaled], [score for score, _ in expected[:8]], atol=1e-6)
    usual["zh"] -= 0.1
    in_chinese = sorted(((hit.score - usual[hit.passage.language], hit.passage.id) for hit in plain), reverse=True)
    balance = "scaled(k=5, weight=0.7, prefer=0.1)"
    preferred = index.search_vector(vector, k=30, balance=balance, language="zh")
    assert [hit.passage.id for hit in preferred] == [passage for _, passage in in_chinese]
    assert index.rank_of([preferred[6].passage.id], vector, balance=balance, language="zh") == {
        preferred[6].passage.id: 7
    }
    assert index.search_vector(vector, k=8, balance=balance, language="fr") == scaled  # no passage is in French


def test_equal_scores_keep_their_places_and_top_agrees_with_order() -> None:
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 6, 200).astype(np.float32)
    languages = generator.integers(0, 3, 200)
    sizes = np.bincount(languages)
    for balance, k in itertools.product(("none", "equal", "proportional"), (1, 10, 200, 500)):
        np.testing.assert_array_equal(
            top(scores, languages, sizes, balance, k), order(scores, languages, sizes, balance)[:k]
        )


def test_a_sample_is_the_same_for_every_model(index: Index) -> None:
    ids, languages, vectors = index.sample_vectors("base", 5, seed=3)
    assert index.sample_vectors("other", 5, seed=3)[0] == ids
    assert vectors.shape == (5, 16)
    assert len(languages) == 5
    np.testing.assert_allclose(vectors[0], question(index.get(ids[0]).text))  # type: ignore[union-attr]


def test_running_again_touches_only_what_has_changed(tmp_path: Path, index: Index, encoders: list[HashEncoder]) -> None:
    folder, rows, before = tmp_path / "index", numbered(30), index.version
    changes = update_index(str(tmp_path / "corpus.jsonl"), folder)
    assert (changes.unchanged, encoders[0].encoded, index.version) == (30, [], before)

    rows[4]["text"] = "something else"
    corpus = write_jsonl(tmp_path / "corpus.jsonl", [*rows[:28], *numbered(2, start=40)])
    changes = update_index(corpus, folder)
    assert (changes.added, changes.changed, changes.deleted, changes.unchanged) == (2, 1, 2, 27)
    assert sorted(encoders[0].encoded) == ["document number 40", "document number 41", "something else"]
    assert stored_ids(folder) == sorted([*(f"d{n}" for n in range(28)), "d40", "d41"])
    assert index.get("d4#1").text == "something else"  # type: ignore[union-attr]


ENGLISH = "The train to the coast arrives at six in the evening and leaves at seven. "
CHINESE = "去海边的火车晚上六点到站，七点开车，请在三号站台等候。"


@pytest.mark.usefixtures("encoders")
def test_passages_of_a_bilingual_document_have_their_own_languages(tmp_path: Path) -> None:
    rows = [{"_id": "both", "text": ENGLISH * 20 + "\n\n" + CHINESE * 20}, {"_id": "one", "text": ENGLISH}]
    corpus = write_jsonl(tmp_path / "corpus.jsonl", rows)
    update_index(corpus, tmp_path / "index", ["model"], passage_tokens=300, overlap=0)
    index = Index(tmp_path / "index")
    assert {passage.document_id for passage in index.passages("en", limit=100)} == {"both", "one"}
    assert all(passage.text.isascii() for passage in index.passages("en", limit=100))
    assert index.languages["zh"] == len(index.passages("zh", limit=100)) >= 2


@pytest.mark.usefixtures("encoders")
def test_a_given_language_is_that_of_all_passages(tmp_path: Path) -> None:
    row = {"_id": "both", "text": ENGLISH * 20 + "\n\n" + CHINESE * 20}
    update_index(write_jsonl(tmp_path / "corpus.jsonl", [row]), tmp_path / "index", ["model"], passage_tokens=300)
    assert set(Index(tmp_path / "index").languages) == {"en", "zh"}
    write_jsonl(tmp_path / "corpus.jsonl", [row | {"lang": "en"}])
    changes = update_index(str(tmp_path / "corpus.jsonl"), tmp_path / "index")
    assert (changes.changed, set(Index(tmp_path / "index").languages)) == (1, {"en"})
    markdown = tmp_path / "folder" / "both.txt"
    markdown.parent.mkdir()
    markdown.write_text(row["text"])
    for language, languages in ((None, {"en", "zh"}), ("en", {"en"})):
        update_index(str(markdown.parent), tmp_path / f"{language}", ["model"], passage_tokens=300, language=language)
        assert set(Index(tmp_path / f"{language}").languages) == languages


@pytest.mark.usefixtures("encoders")
def test_labels_that_disagree_with_the_texts_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"_id": f"d{n}", "lang": "zh" if n < 2 else "en", "text": f"{ENGLISH} ({n})"} for n in range(4)]
    corpus = write_jsonl(tmp_path / "corpus.jsonl", [*rows, {"_id": "unnamed", "text": CHINESE}])
    update_index(corpus, tmp_path / "index", ["model"])
    assert (
        "2 of 4 documents look like another language than their label (Chinese: 2 of 2, mostly like Engl" in caplog.text
    )


def test_a_changed_document_loses_the_parts_that_it_no_longer_has(tmp_path: Path, encoders: list[HashEncoder]) -> None:
    long = {"_id": "a", "lang": "en", "content_id": "c", "text": "This is one sentence. " * 20}
    corpus = write_jsonl(tmp_path / "c.jsonl", [long, {"_id": "a#1", "lang": "de", "content_id": "c", "text": "kurz"}])
    update_index(corpus, tmp_path / "index", ["base"])
    index = Index(tmp_path / "index")
    parts = index.passages("en", limit=100)
    assert [passage.part for passage in parts] == list(range(1, parts[0].parts + 1))
    assert len(parts) > 5
    assert [twin.id for twin in index.twins(index.get("a#1#1"))] == [parts[len(parts) // 2].id]  # type: ignore[arg-type]
    write_jsonl(tmp_path / "c.jsonl", [{**long, "text": "Short now."}])
    update_index(corpus, tmp_path / "index")
    assert [passage.id for passage in index.passages(limit=100)] == ["a#1"]


def test_another_corpus_is_added_only_if_asked(tmp_path: Path, index: Index) -> None:
    other = write_jsonl(tmp_path / "other.jsonl", numbered(3, start=100))
    with pytest.raises(IsoglotError, match=r"holds .*corpus.jsonl; pass --add"):
        update_index(other, tmp_path / "index")
    assert update_index(other, tmp_path / "index", add=True).added == 3
    write_jsonl(tmp_path / "other.jsonl", numbered(2, start=100))
    assert update_index(other, tmp_path / "index").deleted == 1  # and nothing of the first corpus
    assert len(index) == 32


def test_documents_are_deleted_by_their_ids(tmp_path: Path, index: Index) -> None:
    with pytest.raises(IsoglotError, match="no document 'd77'; nothing was deleted"):
        delete_documents(tmp_path / "index", ["d3", "d77"])
    assert delete_documents(tmp_path / "index", ["d3", "d4", "d3"]) == 2
    assert len(index) == 28
    assert index.get("d3#1") is None


def test_ids_may_hold_anything(tmp_path: Path, encoders: list[HashEncoder]) -> None:
    ids = ["it's", '"quoted"', "back\\slash", "a\nb", "雪", "a' OR '1'='1", "%_", "-- x", "𝔘" * 300]
    corpus = write_jsonl(tmp_path / "c.jsonl", [{"_id": i, "lang": "en", "content_id": i, "text": i[:20]} for i in ids])
    update_index(corpus, tmp_path / "index", ["base"])
    assert update_index(corpus, tmp_path / "index").unchanged == len(ids)
    index = Index(tmp_path / "index")
    assert all(index.get(f"{i}#1").text == i[:20].strip() for i in ids)  # type: ignore[union-attr]
    assert delete_documents(tmp_path / "index", ids[:-1]) == len(ids) - 1


def test_of_documents_with_one_id_the_first_is_indexed(tmp_path: Path, encoders: list[HashEncoder]) -> None:
    rows = [*numbered(3), numbered(1)[0], {**numbered(1)[0], "text": "another"}]
    corpus = write_jsonl(tmp_path / "a.jsonl", rows)
    changes = update_index(corpus, tmp_path / "a", ["base"])
    assert changes.added == 3
    assert changes.left_out == (
        "left out: documents with the id of an earlier one, or its text if they have no id: 2, first in a.jsonl:4"
    )
    assert Index(tmp_path / "a").get("d0#1").text == numbered(1)[0]["text"]  # type: ignore[union-attr]
    assert update_index(corpus, tmp_path / "a").unchanged == 3
    with pytest.raises(IsoglotError, match=r"a.jsonl:4: --strict refuses documents with the id of an earlier one"):
        update_index(corpus, tmp_path / "b", ["base"], strict=True)
    assert not (tmp_path / "b").exists()


def test_a_model_is_added_to_what_is_there(tmp_path: Path, index: Index, encoders: list[HashEncoder]) -> None:
    changes = update_index(str(tmp_path / "corpus.jsonl"), tmp_path / "index", ["third"])
    assert (changes.encoded, changes.unchanged) == (30, 30)
    assert [len(encoder.encoded) for encoder in encoders] == [0, 0, 30]
    assert index.models == ["base", "other", "third"]
    assert index.search_vector(question("document number 9", "third"), model="third")[0].passage.id == "d9#1"
    drop_model(tmp_path / "index", "other")
    assert index.models == ["base", "third"]


def test_an_interrupted_model_is_not_used_and_is_finished_by_the_next_run(
    tmp_path: Path, index: Index, encoders: list[HashEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "COMMIT_PASSAGES", 8)
    usual = HashEncoder.encode

    def interrupted(self: HashEncoder, *arguments: Any, **options: bool) -> Any:
        if len(self.encoded) >= 16:
            raise KeyboardInterrupt
        return usual(self, *arguments, **options)

    monkeypatch.setattr(HashEncoder, "encode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        update_index(str(tmp_path / "corpus.jsonl"), tmp_path / "index", ["third"])
    assert index.models == ["base", "other"]
    with pytest.raises(IsoglotError, match="'third' are not complete"):
        index.search_vector(question("x"), model="third")
    monkeypatch.setattr(HashEncoder, "encode", usual)
    assert update_index(str(tmp_path / "corpus.jsonl"), tmp_path / "index").encoded == 14
    assert index.models == ["base", "other", "third"]


def test_a_model_that_has_changed_is_encoded_anew(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hash_encoders(monkeypatch, "second")
    assert update_index(str(tmp_path / "corpus.jsonl"), tmp_path / "index").encoded == 60
    assert index.models == ["base", "other"]
    assert index.search_vector(vector_of("base second document number 9"), model="base")[0].passage.id == "d9#1"


def test_an_index_keeps_the_lengths_it_was_made_with(tmp_path: Path, index: Index) -> None:
    with pytest.raises(IsoglotError, match="passages of 64 tokens, 8 of overlap; make another index"):
        update_index(str(tmp_path / "corpus.jsonl"), tmp_path / "index", passage_tokens=32)


def test_a_reader_sees_the_last_commit_and_an_old_state_stays_as_it_is(tmp_path: Path, index: Index) -> None:
    old = index.snapshot()
    update_index(write_jsonl(tmp_path / "more.jsonl", numbered(5, start=50)), tmp_path / "index", add=True)
    assert index.version > old.version
    assert (len(index), old.count, len(old.arrays.keys)) == (35, 30, 30)


def test_several_threads_search_while_another_writes(tmp_path: Path, index: Index) -> None:
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                hits = index.search_vector(question("document number 7"), k=3, balance="equal")
                assert len(hits) == 3
                assert index.rank_of([hits[0].passage.id], question("document number 7"), balance="equal")
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for start in range(100, 150, 10):
        update_index(write_jsonl(tmp_path / "m.jsonl", numbered(10, start)), tmp_path / "index", add=True)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(index) == 80


def test_explanations_say_how_far_a_passage_stands_out_of_its_language(index: Index) -> None:
    hits = index.search_vector(
        question("document number 7"), k=6, balance="equal", question="document number 7", model="base"
    )
    first = hits[0].explanation
    assert first is not None
    assert (first.plain_rank, first.language_rank, first.word_rank) == (1, 1, 1)
    scores = np.array([question(f"document number {n}") @ question("document number 7") for n in range(1, 30, 3)])
    assert first.deviations == pytest.approx((scores[2] - scores.mean()) / scores.std(), abs=1e-3)
    for hit in hits:
        assert hit.explanation is not None
        assert index.rank_of([hit.passage.id], question("document number 7")) == {
            hit.passage.id: hit.explanation.plain_rank
        }


@pytest.fixture(scope="module")
def large_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an index that no test changes."""
    with pytest.MonkeyPatch.context() as patch:
        use_hash_encoders(patch)
        return make_large(tmp_path_factory.mktemp("large"), patch).folder


@pytest.fixture
def large(large_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """An index that is large for a limit of 1000 passages, so that LanceDB's index answers."""
    limit_exact_search(monkeypatch)
    return Index(large_folder)


def make_large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    limit_exact_search(monkeypatch)
    update_index(write_jsonl(folder / "c.jsonl", numbered(3000)), folder / "index", ["base"])
    return Index(folder / "index")


def limit_exact_search(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ann, snapshot, writer):
        monkeypatch.setattr(module, "EXACT_BELOW", 1000)
    monkeypatch.setattr(ann, "PARTITION_SIZE", 100)
    monkeypatch.setattr(snapshot, "MAX_CACHED_BYTES", 0)


def test_a_large_index_is_searched_approximately_and_its_recall_is_measured(large: Index) -> None:
    state = large.snapshot()
    model = state.model(None)
    assert ann.has_ann(state, model)
    recall = ann.recall(state, model)
    assert recall is not None
    assert 0.7 < recall <= 1
    hits = large.search_vector(question("document number 77"), k=10)
    assert hits[0].passage.id == "d77#1"
    exact = large.rank_of([hit.passage.id for hit in hits], question("document number 77"))
    assert np.mean([rank <= 10 for rank in exact.values()]) >= 0.5
    assert [exact[hit.passage.id] for hit in hits] == sorted(exact.values())
    assert large.search_vector(question("x"), k=4, question="x")[0].explanation is not None


def test_vectors_in_memory_and_vectors_read_give_the_same_scores(large: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    read = large.snapshot().scores(large.snapshot().model(None), question("x"))
    monkeypatch.setattr(snapshot, "MAX_CACHED_BYTES", 2**30)
    kept = large.snapshot().scores(large.snapshot().model(None), question("x"))
    assert read.tolist() == kept.tolist()


def test_approximate_results_are_balanced_and_filtered_alike(large: Index) -> None:
    hits = large.search_vector(question("x"), k=9, balance="equal")
    assert Counter(hit.passage.language for hit in hits) == {"de": 3, "en": 3, "zh": 3}
    twice_named = large.search_vector(question("x"), k=9, languages=["de", "deu"], balance="equal")
    assert len({hit.passage.id for hit in twice_named}) == 9
    only = large.search_vector(question("x"), k=9, languages=["de"])
    assert {hit.passage.language for hit in only} == {"de"}
    assert [hit.score for hit in only] == sorted((hit.score for hit in only), reverse=True)


@pytest.mark.parametrize("balance", ["scaled", "scaled(k=3, weight=1)", "scaled(k=3, weight=1, prefer=0.05)"])
def test_approximate_scaled_results_are_those_of_the_exact_search(large: Index, balance: str) -> None:
    shares = []
    for number in range(20):
        vector = question(f"document number {number}")
        hits = large.search_vector(vector, k=10, balance=balance, language="zh")
        approximate = [hit.passage.id for hit in hits]
        assert [hit.scaled for hit in hits] == sorted((hit.scaled or 0 for hit in hits), reverse=True)
        exact = large.rank_of(approximate, vector, balance=balance, language="zh")
        shares.append(np.mean([rank <= 10 for rank in exact.values()]))
        assert [exact[passage] for passage in approximate] == sorted(exact.values())
    assert np.mean(shares) > 0.7  # random vectors are the worst case for partitions
    scaled, equal = (
        [(hit.passage.id, hit.score) for hit in large.search_vector(question("x"), k=9, languages=["de"], balance=way)]
        for way in (balance, "equal")
    )
    assert scaled == equal


@pytest.mark.parametrize("asked", [{"languages": ["zh"]}, {"balance": "equal"}, {"balance": "scaled"}])
def test_languages_that_lie_far_from_a_question_are_searched_too(
    tmp_path: Path, encoders: list[HashEncoder], monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    """Partitions hold passages of one language, as those of real models do."""

    def encode(self: HashEncoder, texts: Sequence[str], role: str, languages: Sequence[str], **_: Any) -> np.ndarray:
        vectors = [vector_of(text) + 3 * vector_of(tag) for text, tag in zip(texts, languages, strict=True)]
        return np.array([vector / np.linalg.norm(vector) for vector in vectors])

    monkeypatch.setattr(HashEncoder, "encode", encode)
    index = make_large(tmp_path, monkeypatch)
    table = connect(index.folder).open_table(TABLE)
    ann.build_ann(table, index.snapshot().model(None).column, 3000)  # LanceDB has joined partitions as small as these
    monkeypatch.setattr(ann, "_MIN_PROBED", 3)
    for number in range(10):
        vector = encode(encoders[0], [f"question {number}"], "query", ["de"])[0]
        hits = index.search_vector(vector, k=10, **asked)
        exact = index.search_vector(vector, k=10, question="?", **asked)
        assert {hit.passage.id for hit in hits} == {hit.passage.id for hit in exact}


def test_balanced_searches_are_exact_where_the_vectors_fit_into_memory(
    large: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = large.snapshot()
    model = state.model(None)
    balances = ("none", "equal", "proportional", "scaled", "scaled(k=2, weight=1)")
    assert [ann.is_approximate(state, model, balance) for balance in balances] == [True] * 5
    monkeypatch.setattr(snapshot, "MAX_CACHED_BYTES", 2**30)
    assert [ann.is_approximate(state, model, balance) for balance in balances] == [True] + [False] * 4
    hits = large.search_vector(question("x"), k=10, balance="scaled")
    assert hits == [
        replace(hit, explanation=None)
        for hit in large.search_vector(question("x"), k=10, balance="scaled", question="x")
    ]


def test_what_is_added_to_a_large_index_is_found_at_once(
    tmp_path: Path, encoders: list[HashEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = make_large(tmp_path, monkeypatch)
    update_index(write_jsonl(tmp_path / "m.jsonl", numbered(3, 9000)), tmp_path / "index", add=True)
    assert index.search_vector(question("document number 9001"), k=1)[0].passage.id == "d9001#1"


def index_slowly(corpus: str, folder: Path, add: bool, seconds: float) -> None:
    """Index with hash encoders, in small commits that are announced. Run in a process of its own, which it changes."""
    use_hash_encoders(pytest.MonkeyPatch())
    writer.COMMIT_PASSAGES = 40
    writer.COMMITS_BETWEEN_OPTIMIZING = 5
    encode, commit = HashEncoder.encode, writer.Writer._commit

    def encode_slowly(self: HashEncoder, *arguments: Any, **options: bool) -> Any:
        time.sleep(seconds)
        return encode(self, *arguments, **options)

    def announce(self: writer.Writer, *arguments: Any) -> None:
        commit(self, *arguments)
        print("committed", flush=True)

    HashEncoder.encode = encode_slowly  # type: ignore[method-assign]
    writer.Writer._commit = announce  # type: ignore[method-assign]
    try:
        print(update_index(corpus, folder, ["base"], add=add))
    except IsoglotError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def child(corpus: str, folder: Path, how: str = "", slow: float = 0.0) -> Forked:
    return Forked(index_slowly, corpus, folder, how == "add", slow)


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("how", ["", "add"])
def test_killed_at_any_moment_an_index_keeps_what_was_committed_and_doubles_nothing(
    tmp_path: Path, encoders: list[HashEncoder], how: str
) -> None:
    corpus = write_jsonl(tmp_path / "corpus.jsonl", numbered(2000))
    folder = tmp_path / "index"
    if how:
        update_index(write_jsonl(tmp_path / "first.jsonl", numbered(50, start=5000)), folder, ["base"])
    first = 50 if how else 0
    generator = np.random.default_rng(len(how))
    before = first
    for _ in range(3):
        process = child(corpus, folder, how)
        process.stdout.readline()
        time.sleep(generator.uniform(0.02, 0.4))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if (folder / "passages.lance").exists():
            ids = stored_ids(folder)
            assert len(set(ids)) == len(ids)
            assert len(ids) >= before
            before = len(ids)
            print("KILLED AT", before)
    changes = update_index(corpus, folder, ["base"], add=bool(how))
    assert changes.added + changes.unchanged == 2000
    assert changes.unchanged == before - first > 0
    assert stored_ids(folder) == sorted(f"d{n}" for n in [*range(2000), *range(5000, 5000 + first)])
    assert Index(folder).search_vector(question("document number 1999"))[0].passage.id == "d1999#1"


@pytest.mark.process
def test_two_writers_take_turns(tmp_path: Path, encoders: list[HashEncoder]) -> None:
    corpora = [write_jsonl(tmp_path / f"{n}.jsonl", numbered(400, start=300 * n)) for n in range(2)]
    processes = [child(corpus, tmp_path / "index", "add", slow=0.02) for corpus in corpora]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert stored_ids(tmp_path / "index") == sorted(f"d{n}" for n in range(700))


@pytest.mark.process
def test_a_full_disk_is_reported_and_the_old_index_still_serves(tmp_path: Path, encoders: list[HashEncoder]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no small disk can be mounted here")
    try:
        rows = [{**row, "text": row["text"] + " x" * 12} for row in numbered(9000)]
        update_index(write_jsonl(tmp_path / "a.jsonl", rows[:200]), disk / "index", ["base"])
        index = Index(disk / "index")
        process = child(write_jsonl(tmp_path / "b.jsonl", rows), disk / "index", "add")
        _, error = process.communicate(timeout=120)
        assert process.returncode == 2
        assert "the disk is full; what was indexed before is kept" in error
        assert len(error.strip().splitlines()) == 1
        assert len(index) >= 200
        assert index.search_vector(question(rows[7]["text"]))[0].passage.id == "d7#1"
        ids = stored_ids(disk / "index")
        assert len(set(ids)) == len(ids)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_an_index_that_does_not_exist_is_reported_and_no_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(IsoglotError, match="no index here; `isoglot index CORPUS"):
        Index(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(IsoglotError, match="no index here"):
        Index(tmp_path / "empty")


def test_a_new_index_needs_a_model(tmp_path: Path) -> None:
    with pytest.raises(IsoglotError, match="needs a model; name it with -m"):
        update_index(write_jsonl(tmp_path / "c.jsonl", numbered(3)), tmp_path / "index")
