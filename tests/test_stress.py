"""Changed queries: what each kind does to a text, and what an audit says of it."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import isoglot
from isoglot import Audit, Collection, Document, IsoglotError, Query
from isoglot.corpora import stress
from isoglot.corpora.stress import KINDS, stressed
from isoglot.corpora.typos import mistyped
from isoglot.report.changes import change_tables
from tests.command_line import isoglot as command


def asked(language: str, *texts: str, english: str = "who has won") -> Collection:
    queries = [Query(f"q{number}", language, text) for number, text in enumerate(texts)]
    queries += [Query(query.query_id, "en", english) for query in queries if language != "en"]
    return Collection("asked", [Document("c", "en", "text")], queries, {query.query_id: ("c",) for query in queries})


def changed(kind: str, language: str, text: str, seed: int = 0) -> str:
    return stressed(asked(language, text), kind, seed).queries[0].text


def mistakes(text: str, language: str, seeds: int = 200) -> set[str]:
    return {mistyped(text, language, random.Random(seed)) for seed in range(seeds)}


def test_a_code_switched_query_is_half_english_and_an_english_one_stays() -> None:
    assert {changed("code-switched", "de", "wer hat gewonnen", seed) for seed in range(20)} == {
        "wer has won",
        "who hat gewonnen",
    }
    assert changed("code-switched", "en", "who has won") == "who has won"
    alone = Collection("alone", [Document("c", "de", "text")], [Query("q", "de", "wer  hat gewonnen")], {"q": ("c",)})
    assert stressed(alone, "code-switched").queries == alone.queries


@pytest.mark.parametrize(
    ("language", "text", "latin"),
    [
        ("ru", "Сколько человек там живёт?", "Skolko chelovek tam zhivyot?"),
        ("el", "Πόσοι ζουν εκεί;", "Posoi zoun ekei;"),
        ("zh", "什么是智能？", "shenmeshizhineng?"),
        ("ja", "これは？", "koreha?"),
        ("hi", "यह कब", "yah kab"),
        ("de", "für Österreich", "für Österreich"),
    ],
)
def test_letters_of_other_scripts_become_latin_ones(language: str, text: str, latin: str) -> None:
    pytest.importorskip("uroman")
    assert changed("romanised", language, text) == latin


@pytest.mark.parametrize(
    ("language", "text", "plain"),
    [
        ("de", "für Straße", "fur Straße"),
        ("vi", "đã bao nhiêu lần", "da bao nhieu lan"),
        ("pl", "Łódź", "Lodz"),
        ("el", "Πόσοι", "Ποσοι"),
        ("ru", "живёт мой", "живет мой"),
        ("ar", "أين قُتِلَ", "اين قتل"),
        ("he", "שָׁלוֹם", "שלום"),
        ("hi", "क़ितने लोग", "क़ितने लोग"),
        ("ja", "ガーデン", "ガーデン"),
        ("th", "ที่นี่", "ที่นี่"),
    ],
)
def test_marks_are_left_out_where_they_make_no_other_letter(language: str, text: str, plain: str) -> None:
    assert changed("no-diacritics", language, text) == plain


def test_a_letter_is_dropped_swapped_or_of_a_neighbouring_key() -> None:
    assert mistakes("WP", "en") == {"QP", "EP", "SP", "WO", "W", "P", "PW"}
    assert mistakes("zu", "de") == {"z", "u", "uz"} | {f"{letter}u" for letter in "tuh"} | {f"z{key}" for key in "zij"}
    assert mistakes("ю", "ru") == {"", "б", "д"}


def test_han_is_dropped_or_replaced_by_what_sounds_alike_where_that_is_known() -> None:
    assert mistakes("什", "zh") == {"", "时", "食"}  # all three: shí
    assert mistakes("高", "ja") == {"", "香", "鴻"}  # all three: kou
    assert mistakes("什麼", "zh-Hant") == {"什", "麼"}


@given(st.text(alphabet="abc déя日क้ -?", min_size=0, max_size=80), st.integers(0, 99))
def test_about_a_twentieth_of_the_letters_is_mistyped_and_nothing_else_moves(text: str, seed: int) -> None:
    made = mistyped(text, "en", random.Random(seed))
    letters = sum(character.isalpha() or character in "क้" for character in text)
    count = min(letters, max(1, round(letters / 20)))
    assert len(text) - count <= len(made) <= len(text)
    assert [c for c in made if c in " -?"] == [c for c in text if c in " -?"]
    assert (made == text) is (letters == 0) or letters > 1  # two mistakes may undo each other


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_queries_changes_no_query(kind: str, small_collection: Collection) -> None:
    if kind == "romanised":
        pytest.importorskip("uroman")
    mixed = list(small_collection.queries)
    random.Random(1).shuffle(mixed)
    one, other = (
        {(q.query_id, q.language): q.text for q in stressed(collection, kind).queries}
        for collection in (small_collection, replace(small_collection, queries=mixed))
    )
    assert one == other
    assert one != {(q.query_id, q.language): q.text for q in small_collection.queries}


def test_a_query_of_which_nothing_would_remain_stays() -> None:
    assert mistakes("я", "ru") == {"", "ч", "ф"}
    assert {changed("typos", "ru", "я", seed) for seed in range(50)} == {"я", "ч", "ф"}


@pytest.fixture(scope="module")
def stressed_audit(tiny_model: Path, small_collection: Collection) -> Audit:
    return isoglot.audit(str(tiny_model), small_collection, stress=["typos", "no-diacritics"])


def test_the_entries_are_what_audits_of_the_changed_collection_say(
    stressed_audit: Audit, tiny_model: Path, small_collection: Collection
) -> None:
    otherwise = isoglot.audit(str(tiny_model), stressed(small_collection, "typos"))
    for entry in stressed_audit.stress[:3]:
        assert (entry.kind, entry.changed, entry.queries) == ("typos", 6, 6)
        for name, change in entry.measures.items():
            scenario, measure = name.split()
            before, after = (
                fmean(
                    result.measures[measure].mean
                    for result in audit.scenarios
                    if (result.scenario, result.query_language) == (scenario, entry.query_language)
                )
                for audit in (stressed_audit, otherwise)
            )
            assert change.before.mean == pytest.approx(before)
            assert change.after.mean == pytest.approx(after)
            assert change.difference.mean == pytest.approx(after - before)
            assert change.difference.low <= change.difference.mean <= change.difference.high


def test_only_queries_that_the_kind_changes_count(
    stressed_audit: Audit, tiny_model: Path, small_collection: Collection
) -> None:
    [entry] = [entry for entry in stressed_audit.stress if entry.kind == "no-diacritics"]
    assert (entry.query_language, entry.changed, entry.queries) == ("de", 2, 6)  # fährt, spät; ß stays
    result = stressed_audit.find("multi", ("en", "de"), "de")
    rows = [result.query_ids.index(query_id) for query_id in ("q-train", "q-letter")]
    assert result.judged is not None
    assert entry.measures["multi max_r"].before.mean == np.max(result.judged.ranks[rows], axis=1).mean()


def test_without_stress_an_audit_is_the_same_and_both_come_back_from_disk(
    stressed_audit: Audit, tiny_model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    plain = isoglot.audit(str(tiny_model), small_collection)
    assert plain.stress == ()
    assert replace(stressed_audit, stress=()).to_json() == plain.to_json()
    stressed_audit.save(tmp_path)
    assert Audit.load(tmp_path).stress == stressed_audit.stress


def test_what_changes_no_query_is_a_note(tiny_model: Path, small_collection: Collection) -> None:
    audit = isoglot.audit(str(tiny_model), small_collection, query_languages=["en"], stress=["no-diacritics"])
    assert audit.stress == ()
    assert "Stress that changes no query of these pools: no-diacritics." in audit.notes


def test_the_table_stands_in_the_terminal_and_in_markdown(
    tiny_model: Path, stressed_audit: Audit, tmp_path: Path
) -> None:
    [table] = change_tables(stressed_audit)
    assert [row[:3] for row in table.rows] == [
        ("typos", "en", "6 of 6"),
        ("typos", "de", "6 of 6"),
        ("typos", "ru", "6 of 6"),
        ("no-diacritics", "de", "2 of 6"),
    ]
    done = command(
        *("audit", tiny_model, "--data", "mini@test", "--pool", "en,de", "--limit", 2),
        *("--stress", "typos", "-o", tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert "2 of 2" in done.stdout
    assert "| typos | en | 2 of 2 |" in (tmp_path / "audit.md").read_text(encoding="utf-8")


def test_wrong_names_and_a_missing_package_are_told_at_once(
    small_collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(IsoglotError, match="unknown stress 'noise'; choose from code-switched, romanised"):
        isoglot.audit("no such model", small_collection, stress=["noise"])
    monkeypatch.setitem(sys.modules, "uroman", None)
    stress._romaniser.cache_clear()
    with pytest.raises(IsoglotError, match=r"needs the package uroman: pip install 'isoglot\[stress\]'"):
        isoglot.audit("no such model", small_collection, stress=["all"])


def test_a_run_cannot_be_asked_changed_queries(tiny_model: Path, small_collection: Collection, tmp_path: Path) -> None:
    options = ("--data", "mini@test", "--pool", "en,de", "--limit", 2, "--scenarios", "multi")
    assert command("audit", tiny_model, *options, "-o", tmp_path, "--runs").returncode == 0
    done = command("audit", "--run", tmp_path / "runs", *options, "--stress", "typos")
    assert done.returncode == 2
    assert "changed queries cannot be asked" in done.stderr
    assert "leave out --stress" in done.stderr
