"""`encode`: a corpus of any size to vectors on disk, shard by shard, in this process or by workers of a Ray cluster.

A shard is a number of texts that follow each other in the corpus. It is encoded alone and written whole, so a shard can
be done anywhere and done again, and what is done is found by looking. Memory is that of a few shards.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoglot.corpora.documents import is_source, read_documents, read_hub_documents
from isoglot.corpora.sources import load_collection
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import os_errors_explained, write_text
from isoglot.scale.encoding_shards import How, Shard, encode_shard, load_for
from isoglot.scale.shards import (
    MANIFEST,
    ROLES,
    Text,
    digest_of,
    is_sound,
    read_manifest,
    shard_path,
    shard_paths,
)

if TYPE_CHECKING:
    pass

log = logging.getLogger("isoglot")


@dataclass(frozen=True)
class Encoded:
    """What a run did.

    Attributes:
        texts: How many texts the corpus has now, by role.
        shards: How many shards they are in.
        kept: How many of those were there already, sound and of these texts.
    """

    texts: dict[str, int]
    shards: int
    kept: int


def encode_corpus(
    corpus: str,
    output: Path,
    how: How,
    *,
    roles: tuple[str, ...] | None = None,
    language: str | None = None,
    engine: str = "local",
    address: str | None = None,
    workers: int = 0,
    gpus_per_worker: float = 0,
    device: str = "auto",
    trust_remote_code: bool = False,
    force: bool = False,
    show_progress: bool = False,
) -> Encoded:
    """Encode every text of a corpus, and write the shards that are not there.

    Args:
        corpus: A file or folder as for `read_documents`, a source such as ``mini@test``, or ``hub:DATASET[:SPLIT]``.
        output: The folder of the shards.
        how: See `How`.
        roles: Which of ``document`` and ``query``; None: documents, and a source's queries.
        language: Of texts that name none; None: detected.
        engine: ``local`` or ``ray``.
        address: Of a Ray cluster; None: that of ``RAY_ADDRESS``, else one on this machine.
        workers: How many processes hold the model; 0: one for each GPU, else one for each CPU of the cluster.
        gpus_per_worker: Share of a GPU that each takes.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside the model's repository may run.
        force: Whether to replace what another model or corpus left in the folder.
        show_progress: Whether to show progress on standard error.

    Raises:
        IsoglotError: The corpus or the model cannot be read, the folder holds something else, or cannot be written.
    """
    if engine not in ("local", "ray"):
        raise IsoglotError(f"unknown engine {engine!r}; choose local or ray")
    chosen = roles or (("document", "query") if is_source(corpus) else ("document",))
    loading = {"device": device, "precision": how.precision, "trust_remote_code": trust_remote_code}
    encoder = load_for(how, loading)
    settings = {
        **asdict(how),
        "precision": encoder.precision,
        "fingerprint": encoder.fingerprint,
        "dimension": encoder.dimension,
        "prompts": {role: prompt.text for role, prompt in encoder.prompts.items()},
    }
    _claim(output, settings, force)
    counts, shards, kept = dict.fromkeys(chosen, 0), 0, 0

    def missing() -> Iterator[Shard]:
        nonlocal shards, kept
        for role in chosen:
            for number, part in enumerate(_parts(read_texts(corpus, role, language), how.shard_size)):
                shard = Shard(role, part, digest_of(part), shard_path(output, role, number))
                counts[role] += len(part)
                shards += 1
                if is_sound(shard.path, shard.digest):
                    kept += 1
                else:
                    yield shard
            for path in shard_paths(output, role)[-(-counts[role] // how.shard_size) :]:
                path.unlink()  # the corpus has become shorter

    tell = _Telling(show_progress)
    if engine == "local":
        for shard in missing():
            encode_shard(encoder, how, shard)
            tell(len(shard.texts))
    else:
        from isoglot.scale.workers import encode_with_ray

        del encoder  # the workers hold their own
        encode_with_ray(missing(), how, loading, tell, address, workers, gpus_per_worker)
    if not any(counts.values()):
        raise IsoglotError(f"{corpus}: holds no text")
    write_text(output / MANIFEST, json.dumps({**settings, "corpus": corpus, "texts": counts}, indent=1) + "\n")
    return Encoded(counts, shards, kept)


def read_texts(corpus: str, role: str, language: str | None = None) -> Iterator[Text]:
    """The documents or queries of a corpus, one after another.

    Raises:
        IsoglotError: Something in it is wrong; the message has file and line.
    """
    if is_source(corpus):
        collection = load_collection(corpus)
        if role == "query":
            for query in collection.queries:
                yield Text(f"{query.query_id}:{query.language}", query.query_id, query.language, query.text)
        else:
            for found in collection.documents:
                yield Text(f"{found.content_id}:{found.language}", found.content_id, found.language, found.text)
        return
    kind, _, name = corpus.partition(":")
    for document in read_hub_documents(name, language) if kind == "hub" else read_documents(corpus, language):
        text = f"{document.title} {document.text}" if document.title else document.text
        yield Text(document.id, document.content_id or document.id, document.language, text)


def _parts(texts: Iterator[Text], size: int) -> Iterator[list[Text]]:
    while part := list(islice(texts, size)):
        yield part


def _claim(output: Path, settings: dict[str, Any], force: bool) -> None:
    """Make the folder this model's; shards of another one are refused, or removed if `force`."""
    with os_errors_explained(output):
        output.mkdir(parents=True, exist_ok=True)
        if (output / MANIFEST).exists():
            there = read_manifest(output)
            differing = [name for name, value in settings.items() if there.get(name) != value]
            if differing and not force:
                name = differing[0]
                told = f"its {name} is {there.get(name)!r}, not {settings[name]!r}"
                raise IsoglotError(f"{output}: {told}; choose another folder or pass --force")
            if differing:
                for path in [path for role in ROLES for path in shard_paths(output, role)]:
                    path.unlink()
        elif any(output.iterdir()):
            raise IsoglotError(f"{output}: is no folder of `isoglot encode` and not empty; choose another")
        write_text(output / MANIFEST, json.dumps(settings, indent=1) + "\n")


class _Telling:
    """A line now and then: how many texts, how fast. How many there will be is not known."""

    def __init__(self, shown: bool) -> None:
        self._shown, self._done = shown, 0
        self._started = self._last = time.monotonic()

    def __call__(self, texts: int) -> None:
        self._done += texts
        now = time.monotonic()
        if self._shown and now - self._last >= 10:
            log.info("%d texts encoded, %.0f a second", self._done, self._done / (now - self._started))
            self._last = now
