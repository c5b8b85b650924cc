"""The HTML report: its numbers are those of the audits, every part is there, and no data can run in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import lxml.html
import msgspec
import numpy as np
import pytest

import isoglot
from isoglot import Audit, Collection, Document, IsoglotError, Query
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.evaluation.results import ScenarioResult
from isoglot.report.html import charts, spaces
from isoglot.report.html.changes import most_changed
from isoglot.report.html.page import Material, audits_to_html
from isoglot.report.html.scatter import twin_scatter
from isoglot.report.html.templates import style
from isoglot.report.html.verdict import headline, next_steps
from isoglot.report.latex import to_latex
from isoglot.report.tables import Table
from isoglot.report.trec import write_runs
from tests import command_line

HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 1">',
    "<svg onload=window.hacked=1>{{ 7 * 7 }} {% raw %}",
    "\u202egnp.exe \u2066 \u200f<b>bold</b> -->",
    "nul \x00 bell \x07 escape \x1b[31m",
)


@pytest.fixture(scope="module")
def audit(tiny_model: Path, small_collection: Collection) -> Audit:
    return isoglot.audit(str(tiny_model), small_collection, run_depth=12)


@pytest.fixture(scope="module")
def better(audit: Audit) -> Audit:
    return with_ranks(audit, lambda ranks: np.maximum(1, ranks // 2))


@pytest.fixture(scope="module")
def page(audit: Audit, better: Audit, small_collection: Collection) -> lxml.html.HtmlElement:
    return parse(
        audits_to_html(
            Material(
                audits=[audit, better],
                folders=[Path("a"), Path("b")],
                names=["before", "after"],
                collection=small_collection,
            )
        )
    )


def with_ranks(audit: Audit, change: Any) -> Audit:
    """The audit with other gold ranks; its results by language stay."""
    results = []
    for result in audit.scenarios:
        assert result.judged is not None
        ranks = np.where(result.judged.ranks > 0, change(result.judged.ranks), 0)
        results.append(replace(result, judged=replace(result.judged, ranks=ranks)))
    return replace(audit, scenarios=tuple(results))


def parse(html: str) -> lxml.html.HtmlElement:
    return lxml.html.document_fromstring(html.encode(), parser=lxml.html.HTMLParser(encoding="utf-8", huge_tree=True))


def mixed(*audits: Audit) -> list[list[ScenarioResult]]:
    return [[a.find(*r.cell) for a in audits] for r in audits[0].scenarios if r.scenario == "multi"]


def chart_data(page: lxml.html.HtmlElement, title: str) -> Mapping[str, list[Any]]:
    (block,) = page.xpath(f"//script[@data-chart='{title}']")[:1]
    return json.loads(block.text)


def test_the_page_has_every_chart_with_a_title_a_sentence_and_its_data(page: lxml.html.HtmlElement) -> None:
    titles = [title.text_content() for title in page.xpath("//figcaption/h3")]
    assert titles[:5] == [
        "Median rank of the relevant document, pools of 2 languages",
        "Complete@K",
        "Where the worst-placed version stands",
        "Share of the top 10, against the pool's",
        "Whose version is placed worst",
    ]
    assert titles.count("The relevant document and its twin") == 4
    for figure in page.xpath("//figure"):
        assert figure.xpath("string(figcaption/p)").strip()
        assert all(image.get("aria-label") and image.xpath("svg") for image in figure.xpath(".//div[@role='img']"))
        columns = json.loads(figure.xpath("script")[0].text)
        assert len({len(values) for values in columns.values()}) == 1


def test_ids_are_unique_and_headings_descend_by_one(page: lxml.html.HtmlElement) -> None:
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    levels = [int(heading.tag[1]) for heading in page.xpath("//h1 | //h2 | //h3 | //h4")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_complete_curves_are_the_measure_at_every_k(audit: Audit, better: Audit) -> None:
    chart = charts.complete_curves(["a", "b"], mixed(audit, better))
    for row in chart.data:
        results = [pool[row["audit"]].judged for pool in mixed(audit, better)]
        expected = np.mean([np.mean(r.ranks.max(axis=1) <= row["k"]) for r in results if r is not None])
        assert row["complete"] == pytest.approx(100 * expected, abs=0.006)
    assert {row["k"] for row in chart.data} == set(range(2, 13))  # of 12 documents 2 are golds, which no top 1 can hold


def test_classes_of_max_r_hold_every_question_once(audit: Audit, better: Audit) -> None:
    pools = mixed(audit, better)
    chart = charts.worst_ranks(["a", "b"], pools)
    ranks = np.concatenate([pool[0].judged.ranks.max(axis=1) for pool in pools if pool[0].judged is not None])
    for row in chart.data:
        if row["audit"] == 0:
            low, high = (int(end) for end in (row["ranks"].split("–") * 2)[:2])
            assert row["share"] == pytest.approx(100 * np.mean((ranks >= low) & (ranks <= high)), abs=0.006)
    for number in (0, 1):
        assert sum(row["share"] for row in chart.data if row["audit"] == number) == pytest.approx(100, abs=0.1)


def test_heat_map_shows_the_median_ranks_of_the_audit(audit: Audit) -> None:
    chart = charts.heat_maps(["a"], mixed(audit), ["en", "de", "ru"])
    shown = {(row["query"], row["document"]): row["rank"] for row in chart.data}
    assert shown["ru", "en"] == audit.find("multi", ["en", "ru"], "ru").by_language["en"].median_rank
    both = [audit.find("multi", ["en", tag], "en").by_language["en"].median_rank for tag in ("de", "ru")]
    assert shown["en", "en"] == np.median(both)  # type: ignore[arg-type]
    assert ("de", "ru") not in shown


def test_scatter_holds_every_question_and_needs_the_querys_language(
    audit: Audit, tiny_model: Path, small_collection: Collection
) -> None:
    for pool in mixed(audit):
        chart = twin_scatter(["a"], pool)
        assert chart is not None
        assert sum(row["share"] for row in chart.data) == pytest.approx(100, abs=0.1)
    other = isoglot.audit(
        str(tiny_model), small_collection, pools=[["de", "ru"]], query_languages=["en"], scenarios=["multi"]
    )
    assert twin_scatter(["a"], mixed(other)[0]) is None
    assert "The relevant document and its twin" not in audits_to_html(Material(audits=[other], folders=[Path("a")]))


def test_the_verdict_names_what_is_buried_and_what_became_of_it(audit: Audit) -> None:
    result = audit.find("multi", ["en", "de"], "de")

    def with_median_rank(rank: float) -> Audit:
        by_language = {**result.by_language, "en": replace(result.by_language["en"], median_rank=rank)}
        return replace(audit, scenarios=(replace(result, by_language=by_language),))

    buried, after = with_median_rank(171), with_median_rank(3)
    lines = headline(["base", "aligned"], mixed(buried, after), None)
    assert "German questions in en+de: the English version is buried, median rank 171 of 12; aligned:\u00a03." in lines
    assert any("isoglot align MODEL" in step for step in next_steps([buried], mixed(buried), None))
    assert any(
        "still buried for questions in German" in step for step in next_steps([buried, buried], mixed(buried), None)
    )


def test_in_a_pool_of_many_languages_all_versions_cannot_be_in_the_top_10(audit: Audit) -> None:
    result = audit.find("multi", ["en", "de"], "de")
    assert result.judged is not None
    shape = (len(result.query_ids), 12)
    tags = tuple(f"{letter}{letter}" for letter in "abcdefghijkl")
    judged = replace(
        result.judged,
        ranks=np.broadcast_to(np.arange(3, 15), shape),
        languages=np.broadcast_to(np.arange(12), shape),
        tied=np.zeros(shape, dtype=bool),
        query_language=None,
        documents=2880,
    )

    def pool(median: float) -> list[list[ScenarioResult]]:
        by_language = {tag: replace(result.by_language["en"], median_rank=median) for tag in tags}
        return [[replace(result, pool_languages=tags, by_language=by_language, judged=judged, documents=2880)]]

    lines = headline(["m"], pool(14), None)
    assert lines[0].startswith("Every version of the relevant document is in the top 30 for 100.0\u00a0% (m)")
    assert lines[1].startswith("No language's version is buried")
    assert "in 12 languages" in headline(["m"], pool(25), None)[1]
    assert "100.0\u00a0% in the top 30" in charts.complete_curves(["m"], pool(14)).summary


def test_of_several_fixes_the_best_that_keeps_quality_is_named(audit: Audit, better: Audit) -> None:
    same, worst = audit, with_ranks(audit, lambda ranks: np.full_like(ranks, 6))
    names = ["base", "same", "better", "worst"]
    lines = headline(
        names, mixed(audit, same, better, worst), isoglot.compare(*[audit, same, better, worst], names=names)
    )
    assert lines[-1] == "Of those that certainly keep it, better completes most questions in mixed pools."
    assert any("kept by same (" in line and "lost by worst (" in line for line in lines)
    lost = isoglot.compare(audit, worst, worst, names=["base", "a", "b"])
    assert headline(["base", "a", "b"], mixed(audit, worst, worst), lost)[-1] == "None of them certainly keeps it."


def test_a_loss_in_pools_of_one_language_is_reported_and_not_recommended(audit: Audit) -> None:
    worst = with_ranks(audit, lambda ranks: np.full_like(ranks, 6))
    lost, same = (isoglot.compare(audit, other, names=["a", "b"]) for other in (worst, audit))
    start = "Quality in mono-same pools (one language, asked in it), ndcg@10, is lost ("
    assert any(line.startswith(start) for line in headline(["a", "b"], [], lost))
    assert any(
        line.startswith("Quality in control pools") and "is kept" in line for line in headline(["a", "b"], [], same)
    )
    pools = mixed(audit, worst)
    assert any(step.startswith("Before this is used") for step in next_steps([audit, worst], pools, lost))
    assert not any(step.startswith("Before this is used") for step in next_steps([audit, audit], pools, same))


def test_the_questions_that_changed_most_are_those_with_the_largest_ratio(
    audit: Audit, small_collection: Collection, tmp_path: Path
) -> None:
    def move(ranks: Any) -> Any:
        moved = ranks.copy()
        moved[0], moved[1] = 1, 12
        return moved

    write_runs(audit, small_collection, tmp_path / "runs")
    pools = mixed(audit, with_ranks(audit, move))
    falls, rises = most_changed(pools, [tmp_path, tmp_path / "none"], small_collection)
    assert {change.query_id for change in falls} == {pools[0][0].query_ids[0]}
    assert {change.query_id for change in rises} == {pools[0][0].query_ids[1]}
    (fall,) = falls
    assert set(fall.ranks[1].values()) == {1}
    assert fall.question is not None
    assert fall.question.text == next(
        q.text for q in small_collection.queries if (q.query_id, q.language) == (fall.query_id, fall.query_language)
    )
    assert [len(results) for results in fall.top] == [5, 0]
    best = min(fall.ranks[0].values())
    if best <= 5:
        assert fall.top[0][best - 1].gold
    assert most_changed(mixed(audit, audit), [tmp_path, tmp_path], None) == ([], [])


def test_without_the_collection_there_are_ranks_and_a_hint(audit: Audit, better: Audit) -> None:
    page = parse(audits_to_html(Material(audits=[audit, better], folders=[Path("a"), Path("b")])))
    assert "pass --data SOURCE to see them" in page.text_content()
    assert page.xpath("//article//table[@class='ranks']")
    assert not page.xpath("//article//div[@class='text']")


def test_one_audit_alone_shows_its_worst_questions(audit: Audit) -> None:
    text = parse(audits_to_html(Material(audits=[audit], folders=[Path("a")]))).text_content()
    assert "Questions whose versions are placed worst" in text
    assert "Before and after" not in text


def test_where_no_content_is_translated_there_is_no_twin(tiny_model: Path, small_collection: Collection) -> None:
    languages = dict(
        zip(dict.fromkeys(d.content_id for d in small_collection.documents), ["en", "de"] * 3, strict=True)
    )
    documents = [entry for entry in small_collection.documents if languages[entry.content_id] == entry.language]
    audit = isoglot.audit(str(tiny_model), replace(small_collection, documents=documents))
    titles = parse(audits_to_html(Material(audits=[audit], folders=[Path("a")]))).xpath("//figcaption/h3/text()")
    assert "Complete@K" in titles
    assert not {"The relevant document and its twin", "Whose version is placed worst"} & set(titles)


def test_without_mixed_pools_there_are_the_tables(tiny_model: Path, small_collection: Collection) -> None:
    mono = isoglot.audit(str(tiny_model), small_collection, scenarios=["mono-same"])
    page = parse(audits_to_html(Material(audits=[mono], folders=[Path("a")])))
    assert "there is nothing to draw" in page.text_content()
    assert len(page.xpath("//table[@id='all']/tbody/tr")) == 3 * 10


def test_the_table_and_the_csv_data_hold_every_measure(
    page: lxml.html.HtmlElement, audit: Audit, better: Audit
) -> None:
    assert len(page.xpath("//table[@id='all']/tbody/tr")) == 10 * len(audit.scenarios)
    data = json.loads(page.xpath("//script[@id='measures']")[0].text)
    rows = [
        dict(zip(data["columns"], [*cell, language, measure, data["audits"][index], *numbers], strict=False))
        for *cell, entries in data["cells"]
        for language, measure, index, *numbers in entries
    ]
    result = audit.find("multi", ["en", "ru"], "ru")
    (row,) = (
        row
        for row in rows
        if (row["scenario"], row["pool"], row["asked in"]) == ("multi", "en+ru", "ru")
        and (row["measure"], row["audit"], row["documents in"]) == ("max_r", "after", "")
    )
    assert row["mean"] == pytest.approx(result.measures["max_r"].mean, abs=1e-4)
    difference = isoglot.compare(audit, better).cells
    (cell,) = (c for c in difference if c.cell == result.cell)
    assert row["difference"] == pytest.approx(cell.differences["max_r"][1].mean, abs=1e-4)
    assert row["p (Holm)"] == pytest.approx(cell.outcomes["max_r"][1].p_holm, abs=1e-6)
    assert {row["documents in"] for row in rows} == {"", "en", "de", "ru"}


def test_how_it_was_made_is_on_the_page(audit: Audit, small_collection: Collection) -> None:
    collection = msgspec.structs.replace(audit.collection, name="xquad", notes=("seen in training",))
    noted = replace(audit, collection=collection)
    text = parse(
        audits_to_html(Material(audits=[noted], folders=[Path("a")], command="isoglot report a -o r.html"))
    ).text_content()
    for part in (
        *("isoglot report a -o r.html", audit.model.fingerprint, small_collection.fingerprint, "CC-BY-SA-4.0"),
        *("seen in training", "torch", "seed 0", "q: "),
    ):
        assert part in text


def hostile_material(tiny_model: Path) -> Material:
    """Two audits of texts that try to act as code, one of them a megabyte long, in English and in Arabic."""

    def corpus(long: str) -> Collection:
        texts = {"en": [*HOSTILE, long], "ar": [f"ثلج {text}" for text in (*HOSTILE, long)]}
        ids = [*HOSTILE, "long"]
        documents = [Document(name, tag, texts[tag][at]) for at, name in enumerate(ids) for tag in texts]
        queries = [Query(f"{name}?", tag, texts[tag][at][:50]) for at, name in enumerate(ids) for tag in texts]
        golds = {f"{name}?": (name,) for name in ids}
        return Collection(HOSTILE[0], documents, queries, golds, notes=(HOSTILE[1], "lone \ud800"))

    short = isoglot.audit(str(tiny_model), corpus("short"))  # a megabyte takes the tiny model long
    whole = corpus("short" * 200_000)
    audit = replace(
        short,
        collection=msgspec.structs.replace(short.collection, fingerprint=whole.fingerprint),
        model=msgspec.structs.replace(short.model, name=HOSTILE[2] + "\ud800"),
    )
    changed = with_ranks(audit, lambda ranks: 1 + 11 * np.arange(len(ranks) * 2).reshape(-1, 2) % 12)
    return Material(
        audits=[audit, changed], folders=[Path("a"), Path("b")], names=[HOSTILE[0], HOSTILE[4]], collection=whole
    )


def test_a_hostile_corpus_is_inert(tiny_model: Path) -> None:
    html = audits_to_html(hostile_material(tiny_model))
    assert len(html.encode()) < 1_000_000
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", html)
    page = parse(html)
    scripts = page.xpath("//script[not(@type='application/json')]")
    assert [script.text_content() for script in scripts] == [(Path(charts.__file__).parent / "script.js").read_text()]
    assert not [name for element in page.iter() for name in element.attrib if name.lower().startswith("on")]
    assert page.xpath("//@href | //@src | //@action | //*[local-name()='use']/@*") == ["data:,"]
    allowed = "path g svg line text"
    drawn = {element.tag for element in page.xpath("//svg//*")}
    assert drawn <= set(allowed.split())
    assert not page.xpath("//img | //iframe | //object | //embed | //form | //base | //b[text()='bold']")
    shown = page.xpath("//div[@class='text']/p[@dir='auto']")
    assert {paragraph.text_content() for paragraph in shown} >= set(HOSTILE[:4])
    assert all(not paragraph.xpath("*") for paragraph in shown)
    for mark in ("\u202e", "\u2066"):
        for text in page.xpath(f"//body//text()[contains(., '{mark}')]"):
            assert text.getparent().tag in ("bdi", "p", "script")


def test_the_policy_forbids_the_network_and_names_the_one_script(page: lxml.html.HtmlElement) -> None:
    (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy
    assert "unsafe" not in policy.split("script-src")[1].split(";")[0]


def test_text_and_marks_have_the_contrast_of_wcag_aa_in_light_and_dark() -> None:
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", style())
    for theme in (0, 1):
        colours = {name: pair[theme] for name, *pair in pairs}
        grounds = ("background", "raised")
        texts = [(text, ground) for ground in (*grounds, "gold") for text in ("text", "quiet")]
        texts += [("on-light", f"rank{i}") for i in range(5)] + [("on-dark", f"rank{i}") for i in range(5, 8)]
        marks = [name for name in colours if re.match(r"(audit|language)\d", name)]
        for text, ground in texts:
            assert contrast(colours[text], colours[ground]) >= 4.5, (theme, text, ground)
        for mark in marks:
            for ground in grounds:
                assert contrast(colours[mark], colours[ground]) >= 3, (theme, mark, ground)


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio of two #rrggbb colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_similarities_are_of_the_pairs_they_name() -> None:
    documents = [Document(content, tag, "t") for content in "abc" for tag in ("de", "en")]
    vectors = np.eye(2, dtype=np.float32)[[0, 1] * 3]  # by language alone
    chart = spaces.similarities(["m"], [vectors], documents)
    assert "100.0\u00a0% of comparisons" in chart.summary
    for kind, peak in (("translations", 0), ("same language, unrelated", 1), ("two languages, unrelated", 0)):
        rows = [row for row in chart.data if row["kind"] == kind]
        assert sum(row["share"] for row in rows) == pytest.approx(100)
        assert rows[-1 if peak else 0]["share"] == 100


def test_the_map_is_the_principal_plane(small_collection: Collection, tiny_model: Path) -> None:
    documents = spaces.sample(small_collection, ["de", "en"], 0)
    assert len(documents) == 12
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(12, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    chart = spaces.maps(["m"], [vectors], documents)
    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    values, directions = np.linalg.eigh(centred.T @ centred)
    for axis, name in ((-1, "x"), (-2, "y")):
        expected = centred @ directions[:, axis]
        ours = np.array([row[name] for row in chart.data])
        assert min(np.abs(ours - expected).max(), np.abs(ours + expected).max()) < 2e-3
    assert f"hold {100 * values[-2:].sum() / values.sum():.0f}\u00a0% of the variance" in chart.summary


def test_the_map_by_umap_is_the_same_with_the_same_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba", reason="umap-learn is not installed")
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)  # for 16 documents compiling takes longest
    pytest.importorskip("umap", reason="umap-learn is not installed")
    documents = [Document(f"{content}", tag, "t") for content in range(8) for tag in ("de", "en")]
    vectors = np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32)
    one, same = (spaces.maps(["m"], [vectors], documents, "umap", seed=1) for _ in range(2))
    assert "by UMAP (seed 1)" in one.summary
    assert one.data == same.data


def test_languages_are_named_on_the_map_where_their_names_have_room() -> None:
    places = {"de": (0.0, 0.0), "en": (0.01, 0.0), "zh": (1.0, 1.0)}
    rows = [{"x": x, "y": y, "language": tag} for tag, (x, y) in places.items()]
    assert [label["language"] for label in spaces._middles(rows, list(places))] == ["zh"]


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> Encoder:
    return load_encoder(str(tiny_model))


def test_with_the_models_there_are_similarities_and_a_map(
    audit: Audit, encoder: Encoder, small_collection: Collection
) -> None:
    material = Material(audits=[audit], folders=[Path("a")], collection=small_collection, encoders=[lambda: encoder])
    page = parse(audits_to_html(material))
    assert len(chart_data(page, "Where documents lie")["x"]) == 18
    assert chart_data(page, "How similar documents are")["share"]
    assert "need vectors" not in page.text_content()


def test_what_does_not_belong_together_is_refused(audit: Audit, encoder: Encoder, small_collection: Collection) -> None:
    other = replace(small_collection, queries=small_collection.queries[:-1])
    base = Material(audits=[audit], folders=[Path("a")])
    full = replace(base, collection=small_collection, encoders=[lambda: encoder])
    stranger = replace(audit, model=msgspec.structs.replace(audit.model, fingerprint="0" * 64))
    bare = replace(audit, scenarios=tuple(replace(result, judged=None) for result in audit.scenarios))
    for material, message in (
        (replace(base, collection=other), "is not the collection that was audited"),
        (replace(base, names=["a", "b"]), "2 names for 1 audits"),
        (replace(full, collection=None), "name the collection with --data"),
        (replace(full, encoders=[lambda: encoder] * 2), "2 models for 1 audits"),
        (replace(full, audits=[stranger]), "is not the model of the audit"),
        (replace(base, audits=[bare]), "saved without its ranks"),
    ):
        with pytest.raises(IsoglotError, match=message):
            audits_to_html(material)


def test_latex_shows_text_of_data_as_text() -> None:
    table = Table("50% of A&B_{x}", ("pool", "\\input{x}\n#1", "n"), (("en+zh", "~^$", "1.5"),))
    text = to_latex([table])
    assert r"\caption{50\% of A\&B\_\{x\}}" in text
    assert r"pool & \textbackslash{}input\{x\} \#1 & n \\" in text
    assert r"en+zh & \textasciitilde{}\textasciicircum{}\$ & 1.5 \\" in text
    assert r"\begin{tabular}{llr}" in text


def test_the_command_writes_what_the_name_says(audit: Audit, better: Audit, tmp_path: Path) -> None:
    folders = [str(tmp_path / name) for name in ("a", "b")]
    for folder, saved in zip(folders, (audit, better), strict=True):
        saved.save(folder)
    for named, output, start in (
        (folders, "r.html", "<!DOCTYPE html>"),
        (folders, "r.md", "# before vs after on small"),
        (folders, "r.tex", "% needs \\usepackage{booktabs}"),
        (folders[:1], "one.md", f"# {audit.model.name} on small"),
        (folders[:1], "one.tex", "% needs"),
    ):
        names = ["--names", "before,after"] if len(named) > 1 else []
        done = command_line.isoglot("report", *named, *names, "-o", tmp_path / output)
        assert done.returncode == 0, done.stderr
        text = (tmp_path / output).read_text()
        assert text.startswith(start)
        assert ("Similarities: mean and quantiles of the cosine" in text) == (len(named) > 1)
    refused = command_line.isoglot("report", *folders, "-o", tmp_path / "r.pdf")
    assert refused.returncode == 2
    assert refused.stderr.endswith("a report is written to .html, .md, .tex or .mteb.json; choose such a name\n")
