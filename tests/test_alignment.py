"""`align` from a model's name to an ordinary folder."""

from __future__ import annotations

import json
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import SentenceTransformer

import isoglot
from isoglot import Collection, IsoglotError
from isoglot.alignment.methods import center
from isoglot.alignment.record import BaseRecord, read_record
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.platform.files import write_text
from tests.forked import Forked


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes: writing more fails as on a full disk."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_jsd_nce_saves_a_folder_that_plain_sentence_transformers_loads(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    folder = isoglot.align(str(tiny_model), "jsd-nce", small_collection, tmp_path / "out", epochs=1, batch_size=4)
    model = SentenceTransformer(str(folder), device="cpu")
    assert model.prompts["query"] == "q: "
    assert model.encode("the old piano").shape == (32,)
    record = read_record(folder)
    assert record is not None
    assert (record.method, record.options["batch_size"], record.data.rows) == ("jsd-nce", 4, 6)
    assert [json.loads(line)["step"] for line in (folder / "losses.jsonl").read_text().splitlines()] == [1, 2, 3, 4]
    assert "`jsd-nce`" in (folder / "README.md").read_text()
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {
        ".safetensors",
        ".json",
        ".jsonl",
        ".md",
        ".svg",
    }


def test_the_saved_model_keeps_its_base_s_dropout_and_length(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    options = {"epochs": 1, "batch_size": 6, "max_length": 16}
    folder = isoglot.align(str(tiny_model), "jsd-nce", small_collection, tmp_path / "out", **options)  # type: ignore[arg-type]
    saved, base = (json.loads((place / "config.json").read_text()) for place in (folder, tiny_model))
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        assert saved[name] == base[name] > 0
    model = SentenceTransformer(str(folder), device="cpu")
    assert model.max_seq_length == SentenceTransformer(str(tiny_model), device="cpu").max_seq_length == 128


def test_center_says_in_its_card_and_record_that_it_needs_the_language(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    folder = isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "out", languages=["en", "deu_Latn"])
    record = read_record(folder)
    assert record is not None
    assert (record.needs_language, record.data.languages) == (True, ["de", "en"])
    assert record.base == BaseRecord(str(tiny_model), load_encoder(str(tiny_model)).fingerprint)
    assert "trust_remote_code=True" in (folder / "README.md").read_text()
    assert not (folder / "losses.jsonl").exists()


def test_a_familys_prompts_are_kept_though_its_name_is_gone(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    model = SentenceTransformer(str(tiny_model), device="cpu")
    model.prompts = {}
    model.save_pretrained(str(tmp_path / "e5-small"), create_model_card=False)
    folder = isoglot.align(str(tmp_path / "e5-small"), "center", small_collection, tmp_path / "out")
    found = isoglot.audit(str(folder), small_collection).model.prompts
    assert (found["query"].text, found["document"].text) == ("query: ", "passage: ")


def test_the_same_again_is_kept_and_anything_else_needs_force(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    folder = isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "out")
    made = (folder / "README.md").stat().st_mtime_ns
    isoglot.align(str(tiny_model), "center", small_collection, folder)
    assert (folder / "README.md").stat().st_mtime_ns == made
    other = rf"out: holds an alignment with other settings \(center of {re.escape(str(tiny_model))} on .*\); choose"
    with pytest.raises(IsoglotError, match=other):
        isoglot.align(str(tiny_model), "center", small_collection, folder, seed=1)
    isoglot.align(str(tiny_model), "center", small_collection, folder, seed=1, force=True)
    record = read_record(folder)
    assert record is not None
    assert record.seed == 1
    assert names(tmp_path) == ["cache", "out"]


def test_two_processes_that_train_into_one_folder_make_one_model(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    align = partial(isoglot.align, str(tiny_model), "jsd-nce", small_collection, tmp_path / "out", epochs=4)
    with Forked(align) as first, Forked(align) as second:
        outputs = [process.communicate() for process in (first, second)]
        assert (first.returncode, second.returncode) == (0, 0), outputs
    assert [name for name in names(tmp_path) if name != "cache"] == ["out"]


def test_other_options_languages_or_data_are_not_the_same(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"method": "shift", "data": small_collection}
    folder = isoglot.align(str(tiny_model), output=tmp_path / "out", **given)
    isoglot.align(str(tiny_model), output=folder, alpha=1.0, languages=["ru", "en", "de"], **given)
    fewer = Collection("small", small_collection.documents, small_collection.queries[:9], small_collection.golds)
    for change in ({"alpha": 0.5}, {"languages": ["en", "ru"]}, {"data": fewer}, {"method": "center"}):
        with pytest.raises(IsoglotError, match="holds an alignment with other settings"):
            isoglot.align(str(tiny_model), output=folder, **{**given, **change})


@pytest.mark.parametrize("method", ["center", "auto"])
def test_a_folder_of_the_user_s_is_left_alone_with_force_too(
    tiny_model: Path,
    small_collection: Collection,
    own_cache: Path,
    tmp_path: Path,
    method: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_text(tmp_path / "mine" / "thesis.txt", "years of work")
    given: dict[str, Any] = {"method": method, "data": small_collection, "dev": small_collection}
    with pytest.raises(IsoglotError, match="mine: is not a folder of isoglot's; choose another"):
        isoglot.align(str(tiny_model), output=tmp_path / "mine", **given)
    with pytest.raises(IsoglotError, match=r"mine: is no such folder that isoglot wrote .it has no isoglot.json."):
        isoglot.align(str(tiny_model), output=tmp_path / "mine", force=True, **given)
    assert names(tmp_path / "mine") == ["thesis.txt"]
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(IsoglotError, match=r"^\.: is the folder that you are in"):
        isoglot.align(str(tiny_model), output=".", force=True, **given)


def test_a_loss_that_is_no_number_leaves_no_folder(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    options = {"epochs": 9, "batch_size": 6, "learning_rate": 1e30}
    with pytest.raises(IsoglotError, match="the loss became") as error:
        isoglot.align(str(tiny_model), "jsd-nce", small_collection, tmp_path / "out", **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    assert not [name for name in names(tmp_path) if "out" in name]


@pytest.mark.parametrize("size", [20, 90_000])
def test_a_full_disk_is_told_in_one_line_and_leaves_what_was_there(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path, size: int
) -> None:
    folder = isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    for output, force in (("out", True), ("new", False)):
        with files_up_to(size), pytest.raises(IsoglotError, match=rf"{output}: cannot write") as error:
            isoglot.align(str(tiny_model), "center", small_collection, tmp_path / output, seed=1, force=force)
        assert "\n" not in str(error.value)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert names(tmp_path) == ["cache", "out"]


def test_an_output_that_cannot_be_written_is_told_before_any_training(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    write_text(tmp_path / "file", "")
    with pytest.raises(IsoglotError, match="cannot write: Not a directory"):
        isoglot.align(str(tiny_model), "jsd-nce", small_collection, tmp_path / "file" / "out", languages=["de", "ru"])


def test_a_failure_leaves_nothing_or_what_was_there(
    tiny_model: Path,
    small_collection: Collection,
    own_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    folder = isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "out")
    before = names(folder)
    monkeypatch.setattr(SentenceTransformer, "save_pretrained", fail)
    with pytest.raises(KeyboardInterrupt):
        isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "other")
    with pytest.raises(KeyboardInterrupt):
        isoglot.align(str(tiny_model), "center", small_collection, folder, seed=1, force=True)
    monkeypatch.setattr(center, "modules", fail)
    with pytest.raises(KeyboardInterrupt):
        isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "third")
    assert names(folder) == before
    assert names(tmp_path) == ["cache", "out"]


def test_what_cannot_be_done_is_told_in_one_line(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    write_text(tmp_path / "file", "")
    for method, output, options, message in (
        ("centre", "out", {}, "unknown method 'centre'; choose from center, soft-center, shift, "),
        ("center", "out", {"epochs": 2}, "center has no option 'epochs'; it has query_share, query_language"),
        ("jsd-nce", "out", {"alpha": 2}, "jsd-nce has no option 'alpha'; it has epochs, batch_size"),
        ("center", "out", {"languages": ["en", "ja"]}, "no text in 'ja'"),
        ("jsd-nce", "out", {"languages": ["de", "ru"]}, "no row has an English query"),
        ("center", "file/out", {}, "cannot write"),
    ):
        with pytest.raises(IsoglotError, match=message) as error:
            isoglot.align(str(tiny_model), method, small_collection, tmp_path / output, **options)  # type: ignore[arg-type]
        assert "\n" not in str(error.value)
    assert names(tmp_path) == ["file"]
