"""Retrievers besides models: BM25, stored vectors, and systems of which only runs are known."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import ir_measures
import numpy as np
import pytest

import isoglot
from isoglot import Audit, Collection, Document, IsoglotError, Query
from isoglot.corpora.trec import read_documents_table
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.evaluation.measures import (
    BEYOND,
    DEFAULT_MEASURES,
    Judged,
    best_in_language,
    parse_measure,
    worst_in_language,
)
from isoglot.evaluation.results import Cut
from isoglot.platform.errors import InputError
from isoglot.report.html.page import Material, audits_to_html
from isoglot.report.latex import to_latex
from isoglot.report.markdown import audit_to_markdown
from isoglot.report.tables import audit_notes, audit_tables, comparison_tables
from isoglot.report.trec import write_runs
from isoglot.report.verdicts import verdicts
from isoglot.retrievers.bm25 import tokenize
from isoglot.retrievers.runs import RunRetriever
from isoglot.retrievers.stored_vectors import StoredVectorsRetriever
from tests import command_line


def scenarios(audit: Audit) -> object:
    """All results but the ranks, as JSON has them, in which nothing equals nothing."""
    return json.loads(audit.to_json())["scenarios"]


# BM25


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Don't FLY to São-Paulo 2024!", ["don", "t", "fly", "to", "são", "paulo", "2024"]),
        ("ＡＢＣ Straße", ["abc", "strasse"]),
        ("हिन्दी में", ["हिन्दी", "में"]),  # vowel signs stay within their word
        ("الماء والملح", ["الماء", "والملح"]),
        ("北京大学", ["北京", "京大", "大学"]),
        ("水", ["水"]),
        ("東京タワーへ行く", ["東京", "京タ", "タワ", "ワー", "ーへ", "へ行", "行く"]),
        ("รถไฟ", ["รถไ", "ถไฟ"]),
        ("서울 대학교", ["서울", "대학교"]),
        ("iPhone手机15", ["iphone", "手机", "15"]),
        ("🙂 — !", []),
    ],
)
def test_terms_are_words_or_character_ngrams_by_script(text: str, terms: list[str]) -> None:
    assert tokenize(text) == [term.replace("ＡＢＣ", "abc") for term in terms]


def test_bm25_ranks_as_the_formula_says(small_collection: Collection) -> None:
    (result,) = isoglot.audit(
        "bm25", small_collection, pools=[["en", "de"]], query_languages=["en"], scenarios=["multi"], run_depth=12
    ).scenarios
    texts = {(d.content_id, d.language): tokenize(d.text) for d in small_collection.documents if d.language != "ru"}
    average = sum(map(len, texts.values())) / len(texts)
    for query, run in result.run:
        terms = tokenize(next(q.text for q in small_collection.queries if (q.query_id, q.language) == (query, "en")))
        for content, language, score in run:
            own = texts[content, language]
            expected = 0.0
            for term in terms:
                having, times = sum(term in other for other in texts.values()), own.count(term)
                idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
                expected += idf * times / (times + 1.5 * (1 - 0.75 + 0.75 * len(own) / average))
            assert score == pytest.approx(expected, abs=1e-4)


def test_bm25_finds_its_own_language_and_ties_the_others_by_the_pools_order(small_collection: Collection) -> None:
    found = isoglot.audit("bm25", small_collection, pools=[["en", "ru"]])
    assert found.find("mono-same", ["ru"], "ru").measures["rr"].mean == 100
    mixed = found.find("multi", ["en", "ru"], "en")
    assert mixed.measures["lpr"].mean == 100
    assert mixed.measures["tie_rate"].mean > 0
    assert found.model.name == "bm25"
    assert "bigrams" in found.model.how
    shuffled = replace(
        small_collection,
        documents=random.Random(1).sample(list(small_collection.documents), len(small_collection.documents)),
    )
    assert isoglot.audit("bm25", shuffled, pools=[["en", "ru"]]).to_json() == found.to_json()


def test_bm25_can_be_balanced_and_takes_texts_without_terms(small_collection: Collection) -> None:
    found = isoglot.audit("bm25", small_collection, pools=[["en", "ru"]], scenarios=["multi"], balance="equal")
    assert {share.top_share.mean for share in found.scenarios[0].by_language.values()} == {50}
    empty = replace(
        small_collection,
        documents=[replace(d, text="🙂") if d.language == "de" else d for d in small_collection.documents],
        queries=[replace(q, text="?!") if q.language == "de" else q for q in small_collection.queries],
    )
    asked_in_smileys = isoglot.audit("bm25", empty, pools=[["de"]], scenarios=["mono-same"]).scenarios[0]
    assert asked_in_smileys.measures["tie_rate"].mean == 100


# Vectors


@pytest.fixture
def stored(tiny_model: Path, small_collection: Collection, tmp_path: Path) -> Path:
    """The tiny model's vectors as a user would store them, in another order, with rows that are not asked for."""
    encoder = load_encoder(str(tiny_model), device="cpu")
    for kind, role, texts in (
        ("queries", "query", {f"{q.query_id}@{q.language}": q.text for q in small_collection.queries}),
        ("documents", "document", {f"{d.content_id}@{d.language}": d.text for d in small_collection.documents}),
    ):
        ids = random.Random(2).sample([*texts], len(texts))
        vectors = encoder.encode([texts[identity] for identity in ids], role, [""] * len(ids))
        np.save(tmp_path / f"{kind}.npy", np.concatenate([vectors, np.zeros((1, 32), np.float32)]))
        (tmp_path / f"{kind}.ids.txt").write_text("\n".join([*ids, "other@en"]) + "\n")
    return tmp_path


def test_stored_vectors_give_the_models_audit(stored: Path, tiny_model: Path, small_collection: Collection) -> None:
    for balance in ("none", "equal", "proportional"):
        ours = isoglot.audit(f"vectors:{stored}", small_collection, balance=balance)
        theirs = isoglot.audit(str(tiny_model), small_collection, balance=balance)
        assert scenarios(ours) == scenarios(theirs)
        assert ours.similarities == theirs.similarities is not None
    assert (ours.model.name, ours.model.dimension) == (f"vectors:{stored}", 32)


def test_half_precision_is_read_too(stored: Path, small_collection: Collection) -> None:
    audits = []
    for precision in (np.float16, np.float32):
        for kind in ("queries", "documents"):
            np.save(stored / f"{kind}.npy", np.load(stored / f"{kind}.npy").astype(np.float16).astype(precision))
        audits.append(isoglot.audit(f"vectors:{stored}", small_collection))
    assert scenarios(audits[0]) == scenarios(audits[1])


def spoil(stored: Path, change: Callable[[np.ndarray], object], name: str = "documents.npy") -> None:
    array = np.load(stored / name)
    changed = change(array)
    np.save(stored / name, array if changed is None else changed)


LINES = "documents.ids.txt"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda f: (f / "queries.npy").unlink(), r"queries.npy: no such file"),
        (lambda f: (f / LINES).unlink(), r"documents.ids.txt: no such file"),
        (lambda f: spoil(f, lambda a: a[:5]), r"documents.ids.txt: names 19 rows, but documents.npy has 5"),
        (lambda f: spoil(f, lambda a: a[0]), r"documents.npy: is float32 of shape \(32,\), not a two-dimensional"),
        (lambda f: spoil(f, lambda a: a.astype(int)), r"documents.npy: is int64 of shape"),
        (lambda f: spoil(f, lambda a: a[:, :8]), r"of queries have 32 dimensions, those of documents 8"),
        (lambda f: spoil(f, lambda a: a.__setitem__((0, 3), np.nan)), r"ids.txt:1: the vector of .* is not finite"),
        (lambda f: spoil(f, lambda a: a.__setitem__(2, 1e-30)), r"ids.txt:3: .*, is 5.66e-30 long; scale the vectors"),
        (lambda f: spoil(f, lambda a: a.__setitem__(2, 1e30)), r"ids.txt:3: .*, is 5.66e\+30 long; scale the vectors"),
        (lambda f: spoil(f, lambda a: a.__setitem__(2, 0)), r"ids.txt:3: .*, row 2 of documents.npy, is zero"),
        (lambda f: (f / "queries.npy").write_bytes(b"text"), r"queries.npy: is no array that can be read"),
        (lambda f: (f / "queries.npy").write_bytes((f / "queries.npy").read_bytes()[:900]), r"is no array"),
        (lambda f: np.savez(f / "x.npz", a=np.eye(2)) or (f / "x.npz").rename(f / "queries.npy"), r"is an archive"),
        (lambda f: np.save(f / "queries.npy", np.array([{}])), r"is no array that can be read"),
        (
            lambda f: (f / LINES).write_text((f / LINES).read_text() + "bread@en\n"),
            r"ids.txt:20: 'bread@en' is in line",
        ),
        (
            lambda f: (f / LINES).write_text((f / LINES).read_text().replace("bread@ru", "brot@ru")),
            r"documents.ids.txt: lacks 1 of the 18 documents asked for, e.g. 'bread@ru'",
        ),
    ],
)
def test_wrong_vectors_are_told_with_file_and_line(
    stored: Path, small_collection: Collection, damage: Callable[[Path], object], told: str
) -> None:
    damage(stored)
    with pytest.raises(IsoglotError, match=told) as caught:
        isoglot.audit(f"vectors:{stored}", small_collection)
    assert "\n" not in str(caught.value)


def test_vectors_without_queries_are_audited_and_aligned_by_themselves(
    stored: Path, small_collection: Collection, tmp_path: Path
) -> None:
    for name in ("queries.npy", "queries.ids.txt"):
        (stored / name).unlink()
    assert command_line.isoglot("audit", f"vectors:{stored}").returncode == 0
    assert command_line.isoglot("align", f"vectors:{stored}", "-o", tmp_path / "transform").returncode == 0
    with pytest.raises(IsoglotError, match=r"holds no queries \(queries.npy\): audit it without --data"):
        isoglot.audit(f"vectors:{stored}", small_collection)


def test_vectors_that_are_not_of_unit_length_are_ranked_as_they_are_and_it_is_said(
    stored: Path, small_collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    first = (stored / LINES).read_text().split()[0]
    spoil(stored, lambda a: a.__setitem__(0, 100 * a[0]))
    result = isoglot.audit(StoredVectorsRetriever(stored), small_collection, scenarios=["multi"], run_depth=1)
    content, language = first.split("@")
    mixed = next(found for found in result.scenarios if language in found.pool_languages)
    assert all(run[0][:2] == (content, language) for _, run in mixed.run)
    assert "vectors are 1 to 100 long and are ranked as they are" in caplog.text


# Runs


@pytest.fixture(scope="module")
def whole(tiny_model: Path, small_collection: Collection) -> Audit:
    return isoglot.audit(str(tiny_model), small_collection, run_depth=100)


@pytest.fixture
def runs(whole: Audit, small_collection: Collection, tmp_path: Path) -> Path:
    write_runs(whole, small_collection, tmp_path / "runs")
    return tmp_path / "runs"


def cut(runs: Path, depth: int) -> Path:
    """The same runs, of the first documents only."""
    folder = runs.with_name(f"cut{depth}")
    folder.mkdir()
    for run in runs.glob("*.run"):
        lines = [line for line in run.read_text().splitlines() if int(line.split()[3]) <= depth]
        random.Random(5).shuffle(lines)
        (folder / run.name).write_text("\n".join(lines) + "\n")
    return folder


def test_runs_that_isoglot_wrote_give_the_same_audit(whole: Audit, runs: Path, small_collection: Collection) -> None:
    again = isoglot.audit(RunRetriever(runs), small_collection)
    assert scenarios(again) == scenarios(whole)
    assert again.model.name == str(runs)


def test_runs_are_found_by_the_languages_as_the_user_spells_them(
    tiny_model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    asked = {"pools": [["eng_Latn", "de-DE"]], "scenarios": ["multi"]}
    write_runs(isoglot.audit(str(tiny_model), small_collection, run_depth=9, **asked), small_collection, tmp_path)  # type: ignore[arg-type]
    assert (tmp_path / "multi.eng_Latn+de-DE.de-DE.run").is_file()
    assert len(isoglot.audit(RunRetriever(tmp_path), small_collection, **asked).scenarios) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("scaled", ["scaled(k=2, weight=0.5)", "scaled(k=2, weight=0.5, prefer=0.1)"])
def test_whole_runs_are_scaled_as_the_model_is(
    scaled: str, tiny_model: Path, runs: Path, small_collection: Collection
) -> None:
    ours = isoglot.audit(RunRetriever(runs), small_collection, balance=scaled)
    theirs = isoglot.audit(str(tiny_model), small_collection, balance=scaled)
    for one, other in zip(ours.scenarios, theirs.scenarios, strict=True):
        assert one.judged is not None
        assert other.judged is not None
        assert one.judged.ranks.tolist() == other.judged.ranks.tolist()


@pytest.mark.parametrize("depth", [6, 9])
def test_a_scaled_rank_of_a_cut_run_is_that_of_the_whole_or_not_known(
    depth: int, tiny_model: Path, runs: Path, small_collection: Collection
) -> None:
    scaled = "scaled(k=1, weight=1)"
    asked = {"balance": scaled, "pools": [["en", "de"]], "scenarios": ["multi"]}
    whole = isoglot.audit(RunRetriever(runs), small_collection, **asked)  # type: ignore[arg-type]
    shallow, known = RunRetriever(cut(runs, depth)), 0
    for language in ("en", "de"):
        only = {**asked, "query_languages": [language]}
        try:
            found = isoglot.audit(shallow, small_collection, **only)  # type: ignore[arg-type]
        except InputError as error:
            assert "scaled balance needs 1 of each language" in str(error)  # noqa: PT017
            continue
        judged, expected = found.scenarios[0].judged, whole.find("multi", ["en", "de"], language).judged
        assert judged is not None
        assert expected is not None
        assert ((judged.ranks == expected.ranks) | judged.beyond).all()
        known += np.count_nonzero(~judged.beyond)
    assert known


def test_what_a_run_cannot_know_for_scaling_is_said(runs: Path, small_collection: Collection) -> None:
    asked = {"pools": [["en", "de"]], "scenarios": ["multi"]}
    with pytest.raises(InputError, match=r"so the mean of all scores of a language is not known.*--scaled-weight 1"):
        isoglot.audit(RunRetriever(cut(runs, 11)), small_collection, balance="scaled(k=1, weight=0.5)", **asked)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"documents in \w\w for query .*; scaled balance needs 5 of each language"):
        isoglot.audit(RunRetriever(cut(runs, 3)), small_collection, balance="scaled", **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("depth", [1, 3, 10])
def test_measures_of_a_cut_run_are_those_of_the_whole_or_not_known(
    depth: int, whole: Audit, runs: Path, small_collection: Collection
) -> None:
    measures = (*DEFAULT_MEASURES, "complete@3", "rr@3", "ndcg@3")
    full = isoglot.audit(RunRetriever(runs), small_collection, measures=measures)
    found = isoglot.audit(RunRetriever(cut(runs, depth)), small_collection, measures=measures)
    for result, known in zip(found.scenarios, full.scenarios, strict=True):
        assert known.judged is not None
        beyond = (known.judged.ranks > depth).any()
        if result.documents <= depth:
            assert result.cut is None
            assert str(result.measures) == str(known.measures)
            continue
        assert result.cut is not None
        assert result.cut.depth == depth
        assert sum(result.cut.beyond.values()) == np.count_nonzero(known.judged.ranks > depth)
        for name in measures:
            told = result.measures[name].mean
            if name.partition("@")[2] and int(name.partition("@")[2]) <= depth:
                assert told == known.measures[name].mean
            assert math.isnan(told) or told == known.measures[name].mean, name
        assert math.isnan(result.measures["max_r"].mean) == beyond
        assert math.isnan(result.measures["max_r_norm"].mean) == beyond
        for tag, language in result.by_language.items():
            median = known.by_language[tag].median_rank
            assert median is not None
            assert (result.median_rank(tag) == math.inf) <= (median > depth)
            assert language.median_rank in (median, None)
            assert language.median_rank is not None or median >= (1 + depth + 1) / 2


def test_measures_on_a_cut_run_by_hand() -> None:
    """Five documents of each query are known; the pool has 16. Golds in en (0) and zh (1), asked in zh."""
    ranks = np.array([[1, 2], [5, BEYOND], [BEYOND, 3], [BEYOND, BEYOND], [4, 0]])
    judged = Judged(
        ranks=ranks,
        tied=np.zeros((5, 2), bool),
        languages=np.tile([0, 1], (5, 1)),
        query_language=1,
        documents=16,
        depth=5,
    )
    inf, nan = math.inf, math.nan
    expected = {
        "max_r": [2, inf, inf, inf, 4],
        "max_r_norm": [100, inf, inf, inf, 50],
        "complete@5": [100, 0, 0, 0, 100],
        "complete@10": [100, inf, inf, inf, 100],
        "recall@5": [100, 50, 50, 0, 100],
        "recall@6": [100, inf, inf, inf, 100],
        "rr": [100, 20, 100 / 3, inf, 25],
        "rr@3": [100, 0, 100 / 3, 0, 0],
        "rr@6": [100, inf, inf, inf, 25],
        "rank_distance": [1, inf, inf, inf, nan],
        "lpr": [0, 0, 100, inf, nan],
        "tie_rate": [0, inf, inf, inf, 0],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(parse_measure(name)(judged), values, err_msg=name)
    np.testing.assert_equal(best_in_language(judged, 0), [1, 5, inf, inf, 4])
    np.testing.assert_equal(best_in_language(judged, 1), [2, inf, 3, inf, nan])
    np.testing.assert_equal(worst_in_language(judged, 1), [100, 100, 0, inf, nan])


def test_a_cut_audit_says_what_is_not_known_wherever_it_is_shown(
    whole: Audit, runs: Path, small_collection: Collection, tmp_path: Path
) -> None:
    isoglot.audit(RunRetriever(cut(runs, 2)), small_collection).save(tmp_path / "saved")
    found = Audit.load(tmp_path / "saved")
    body = json.loads((tmp_path / "saved" / "audit.json").read_text())
    mixed = body["scenarios"][0]
    assert mixed["measures"]["max_r"] == {"mean": None, "low": None, "high": None}
    assert mixed["cut"]["depth"] == 2
    assert mixed["cut"]["golds"] == 12
    beyond = sum(sum(entry["cut"]["beyond"].values()) for entry in body["scenarios"])
    (note,) = audit_notes(found)
    assert "(N = 2)" in note
    assert f"{beyond} of " in note
    assert any("beyond 2" in verdict for verdict in verdicts(found))
    assert f"{sum(mixed['cut']['beyond'].values())} of 12 (N = 2)" in audit_tables(found)[0].rows[0]
    text = audit_to_markdown(found)
    assert note in text
    assert "&gt;2" in text
    assert "TREC runs, by score" in text
    assert "golds beyond N" in to_latex(audit_tables(found))
    for audits in ([found], [whole, found], [found, whole], [found, found, whole]):
        names = list("abc")[: len(audits)]
        page = audits_to_html(Material(audits=audits, folders=[tmp_path] * len(audits), names=names))
        assert "beyond" in page
        for wrong in ("NaN", "Infinity", ">nan<", ">inf<"):
            assert wrong not in page.partition("<script>")[0]


def test_compare_shows_what_is_known_and_tests_nothing_else(
    whole: Audit, runs: Path, small_collection: Collection
) -> None:
    found = isoglot.audit(RunRetriever(cut(runs, 3)), small_collection)
    for pair in ((whole, found), (found, whole), (found, found)):
        comparison = isoglot.compare(*pair, names=["a", "b"])
        mean = next(mean for mean in comparison.means if mean.scenario == "multi")
        assert math.isnan(mean.differences["max_r"][1].mean)
        assert math.isnan(mean.outcomes["max_r"][1].p)
        assert mean.differences["ndcg@1"][1].mean == 0
        assert mean.outcomes["ndcg@1"][1].p == 1
        known = mean.outcomes["max_r"][1]
        assert known.better + known.worse == 0
        assert known.same < 24
        assert "NaN" not in comparison.to_json()
        assert "golds are beyond" in isoglot.to_markdown(comparison)
        assert comparison_tables(comparison)


def test_the_order_is_by_score_whatever_the_ranks_say_and_ties_are_the_pools(
    small_collection: Collection, tmp_path: Path
) -> None:
    run = tmp_path / "one.run"
    tied = [
        f"q-{q} Q0 {d}@{tag} 1 0.5 x" for q in ("bread",) for d in ("bread", "snow", "train") for tag in ("en", "de")
    ]
    run.write_text("\n".join([*tied, "q-bread Q0 letter@de 99 1e3 x", "q-bread Q0 piano@en 1 -2 x"]) + "\n")
    (result,) = isoglot.audit(
        RunRetriever(run),
        small_collection,
        pools=[["en", "de"]],
        query_languages=["en"],
        scenarios=["multi"],
        run_depth=9,
    ).scenarios
    assert result.judged is not None
    place = result.query_ids.index("q-bread")
    hits = dict(result.run)["q-bread"]
    assert hits[0][:2] == ("letter", "de")
    assert hits[-1][:2] == ("piano", "en")
    assert result.judged.tied[place].all()
    assert sorted(result.judged.ranks[place]) == sorted(
        at + 1 for at, (content, _, _) in enumerate(hits) if content == "bread"
    )
    whole_order = [  # of a system that ties everything
        found[:2]
        for found in dict(
            isoglot.audit(
                Tied(),
                small_collection,
                pools=[["en", "de"]],
                run_depth=12,
                scenarios=["multi"],
                query_languages=["en"],
            )
            .scenarios[0]
            .run
        )["q-bread"]
    ]
    middle = [found[:2] for found in hits[1:-1]]
    assert middle == [version for version in whole_order if version in middle]
    assert result.cut == Cut(
        depth=8, golds=12, beyond={"en": 5, "de": 5}, medians_beyond=("en", "de"), missing=5, short=0
    )


class Tied:
    """All scores are 0."""

    name = "tied"

    def scores(self, queries: Sequence[Query], documents: Sequence[Document]) -> np.ndarray:
        return np.zeros((len(queries), len(documents)))


MIXED = {"pools": [["en", "de"]], "query_languages": ["en"], "scenarios": ["multi"]}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("q-bread Q0 bread@en 1 0.5", r"one.run:1: has 5 fields, not: query Q0 document rank score tag"),
        ("q-bread Q0 bread@en 1 high x", r"one.run:1: the score 'high' is no number"),
        ("q-bread Q0 bread@en 1 nan x", r"one.run:1: the score 'nan' is no number"),
        (
            "q-bread Q0 a@en 1 1 x\nq-bread Q0 a@en 2 .5 x",
            r"one.run:2: query 'q-bread' has document 'a@en' already in line 1",
        ),
        (
            "\nq-bread Q0 brot@en 1 1 x",
            r"one.run:2: document 'brot@en' is not known, nor is any other; ids are CONTENT@LANG",
        ),
        ("q-bread Q0 bread@ru 1 1 x", r"one.run:1: document 'bread@ru' \(content 'bread' in ru\) is not in the pool"),
        ("bread Q0 bread@en 1 1 x", r"one.run: has none of the 6 queries asked in en, e.g. 'q-"),
        ("", r"one.run: is empty"),
    ],
)
def test_wrong_runs_are_told_with_file_and_line(
    lines: str, told: str, small_collection: Collection, tmp_path: Path
) -> None:
    (tmp_path / "one.run").write_text(lines)
    with pytest.raises(IsoglotError, match=told):
        isoglot.audit(RunRetriever(tmp_path / "one.run"), small_collection, **MIXED)  # type: ignore[arg-type]


def test_documents_of_a_run_that_are_not_known_are_left_out_and_counted(
    runs: Path, small_collection: Collection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = runs / "multi.en+de.en.run"
    plain = isoglot.audit(RunRetriever(one), small_collection, **MIXED)  # type: ignore[arg-type]
    more = tmp_path / "more.run"
    more.write_text("q-bread Q0 page-without-a-language 1 99 x\n" + one.read_text())
    found = isoglot.audit(RunRetriever(more), small_collection, **MIXED)  # type: ignore[arg-type]
    assert found.scenarios == plain.scenarios
    assert caplog.messages[-1] == (
        f"{more}: left out: lines of the run with documents that are not known: 1, first in more.run:1"
    )
    with pytest.raises(IsoglotError, match=r"more.run:1: --strict refuses lines of the run"):
        isoglot.audit(RunRetriever(more, strict=True), small_collection, **MIXED)  # type: ignore[arg-type]


def test_what_a_run_cannot_answer_is_told(runs: Path, small_collection: Collection, tmp_path: Path) -> None:
    one = runs / "multi.en+de.en.run"
    with pytest.raises(IsoglotError, match="balance equal needs the ranks of all documents"):
        isoglot.audit(RunRetriever(one), small_collection, balance="equal", **MIXED)  # type: ignore[arg-type]
    repeated = replace(small_collection, golds=dict.fromkeys(small_collection.golds, ("bread",)))
    with pytest.raises(IsoglotError, match="cannot be audited with --documents-mode per-question"):
        isoglot.audit(RunRetriever(one), repeated, documents_mode="per-question", **MIXED)  # type: ignore[arg-type]
    with pytest.raises(IsoglotError, match=r"is one run, but mono-same.en.en and multi.en\+de.en are asked for"):
        isoglot.audit(
            RunRetriever(one),
            small_collection,
            pools=[["en", "de"]],
            scenarios=["mono-same", "multi"],
            query_languages=["en"],
        )
    with pytest.raises(IsoglotError, match="does not say whether it was asked in en or in de; name the language"):
        isoglot.audit(RunRetriever(one), small_collection, pools=[["en", "de"]], scenarios=["multi"])
    with pytest.raises(IsoglotError, match=r"multi.de\+ru.de.run: no such file"):
        isoglot.audit(RunRetriever(runs), small_collection, pools=[["de", "ru"]], scenarios=["multi"])
    for nothing, told in ((tmp_path / "absent", "no such run"), (tmp_path, r"holds no \*.run")):
        with pytest.raises(IsoglotError, match=told):
            RunRetriever(nothing)


# The command line


def command(*arguments: str | Path) -> str:
    """What a command writes.

    Raises:
        IsoglotError: It ends with what the user did wrong.
    """
    done = command_line.isoglot(*arguments)
    if done.returncode == 2:
        raise IsoglotError(done.stderr.removeprefix("isoglot: ").removesuffix("\n"))
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_foreign_system_needs_a_table_of_documents_qrels_and_the_language_asked_in(tmp_path: Path) -> None:
    """Numbers worked out by hand; ids say nothing about languages, contents or queries."""
    (tmp_path / "docs.tsv").write_text("d1\ten\tc1\nd2\tzho_Hans\tc1\nd3\ten\tc2\nd4\tzh\tc2\nd5\ten\nd6\tzh\tc6\n")
    (tmp_path / "qrels").write_text("1 0 d1 1\n1 0 d3 0\n2 0 d4 2\n3 0 d6 1\n")
    lines = {"1": "d2 d4 d6 d1", "2": "d4 d2 d6 d3", "3": "d2 d4"}
    (tmp_path / "x.run").write_text(
        "\n".join(f"{q} Q0 {d} 0 {9 - at} x" for q, docs in lines.items() for at, d in enumerate(docs.split()))
    )
    given = ["audit", "--run", tmp_path / "x.run", "--qrels", tmp_path / "qrels", "--query-languages", "zh"]
    table = ["--documents-table", tmp_path / "docs.tsv"]
    printed = command(*given, *table, "-o", tmp_path / "out", "--measures", "complete@4,max_r,rr,rr@4,ndcg@4,lpr")
    assert "Chinese questions among 6 documents in en+zh" in printed
    (result,) = Audit.load(tmp_path / "out").scenarios
    assert result.cut == Cut(depth=4, golds=5, beyond={"en": 0, "zh": 1}, medians_beyond=(), missing=0, short=1)
    assert result.judged is not None
    assert dict(zip(result.query_ids, result.judged.ranks.tolist(), strict=True)) == {
        "1": [4, 1],
        "2": [4, 1],
        "3": [BEYOND, 0],
    }
    assert result.measures["complete@4"].mean == pytest.approx(200 / 3)
    assert result.measures["rr@4"].mean == pytest.approx(200 / 3)
    assert math.isnan(result.measures["max_r"].mean)
    assert result.measures["lpr"].mean == 100
    qrels = [ir_measures.Qrel(q, d, 1) for q, d in (("1", "d1"), ("1", "d2"), ("2", "d3"), ("2", "d4"), ("3", "d6"))]
    theirs = ir_measures.calc_aggregate(
        [ir_measures.nDCG @ 4], qrels, ir_measures.read_trec_run(str(tmp_path / "x.run"))
    )
    assert result.measures["ndcg@4"].mean == pytest.approx(100 * theirs[ir_measures.nDCG @ 4])
    with pytest.raises(IsoglotError, match="needs the languages of documents and queries"):
        command(*given)
    with pytest.raises(IsoglotError, match="not both"):
        command(*given, *table, "bm25")
    (tmp_path / "qrels").write_text("1 0 d9 1\n")
    with pytest.raises(
        IsoglotError, match=r"judges no known document relevant; left out: judgements .*: 1, first in qrels:1"
    ):
        command(*given, *table)


def test_a_run_of_a_collection_whose_documents_have_other_ids(tmp_path: Path) -> None:
    """The table is the corpus itself, in which documents have ids of their own."""
    corpus = [("a1", "en", "a"), ("a2", "zh", "a"), ("b1", "en", "b"), ("b2", "zh", "b")]
    rows = [{"_id": i, "text": f"text {i}", "lang": tag, "content_id": c} for i, tag, c in corpus]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "a?", "lang": "zh"}\n')
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("q1\ta1\t1\n")
    (tmp_path / "x.run").write_text("q1 Q0 a2 1 3 x\nq1 Q0 b2 2 2 x\nq1 Q0 a1 3 1 x\n")
    (tmp_path / "qrels.txt").write_text("q1 0 a2 1\n")
    given = ["--data", f"folder:{tmp_path}", "--documents-table", tmp_path / "corpus.jsonl"]
    command("audit", "--run", tmp_path / "x.run", *given, "--qrels", tmp_path / "qrels.txt", "-o", tmp_path / "run")
    command(
        "audit",
        "bm25",
        "--data",
        f"folder:{tmp_path}",
        "-o",
        tmp_path / "bm25",
        "--scenarios",
        "multi",
        "--query-languages",
        "zh",
    )
    (result,) = Audit.load(tmp_path / "run").scenarios
    assert result.measures["max_r"].mean == 3
    assert "golds are beyond" not in command("compare", tmp_path / "bm25", tmp_path / "run")
    (tmp_path / "qrels.txt").write_text("q1 0 b2 1\n")
    with pytest.raises(
        IsoglotError, match=r"qrels.txt:1: document 'b2' is no gold of query 'q1' in .*leave out --qrels"
    ):
        command("audit", "--run", tmp_path / "x.run", *given, "--qrels", tmp_path / "qrels.txt")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("d.tsv", "d1 en c1", r"d.tsv:1: expected document id, language and content id, separated by tabs"),
        ("d.tsv", "d1\ten\tc\nd2\ten\tc", r"d.tsv:2: content_id 'c' occurs twice in en"),
        ("d.tsv", "d1\tklingonese\tc", r"d.tsv:1: unknown language 'klingonese'"),
        ("d.tsv", "", r"d.tsv: has no documents"),
        ("d.jsonl", '{"_id": "d1"}', r"d.jsonl:1: field 'lang' is missing"),
        ("d.jsonl", '{"_id": "d1", "text": "1815"}', r"d.jsonl: has no documents; left out: texts whose language"),
        ("d.jsonl", '{"_id": "d1", "lang": "en", "content_id": [3]}', r"d.jsonl:1: field 'content_id' is list"),
    ],
)
def test_wrong_tables_are_told_with_file_and_line(name: str, text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(IsoglotError, match=told):
        read_documents_table(tmp_path / name)


def test_what_goes_with_a_run_is_refused_without_one(tmp_path: Path) -> None:
    with pytest.raises(IsoglotError, match="--documents-table and --qrels go with --run"):
        command("audit", "bm25", "--data", "mini@demo", "--qrels", tmp_path / "qrels")
    with pytest.raises(IsoglotError, match="name a retriever and its --data, or a --run"):
        command("audit", "bm25")
