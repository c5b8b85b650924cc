"""The vector cache survives what happens to files."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from isoglot import IsoglotError
from isoglot.encoders.cache import VectorCache
from isoglot.encoders.kept import damage_in, kept_vectors

KEY: dict[str, object] = {"model": "m", "prompt": "query: ", "max_length": 512}
TEXTS = [f"text {number}" for number in range(300)]
VECTORS = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)


def filled(folder: Path) -> VectorCache:
    cache = VectorCache(KEY, folder)
    cache.put(TEXTS, VECTORS)
    return cache


def test_what_was_put_is_got_bit_by_bit(tmp_path: Path) -> None:
    found = filled(tmp_path).get([*TEXTS, "unknown"])
    assert set(found) == set(TEXTS)
    assert all((found[text] == vector).all() for text, vector in zip(TEXTS, VECTORS, strict=True))


@pytest.mark.parametrize("change", [{"model": "n"}, {"prompt": "passage: "}, {"max_length": 256}])
def test_another_model_prompt_or_length_sees_nothing(tmp_path: Path, change: dict[str, object]) -> None:
    filled(tmp_path)
    assert VectorCache({**KEY, **change}, tmp_path).get(TEXTS) == {}


def test_strange_texts_are_kept_apart(tmp_path: Path) -> None:
    cache = VectorCache(KEY, tmp_path)
    strange = ["", "\0", "a\0b", "a", "\ud800", "é", "e\u0301"]
    cache.put(strange, VECTORS[: len(strange)])
    found = VectorCache(KEY, tmp_path).get(strange)
    assert all((found[text] == vector).all() for text, vector in zip(strange, VECTORS, strict=False))


def broken_ways(cache: VectorCache, folder: Path) -> dict[str, bytes]:
    whole = cache.path.read_bytes()
    other = sqlite3.connect(folder / "other.db")
    other.execute("CREATE TABLE vectors (text BLOB, vector BLOB, crc INTEGER)")
    other.commit()
    other.close()
    flipped = bytearray(whole)
    at = whole.index(VECTORS[7].tobytes()) + 5
    flipped[at] ^= 1
    return {
        "cut at a page": whole[: len(whole) // 8192 * 4096],
        "cut in a page": whole[: len(whole) - 1000],
        "cut to the header": whole[:50],
        "text": b"this is no database " * 1000,
        "another database": (folder / "other.db").read_bytes(),
        "a flipped bit": bytes(flipped),
    }


@pytest.mark.parametrize(
    "way", ["cut at a page", "cut in a page", "cut to the header", "text", "another database", "a flipped bit"]
)
def test_a_damaged_or_foreign_file_is_told_set_aside_and_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    cache = filled(tmp_path)
    cache.path.write_bytes(broken_ways(cache, tmp_path)[way])
    fresh = VectorCache(KEY, tmp_path)
    assert fresh.get(TEXTS) == {}
    (record,) = caplog.records
    assert record.name == "isoglot"
    assert "not a sound vector cache" in record.getMessage()
    fresh.put(TEXTS, VECTORS)
    assert len(VectorCache(KEY, tmp_path).get(TEXTS)) == 300
    assert fresh.path.with_suffix(".damaged").exists()


def test_the_file_of_another_key_is_not_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = filled(tmp_path)
    other = VectorCache({**KEY, "prompt": ""}, tmp_path)
    cache.path.rename(other.path)
    assert other.get(TEXTS) == {}
    assert "made by something else" in caplog.text
    assert other.path.with_suffix(".damaged").exists()
    other.put(TEXTS[:1], VECTORS[:1])
    assert set(other.get(TEXTS)) == {TEXTS[0]}


def test_a_file_cut_anywhere_gives_no_wrong_vector_and_is_rebuilt(tmp_path: Path) -> None:
    whole = filled(tmp_path).path.read_bytes()
    for size in range(0, len(whole), len(whole) // 40):
        cache = VectorCache(KEY, tmp_path)
        cache.path.write_bytes(whole[:size])
        assert cache.get(TEXTS) == {}
        cache.put(TEXTS, VECTORS)
        assert len(VectorCache(KEY, tmp_path).get(TEXTS)) == 300


def test_a_byte_flipped_anywhere_never_gives_a_text_the_vector_of_another(tmp_path: Path) -> None:
    texts, vectors = TEXTS[:40], VECTORS[:40, :8]
    cache = VectorCache(KEY, tmp_path)
    cache.put(texts, vectors)
    whole = cache.path.read_bytes()
    for at in np.random.default_rng(1).choice(np.flatnonzero(np.frombuffer(whole, np.uint8)), 300, replace=False):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << int(at % 8)
        cache.path.write_bytes(flipped)
        found = VectorCache(KEY, tmp_path).get(texts)
        assert all((found[text] == vector).all() for text, vector in zip(texts, vectors, strict=True) if text in found)


def test_whatever_is_damaged_is_said_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are not UTF-8 are in SQLite's own messages, which Python cannot decode then."""
    monkeypatch.setenv("ISOGLOT_CACHE", str(tmp_path))
    cache = VectorCache(KEY)
    cache.put(TEXTS[:40], VECTORS[:40, :8])
    whole, generator = cache.path.read_bytes(), np.random.default_rng(0)
    random_damage = [whole[:at] + b"\xff" + whole[at + 1 :] for at in generator.integers(len(whole), size=100)]
    for damaged in [whole.replace(b"autoindex_vectors", b"autoindex_\xffectors"), *random_damage]:
        cache.path.write_bytes(damaged)
        (entry,) = kept_vectors()
        assert isinstance(damage_in(entry), str | None)


def test_a_file_in_the_place_of_the_cache_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ISOGLOT_CACHE", str(tmp_path / "file"))
    with pytest.raises(IsoglotError, match="vectors: cannot read: Not a directory"):
        kept_vectors()
    monkeypatch.setenv("ISOGLOT_CACHE", str(tmp_path / "none"))
    assert kept_vectors() == []


def test_an_index_that_leads_to_another_text_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = filled(tmp_path)
    with sqlite3.connect(cache.path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        pages = dict(connection.execute("SELECT name, rootpage FROM sqlite_schema").fetchall())
        connection.execute("CREATE TABLE other (text BLOB PRIMARY KEY, vector BLOB NOT NULL, crc INTEGER NOT NULL)")
        connection.execute("INSERT INTO other SELECT text, vector, crc FROM vectors ORDER BY rowid DESC")
        index = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_other_1'"
        (other,) = connection.execute(index).fetchone()
        change = "UPDATE sqlite_schema SET rootpage = ? WHERE name = ?"
        connection.execute(change, (other, "sqlite_autoindex_vectors_1"))
        connection.execute(change, (pages["sqlite_autoindex_vectors_1"], "sqlite_autoindex_other_1"))
    connection.close()
    assert VectorCache(KEY, tmp_path).get(TEXTS[:10]) == {}
    assert "a vector does not match its text" in caplog.text


def test_a_damaged_file_that_cannot_be_set_aside_is_told_and_the_work_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = filled(tmp_path)
    cache.path.write_bytes(b"this is no database " * 1000)
    cache.path.with_suffix(".damaged").mkdir()
    assert cache.get(TEXTS) == {}
    cache.put(TEXTS, VECTORS)
    (record,) = caplog.records
    assert "cannot be set aside" in record.getMessage()


def test_without_a_place_to_write_the_work_goes_on_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    cache = VectorCache(KEY, tmp_path / "file" / "vectors")
    cache.put(TEXTS, VECTORS)
    assert cache.get(TEXTS) == {}
    assert caplog.text.count("going on without the cache") == 1


WRITER = """
import sys, numpy as np
from pathlib import Path
from isoglot.encoders.cache import VectorCache
cache = VectorCache({"model": "m"}, Path(sys.argv[1]))
for group in range(100000):
    texts = [f"{sys.argv[2]} {group} {n}" for n in range(50)]
    cache.put(texts, np.full((50, 384), group, dtype=np.float32))
    print(group, flush=True)
"""


@pytest.mark.process
def test_kill_in_the_middle_of_writing_loses_at_most_the_group_being_written(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "a"], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    written = [int(writer.stdout.readline()) for _ in range(5)]
    time.sleep(0.05)
    os.kill(writer.pid, signal.SIGKILL)
    written += [int(line) for line in writer.stdout]
    writer.wait()
    cache = VectorCache({"model": "m"}, tmp_path)
    for group in range(written[-1] + 3):
        found = cache.get([f"a {group} {n}" for n in range(50)])
        assert len(found) == 50 if group in written else len(found) in (0, 50)


@pytest.mark.process
def test_two_processes_write_at_once(tmp_path: Path) -> None:
    code = WRITER.replace("100000", "20")
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], stdout=subprocess.DEVNULL) for name in "ab"
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    texts = [f"{name} {group} {n}" for name in "ab" for group in range(20) for n in range(50)]
    assert len(VectorCache({"model": "m"}, tmp_path).get(texts)) == len(texts)
