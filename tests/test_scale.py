"""Encoding and ranking shard by shard: sound shards are kept, damaged ones made again, and all engines agree."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isoglot
from isoglot import IsoglotError
from isoglot.cli import main
from isoglot.corpora.collection import Collection, Document, Query
from isoglot.platform.errors import InputError
from isoglot.platform.files import locked
from isoglot.ranking.balance import BALANCES
from isoglot.ranking.exact import rank
from isoglot.ranking.parts import exact_gold_scores, find_peaks, join, rank_part, usual_scores_of
from isoglot.ranking.result import Ranking
from isoglot.ranking.task import RankingTask
from isoglot.retrievers.registry import as_retriever
from isoglot.scale.encoding import LOCK, EncodingOutcome, encode_corpus, read_texts
from isoglot.scale.manifest import MANIFEST, read_manifest
from isoglot.scale.shard_encoding import EncodingSettings
from isoglot.scale.shards import ShardCounts, Text, is_sound, read_ids, read_vectors, shard_paths, write_shard
from tests import command_line
from tests.forked import Forked
from tests.test_ranks import problem
from tests.tiny_models import save_model


@pytest.fixture(scope="module")
def other_tiny_model(tiny_berts: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model("normalized", tiny_berts[::-1], tmp_path_factory.mktemp("models") / "other")


def corpus(folder: Path, count: int = 40) -> Path:
    path = folder / "corpus.jsonl"
    lines = [
        {"_id": str(at), "lang": "de" if at % 3 else "en", "text": f"loaf {at} " * (1 + at % 5)} for at in range(count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def encode(path: Path, output: Path, model: Path, engine: str = "local", workers: int = 0) -> EncodingOutcome:
    settings = EncodingSettings(model=str(model), shard_size=8, threads=1)
    return encode_corpus(str(path), output, settings, device="cpu", engine=engine, workers=workers)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def test_sound_shards_are_kept_and_damaged_missing_or_changed_ones_are_made_again(
    tmp_path: Path, tiny_model: Path
) -> None:
    path = corpus(tmp_path)
    first = encode(path, tmp_path / "v", tiny_model)
    assert first == EncodingOutcome({"document": 40}, 5, 0)
    whole = contents(tmp_path / "v")
    shards = shard_paths(tmp_path / "v", "document")
    damaged = bytearray(shards[0].read_bytes())
    damaged[damaged.index(read_vectors(shards[0])[3].tobytes())] ^= 1  # one bit, in a vector
    shards[0].write_bytes(damaged)
    shards[1].write_bytes(shards[1].read_bytes()[:-100])
    shards[2].unlink()
    assert encode(path, tmp_path / "v", tiny_model).kept == 2
    assert contents(tmp_path / "v") == whole
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:38], lines[38].replace("loaf", "bread")]) + "\n")
    assert encode(path, tmp_path / "v", tiny_model) == EncodingOutcome({"document": 39}, 5, 4)
    path.write_text("\n".join(lines[:10]) + "\n")
    assert encode(path, tmp_path / "v", tiny_model) == EncodingOutcome({"document": 10}, 2, 1)
    assert len(shard_paths(tmp_path / "v", "document")) == 2


@pytest.mark.process
def test_two_encodings_of_one_folder_take_turns(tmp_path: Path, tiny_model: Path) -> None:
    path, output = corpus(tmp_path), tmp_path / "v"
    command = ["encode", str(path), "-m", str(tiny_model), "-o", str(output), "--shard-size", "8", "--device", "cpu"]
    with locked(output / LOCK, ""), Forked(main, command) as process:
        assert "v: waiting for another process that encodes into it" in process.stderr.readline()
        assert [file.name for file in output.iterdir()] == [LOCK]
    with Forked(main, command) as process:
        assert process.wait() == 0
    assert len(contents(output)) == 5


def test_shards_of_another_model_are_not_taken_for_those_of_the_record(
    tmp_path: Path, tiny_model: Path, other_tiny_model: Path
) -> None:
    path, output = corpus(tmp_path), tmp_path / "v"
    encode(path, output, tiny_model)
    encode(path, tmp_path / "other", other_tiny_model)
    whole, shard = contents(output), shard_paths(output, "document")[2]
    shard.write_bytes((tmp_path / "other" / shard.name).read_bytes())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    documents = tuple(Document(line["_id"], line["lang"], line["text"]) for line in lines)
    collection = Collection("loaves", documents, (Query("q", "de", "loaf"),), {"q": ("1",)})
    with pytest.raises(IsoglotError, match=r"was not made as encoded.json says; run `isoglot encode` again"):
        isoglot.audit(f"vectors:{output}", collection, pools=[("de",)])
    assert encode(path, output, tiny_model).kept == 4
    assert contents(output) == whole


def test_an_audit_of_documents_alone_says_how_their_queries_are_encoded(tmp_path: Path, tiny_model: Path) -> None:
    encode(corpus(tmp_path, 2), tmp_path / "v", tiny_model)
    collection = Collection("loaves", (Document("1", "de", "loaf 1"),), (Query("q", "de", "loaf"),), {"q": ("1",)})
    with pytest.raises(IsoglotError, match=r"lacks 1 of the 1 .* that the audit needs.*; `isoglot encode SOURCE`"):
        isoglot.audit(f"vectors:{tmp_path / 'v'}", collection, pools=[("de",)])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_shards_have_the_mode_that_the_umask_leaves(tmp_path: Path, tiny_model: Path) -> None:
    before = os.umask(0o027)
    try:
        encode(corpus(tmp_path), tmp_path / "v", tiny_model)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in shard_paths(tmp_path / "v", "document")} == {0o640}


def test_every_flipped_bit_of_a_shard_is_found(tmp_path: Path) -> None:
    texts = [Text(str(at), f"c{at % 3}", "en", "loaf") for at in range(6)]
    path = tmp_path / "documents-000000.parquet"
    write_shard(
        path, texts, np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32), "digest", "model", ShardCounts()
    )
    whole = path.read_bytes()
    ids, vectors = list(read_ids(path, "model")), read_vectors(path)
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        sound = is_sound(path, "digest", "model")
        try:
            assert list(read_ids(path, "model")) == ids
            assert np.array_equal(read_vectors(path), vectors)  # the shape too, which the footer decides
        except InputError:
            assert not sound


@pytest.mark.process
@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path, tiny_model: Path) -> None:
    path = corpus(tmp_path, 4000)
    command = ["encode", str(path), "-m", str(tiny_model), "-o", str(tmp_path / "v")]
    command += ["--shard-size", "50", "--threads", "1", "--device", "cpu"]
    with Forked(main, command) as process:
        while len(contents(tmp_path / "v")) < 3 and process.returncode is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with pytest.raises(IsoglotError, match="has not ended"):
        as_retriever(f"vectors:{tmp_path / 'v'}")
    told = json.loads(command_line.isoglot(*command, "--json").stdout)
    assert 3 <= told["kept"] < told["shards"] == 80
    assert told["texts"] == {"document": 4000}
    assert len(contents(tmp_path / "v")) == 80


def encode_while_a_worker_is_killed(path: Path, output: Path, model: Path) -> None:
    """Encode with two workers of Ray; one is killed once a shard is written. Run in a process of its own."""
    killed: list[psutil.Process] = []

    def kill() -> None:
        while not contents(output):
            time.sleep(0.01)
        workers = [child for child in psutil.Process().children(recursive=True) if is_ray_worker(child)]
        workers[0].kill()
        killed.append(workers[0])

    thread = threading.Thread(target=kill)
    thread.start()
    encode(path, output, model, "ray", 2)
    thread.join()
    assert killed


def is_ray_worker(process: psutil.Process) -> bool:
    try:
        return " ".join(process.cmdline()).startswith("ray::_Worker")
    except psutil.NoSuchProcess:
        return False


@pytest.mark.process
@pytest.mark.slow
def test_ray_workers_write_what_one_process_writes_though_one_is_killed(tmp_path: Path, tiny_model: Path) -> None:
    pytest.importorskip("ray")
    path = corpus(tmp_path, 400)
    encode(path, tmp_path / "one", tiny_model)
    with Forked(encode_while_a_worker_is_killed, path, tmp_path / "two", tiny_model) as process:
        _, error = process.communicate(timeout=240)
    assert process.returncode == 0, error
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


@pytest.mark.process
@pytest.mark.slow
def test_an_audit_of_shards_has_the_ranks_of_the_model_on_one_process_and_on_ray(
    tmp_path: Path, tiny_model: Path, own_cache: Path
) -> None:
    encode_corpus(
        "mini@demo", tmp_path / "v", EncodingSettings(model=str(tiny_model), shard_size=50, threads=1), device="cpu"
    )
    options = {"pools": [["en", "zh"], ["de", "es", "hi"]], "scenarios": ["multi"], "limit": 20}
    kinds = [str(tiny_model), f"vectors:{tmp_path / 'v'}"]
    try:
        import ray  # noqa: F401
    except ImportError:
        pass
    else:
        kinds.append(f"ray:{tmp_path / 'v'}")
    audits = [isoglot.audit(kind, "mini@demo", **options) for kind in kinds]
    for audit in audits[1:]:
        for one, other in zip(audits[0].scenarios, audit.scenarios, strict=True):
            assert one.judged is not None
            assert other.judged is not None
            assert np.array_equal(one.judged.ranks, other.judged.ranks)
            assert one.measures == other.measures
        means = [made.similarities.unrelated.mean for made in (audits[0], audit)]  # type: ignore[union-attr]
        assert means[0] == pytest.approx(means[1], abs=1e-3)  # shards are in half precision


PREFER = "scaled(k=3, weight=0.5, prefer=0.05)"


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 7), st.sampled_from([*BALANCES, PREFER]), st.integers(0, 30))
def test_parts_joined_are_the_whole(seed: int, parts: int, balance: str, k: int) -> None:
    queries, pool, golds, languages, keys = problem(seed, duplicates=6)
    golds[1, 1] = -1
    options = {"languages": languages, "tie_keys": keys, "balance": balance, "top_k": k, "query_language": 1}
    one = rank(queries, pool, golds, **options)  # type: ignore[arg-type]
    task = RankingTask(golds, len(pool), **options)  # type: ignore[arg-type]
    where = np.random.default_rng(seed).integers(0, parts, len(pool))
    positions = [np.flatnonzero(where == number) for number in range(parts)]
    scores = np.max([exact_gold_scores(queries, pool[at], golds, at) for at in positions], axis=0)
    peaks = usual = None
    if balance.startswith("scaled"):
        found = [find_peaks(queries, pool[at], task, positions=at) for at in positions]
        peaks, usual = usual_scores_of(found, task)
    parted = [rank_part(queries, pool[at], task, scores, usual=usual, positions=at) for at in positions]
    two = join(parted, task, peaks)
    for name in Ranking.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


def test_an_unfit_corpus_or_folder_is_reported_in_one_line(tmp_path: Path, tiny_model: Path) -> None:
    path = corpus(tmp_path)
    output = tmp_path / "v"
    encode(path, output, tiny_model)
    other = ["--shard-size", "9", "--threads", "1", "--device", "cpu"]
    base = ["encode", str(path), "-m", str(tiny_model), "-o", str(output)]
    refused = command_line.isoglot(*base, *other)
    assert refused.returncode == 2
    assert "its shard_size is 8, not 9" in refused.stderr
    assert command_line.isoglot(*base, *other, "--force").returncode == 0
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"_id": "1", "text": "rye"}\n{"_id": ', encoding="utf-8")
    with pytest.raises(IsoglotError, match=r"broken.jsonl:2"):
        encode(broken, tmp_path / "w", tiny_model)
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(IsoglotError, match="holds no text"):
        encode(tmp_path / "empty.jsonl", tmp_path / "x", tiny_model)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    with pytest.raises(IsoglotError, match="not empty"):
        encode(path, tmp_path / "full", tiny_model)
    with pytest.raises(IsoglotError, match="choose local or ray"):
        encode(path, tmp_path / "y", tiny_model, engine="spark")
    with pytest.raises(IsoglotError, match="choose float16 or float32"):
        EncodingSettings(model=str(tiny_model), dtype="int8")


def test_only_files_of_shards_are_read_and_removed(tmp_path: Path, tiny_model: Path) -> None:
    path, output = corpus(tmp_path), tmp_path / "v"
    encode(path, output, tiny_model)
    (shard, *_) = shard_paths(output, "document")
    shards = [output / f"documents-{number}.parquet" for number in ("000000", "999999", "1000000", "10000000")]
    others = [output / f"documents-{name}.parquet" for name in ("backup", "000000-old", "0000000", "1", "000000 (1)")]
    for file in shards[1:] + others:
        file.write_bytes(shard.read_bytes())
    assert [file for file in shard_paths(output, "document") if file in shards] == shards
    assert encode(path, output, tiny_model).kept == 5
    assert len(shard_paths(output, "document")) == 5
    assert all(file.is_file() for file in others)


@pytest.mark.parametrize(
    ("name", "text"), [("thesis.tex", "mine"), (MANIFEST, "{}"), (MANIFEST, "[]"), (MANIFEST, "a: b")]
)
def test_nothing_is_written_to_a_folder_of_something_else_nor_removed(
    tmp_path: Path, tiny_model: Path, name: str, text: str
) -> None:
    path, output = corpus(tmp_path), tmp_path / "v"
    output.mkdir()
    (output / name).write_text(text)
    (output / "documents-000000.parquet").write_text("mine")
    settings = EncodingSettings(model=str(tiny_model))
    with pytest.raises(IsoglotError, match="v: is no folder of `isoglot encode` and not empty; choose another"):
        encode_corpus(str(path), output, settings, device="cpu", force=True)
    assert {file.name: file.read_text() for file in output.iterdir()} == {
        name: text,
        "documents-000000.parquet": "mine",
    }


def test_a_damaged_manifest_says_so_and_where_and_force_encodes_anew(tmp_path: Path, tiny_model: Path) -> None:
    path, output = corpus(tmp_path), tmp_path / "v"
    encode(path, output, tiny_model)
    whole = (output / MANIFEST).read_text()
    before = read_manifest(output)
    for broken, message in (
        (whole.replace('"dimension"', '"dimensions"'), "encoded.json: is damaged (Object missing required field `dim"),
        (whole.replace('"shard_size": 8', '"shard_size": "8"'), "is damaged (Expected `int`, got `str` - at `$.shard_"),
        (whole[:-10], "encoded.json: is damaged (Input data was truncated)"),
        ("", "encoded.json: is damaged (Input data was truncated)"),
    ):
        (output / MANIFEST).write_text(broken)
        with pytest.raises(IsoglotError, match=re.escape(message)):
            as_retriever(f"vectors:{output}")
        with pytest.raises(IsoglotError, match=re.escape(message)):
            encode(path, output, tiny_model)
    settings = EncodingSettings(model=str(tiny_model), shard_size=8, threads=1)
    assert encode_corpus(str(path), output, settings, device="cpu", force=True).kept == 0
    assert read_manifest(output) == before
    assert (output / MANIFEST).read_text() == whole


def test_the_digest_of_a_manifest_is_that_of_its_json(tmp_path: Path, tiny_model: Path) -> None:
    encode(corpus(tmp_path), tmp_path / "v", tiny_model)
    body = json.loads((tmp_path / "v" / MANIFEST).read_text())
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    assert read_manifest(tmp_path / "v").digest == as_retriever(f"vectors:{tmp_path / 'v'}").describe().fingerprint
    assert read_manifest(tmp_path / "v").digest == digest


def test_a_folder_that_cannot_be_written_is_reported_in_one_line(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IsoglotError, match="file"):
        encode(corpus(tmp_path), tmp_path / "file" / "v", tiny_model)


def test_half_precision_shards_and_titles(tmp_path: Path, tiny_model: Path) -> None:
    path = tmp_path / "titles.jsonl"
    path.write_text('{"_id": "a", "lang": "en", "content_id": "c", "title": "Rye", "text": "keeps long"}\n')
    assert list(read_texts(str(path), "document")) == [Text("a", "c", "en", "Rye keeps long")]
    encode_corpus(str(path), tmp_path / "v", EncodingSettings(model=str(tiny_model), dtype="float16"), device="cpu")
    assert read_vectors(shard_paths(tmp_path / "v", "document")[0]).dtype == np.float16
