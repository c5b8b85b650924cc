"""Reports: whole tables, text of data as text, and TREC files that other tools read alike."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import ir_measures
import msgspec
import pytest

import isoglot
from isoglot import Audit, Collection, Document, Query
from isoglot.alignment.card import model_card
from isoglot.alignment.record import SCHEMA, AlignmentRecord, BaseRecord, DataRecord
from isoglot.platform.version import HOMEPAGE
from isoglot.report.markdown import audit_to_markdown, code, comparison_to_markdown, escape
from isoglot.report.tables import Table, audit_tables, comparison_tables, summary_table
from isoglot.report.terminal import print_lines, print_tables
from isoglot.report.trec import write_runs
from isoglot.report.verdicts import verdicts


@pytest.fixture(scope="module")
def audit(tiny_model: Path, small_collection: Collection) -> Audit:
    return isoglot.audit(str(tiny_model), small_collection, run_depth=100)


def test_every_row_has_as_many_cells_as_columns(audit: Audit) -> None:
    comparison = isoglot.compare(audit, audit)
    for table in [*audit_tables(audit), *comparison_tables(comparison), summary_table(comparison)]:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}


def test_more_than_three_audits_stand_below_each_other(audit: Audit) -> None:
    table = summary_table(isoglot.compare(audit, audit, audit, audit, names=list("abcd")))
    assert table.columns == ("pool", "asked in", "model", "multi\ncomplete@10", "multi\nmax_r", "mono-same\nndcg@10")
    assert len(table.rows) == 4 * (4 + 1)
    assert table.rows[0][3:] == table.rows[1][3:]


def test_pools_of_several_sizes_have_a_mean_for_each(tiny_model: Path, small_collection: Collection) -> None:
    pools = [["en", "de"], ["en", "ru"], ["en", "de", "ru"]]
    found = isoglot.audit(str(tiny_model), small_collection, pools=pools, scenarios=["multi"])
    two, three = summary_table(isoglot.compare(found, found)).rows[-2:]
    assert (two[0], three[0]) == ("mean, 2 languages", "mean, 3 languages")
    for row, size in ((two, 2), (three, 3)):
        own = [result for result in found.scenarios if len(result.pool_languages) == size]
        assert float(row[2]) == pytest.approx(fmean(result.measures["complete@10"].mean for result in own), abs=0.051)


def test_a_comparison_without_mixed_pools_shows_the_scenarios(tiny_model: Path, small_collection: Collection) -> None:
    mono = isoglot.audit(str(tiny_model), small_collection, scenarios=["mono-same"])
    comparison = isoglot.compare(mono, mono)
    assert not summary_table(comparison).rows
    assert "## mono-same" in comparison_to_markdown(comparison)


def test_verdicts_name_languages_ranks_and_pool(audit: Audit) -> None:
    found = verdicts(audit)
    assert len(found) == 4
    assert found[0].startswith("English questions among 12 documents in en+de: median rank of the ")
    assert "German version at" in found[0]


def test_markdown_shows_text_of_data_as_text(audit: Audit) -> None:
    model = msgspec.structs.replace(audit.model, name="<script>alert(1)</script>|x\ny")
    collection = msgspec.structs.replace(audit.collection, notes=("<b>n</b>",))
    text = audit_to_markdown(replace(audit, model=model, collection=collection))
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\|x y" in text
    assert "&lt;b&gt;n&lt;/b&gt;" in text
    names = ["<i>", "a|b"]
    assert "<i>" not in comparison_to_markdown(isoglot.compare(audit, audit, names=names))


def test_markdown_of_data_and_models_makes_no_links_headings_or_code_of_its_own(audit: Audit) -> None:
    hostile = "# x](y) ![i](http://h/i.png) `c` **b** _e_ a_b \x1b[31m <img src=x>"
    shown = r"\# x\](y) ![i\](http://h/i.png) \`c\` \*\*b\*\* \_e\_ a_b \\u001b[31m &lt;img src=x&gt;"
    assert escape(hostile) == shown
    lines = {"- a": r"\- a", "12. a": r"12\. a", "== a": r"\== a", "+ a": r"\+ a", "---": r"\---", "[a]: b": r"[a\]: b"}
    assert {line: escape(line) for line in lines} == lines
    for cell in ("1", "-0.5", "0.469", "-", "+1.00 [+1.00, +1.00]*"):
        assert escape(cell) == cell
    assert code("a ``b`` c") == "``` a ``b`` c ```"
    prompt = msgspec.structs.replace(audit.model.prompts["query"], text="`<img src=x>` ", source=hostile)
    model = msgspec.structs.replace(audit.model, name=hostile, fingerprint="`" * 16, prompts={"query": prompt})
    collection = msgspec.structs.replace(audit.collection, name=hostile, notes=(hostile,))
    text = audit_to_markdown(replace(audit, model=model, collection=collection, environment={"torch": hostile}))
    assert text.startswith(f"# {shown} on {shown}\n")
    assert f"- query prompt: `` `<img src=x>` `` (from: {shown})\n" in text
    assert text.count(shown) == 6
    assert "\x1b" not in text


def test_a_model_card_shows_text_of_data_and_models_as_text() -> None:
    record = AlignmentRecord(
        schema=SCHEMA,
        isoglot="0",
        needs_language=False,
        method="center",
        summary="<b>",
        options={"a": "<i>"},
        seed=0,
        base=BaseRecord(name="<img src=x>[a](b)", fingerprint="0" * 64),
        data=DataRecord(name="# <script>", fingerprint="0" * 64, languages=["en"], licences=["![x](y)"], rows=1),
    )
    card = model_card(record).replace(f"[isoglot]({HOMEPAGE})", "")
    assert not re.search(r"<(b|i|img|script)|[^\\]\]\(", card)


def test_markdown_says_how_it_was_made(audit: Audit) -> None:
    text = audit_to_markdown(audit)
    for part in ("seed 0", "fingerprint", "query prompt: `q:` (from: model)", "torch", "## multi:", "## control:"):
        assert part in text


def test_reports_say_that_the_results_were_balanced(audit: Audit) -> None:
    balanced = replace(audit, balance="equal")
    text = audit_to_markdown(balanced)
    assert text.splitlines()[0].endswith("tiny on small, equal balance")
    assert "- equal balance: the languages take turns, by the ranks in their own lists\n" in text
    assert all(table.title.endswith("(equal balance)") for table in audit_tables(balanced))
    assert all("documents in en+" in verdict and ", equal balance: median" in verdict for verdict in verdicts(balanced))
    assert "balance" not in audit_to_markdown(audit)


def test_nothing_in_data_is_taken_for_markup_on_the_terminal(audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    print_lines(["[bold]not bold[/bold] [/x]"])
    table = audit_tables(audit)[0]
    print_tables([replace(table, title="[red]t[/red] [/]", rows=(("[/]", *table.rows[0][1:]),))])
    shown = capsys.readouterr().out
    assert "[bold]not bold[/bold] [/x]" in shown
    assert "[red]t[/red] [/]" in shown


def test_a_table_wider_than_the_page_keeps_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"word-{number}" for number in range(40)]
    print_tables(
        [Table("wide", ("name", "licence", "what"), (("a-long-name", "GPL-2.0-or-later", " ".join(words)),), labels=3)]
    )
    shown = capsys.readouterr().out
    assert {"a-long-name", "GPL-2.0-or-later", *words} <= set(shown.split())


def test_without_a_mean_there_is_a_dash(tiny_model: Path, small_collection: Collection) -> None:
    found = isoglot.audit(
        str(tiny_model), small_collection, pools=[["de", "ru"]], query_languages=["en"], scenarios=["multi"]
    )
    assert audit_tables(found)[0].rows[0][-1] == "-"


@pytest.mark.parametrize("balance", ["none", "equal"])
def test_trec_files_give_the_same_measures_in_ir_measures(
    balance: str, tiny_model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    audit = isoglot.audit(str(tiny_model), small_collection, run_depth=100, balance=balance)
    assert write_runs(audit, small_collection, tmp_path) == len(audit.scenarios)
    for result in audit.scenarios:
        name = f"{result.scenario}.{'+'.join(result.pool_languages)}.{result.query_language}"
        run = list(ir_measures.read_trec_run(str(tmp_path / f"{name}.run")))
        every = list(ir_measures.read_trec_qrels(str(tmp_path / f"{name}.qrels")))
        ranked = {document for _, document, _ in run}
        qrels = [qrel for qrel in every if qrel.doc_id in ranked]  # control holds one version of each
        found = ir_measures.calc_aggregate([ir_measures.nDCG @ 10, ir_measures.R @ 10, ir_measures.RR], qrels, run)
        for theirs, ours in (
            (ir_measures.nDCG @ 10, "ndcg@10"),
            (ir_measures.R @ 10, "recall@10"),
            (ir_measures.RR, "rr"),
        ):
            assert 100 * found[theirs] == pytest.approx(result.measures[ours].mean, abs=1e-4)
        line = (tmp_path / f"{name}.run").read_text().splitlines()[0].split(" ")
        assert len(line) == 6
        assert line[1] in result.pool_languages
        assert line[2].endswith(f"@{line[1]}")
        assert line[3] == "1"


def test_ids_with_spaces_are_one_word_in_trec_files(tiny_model: Path, tmp_path: Path) -> None:
    documents = [Document("a b", tag, text) for tag, text in (("en", "one"), ("de", "eins"))]
    found = Collection("c", documents, [Query("q 1", "en", "one?")], {"q 1": ("a b",)})
    write_runs(isoglot.audit(str(tiny_model), found, scenarios=["multi"], run_depth=5), found, tmp_path)
    lines = (tmp_path / "multi.en+de.en.run").read_text().splitlines()
    assert len(lines) == 2
    assert all(line.split(" ")[0] == "q%201" and line.split(" ")[2].startswith("a%20b@") for line in lines)
