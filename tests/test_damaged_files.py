"""Every reader of isoglot's own files gives one line for whatever is broken: 2,000 seeded mutations of each."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isoglot import Audit, IsoglotError
from isoglot.alignment.record import read_epochs, read_record, read_seeds
from isoglot.indexing.checksums import check_files
from isoglot.retrievers.shards import ShardsRetriever
from isoglot.scale.manifest import Manifest, write_manifest
from isoglot.scale.shards import ShardCounts, Text, digest_of, is_sound, read_ids, read_vectors, write_shard
from isoglot.training_data.row import read_rows, write_rows
from tests.parallel import parallel_rows
from tests.synthetic_audits import synthetic_audit
from tests.test_alignment_records import GUARDED, TRIAL

MUTATIONS = 2000
MANIFEST = Manifest(
    model="m", precision="float32", dtype="float32", shard_size=8, threads=1, fingerprint="f", dimension=4, prompts={}
)
VALUES: list[Any] = [
    *(None, True, 0, -1, 2**63, 10**400, 1e308, float("nan"), float("inf"), "", "x", "\ud800", "en\x1b[2J", [], {}),
    *([[]], [None], [1, "a"], {"": 1}, {"mean": None, "low": 1, "high": "x"}),
]


def save_audit(folder: Path) -> Path:
    synthetic_audit("m", 0, languages=("de",), queries=8).save(folder)
    return folder / "audit.json"


def save_ranks(folder: Path) -> Path:
    return save_audit(folder).with_name("ranks.npz")


def save_manifest(folder: Path) -> Path:
    write_manifest(folder, MANIFEST)
    return folder / "encoded.json"


def save_shard(folder: Path) -> Path:
    texts = [Text(str(number), str(number), "en", "loaf") for number in range(8)]
    vectors = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    write_shard(
        folder / "documents-000000.parquet", texts, vectors, digest_of(texts), MANIFEST.model_digest, ShardCounts()
    )
    return folder / "documents-000000.parquet"


def read_shard(path: Path) -> None:
    is_sound(path, "digest", MANIFEST.model_digest)
    list(read_ids(path, MANIFEST.model_digest))
    read_vectors(path)


def save_rows(name: str) -> Callable[[Path], Path]:
    def save(folder: Path) -> Path:
        write_rows(folder / name, parallel_rows(6))
        return folder / name

    return save


def save_record(folder: Path) -> Path:
    auto = {"budget": 1.0, "base": {"multi complete@10": 1.0}, "tried": [TRIAL], "why": "it is best"}
    (folder / "isoglot.json").write_text(json.dumps({**GUARDED, "auto": auto}))
    return folder / "isoglot.json"


def save_seeds(folder: Path) -> Path:
    seed = {"seed": 0, "folder": "seed-0", "measures": TRIAL["measures"], "verdict": TRIAL["verdict"]}
    means = TRIAL["measures"]
    record = {"schema": "isoglot.seeds/1", "base": None, "seeds": [seed], "mean": means, "standard_deviation": means}
    (folder / "seeds.json").write_text(json.dumps(record))
    return folder / "seeds.json"


def save_epochs(folder: Path) -> Path:
    lines = [json.dumps({"epoch": epoch, "measures": {"en": {"multi max_r": 1.0}}}) for epoch in range(3)]
    (folder / "epochs.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "epochs.jsonl"


def save_checksums(folder: Path) -> Path:
    (folder / "passages.lance" / "data").mkdir(parents=True)
    path = folder / "passages.lance" / "checksums.json"
    path.write_text('{"data/a.lance":[3,891568578],"data/b.lance":[4,1]}')
    return path


FILES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object]]] = {
    "audit.json": (save_audit, lambda path: Audit.load(path.parent)),
    "ranks.npz": (save_ranks, lambda path: Audit.load(path.parent)),
    "encoded.json": (save_manifest, lambda path: ShardsRetriever(path.parent)),
    "shard": (save_shard, read_shard),
    "rows.parquet": (save_rows("rows.parquet"), read_rows),
    "rows.jsonl": (save_rows("rows.jsonl"), read_rows),
    "isoglot.json": (save_record, lambda path: read_record(path.parent)),
    "seeds.json": (save_seeds, lambda path: read_seeds(path.parent)),
    "epochs.jsonl": (save_epochs, lambda path: read_epochs(path.parent)),
    "checksums.json": (save_checksums, lambda path: check_files(str(path.parents[1]), set())),
}
"""Name -> what writes such a file into a folder, and what reads it."""


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_any_damage_to_a_file_of_ours_is_one_line_that_names_it(tmp_path: Path, name: str) -> None:
    save, read = FILES[name]
    path = save(tmp_path)
    whole, generator = path.read_bytes(), random.Random(name)
    messages: list[tuple[str, bytes]] = []
    for _ in range(MUTATIONS):
        mutated = mutate(whole, generator)
        path.write_bytes(mutated)
        try:
            read(path)
        except IsoglotError as error:
            messages.append((str(error), mutated))
        except BaseException as error:
            raise AssertionError(f"{type(error).__name__}: {error}: {mutated!r}") from error
    assert len(messages) > MUTATIONS / 20
    for message, mutated in messages:
        assert "\n" not in message, (message, mutated)
        assert path.name in message or path.parent.name in message, (message, mutated)


def mutate(whole: bytes, generator: random.Random) -> bytes:
    """Break a file as disks, editors and strangers do: its bytes, or the values of its JSON."""
    if whole[:1] in b"{[" and generator.random() < 0.5:
        lines = whole.splitlines() if whole.count(b"}\n{") else [whole]
        at = generator.randrange(len(lines))
        lines[at] = mutated_json(lines[at], generator)
        return b"\n".join(lines)
    mutated = bytearray(whole)
    for _ in range(generator.choice([1, 1, 2, 8])):
        at, length = generator.randrange(len(mutated) + 1), generator.choice([1, 2, 16, 300])
        part = mutated[at : at + length]
        mutated[at : at + length] = generator.choice(
            [
                bytes(byte ^ (1 << generator.randrange(8)) for byte in part[:1]) + part[1:],
                b"",
                bytes(len(part)),
                generator.randbytes(len(part)),
                part * 2,
                mutated[-length:],
                generator.choice([b"\xff\xfe", b"9" * 30, b"[" * 100_000, b"\0", b'"', b"-", b"1e999", b"\n"]) + part,
            ]
        )
    return bytes(mutated[: generator.randrange(len(mutated) + 1)] if generator.random() < 0.1 else mutated)


def mutated_json(text: bytes, generator: random.Random) -> bytes:
    """Put another value, or none, somewhere into JSON."""
    body = holder = json.loads(text)
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            break
        key = generator.choice(keys)
        if isinstance(holder[key], dict | list) and generator.random() < 0.7:
            holder = holder[key]
            continue
        if generator.random() < 0.2:
            del holder[key]
        else:
            holder[key] = generator.choice([*VALUES, *(list(holder.values()) if isinstance(holder, dict) else holder)])
        break
    return json.dumps(body).encode()
