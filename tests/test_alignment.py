"""`align` from a model's name to an ordinary folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

import isoglot
from isoglot import Collection, IsoglotError
from isoglot.alignment import center
from isoglot.alignment.methods import read_record
from isoglot.files import write_text


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
    assert (record["method"], record["options"]["batch_size"], record["data"]["rows"]) == ("jsd-nce", 4, 6)
    assert [json.loads(line)["step"] for line in (folder / "losses.jsonl").read_text().splitlines()] == [1, 2, 3, 4]
    assert "`jsd-nce`" in (folder / "README.md").read_text()
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {".safetensors", ".json", ".jsonl", ".md"}


def test_a_familys_prompts_are_kept_though_its_name_is_gone(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    model = SentenceTransformer(str(tiny_model), device="cpu")
    model.prompts = {}
    model.save_pretrained(str(tmp_path / "e5-small"), create_model_card=False)
    folder = isoglot.align(str(tmp_path / "e5-small"), "center", small_collection, tmp_path / "out")
    found = isoglot.audit(str(folder), small_collection).model["prompts"]
    assert (found["query"]["text"], found["document"]["text"]) == ("query: ", "passage: ")


def test_the_same_again_is_kept_and_anything_else_needs_force(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    folder = isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "out")
    made = (folder / "README.md").stat().st_mtime_ns
    isoglot.align(str(tiny_model), "center", small_collection, folder)
    assert (folder / "README.md").stat().st_mtime_ns == made
    with pytest.raises(IsoglotError, match="holds something else; choose another folder or pass --force"):
        isoglot.align(str(tiny_model), "center", small_collection, folder, seed=1)
    isoglot.align(str(tiny_model), "center", small_collection, folder, seed=1, force=True)
    record = read_record(folder)
    assert record is not None
    assert record["seed"] == 1
    assert names(tmp_path) == ["cache", "out"]


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
    monkeypatch.setattr(center, "run", fail)
    with pytest.raises(KeyboardInterrupt):
        isoglot.align(str(tiny_model), "center", small_collection, tmp_path / "third")
    assert names(folder) == before
    assert names(tmp_path) == ["cache", "out"]


def test_what_cannot_be_done_is_told_in_one_line(
    tiny_model: Path, small_collection: Collection, own_cache: Path, tmp_path: Path
) -> None:
    write_text(tmp_path / "file", "")
    for method, output, options, message in (
        ("centre", "out", {}, "unknown method 'centre'; choose from center, shift, "),
        ("center", "out", {"epochs": 2}, "center has no option 'epochs'; it has none"),
        ("jsd-nce", "out", {"alpha": 2}, "jsd-nce has no option 'alpha'; it has epochs, batch_size"),
        ("center", "out", {"languages": ["en", "ja"]}, "no text in 'ja'"),
        ("jsd-nce", "out", {"languages": ["de", "ru"]}, "no row has an English query"),
        ("center", "file/out", {}, "cannot write"),
    ):
        with pytest.raises(IsoglotError, match=message) as error:
            isoglot.align(str(tiny_model), method, small_collection, tmp_path / output, **options)  # type: ignore[arg-type]
        assert "\n" not in str(error.value)
    assert names(tmp_path) == ["cache", "file"]
