"""Audits: what they hold, that shuffling changes nothing, and their way to disk and back."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isoglot
from isoglot import Audit, Collection, IsoglotError
from isoglot.evaluation import results
from isoglot.retrievers.dense import DenseRetriever
from tests.synthetic_audits import write_as_older


@pytest.fixture(scope="module")
def audit(tiny_model: Path, small_collection: Collection) -> Audit:
    return isoglot.audit(str(tiny_model), small_collection)


def test_audit_json_has_the_schema(audit: Audit) -> None:
    body = json.loads(audit.to_json())
    assert body["schema"] == "isoglot.audit/1"
    assert {"isoglot", "seed", "environment"} <= set(body)
    assert {"name", "fingerprint", "dimension", "max_length", "prompts"} <= set(body["model"])
    assert {"name", "fingerprint", "languages"} <= set(body["collection"])
    first = body["scenarios"][0]
    expected = {"scenario", "pool_languages", "query_language", "documents_mode", "documents", "queries", "measures"}
    assert expected | {"by_language"} == set(first)
    assert set(first["measures"]["max_r"]) == {"mean", "low", "high"}
    assert set(first["by_language"]) == {"en", "de"}


def test_every_scenario_of_every_pair_is_there_once(audit: Audit) -> None:
    cells = [result.cell for result in audit.scenarios]
    assert len(cells) == len(set(cells)) == 2 * (2 + 2 + 2 + 2) - 1
    assert audit.find("multi", ["en", "ru"], "ru").documents == 12
    assert audit.find("control", ["en", "ru"], "en").documents == 6
    with pytest.raises(KeyError, match="no result for"):
        audit.find("multi", ["en", "ja"], "ja")


def test_means_lie_in_their_intervals_and_shares_add_up(audit: Audit) -> None:
    for result in audit.scenarios:
        for interval in result.measures.values():
            assert np.isnan(interval.mean) or interval.low <= interval.mean <= interval.high
        shares = result.by_language.values()
        assert sum(found.top_share.mean for found in shares) == pytest.approx(100)
        assert sum(found.pool_share for found in shares) == pytest.approx(100)
        assert sum(found.documents for found in shares) == result.documents


def test_what_a_measure_says_nothing_about_is_null(audit: Audit) -> None:
    mono = next(s for s in json.loads(audit.to_json())["scenarios"] if s["scenario"] == "mono-same")
    assert mono["measures"]["lpr"] == {"mean": None, "low": None, "high": None}


def test_languages_are_called_as_the_user_called_them(tiny_model: Path, small_collection: Collection) -> None:
    found = isoglot.audit(
        str(tiny_model),
        small_collection,
        pools=[["eng_Latn", "rus_Cyrl"]],
        query_languages=["de-DE"],
        scenarios=["multi"],
    )
    (result,) = found.scenarios
    assert result.pool_languages == ("eng_Latn", "rus_Cyrl")
    assert result.query_language == "de-DE"
    assert set(result.by_language) == {"eng_Latn", "rus_Cyrl"}


def test_three_languages_no_english_rows_and_a_limit(tiny_model: Path, small_collection: Collection) -> None:
    three = isoglot.audit(str(tiny_model), small_collection, pools=[["de", "en", "ru"]], scenarios=["multi"])
    assert [result.documents for result in three.scenarios] == [18, 18, 18]
    other = isoglot.audit(
        str(tiny_model), small_collection, pools=[["de", "ru"]], documents_mode="per-question", limit=2
    )
    assert {result.queries for result in other.scenarios} == {2}
    assert {result.documents_mode for result in other.scenarios} == {"per-question"}


def test_shuffling_the_collection_changes_nothing(audit: Audit, tiny_model: Path, small_collection: Collection) -> None:
    documents, queries = list(small_collection.documents), list(small_collection.queries)
    random.Random(3).shuffle(documents)
    random.Random(4).shuffle(queries)
    shuffled = replace(small_collection, documents=documents, queries=queries)
    assert isoglot.audit(str(tiny_model), shuffled).to_json() == audit.to_json()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pools": [["en", "ja"]]}, "no text in 'ja'"),
        ({"pools": [["en", "xx"]]}, "unknown language 'xx'"),
        ({"measures": ["mrr"]}, "unknown measure 'mrr'"),
        ({"scenarios": ["all"]}, "unknown scenario 'all'"),
        ({"documents_mode": "raw"}, "unknown documents mode 'raw'"),
        ({"limit": -1}, "must be at least 1"),
    ],
)
def test_wrong_settings_are_told_before_the_model_is_loaded(
    small_collection: Collection, options: dict[str, object], message: str
) -> None:
    with pytest.raises(IsoglotError, match=message):
        isoglot.audit("./no-model-here", small_collection, **options)  # type: ignore[arg-type]


def test_balanced_results_share_the_top_ten_and_leave_pools_of_one_language_alone(
    audit: Audit, tiny_model: Path, small_collection: Collection
) -> None:
    balanced = isoglot.audit(str(tiny_model), small_collection, balance="equal")
    assert json.loads(balanced.to_json())["balance"] == "equal"
    assert [found.cell for found in balanced.scenarios] == [found.cell for found in audit.scenarios]
    for found, plain in zip(balanced.scenarios, audit.scenarios, strict=True):
        if len(found.pool_languages) == 1:
            assert found.measures["max_r"] == plain.measures["max_r"]
        elif found.scenario == "multi":
            assert {share.top_share.mean for share in found.by_language.values()} == {50}
            alone = balanced.find("mono-same", [found.query_language], found.query_language).judged
            assert found.judged is not None
            assert alone is not None
            own = found.judged.ranks[:, found.pool_languages.index(found.query_language)]
            assert (np.abs(own - 2 * alone.ranks[:, 0] + 0.5) == 0.5).all()  # in round r: place 2r - 1 or 2r


def test_what_older_audits_call_otherwise_or_do_not_say_is_understood(audit: Audit, tmp_path: Path) -> None:
    audit.save(tmp_path)
    older = json.loads((tmp_path / "audit.json").read_text())
    del older["balance"]
    write_as_older(tmp_path, older)
    assert Audit.load(tmp_path).balance == "none"
    write_as_older(tmp_path, {**older, "balanced": True})
    assert Audit.load(tmp_path).balance == "equal"
    for scenario in older["scenarios"]:
        scenario["documents_mode"] = "rows"
    write_as_older(tmp_path, older)
    assert {result.documents_mode for result in Audit.load(tmp_path).scenarios} == {"per-question"}
    replace(audit, balance="equal").save(tmp_path)
    assert Audit.load(tmp_path).balance == "equal"


def interrupt(*_: object) -> bytes:
    raise KeyboardInterrupt


def test_ranks_of_another_audit_or_a_changed_one_are_told(
    audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit.save(tmp_path)
    other = replace(audit, seed=7)
    with monkeypatch.context() as patch:
        patch.setattr(results, "pack_ranks", interrupt)  # between the two files
        with pytest.raises(KeyboardInterrupt):
            other.save(tmp_path)
    with pytest.raises(IsoglotError, match=r"ranks.npz: is not of the audit.json beside it"):
        Audit.load(tmp_path)
    other.save(tmp_path)
    text = (tmp_path / "audit.json").read_text()
    (tmp_path / "audit.json").write_text(text.replace('"seed": 7', '"seed": 8'))
    with pytest.raises(IsoglotError, match=r"or that was changed; make the audit again"):
        Audit.load(tmp_path)


def test_an_audit_comes_back_from_disk_with_its_ranks(audit: Audit, tmp_path: Path) -> None:
    audit.save(tmp_path / "a")
    found = Audit.load(tmp_path / "a")
    assert found.to_json() == audit.to_json()
    for ours, theirs in zip(audit.scenarios, found.scenarios, strict=True):
        assert ours.judged is not None
        assert theirs.judged is not None
        assert (ours.judged.ranks == theirs.judged.ranks).all()
        assert ours.judged.query_language == theirs.judged.query_language
        assert ours.query_ids == theirs.query_ids


def test_what_is_wrong_in_a_damaged_audit_is_said(audit: Audit, tmp_path: Path) -> None:
    with pytest.raises(IsoglotError, match=r"audit.json: cannot read: No such file"):
        Audit.load(tmp_path)
    audit.save(tmp_path)
    whole = (tmp_path / "audit.json").read_text()
    body = json.loads(whole)
    first, *others = body["scenarios"]
    interval = {"mean": "much", "low": 0, "high": 1}
    for text, message in (
        (whole[:500], r"audit.json: is damaged: .*: line \d+ column \d+ \(char \d+\); make the audit again"),
        ("{}", "is no audit that isoglot wrote: Object missing required field `schema`"),
        ("[]", "is no audit that isoglot wrote: Expected `object`, got `array`"),
        (whole.replace("isoglot.audit/1", "isoglot.audit/9"), "has the schema 'isoglot.audit/9'"),
        (json.dumps({**body, "seed": "zero"}), r"is damaged: Expected `int`, got `str` - at `\$.seed`"),
        (json.dumps({**body, "model": {"name": "m"}}), r"missing required field `fingerprint` - at `\$.model`"),
        (
            json.dumps({**body, "scenarios": [{**first, "measures": {"max_r": interval}}, *others]}),
            r"Expected `float`, got `str` - at `\$.scenarios\[0\].measures\[...\].mean`",
        ),
    ):
        (tmp_path / "audit.json").write_text(text)
        with pytest.raises(IsoglotError, match=message) as error:
            Audit.load(tmp_path)
        assert "\n" not in str(error.value)
    (tmp_path / "audit.json").write_bytes(b"\xff\xfe")
    with pytest.raises(IsoglotError, match=r"audit.json: is no audit that isoglot wrote: 'utf-"):
        Audit.load(tmp_path)


def test_what_is_wrong_in_damaged_ranks_is_said(audit: Audit, tmp_path: Path) -> None:
    audit.save(tmp_path)
    path = tmp_path / "ranks.npz"
    whole = path.read_bytes()
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    missing = {name: array for name, array in arrays.items() if name != "3/gold_tied"}
    for content, message in (
        (whole[:200], "File is not a zip file"),
        (b"", "File is not a zip file"),
        (missing, "the array 3/gold_tied is missing"),
        (
            {**arrays, "3/gold_ranks": arrays["3/gold_ranks"][1:]},
            r"3/gold_ranks has the shape \(5, 1\), with 6",
        ),
        ({**arrays, "3/contents": arrays["3/contents"][1:]}, "3/contents has 5 entries, with 6 queries"),
        ({**arrays, "other": arrays["3/contents"]}, "not enough values to unpack"),
    ):
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            np.savez(path, **content)
        with pytest.raises(IsoglotError, match=rf"ranks.npz: is damaged: .*{message}.*; make the audit again") as error:
            Audit.load(tmp_path)
        assert "\n" not in str(error.value)


def test_a_folder_with_another_audit_is_refused_unless_forced(
    tiny_model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    """What `isoglot audit -o` does, for Python users."""
    options: dict[str, Any] = {"scenarios": ["mono-same"], "output": tmp_path}
    first = isoglot.audit(str(tiny_model), small_collection, **options)
    assert Audit.load(tmp_path).to_json() == first.to_json()
    again = isoglot.audit(str(tiny_model), small_collection, measures=["rr"], **options)
    assert Audit.load(tmp_path).to_json() == again.to_json()
    for other, message in (
        (
            {"seed": 1},
            r"holds another audit, of .*/tiny on small with seed 0, dedup documents; it differs in seed \(0, now 1\); "
            "choose another folder or",
        ),
        ({"limit": 2}, r"it differs in limit \(None, now 2\)"),
        ({"balance": "equal"}, r"it differs in balance \('none', now 'equal'\)"),
        ({"prompts": {"query": "Q: "}}, r"it differs in model prompts \(\{'query': .*, now \{'query': "),
        ({"documents_mode": "per-question"}, "holds another audit"),
        (
            {"pools": [["en"]]},
            r"holds an audit of other pools; choose another folder or pass --force \(in Python force=True\)",
        ),
    ):
        with pytest.raises(IsoglotError, match=message):
            isoglot.audit(str(tiny_model), small_collection, **options, **other)
    assert Audit.load(tmp_path).to_json() == again.to_json()
    forced = isoglot.audit(str(tiny_model), small_collection, seed=1, force=True, **options)
    assert Audit.load(tmp_path).to_json() == forced.to_json()


def test_an_audit_that_is_damaged_is_made_again_and_a_file_of_something_else_is_kept(
    tiny_model: Path, small_collection: Collection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options: dict[str, Any] = {"scenarios": ["mono-same"], "output": tmp_path}
    whole = isoglot.audit(str(tiny_model), small_collection, **options).to_json()
    path, ranks = tmp_path / "audit.json", tmp_path / "ranks.npz"
    for damaged in (whole[:500].encode(), whole.replace('"seed": 0', '"seed": "0"').encode(), b"", bytes(500)):
        path.write_bytes(damaged)
        isoglot.audit(str(tiny_model), small_collection, **options)
        assert caplog.messages[-1] == f"{path}: is damaged; it is made again"
        assert path.read_text(encoding="utf-8") == whole
    ranks.write_bytes(ranks.read_bytes()[:-9])
    with pytest.raises(IsoglotError, match="holds another audit"):
        isoglot.audit(str(tiny_model), small_collection, **options, seed=1)
    isoglot.audit(str(tiny_model), small_collection, **options)
    assert Audit.load(tmp_path).to_json() == whole
    path.write_text('{"dependencies": {}}')
    with pytest.raises(IsoglotError, match=r"audit.json: is no audit that isoglot wrote: .*; choose another folder or"):
        isoglot.audit(str(tiny_model), small_collection, **options)


def test_an_audit_of_other_pools_is_refused_before_anything_is_encoded(
    tiny_model: Path, small_collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isoglot.audit(str(tiny_model), small_collection, scenarios=["mono-same"], output=tmp_path)
    monkeypatch.setattr(DenseRetriever, "rankings", None)
    with pytest.raises(IsoglotError, match="holds an audit of other pools"):
        isoglot.audit(str(tiny_model), small_collection, scenarios=["multi"], output=tmp_path)
