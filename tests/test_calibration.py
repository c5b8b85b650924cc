"""Calibration: language centering fitted on a corpus without labels."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isoglot
from isoglot import Collection, IsoglotError
from isoglot.alignment.corpus_texts import is_corpus, read_corpus_texts
from isoglot.alignment.guard import LIFT, measures_of
from isoglot.alignment.record import read_record
from isoglot.alignment.row_vectors import encode_rows
from isoglot.corpora.documents import read_documents
from isoglot.encoders.means import query_means, shrunk_means
from isoglot.encoders.sentence_transformer import load_encoder
from tests.command_line import isoglot as command
from tests.indexing import write_jsonl


@pytest.fixture
def corpus(small_collection: Collection, tmp_path: Path) -> Path:
    """The documents of the small collection, their languages named."""
    lines = [
        {"id": f"{d.content_id}-{d.language}", "content_id": d.content_id, "lang": d.language, "text": f"{d.text} " * 3}
        for d in small_collection.documents
    ]
    return Path(write_jsonl(tmp_path / "corpus.jsonl", lines))


def noisy(generator: np.random.Generator, mean: np.ndarray, deviation: float, count: int) -> np.ndarray:
    """(count, d) vectors around a mean."""
    return (mean + deviation * generator.normal(size=(count, len(mean)))).astype(np.float32)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_means_of_many_texts_stay_and_of_few_move_towards_the_others(seed: int, languages: int) -> None:
    generator = np.random.default_rng(seed)
    true = 0.3 * generator.normal(size=(languages, 16))
    many = {
        str(at): (mean + 0.1 * generator.normal(size=(4000, 16))).astype(np.float32) for at, mean in enumerate(true)
    }
    means = shrunk_means(many)
    for at, mean in enumerate(true):
        assert np.abs(means[str(at)] - mean).max() < 0.02
    few = {**many, "0": many["0"][:1]}
    plain, shrunk = few["0"][0], shrunk_means(few)["0"]
    centre = np.mean([found.mean(axis=0) for found in few.values()], axis=0)
    assert np.linalg.norm(shrunk - centre) < np.linalg.norm(plain - centre)


def test_shrinking_is_on_average_nearer_to_the_truth_than_ten_texts_alone() -> None:
    generator = np.random.default_rng(0)
    gains = []
    for _ in range(40):
        true = 0.05 * generator.normal(size=(8, 32))
        few = {
            str(at): (mean + 0.2 * generator.normal(size=(10, 32))).astype(np.float32) for at, mean in enumerate(true)
        }
        shrunk = shrunk_means(few)
        plain = sum(((few[str(at)].mean(axis=0) - mean) ** 2).sum() for at, mean in enumerate(true))
        gains.append(1 - sum(((shrunk[str(at)] - mean) ** 2).sum() for at, mean in enumerate(true)) / plain)
    assert np.mean(gains) > 0.2


def test_a_language_without_queries_gets_the_mean_that_its_documents_suggest() -> None:
    generator = np.random.default_rng(1)
    places = {tag: 0.3 * generator.normal(size=8) for tag in ("de", "en", "zh")}
    documents = {tag: place + 1.0 for tag, place in places.items()}
    queries = {tag: np.tile((places[tag] + 2.0).astype(np.float32), (50, 1)) for tag in ("de", "en")}
    found = query_means(queries, documents)
    np.testing.assert_allclose(found["zh"], places["zh"] + 2.0, atol=1e-6)
    np.testing.assert_allclose(found["de"], places["de"] + 2.0, atol=1e-6)


def test_one_language_is_centered_on_its_mean() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    np.testing.assert_allclose(shrunk_means({"en": vectors})["en"], vectors.mean(axis=0), atol=1e-6)


def test_a_corpus_is_told_from_training_rows(corpus: Path, tmp_path: Path, small_collection: Collection) -> None:
    for name in ("rows.jsonl", "rows.parquet"):
        isoglot.write_rows(tmp_path / name, isoglot.training_rows(small_collection))
    assert is_corpus(corpus)
    assert is_corpus(str(corpus.parent))
    assert not is_corpus(tmp_path / "rows.jsonl")
    assert not is_corpus(tmp_path / "rows.parquet")
    assert not is_corpus("mini@demo-train")
    assert not is_corpus(small_collection)


def test_spans_stand_in_for_questions_and_probes_ask_in_their_own_language(corpus: Path) -> None:
    texts = read_corpus_texts(corpus)
    assert (len(texts.documents), len(texts.queries), texts.asked) == (18, 18, False)
    assert texts.fingerprint == read_corpus_texts(corpus).fingerprint
    probes = texts.probes()
    assert probes is not None
    assert len(probes.queries) == 18
    for query in probes.queries:
        (content,) = probes.golds[query.query_id]
        text = next(d.text for d in probes.documents if (d.content_id, d.language) == (content, query.language))
        assert query.text in " ".join(text.split())
    assert {d.language for d in read_corpus_texts(corpus, languages=["de"]).documents} == {"de"}


def test_a_corpus_alone_calibrates_a_model(tiny_model: Path, corpus: Path, tmp_path: Path) -> None:
    done = command("align", tiny_model, "--data", corpus, "-o", tmp_path / "mended")
    assert done.returncode == 0, done.stderr
    assert "asked by spans: before and after" in done.stdout
    record = read_record(tmp_path / "mended")
    assert record is not None
    assert (record.method, record.data.documents, record.data.queries, record.data.spans) == ("center", 18, 18, True)
    assert "18 documents and 18 spans of them" in (tmp_path / "mended" / "README.md").read_text()
    encoder, texts = load_encoder(str(tmp_path / "mended"), device="cpu"), read_corpus_texts(corpus)
    for language in texts.languages:
        documents = [d.text for d in texts.documents if d.language == language]
        base = load_encoder(str(tiny_model), device="cpu").encode(documents, "document", [language] * len(documents))
        vectors = encoder.encode(documents, "document", [language] * len(documents))
        assert np.linalg.norm(vectors.mean(axis=0)) < np.linalg.norm(base.mean(axis=0)) / 2
    again = command("align", tiny_model, "--data", corpus, "-o", tmp_path / "mended")
    assert again.returncode == 0


@pytest.mark.parametrize(("queries", "share"), [(None, 0.5), ("q.txt", 0.75)])
def test_the_table_holds_shrunk_means_and_a_share_of_the_queries(
    queries: str | None, share: float, tiny_model: Path, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "q.txt").write_text("where does the train go at nine?\nwann fährt der zug ab?\n")
    asked = None if queries is None else tmp_path / queries
    made = isoglot.align(str(tiny_model), None, corpus, tmp_path / "out", queries=asked, dev="none")
    module = load_encoder(str(made), device="cpu").model[-1]
    vectors = encode_rows(
        load_encoder(str(tiny_model), device="cpu"), read_corpus_texts(corpus, asked), show_progress=False
    )
    documents = shrunk_means({tag: vectors.of("document", tag) for tag in vectors.languages})
    means = query_means({tag: vectors.of("query", tag) for tag in vectors.languages}, documents)
    for number, language in enumerate(module.languages):
        assert module.table[number, 1].numpy() == pytest.approx(documents[language], abs=1e-6)
        assert module.table[number, 0].numpy() == pytest.approx(share * means[language], abs=1e-6)


@pytest.mark.parametrize("name", ["q.txt", "q.jsonl"])
def test_questions_that_people_asked_are_taken(name: str, tiny_model: Path, corpus: Path, tmp_path: Path) -> None:
    questions = ["where does the train go at nine?", "wann fährt der zug ab?", "когда отходит поезд сегодня?"]
    lines = questions if name == "q.txt" else [json.dumps({"text": text}) for text in questions]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    made = isoglot.align(str(tiny_model), None, corpus, tmp_path / "out", queries=tmp_path / name, dev="none")
    record = read_record(made)
    assert record is not None
    assert (record.data.queries, record.data.spans) == (3, False)


@pytest.mark.parametrize("method", ["center", "soft-center", "lir", "leace"])
def test_every_method_without_labels_takes_a_corpus(
    method: str, tiny_model: Path, corpus: Path, tmp_path: Path
) -> None:
    made = isoglot.align(str(tiny_model), method, corpus, tmp_path / "out", dev="none")
    assert load_encoder(str(made), device="cpu").encode(["снег"], "query", ["ru"]).shape == (1, 32)


def test_common_queries_have_one_mean(tiny_model: Path, corpus: Path, tmp_path: Path) -> None:
    made = isoglot.align(str(tiny_model), "center", corpus, tmp_path / "o", dev="none", query_language="common")
    encoder = load_encoder(str(made), device="cpu")
    same = [encoder.encode(["snow"], "query", [tag]) for tag in ("en", "ru")]
    np.testing.assert_array_equal(*same)


def test_detected_queries_are_centered_by_their_text_whatever_the_caller_says(
    tiny_model: Path, corpus: Path, tmp_path: Path
) -> None:
    by_way = {}
    for way in ("given", "detected"):
        folder = isoglot.align(str(tiny_model), "center", corpus, tmp_path / way, dev="none", query_language=way)
        by_way[way] = load_encoder(str(folder), device="cpu")
    russian = ["когда отходит поезд сегодня?"]
    right, wrong = (by_way["given"].encode(russian, "query", [tag]) for tag in ("ru", "en"))
    assert np.abs(right - wrong).max() > 1e-3
    np.testing.assert_allclose(by_way["detected"].encode(russian, "query", ["en"]), right, atol=1e-6)
    plain = by_way["detected"].model.encode_query(russian, language="en")
    np.testing.assert_allclose(plain, right, atol=1e-5)
    documents = [by_way[way].encode(russian, "document", ["en"]) for way in by_way]
    np.testing.assert_allclose(*documents, atol=1e-6)


def test_inferred_queries_lose_the_mean_under_the_posterior_of_their_vector(
    tiny_model: Path, corpus: Path, tmp_path: Path
) -> None:
    folder = isoglot.align(str(tiny_model), "center", corpus, tmp_path / "o", dev="none", query_language="inferred")
    encoder = load_encoder(str(folder), device="cpu")
    module, base = encoder.model[-1], load_encoder(str(tiny_model), device="cpu").encode(["снег"], "query", ["ru"])
    assert module.reader.shape == (3, 33)
    logits = module.reader[:, :-1].double().numpy() @ base[0] + module.reader[:, -1].double().numpy()
    posterior = np.exp(logits - logits.max())
    expected = base[0] - posterior / posterior.sum() @ module.table[:, 0].numpy()
    for tag in ("ru", "en"):
        found = encoder.encode(["снег"], "query", [tag])[0]
        np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)
    assert encoder.model.encode_query("снег", language="en") == pytest.approx(found, abs=1e-5)


def test_distill_learns_the_calibrated_vectors_of_a_corpus(tiny_model: Path, corpus: Path, tmp_path: Path) -> None:
    folder = isoglot.align(
        str(tiny_model), "distill", corpus, tmp_path / "d", epochs=10, learning_rate=3e-3, dev="none"
    )
    record = read_record(folder)
    assert record is not None
    assert (record.options["query_share"], record.needs_language) == (0.5, False)
    teacher = load_encoder(str(isoglot.align(str(tiny_model), None, corpus, tmp_path / "c", dev="none")), device="cpu")
    student, base = (load_encoder(str(name), device="cpu") for name in (folder, tiny_model))
    documents = read_corpus_texts(corpus).documents
    words, tags = [d.text for d in documents], [d.language for d in documents]
    goal, reached, before = (model.encode(words, "document", tags) for model in (teacher, student, base))
    assert (goal * reached).sum(axis=1).mean() > (goal * before).sum(axis=1).mean() + 0.1


def test_auto_tries_calibration_first_and_chooses_by_the_lift_where_nothing_is_translated(
    tiny_model: Path, corpus: Path, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in corpus.read_text().splitlines()]
    untranslated = [{**line, "content_id": line["id"]} for line in lines]
    write_jsonl(corpus, untranslated)
    folder = isoglot.align(str(tiny_model), "auto", corpus, tmp_path / "auto", budget=0, max_loss=100.0)
    record = read_record(folder)
    assert record is not None
    assert record.auto is not None
    assert [trial.method for trial in record.auto.tried] == ["center", "soft-center", "lir", "leace", "distill"]
    assert LIFT in record.auto.why
    assert record.auto.base[LIFT] is not None


def test_the_lift_by_hand() -> None:
    def cell(language: str, top_share: float, pool_share: float) -> SimpleNamespace:
        shares = SimpleNamespace(top_share=SimpleNamespace(mean=top_share), pool_share=pool_share)
        return SimpleNamespace(
            scenario="multi",
            query_language=language,
            by_language={language: shares},
            measures={name: SimpleNamespace(mean=50.0) for name in ("complete@10", "max_r")},
        )

    cells = [cell("en", 90, 50), cell("en", 30, 60), cell("ar", 20, 10)]
    found = measures_of(SimpleNamespace(scenarios=cells, goal="together"))  # type: ignore[arg-type]
    assert found["en"][LIFT] == pytest.approx((1.8 + 0.5) / 2)
    assert found["ar"][LIFT] == pytest.approx(2)
    assert found["mean"][LIFT] == pytest.approx((1.15 + 2) / 2)


def test_a_sample_of_a_large_corpus_is_the_same_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isoglot.alignment.corpus_texts.SAMPLE", 20)
    lines = [{"id": f"{n} {tag}", "lang": tag, "text": f"text {n} {tag}"} for n in range(100) for tag in ("de", "en")]
    one = read_corpus_texts(write_jsonl(tmp_path / "a.jsonl", lines))
    other = read_corpus_texts(write_jsonl(tmp_path / "b.jsonl", lines[::-1]))
    assert [len([d for d in one.documents if d.language == tag]) for tag in ("de", "en")] == [20, 20]
    assert {d.text for d in one.documents} == {d.text for d in other.documents}


def test_a_corpus_of_short_texts_in_one_language_is_calibrated_with_two_warnings(
    tiny_model: Path, tmp_path: Path
) -> None:
    corpus = write_jsonl(tmp_path / "c.jsonl", [{"id": word, "lang": "en", "text": word} for word in ("cat", "dog")])
    done = command("align", tiny_model, "--data", corpus, "-o", tmp_path / "out")
    assert done.returncode == 0
    assert "is in one language, so calibration mends nothing across languages" in done.stderr
    assert "no document is longer than a question, so nothing guards the result" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--method", "jsd-nce"],
            "without labels, and jsd-nce needs queries with their documents; choose center",
        ),
        (["--method", "distill", "--mix", "0.5"], "shows no translations; leave mix and what is added out"),
        (["--query-share", "2"], "query share is 2; it must be from 0 to 1"),
        (["--languages", "fr"], "holds no document in fr"),
        (["--queries", "nothing.txt"], "nothing.txt"),
    ],
)
def test_what_cannot_be_done_is_reported(
    arguments: list[str], message: str, tiny_model: Path, corpus: Path, tmp_path: Path
) -> None:
    done = command("align", tiny_model, "--data", corpus, "-o", tmp_path / "out", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_rows_need_a_method(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(IsoglotError, match="name a --method, such as center, distill or auto"):
        isoglot.align(str(tiny_model), None, "mini@demo-train", tmp_path / "out")
    with pytest.raises(IsoglotError, match=r"nothing\.jsonl: no such file or folder"):
        isoglot.align(str(tiny_model), None, "nothing.jsonl", tmp_path / "out")
    with pytest.raises(IsoglotError, match="queries go with a corpus"):
        isoglot.align(str(tiny_model), "center", "mini@demo-train", tmp_path / "out", queries="q.txt")


@pytest.mark.parametrize("method", [None, "center"])
@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        (
            "c.jsonl",
            '{"id": 1, "title": "A", "body": "long"}\n',
            "c.jsonl:1: no field 'text' was found, only id, ",
        ),
        (
            "c.csv",
            "id,title,body\n1,A,long\n",
            "c.csv:2: no field 'text' was found, only id, title, body; a doc",
        ),
        ("c.csv", "id,title,body\n1,A,long\n", 'a training row {"query": {LANGUAGE: TEXT}, "document": '),
        ("c.csv", "en,de\nHello,Hallo\n", "c.csv:2: no field 'text' was found, only en, de; a document is {"),
        ("c.csv", "en,de\nHello,Hallo\n", "; for parallel sentences write parallel:"),
    ],
)
def test_records_without_a_text_are_told_which_field_is_missing(
    tiny_model: Path, tmp_path: Path, method: str | None, name: str, lines: str, message: str
) -> None:
    (tmp_path / name).write_text(lines)
    with pytest.raises(IsoglotError, match=re.escape(message)) as error:
        isoglot.align(str(tiny_model), method, tmp_path / name, tmp_path / "out")
    assert "\n" not in str(error.value)
    with pytest.raises(IsoglotError, match=re.escape(message)):
        isoglot.choose([str(tiny_model)], str(tmp_path / name))


def test_a_corpus_may_have_its_first_texts_empty(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("id,title,text,note\n1,A,,a note that is long\n2,B,The text.,\n")
    assert is_corpus(tmp_path / "c.csv")
    assert [d.text for d in read_documents(str(tmp_path / "c.csv"), "en")] == ["A", "The text."]


def test_documents_whose_text_is_in_an_unknown_field_are_refused(tmp_path: Path) -> None:
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"id": 1, "title": "A", "body": "A longer text."}\n')
    with pytest.raises(IsoglotError, match=r"c.jsonl:1: no field 'text' was found, only id, title, body; a doc"):
        list(read_documents(str(corpus)))
    corpus.write_text('{"id": 1, "title": "A title alone", "topic": "birds"}\n')
    assert [document.text for document in read_documents(str(corpus), "en")] == ["A title alone"]


def test_after_a_corpus_the_next_step_needs_no_labels(
    tiny_model: Path, own_cache: Path, tmp_path: Path, corpus: Path, small_collection: Collection
) -> None:
    done = command("align", tiny_model, "--data", corpus, "-o", tmp_path / "my out")
    next_step = f"isoglot choose {tiny_model} '{tmp_path}/my out' --data {corpus}\n"
    assert done.stderr.endswith(f"{tmp_path}/my out: the aligned model; next: {next_step}")
    rows = ("mini@demo-train", "--languages", "en,de", "--method", "center", "-o", tmp_path / "rows")
    done = command("align", tiny_model, "--data", *rows)
    assert done.stderr.endswith(f"the aligned model; next: isoglot audit {tmp_path}/rows --data ...\n")


def test_languages_with_few_documents_are_named(
    tiny_model: Path, own_cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counts = {"en": 30, "de": 29, "fr": 2}
    texts = ({"lang": tag, "text": f"Text {at}."} for tag, count in counts.items() for at in range(count))
    write_jsonl(tmp_path / "c.jsonl", texts)
    isoglot.align(str(tiny_model), None, tmp_path / "c.jsonl", tmp_path / "out", dev="none")
    (message,) = [message for message in caplog.messages if "fewer than" in message]
    assert "c.jsonl: fewer than 30 documents in de (29), fr (2): means of so few texts are shrunk" in message


def test_the_card_claims_no_success_that_was_not_measured(
    tiny_model: Path, own_cache: Path, tmp_path: Path, corpus: Path
) -> None:
    for dev, said in ((None, "The tables below say what changed."), ("none", "Nothing has measured that.")):
        folder = isoglot.align(str(tiny_model), None, corpus, tmp_path / f"out-{dev}", dev=dev)
        card = (folder / "README.md").read_text()
        assert "It ranks by meaning" not in card
        assert "It was made to rank by meaning and not by language" in card
        assert said in card
