"""`choose`: several models on one's own data, and which one is recommended."""

import json
from pathlib import Path

import pytest

import isoglot
from isoglot import Collection, Document, IsoglotError, Query
from isoglot.choosing import run
from isoglot.choosing.choice import Tried
from isoglot.choosing.report import choice_lines, choice_to_html, choice_to_markdown
from isoglot.choosing.run import choose, recommend
from isoglot.evaluation.statistics.intervals import Interval
from tests import command_line


def tried(quality: float, complete: float, preference: float = 1.5, width: float = 2.0) -> Tried:
    found = Interval(complete, complete - width, complete + width)
    return Tried(
        mend="", quality=Interval(quality, quality, quality), complete=found, control=found, preference=preference
    )


def test_who_finds_most_is_taken_among_those_that_are_good_in_one_language() -> None:
    found = {
        ("good", "as it is"): tried(90.0, 50.0),
        ("good", "scaled"): tried(90.0, 80.0),
        ("close", "scaled"): tried(89.5, 79.0),
        ("even", "scaled"): tried(89.2, 80.0),
        ("poor", "scaled"): tried(88.0, 99.0),
    }
    best = recommend(found, labelled=True)
    assert best is not None
    assert (best.name, best.mend) == ("good", "scaled")
    assert best.also == (("close", "scaled"), ("even", "scaled"))
    assert best.reason.startswith("finds all versions in the top 10 for 80.0% of the questions")


def test_without_labels_who_prefers_its_own_language_least_is_taken() -> None:
    found = {
        ("a", "as it is"): tried(90.0, 90.0, 1.9),
        ("a", "calibrated"): tried(89.5, 88.0, 1.1),
        ("b", "as it is"): tried(70.0, 60.0, 1.0),
    }
    best = recommend(found, labelled=False)
    assert best is not None
    assert (best.name, best.mend, best.also) == ("a", "calibrated", ())
    assert "0.5 points of nDCG@10 behind a, as it is, within one language" in best.reason


@pytest.mark.slow
def test_a_model_that_fails_does_not_end_it_and_a_stopped_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"pools": [("en", "de")], "limit": 8, "output": tmp_path}
    first = choose(["e5-small-q4", "no/such/model"], "mini@demo", **settings)
    names = [(each.name, each.error, [found.mend for found in each.tried]) for each in first.candidates]
    assert names == [
        ("e5-small-q4", None, ["as it is", "scaled", "calibrated", "calibrated, scaled"]),
        ("no/such/model", "no/such/model: no such model folder", []),
        ("bm25", None, ["as it is", "scaled"]),
    ]
    plain = isoglot.audit("e5-small-q4", "mini@demo", pools=[("en", "de")], limit=8)
    of_pools = [each.measures["complete@10"].mean for each in plain.scenarios if each.scenario == "multi"]
    assert first.candidates[0].tried[0].complete.mean == pytest.approx(sum(of_pools) / len(of_pools))
    facts = first.candidates[0].facts
    assert (facts.licence, facts.dimension, facts.max_length) == ("MIT", 384, 512)
    assert facts.documents_per_second is not None
    assert first.recommendation is not None
    assert first.recommendation.name == "e5-small-q4"
    assert "Could not be tried: no/such/model: no such model folder" in choice_lines(first)

    monkeypatch.setattr(run, "audit", lambda *_, **__: pytest.fail("what is kept is not audited again"))
    second = choose(["e5-small-q4", "no/such/model"], "mini@demo", **settings)
    assert [each.tried for each in second.candidates] == [each.tried for each in first.candidates]


@pytest.mark.slow
def test_a_corpus_without_labels_is_openly_a_proxy(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    documents = [
        {"id": f"{document.content_id} {document.language}", "text": document.text, "lang": document.language}
        for document in isoglot.load_collection("mini@demo").documents
        if document.language in ("en", "de")
    ]
    corpus.write_text("".join(json.dumps(document) + "\n" for document in documents), encoding="utf-8")
    choice = choose(["e5-small-q4"], str(corpus), limit=20)
    assert not choice.labelled
    assert choice.unfound == ()
    assert any(line.startswith("A proxy: nobody has said what is relevant") for line in choice_lines(choice))
    plain, _, calibrated, _ = choice.candidates[0].tried
    assert plain.preference > calibrated.preference
    assert choice.recommendation is not None
    assert (choice.recommendation.name, choice.recommendation.mend == "as it is") == ("e5-small-q4", False)


def test_what_finds_by_words_is_not_recommended_by_spans(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    documents = [{"id": str(number), "text": f"word{number} " * 30 + "and more", "lang": "en"} for number in range(9)]
    corpus.write_text("".join(json.dumps(document) + "\n" for document in documents), encoding="utf-8")
    choice = choose(["bm25 + bm25"], str(corpus))
    assert [each.error for each in choice.candidates] == [None, None]
    assert choice.recommendation is None


def test_questions_that_no_model_finds_are_listed_and_escaped() -> None:
    texts = {f"c{number}": f"text number {number} about bread and water" for number in range(40)}
    texts["c5"] = "something else entirely"
    documents = [Document(name, language, text) for name, text in texts.items() for language in ("en", "de")]
    queries = [
        Query("right", "en", "text number 3"),
        Query("wrong", "en", "<script>alert(1)</script> text number 4 about bread and water"),
    ]
    collection = Collection("small <b>", documents, queries, {"right": ["c3"], "wrong": ["c5"]})
    choice = choose([], collection, pools=[("en", "de")])
    assert [each.query_id for each in choice.unfound] == ["wrong"]
    assert choice.unfound_count == 1
    page = choice_to_html(choice, "isoglot choose <b>")
    assert "<script" not in page
    assert "small &lt;b&gt;" in page
    assert "&lt;script&gt;" in page
    assert "small &lt;b&gt;" in choice_to_markdown(choice)


def test_if_all_named_models_fail_the_baseline_is_not_recommended_in_their_place(small_collection: Collection) -> None:
    with pytest.raises(
        IsoglotError, match="none of the models could be tried; the first: no/such/model: no such model"
    ):
        choose(["no/such/model"], small_collection)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--limit", "0"], "isoglot: the limit of queries is 0; it must be at least 1\n"),
        (["--pool", "fr,pl"], "isoglot: mini@demo has no text in 'fr'; it has en, ar, de, es, hi, ru, th, zh\n"),
    ],
)
def test_what_no_model_can_be_asked_is_told_in_one_line(arguments: list[str], message: str) -> None:
    done = command_line.isoglot("choose", "bm25", "--data", "mini@demo", *arguments)
    assert (done.returncode, done.stderr) == (2, message)


def test_the_command_writes_a_page_markdown_and_json(tmp_path: Path) -> None:
    done = command_line.isoglot(
        *("choose", "bm25", "--data", "mini@demo", "--pool", "en,de", "--limit", "5", "-o", str(tmp_path / "out"))
    )
    assert done.returncode == 0, done.stderr
    assert "What was found" in done.stdout
    assert json.loads((tmp_path / "out" / "choice.json").read_text())["schema"] == "isoglot.choice/1"
    assert (tmp_path / "out" / "choice.md").read_text().startswith("# Models on mini@demo")
    assert "<h1>Models on" in (tmp_path / "out" / "choice.html").read_text()
    done = command_line.isoglot("choose", "bm25", "--data", "mini@demo", "--queries", "none.txt")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
