"""Graded relevance: qrels' grades are kept, nDCG counts them, and --relevant-from says what the others count."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, R, nDCG

import isoglot
from isoglot import Audit, Collection, Document, IsoglotError, Query, load_collection
from isoglot.evaluation.measures import Judged, parse_measure
from isoglot.platform.arrays import Floats
from isoglot.report.html.page import Material, audits_to_html
from tests.command_line import isoglot as command_line

MEASURES = ["ndcg@1", "ndcg@5", "ndcg@10", "recall@5", "rr", "complete@10"]


def test_worked_example_of_the_docs() -> None:
    """Grades 3, 1 and 1 at ranks 2, 1 and 5."""
    judged = Judged(
        ranks=np.array([[2, 1, 5]]),
        tied=np.zeros((1, 3), dtype=bool),
        languages=np.zeros((1, 3), dtype=np.int64),
        query_language=0,
        documents=9,
        grades=np.array([[3.0, 1.0, 1.0]]),
    )
    assert parse_measure("ndcg@1")(judged) == pytest.approx([100 / 3])
    gained, best = 1 + 3 * 0.6309, 3 + 0.6309 + 0.5
    assert parse_measure("ndcg@3")(judged) == pytest.approx([100 * gained / best], abs=0.01)
    from_three = Judged(**{**vars(judged), "ranks": np.array([[2, 0, 0]]), "lesser_ranks": np.array([[0, 1, 5]])})
    assert parse_measure("ndcg@3")(from_three) == parse_measure("ndcg@3")(judged)
    assert parse_measure("rr")(from_three) == [50]
    assert parse_measure("max_r")(from_three) == [2]


class Scores:
    """Scores that a seed decides, by the place of the document in the collection and the query."""

    def scores(self, queries: Sequence[Query], documents: Sequence[Document]) -> Floats:
        """As `Scorer.scores`."""
        return np.array([[score(query, document) for document in documents] for query in queries])


def score(query: Query, document: Document) -> float:
    number = int(document.content_id[1:]) + 40 * (document.language == "de")
    return float(np.random.default_rng((int(query.query_id[1:]), number)).random())


def graded(seed: int) -> Collection:
    generator = np.random.default_rng(seed)
    documents = [Document(f"d{n}", tag, f"text {n} {tag}") for n in range(20) for tag in ("en", "de")]
    judged = {f"q{n}": generator.choice(20, generator.integers(1, 7), replace=False) for n in range(8)}
    grades = {query: {f"d{at}": float(generator.integers(1, 4)) for at in found} for query, found in judged.items()}
    return Collection(
        "graded",
        documents,
        [Query(query, "en", f"about {query}") for query in grades],
        {query: tuple(found) for query, found in grades.items()},
        grades=grades,
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("level", [1, 2, 3])
def test_measures_are_those_of_ir_measures(seed: int, level: int) -> None:
    collection = graded(seed)
    result = isoglot.audit(Scores(), collection, scenarios=["multi"], measures=MEASURES, relevant_from=level).scenarios[
        0
    ]
    assert result.judged is not None
    qrels = [
        ir_measures.Qrel(query, f"{content}@{tag}", int(grade))
        for query in result.query_ids
        for content, grade in collection.grades[query].items()
        for tag in ("en", "de")
    ]
    run = [
        ir_measures.ScoredDoc(query, f"{d.content_id}@{d.language}", score(Query(query, "en", ""), d))
        for query in result.query_ids
        for d in collection.documents
    ]
    assert len(result.query_ids) == sum(max(of.values()) >= level for of in collection.grades.values())
    for ours, theirs in (
        ("ndcg@1", nDCG @ 1),
        ("ndcg@5", nDCG @ 5),
        ("ndcg@10", nDCG @ 10),
        ("recall@5", R(rel=level) @ 5),
        ("rr", RR(rel=level)),
    ):
        found = {metric.query_id: 100 * metric.value for metric in ir_measures.iter_calc([theirs], qrels, run)}
        values = parse_measure(ours)(result.judged)
        assert values == pytest.approx([found[query] for query in result.query_ids], abs=1e-6), ours


def test_an_audit_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = isoglot.audit(Scores(), graded(0), measures=MEASURES, relevant_from=2, output=tmp_path)
    for result in Audit.load(tmp_path).scenarios:
        assert result.judged is not None
        for name, interval in result.measures.items():
            assert np.nanmean(parse_measure(name)(result.judged)) == pytest.approx(interval.mean)
    assert isoglot.compare(made, Audit.load(tmp_path)).means[0].differences["ndcg@10"][1].mean == 0
    assert made.collection.notes[-1].startswith("relevant from grade 2; ")


def test_grades_that_tell_nothing_change_nothing() -> None:
    collection = graded(0)
    ones = {query: dict.fromkeys(contents, 1.0) for query, contents in collection.golds.items()}
    plain = Collection("graded", collection.documents, collection.queries, collection.golds)
    assert plain.relevant_from(1) is plain
    with pytest.raises(IsoglotError, match="graded: no query has a document of grade 2 or more"):
        plain.relevant_from(2)
    binary, weighed = (
        isoglot.audit(Scores(), each, measures=MEASURES, scenarios=["multi"]).scenarios[0].measures
        for each in (plain, Collection("graded", plain.documents, plain.queries, plain.golds, grades=ones))
    )
    assert binary == weighed
    assert plain.fingerprint != collection.fingerprint


def beir(folder: Path, grades: str) -> Path:
    (folder / "qrels").mkdir(parents=True)
    rows = [
        {"_id": f"{n}{tag}", "content_id": f"{n}", "lang": tag, "text": f"text {n}"}
        for n in "abc"
        for tag in ("en", "de")
    ]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "queries.jsonl").write_text('{"_id": "q", "lang": "en", "text": "question"}\n', encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{grades}", encoding="utf-8")
    return folder


def test_a_folder_keeps_its_grades_the_highest_of_versions(tmp_path: Path) -> None:
    folder = beir(tmp_path / "g", "q\taen\t1\nq\tade\t2\nq\tben\t1\nq\tcen\t0\n")
    collection = load_collection(f"folder:{folder}")
    assert collection.grades == {"q": {"a": 2, "b": 1}}
    assert collection.golds == {"q": ("a", "b")}
    from_two = collection.relevant_from(2)
    assert from_two.golds == {"q": ("a",)}
    assert from_two.grades == collection.grades
    binary = beir(tmp_path / "one", "q\taen\t1\nq\tben\t1\n")
    assert load_collection(f"folder:{binary}").grades == {}


def test_the_command_line_takes_the_lowest_relevant_grade(tmp_path: Path) -> None:
    folder = beir(tmp_path / "g", "q\taen\t2\nq\tben\t1\n")
    arguments = ("audit", "bm25", "--data", f"folder:{folder}", "--scenarios", "multi", "--relevant-from", 2)
    done = command_line(*arguments, "--runs", "-o", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    audit = Audit.load(tmp_path / "a")
    judged = audit.scenarios[0].judged
    assert judged is not None
    assert judged.counts.tolist() == [2]
    qrels = (tmp_path / "a" / "runs" / "multi.en+de.en.qrels").read_text().splitlines()
    assert sorted(line.split()[-1] for line in qrels) == ["1", "1", "2", "2"]
    page = tmp_path / "page.html"
    assert command_line("report", tmp_path / "a", "--data", f"folder:{folder}", "-o", page).returncode == 0
    refused = command_line(*arguments[:-1], 3)
    assert refused.returncode == 2
    assert refused.stderr == "isoglot: g: no query has a document of grade 3 or more\n"
    assert "relevant from grade 2" in audits_to_html(Material(audits=[audit], folders=[tmp_path]))


def test_runs_and_qrels_alone_have_grades_too(tmp_path: Path) -> None:
    (tmp_path / "documents.tsv").write_text("d1\ten\na2\tde\nd3\ten\n")
    (tmp_path / "qrels").write_text("q 0 d1 2\nq 0 d3 1\n")
    (tmp_path / "run").write_text("q Q0 d3 1 9 x\nq Q0 d1 2 8 x\nq Q0 a2 3 7 x\n")
    arguments = ("audit", "--run", tmp_path / "run", "--documents-table", tmp_path / "documents.tsv")
    options = ("--qrels", tmp_path / "qrels", "--query-languages", "en", "--measures", "ndcg@10,rr", "--json")
    done = command_line(*arguments, *options)
    measures = json.loads(done.stdout)["scenarios"][0]["measures"]
    assert measures["ndcg@10"]["mean"] == pytest.approx(100 * (1 + 2 * 0.63093) / (2 + 0.63093), abs=0.01)
    assert measures["rr"]["mean"] == 100
