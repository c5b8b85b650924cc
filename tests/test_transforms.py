"""Transforms: vectors from anywhere, changed as the model folders of the same methods change them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import isoglot
from isoglot import Collection, IsoglotError, Transform
from isoglot.alignment.registry import METHODS
from isoglot.alignment.request import with_query_share
from isoglot.alignment.row_vectors import encode_rows
from isoglot.alignment.transforms import fit_transform
from isoglot.corpora.trec import version_id
from isoglot.encoders.encoder import Encoder
from isoglot.encoders.prompts import ROLES
from isoglot.encoders.sentence_transformer import load_encoder
from isoglot.evaluation.lift import language_lift
from isoglot.platform.arrays import Vectors
from isoglot.scale import applying
from isoglot.training_data.loading import training_rows
from isoglot.transforms.files import load_transform
from tests.command_line import isoglot as command

pytestmark = pytest.mark.usefixtures("own_cache")

FREE = [name for name, method in METHODS.items() if not method.trained]
LANGUAGES = ["en", "de", "ru", "en"]


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> Encoder:
    return load_encoder(str(tiny_model), device="cpu")


def fitted(encoder: Encoder, collection: Collection, method: str, **given: Any) -> Transform:
    rows = training_rows(collection)
    row_vectors = encode_rows(encoder, rows, show_progress=False)
    options = with_query_share(METHODS[method].options(given), rows)
    return fit_transform(METHODS[method], options, row_vectors, rows, model="tiny", data="small")


def vectors_of(encoder: Encoder, role: str) -> Vectors:
    return encoder.encode(["the old piano", "das alte klavier", "старое пианино", "a letter"], role, LANGUAGES)


def write_vectors(folder: Path, encoder: Encoder, collection: Collection, dtype: str = "float32") -> Path:
    """The vectors of a collection as ``vectors:DIR`` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "queries": [(version_id(q.query_id, q.language), q.text, q.language) for q in collection.queries],
        "documents": [(version_id(d.content_id, d.language), d.text, d.language) for d in collection.documents],
    }
    for (kind, found), role in zip(texts.items(), ROLES, strict=True):
        vectors = encoder.encode([text for _, text, _ in found], role, [tag for *_, tag in found])
        np.save(folder / f"{kind}.npy", vectors.astype(dtype))
        (folder / f"{kind}.ids.txt").write_text("".join(f"{name}\n" for name, *_ in found))
    return folder


@pytest.mark.parametrize("method", [*FREE, "center-inferred"])
def test_a_transform_gives_the_vectors_of_the_model_folder(
    encoder: Encoder, tiny_model: Path, small_collection: Collection, tmp_path: Path, method: str
) -> None:
    name = method.removesuffix("-inferred")
    given = {"query_language": "inferred"} if "inferred" in method else {}
    rows = training_rows(small_collection)
    folder = isoglot.align(str(tiny_model), name, rows, tmp_path / "model", dev="none", **given)
    aligned = load_encoder(str(folder), device="cpu")
    fitted(encoder, small_collection, name, **given).save(tmp_path / "transform")
    transform = Transform.load(tmp_path / "transform")
    for role, change in (("query", transform.queries), ("document", transform.documents)):
        found = change(vectors_of(encoder, role), LANGUAGES)
        np.testing.assert_allclose(found, vectors_of(aligned, role), atol=5e-5)
        np.testing.assert_allclose(change(vectors_of(encoder, role)[1], "de"), found[1], atol=1e-6)


def test_centers_by_hand() -> None:
    documents = np.array([[1, 0], [2, 0], [0, 1], [0, 3]], dtype=np.float32)
    transform = Transform.fit(documents, ["en", "en", "de", "de"], documents, ["en", "en", "de", "de"], query_share=0.5)
    assert transform.record.languages == ("de", "en")
    assert transform.record.counts == {role: {"en": 2, "de": 2} for role in ROLES}
    assert transform.offsets == pytest.approx(
        np.array([[[0, 0.5], [0.5, 0], [0.25, 0.25]], [[0, 1], [1, 0], [0.5, 0.5]]]), abs=1e-6
    )
    vector = np.array([0.6, 0.8])
    assert transform.documents(vector, "de") == pytest.approx(np.array([0.6, -0.2]) / np.hypot(0.6, 0.2), abs=1e-6)
    assert transform.queries(vector, "en") == pytest.approx(np.array([0.1, 0.8]) / np.hypot(0.1, 0.8), abs=1e-6)
    assert (transform.documents(np.array([5.0, 0.0]), "en") == 0).all()  # it is the mean itself


def test_a_vector_of_zeros_teaches_nothing_and_stays_one() -> None:
    documents = np.array([[1, 0], [0, 0], [0, 1]], dtype=np.float32)
    transform = Transform.fit(documents, ["en", "en", "de"])
    assert transform.record.counts["document"] == {"en": 1, "de": 1}
    assert (transform.documents(documents, "en")[1] == 0).all()


def test_without_queries_documents_stand_in_for_them(encoder: Encoder, small_collection: Collection) -> None:
    documents = small_collection.documents
    tags = [document.language for document in documents]
    transform = Transform.fit(encoder.encode([d.text for d in documents], "document", tags), tags)
    assert transform.offsets[0] == pytest.approx(transform.record.options["query_share"] * transform.offsets[1])


def test_a_language_that_is_not_known_takes_what_all_share_and_is_told_once(
    encoder: Encoder, small_collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    transform = fitted(encoder, small_collection, "center")
    vectors = vectors_of(encoder, "document")
    assert (transform.documents(vectors, "ja") == transform.documents(vectors)).all()
    transform.documents(vectors, ["ja", "en", "de", None])
    assert [m for m in caplog.messages if "ja" in m] == [
        "the transform was not fitted on ja; it uses what all its languages share"
    ]
    caplog.clear()
    fitted(encoder, small_collection, "leace").queries(vectors)
    assert not caplog.messages


@pytest.mark.parametrize(
    ("vectors", "languages", "message"),
    [
        (np.ones((2, 31)), ["en", "en"], r"vectors of shape \(2, 31\): the transform takes \(n, 32\), as tiny"),
        (np.full((1, 32), np.nan), ["en"], "vector 0 is not finite"),
        (np.ones((2, 32)), ["en"], "1 languages for 2 vectors"),
        (np.ones((1, 32)), ["klingonese"], "unknown language 'klingonese'"),
    ],
)
def test_what_cannot_be_changed_is_told(
    encoder: Encoder, small_collection: Collection, vectors: Vectors, languages: list[str], message: str
) -> None:
    with pytest.raises(IsoglotError, match=message):
        fitted(encoder, small_collection, "center").documents(vectors, languages)


def test_vectors_of_another_model_are_refused_and_those_of_the_same_are_not() -> None:
    generator = np.random.default_rng(0)
    direction, turned = generator.normal(size=(2, 64))
    one = (generator.normal(size=(200, 64)) + direction).astype(np.float32)
    transform = Transform.fit(one, ["en", "de"] * 100, model="one")
    transform.check((generator.normal(size=(50, 64)) + direction).astype(np.float32))
    with pytest.raises(IsoglotError, match="unlike those of one, on which the transform was fitted"):
        transform.check((generator.normal(size=(50, 64)) + turned).astype(np.float32))
    transform.check(generator.normal(size=(50, 64)).astype(np.float32))  # without a direction nothing is known


def changed_by_readme(language: str, transform: Transform, folder: Path, cases: list[Any]) -> list[list[float]]:
    """What the lines of the README make of (vector, role, language) cases."""
    code = re.findall(rf"```{language}\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)[0]
    if language == "python":
        names: dict[str, Any] = {}
        exec(code, names)
        return [names["change"](np.array(vector), role, tag).tolist() for vector, role, tag in cases]
    plain = re.sub(r": (number\[\]|\"query\" \| \"document\")|\?: string", "", code)
    arrays = json.dumps({name: array.tolist() for name, array in transform.tensors.items()})
    script = f"const t = {arrays}; const languages = {json.dumps(transform.record.languages)};\n{plain}\n"
    script += f"console.log(JSON.stringify({json.dumps(cases)}.map((c) => change(...c))))"
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("language", ["python", "typescript"])
@pytest.mark.parametrize("method", [*FREE, "center-inferred"])
def test_the_lines_of_the_readme_do_the_same(
    encoder: Encoder,
    small_collection: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    method: str,
) -> None:
    if language == "typescript" and shutil.which("node") is None:
        pytest.skip("node is not there")
    given = {"query_language": "inferred"} if "inferred" in method else {}
    name = "center" if given else method
    transform = fitted(encoder, small_collection, name, **given)
    monkeypatch.chdir(transform.save(tmp_path / "transform"))
    vectors = vectors_of(encoder, "query")
    cases = [(vectors[0].tolist(), role, tag) for role in ROLES for tag in ("en", "ru", "ja")]
    found = changed_by_readme(language, transform, Path(), cases)
    expected = [
        (transform.queries if role == "query" else transform.documents)(np.array(vector), tag)
        for vector, role, tag in cases
    ]
    np.testing.assert_allclose(found, expected, atol=5e-5)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_align_apply_and_audit_of_stored_vectors(
    encoder: Encoder, small_collection: Collection, tmp_path: Path, dtype: str
) -> None:
    stored, changed = write_vectors(tmp_path / "stored", encoder, small_collection, dtype), tmp_path / "changed"
    before = {path.name: path.read_bytes() for path in stored.iterdir()}
    transform = isoglot.align(f"vectors:{stored}", None, None, tmp_path / "transform")
    record = load_transform(transform).record
    assert (record.method, record.model, record.dimension) == ("center", f"vectors:{stored}", 32)
    assert record.lift.keys() == {"de", "en", "ru"}
    done = command("apply", transform, f"vectors:{stored}", "-o", changed)
    assert done.returncode == 0, done.stderr
    assert "18 vectors of document texts and 18 vectors of query texts changed" in done.stdout
    assert {path.name: path.read_bytes() for path in stored.iterdir()} == before
    assert np.load(changed / "documents.npy").dtype == dtype
    through = isoglot.audit(f"vectors:{stored}+{transform}", small_collection)
    written = isoglot.audit(f"vectors:{changed}", small_collection)
    assert through.model.name == f"vectors:{stored}+transform"
    assert through.model.language_given
    assert "changed by center, fitted on vectors:" in (through.model.how or "")
    if dtype == "float32":
        assert json.loads(through.to_json())["scenarios"] == json.loads(written.to_json())["scenarios"]
    again = command("apply", transform, f"vectors:{stored}", "-o", changed)
    assert "36 of them by an earlier run" in again.stdout


def test_stored_vectors_with_translations_fit_methods_that_need_them(
    encoder: Encoder, small_collection: Collection, tmp_path: Path
) -> None:
    stored = write_vectors(tmp_path / "stored", encoder, small_collection)
    english = np.array([d.language == "en" for d in small_collection.documents])
    vectors = np.load(stored / "documents.npy")
    shift = load_transform(isoglot.align(f"vectors:{stored}", "shift", None, tmp_path / "shift"))
    assert shift.documents(vectors[english], "en") == pytest.approx(vectors[english], abs=1e-6)
    offsets = vectors[[d.language == "de" for d in small_collection.documents]] - vectors[english]
    assert shift.offsets[1][1] == pytest.approx(offsets.mean(axis=0), abs=1e-6)
    wccn = load_transform(isoglot.align(f"vectors:{stored}", "wccn", None, tmp_path / "wccn"))
    assert wccn.matrix is not None
    assert np.allclose(wccn.matrix, wccn.matrix.T, atol=1e-6)


def test_the_shards_of_encode_are_changed_shard_by_shard(
    tiny_model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    pool = ("--pool", "en,de", "--scenarios", "multi", "--limit", 4, "--json")
    command("encode", "mini@demo", "-m", tiny_model, "-o", tmp_path / "shards", "--shard-size", 100)
    transform = isoglot.align(f"vectors:{tmp_path / 'shards'}", None, None, tmp_path / "transform")
    done = command("apply", transform, f"vectors:{tmp_path / 'shards'}", "-o", tmp_path / "changed", "--json")
    assert json.loads(done.stdout) == {"vectors": {"document": 320, "query": 320}, "kept": 0}
    written, through = (
        json.loads(command("audit", name, "--data", "mini@demo", *pool).stdout)["scenarios"]
        for name in (f"vectors:{tmp_path / 'changed'}", f"vectors:{tmp_path / 'shards'}+{transform}")
    )
    assert written == through


@pytest.mark.parametrize("kind", ["arrays", "shards"])
def test_apply_goes_on_where_it_was_killed(
    encoder: Encoder,
    tiny_model: Path,
    small_collection: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    stored = tmp_path / "stored"
    if kind == "arrays":
        write_vectors(stored, encoder, small_collection)
    else:
        command("encode", "mini@demo", "-m", tiny_model, "-o", stored, "--shard-size", 100)
    transform = load_transform(isoglot.align(f"vectors:{stored}", None, None, tmp_path / "transform"))
    monkeypatch.setattr(applying, "BLOCK", 4)
    whole = applying.apply_transform(transform, stored, tmp_path / "whole", name="t")
    with monkeypatch.context() as patch:
        patch.setattr(Transform, "queries", killed_after(2, Transform.queries))
        with pytest.raises(KeyboardInterrupt):
            applying.apply_transform(transform, stored, tmp_path / "changed", name="t")
    assert not (tmp_path / "changed").exists()
    if kind == "arrays":  # a killed process leaves part of a block
        (part,) = tmp_path.glob(".changed.applying-*/queries.npy")
        part.write_bytes(part.read_bytes()[:-7])
    done = applying.apply_transform(transform, stored, tmp_path / "changed", name="t")
    assert done.vectors == whole.vectors
    assert 0 < done.kept < sum(done.vectors.values())
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "changed" / path.name).read_bytes(), path
    assert not list(tmp_path.glob(".changed*"))


def killed_after(calls: int, method: Callable[..., Any]) -> Callable[..., Any]:
    made = 0

    def limited(*arguments: Any) -> Any:
        nonlocal made
        made += 1
        if made > calls:
            raise KeyboardInterrupt
        return method(*arguments)

    return limited


def test_an_index_has_vectors_to_which_a_transform_is_fitted(tiny_model: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    command("index", "mini@demo", "-m", tiny_model, "-o", index)
    done = command("align", f"index:{index}", "-o", tmp_path / "transform")
    assert done.returncode == 0, done.stderr
    record = load_transform(tmp_path / "transform").record
    assert record.model == f"index:{index}"
    assert record.counts["document"] == isoglot.Index(index).languages
    assert not record.counts["query"]
    command("index", "-m", tiny_model, "--calibrate", "-o", index)
    several = command("align", f"index:{index}", "-o", tmp_path / "other")
    assert (several.returncode, "has the models" in several.stderr) == (2, True), several.stderr


def test_what_apply_and_align_refuse(encoder: Encoder, small_collection: Collection, tmp_path: Path) -> None:
    stored = write_vectors(tmp_path / "stored", encoder, small_collection)
    transform = isoglot.align(f"vectors:{stored}", None, None, tmp_path / "transform")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    wide = tmp_path / "wide"
    shutil.copytree(stored, wide)
    np.save(wide / "documents.npy", np.ones((18, 31), dtype=np.float32))
    for arguments, message in (
        (("apply", transform, f"vectors:{stored}", "-o", tmp_path / "mine"), "exists already"),
        (("apply", transform, f"vectors:{stored}", "-o", tmp_path / "mine", "--force"), "is no such folder that"),
        (("apply", transform, f"vectors:{wide}", "-o", tmp_path / "out"), "vectors of shape (18, 31)"),
        (("apply", transform, stored, "-o", tmp_path / "out"), "name the folder of vectors: vectors:DIR"),
        (("apply", transform, "vectors:nowhere", "-o", tmp_path / "out"), "nowhere: no such folder"),
        (("apply", stored, f"vectors:{stored}", "-o", tmp_path / "out"), "transform.json: cannot read"),
        (("align", f"vectors:{stored}", "-o", transform), "exists already"),
        (("align", f"vectors:{stored}", "-o", tmp_path / "o", "--method", "nce"), "its weights are not here"),
        (("align", f"vectors:{stored}", "-o", tmp_path / "o", "--method", "auto"), "its weights are not here"),
        (("align", "bm25", "-o", tmp_path / "o", "--data", "mini@demo-train"), "gives no vectors"),
        (("audit", f"bm25+{transform}", "--data", "mini@demo"), "has no vectors, which a transform changes"),
    ):
        done = command(*arguments)
        assert (done.returncode, message in done.stderr, "bug" in done.stderr) == (2, True, False), done.stderr
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"


def test_damage_to_a_transform_is_told(encoder: Encoder, small_collection: Collection, tmp_path: Path) -> None:
    transform = fitted(encoder, small_collection, "center")
    folder = transform.save(tmp_path / "transform")
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    record = json.loads(whole["transform.json"])
    other = replace(transform, offsets=transform.offsets + 1).save(tmp_path / "other")
    for name, content in (
        ("transform.json", b"{}"),
        ("transform.json", b"\xff"),
        ("transform.json", json.dumps({**record, "languages": ["en", "de", "ru"]}).encode()),
        ("transform.json", json.dumps({**record, "schema": "isoglot.transform/9"}).encode()),
        ("transform.safetensors", whole["transform.safetensors"][:-1]),
        ("transform.safetensors", (other / "transform.safetensors").read_bytes()),
        ("transform.safetensors", whole["transform.safetensors"].replace(b"sample", b"simple")),
    ):
        (folder / name).write_bytes(content)
        with pytest.raises(IsoglotError, match=r"transform"):
            load_transform(folder)
        (folder / name).write_bytes(whole[name])
    assert msgspec.structs.replace(load_transform(folder).record, sha256="") == transform.record


def test_language_lift_by_hand_and_by_brute_force() -> None:
    vectors = np.array([[1, 0], [1, 0.01], [0, 1], [0.01, 1]], dtype=np.float32)
    found = language_lift(vectors, ["en", "en", "de", "de"])
    assert {tag: (entry.documents, entry.own, entry.lift) for tag, entry in found.items()} == {
        "de": (2, 33.333, 1.0),  # all three others are looked at
        "en": (2, 33.333, 1.0),
    }
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(200, 8)).astype(np.float32)
    tags = generator.choice(["en", "de", "zh"], size=200, p=[0.6, 0.3, 0.1])
    vectors[tags == "zh", 0] += 3
    scores = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(scores, -np.inf)
    own = (tags[np.argsort(-scores, axis=1)[:, :10]] == tags[:, None]).mean(axis=1)
    for tag, entry in language_lift(vectors, tags.tolist()).items():
        assert entry.own == pytest.approx(100 * own[tags == tag].mean(), abs=0.01)
        assert entry.lift == pytest.approx(own[tags == tag].mean() * 199 / ((tags == tag).sum() - 1), abs=0.001)
    assert language_lift(vectors, ["en"] * 200) == {}


def test_an_audit_of_vectors_tells_the_lift_and_one_without_vectors_does_not(
    tiny_model: Path, small_collection: Collection, tmp_path: Path
) -> None:
    audit = isoglot.audit(str(tiny_model), small_collection, output=tmp_path / "audit")
    assert {tag: entry.documents for tag, entry in audit.lift.items()} == {"en": 6, "de": 6, "ru": 6}
    assert isoglot.Audit.load(tmp_path / "audit").lift == audit.lift
    assert "language lift" in isoglot.to_markdown(audit)
    words = isoglot.audit("bm25", small_collection)
    assert not words.lift
    assert "lift" not in json.loads(words.to_json())
