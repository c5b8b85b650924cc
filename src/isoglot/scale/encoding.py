"""`encode`: vectors of a corpus of any size on disk, shard by shard, by this process or by workers of a Ray cluster.

A shard is a number of texts that follow each other in the corpus. It is encoded by itself and written whole, so any
process can do it, or do it again, and a look at the files shows which are done. Memory is that of a few shards.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from isoglot.corpora.documents import is_source, read_documents, read_hub_documents
from isoglot.corpora.left_out import LeftOut
from isoglot.corpora.sources import load_collection
from isoglot.encoders.lengths import KINDS, LengthSums, TextLengths, cut_notes
from isoglot.platform.errors import InputError, IsoglotError
from isoglot.platform.files import locked, os_errors_explained
from isoglot.scale.manifest import MANIFEST, Manifest, read_manifest, write_manifest
from isoglot.scale.shard_encoding import EncodingSettings, Shard, encode_shard, load_encoder_for
from isoglot.scale.shards import ROLES, ShardCounts, Text, digest_of, is_sound, read_counts, shard_path, shard_paths

log = logging.getLogger("isoglot")

LOCK = ".encoding.lock"
_SECONDS_BETWEEN_LINES = 10


@dataclass(frozen=True)
class EncodingOutcome:
    """Counts of what a run of `encode` has left in its folder.

    Attributes:
        texts: Number of the corpus's texts, by role.
        shards: Number of shards that hold them.
        kept: Number of those shards that were there already, sound and made from the same texts.
        left_out: What was left out of the corpus, counted in a sentence; empty: nothing.
        notes: What a reader of the vectors must know: texts that were cut, or have no vector.
    """

    texts: dict[str, int]
    shards: int
    kept: int
    left_out: str = ""
    notes: tuple[str, ...] = ()


def encode_corpus(
    corpus: str,
    output: Path,
    settings: EncodingSettings,
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
    strict: bool = False,
    show_progress: bool = False,
) -> EncodingOutcome:
    """Encode every text of a corpus, and write the shards that are missing.

    Args:
        corpus: A file or folder as for `read_documents`, a source such as ``mini@test``, or ``hub:DATASET[:SPLIT]``.
        output: Folder of the shards.
        settings: Settings that decide the vectors.
        roles: ``document``, ``query`` or both; None: documents, and a source's queries.
        language: Language of texts that name none; None: it is detected.
        engine: ``local`` or ``ray``.
        address: Address of a Ray cluster; None: ``RAY_ADDRESS``, else a new cluster on this machine.
        workers: Number of Ray processes that hold the model; 0: one for each GPU, else for each CPU, of the cluster.
        gpus_per_worker: Number of GPUs that each of these processes takes; may be a fraction.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside the model's repository may run.
        force: Whether to replace the shards of another model or of other settings in the folder.
        strict: Whether a document that would be left out, or a text of which the model knows no word, is an error;
            else a warning says how many there were.
        show_progress: Whether to show progress on standard error.

    Raises:
        IsoglotError: The corpus or the model cannot be read, or the folder holds something else or cannot be written.
    """
    if engine not in ("local", "ray"):
        raise IsoglotError(f"unknown engine {engine!r}; choose local or ray")
    if roles is None:
        roles = ("document", "query") if is_source(corpus) else ("document",)
    _check_folder(output)
    encoder = load_encoder_for(settings, device=device, trust_remote_code=trust_remote_code)
    manifest = Manifest(
        model=settings.model,
        precision=encoder.precision,
        dtype=settings.dtype,
        shard_size=settings.shard_size,
        threads=settings.threads,
        fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        prompts={role: prompt.text for role, prompt in encoder.prompts.items()},
    )
    left_out = LeftOut(strict)
    shards = _Shards(lambda role: read_texts(corpus, role, language, left_out), output, roles, manifest)
    progress = _Progress(show_progress)
    with locked(output / LOCK, f"{output}: waiting for another process that encodes into it"):
        _check_folder(output)  # again: another process may have written something there
        _claim(output, manifest, force)
        if engine == "local":
            for shard in shards.missing():
                encode_shard(encoder, settings, shard)
                progress.advance(len(shard.texts))
        else:
            from isoglot.scale.workers import WorkerOptions, encode_with_ray

            del encoder  # the workers hold their own
            options = WorkerOptions(
                address=address,
                workers=workers,
                gpus_per_worker=gpus_per_worker,
                device=device,
                trust_remote_code=trust_remote_code,
            )
            encode_with_ray(shards.missing(), settings, options, progress.advance)
        left_out.warn(corpus)
        if not any(shards.texts.values()):
            raise IsoglotError(f"{corpus}: holds no text")
        counts = {role: [read_counts(path) for path in shard_paths(output, role)] for role in shards.texts}
        lengths = {role: found for role, parts in counts.items() if (found := _lengths(parts))}
        zero = {role: number for role, parts in counts.items() if (number := sum(part.zero for part in parts))}
        notes = (*cut_notes(lengths), *(_zero_note(role, number) for role, number in zero.items()))
        for note in notes:
            log.warning("%s: %s", corpus, note)
        if zero and strict:
            raise IsoglotError(f"{corpus}: --strict refuses texts without a vector; leave --strict out to keep them")
        write_manifest(
            output,
            msgspec.structs.replace(manifest, corpus=corpus, texts=shards.texts, lengths=lengths, zero=zero),
        )
    return EncodingOutcome(shards.texts, shards.count, shards.kept, left_out.note, notes)


def _lengths(parts: Sequence[ShardCounts]) -> TextLengths | None:
    """Join the lengths of all shards of a role; None if those of one are not known."""
    known = [part.lengths for part in parts if part.lengths is not None]
    if not known or len(known) < len(parts):
        return None
    languages = sorted(set().union(*known))
    by_language = {tag: LengthSums.total(sums[tag] for sums in known if tag in sums).means() for tag in languages}
    return TextLengths(limit=parts[0].limit, by_language=by_language)


def _zero_note(role: str, number: int) -> str:
    return f"{number} {KINDS[role]} have no vector (zeros), since the model knows no word of them."


def read_texts(corpus: str, role: str, language: str | None = None, left_out: LeftOut | None = None) -> Iterator[Text]:
    """Read the documents or queries of a corpus one after another.

    Raises:
        IsoglotError: Something in it is wrong; the message has file and line.
    """
    if is_source(corpus):
        collection = load_collection(corpus)
        if role == "query":
            for query in collection.queries:
                yield Text(f"{query.query_id}:{query.language}", query.query_id, query.language, query.text)
        else:
            for entry in collection.documents:
                yield Text(f"{entry.content_id}:{entry.language}", entry.content_id, entry.language, entry.text)
        return
    kind, _, name = corpus.partition(":")
    if kind == "hub":
        documents = read_hub_documents(name, language, left_out)
    else:
        documents = read_documents(corpus, language, left_out)
    for document in documents:
        yield Text(document.id, document.content_id or document.id, document.language, document.full_text)


def _batches(texts: Iterator[Text], size: int) -> Iterator[list[Text]]:
    while batch := list(islice(texts, size)):
        yield batch


class _Shards:
    """The shards of a corpus, counted while they are gone through.

    Args:
        read: Yields the texts of a role.
        output: Folder of the shards.
        roles: Roles of the texts to encode.
        manifest: Record of how the shards are made.

    Attributes:
        texts: Number of texts so far, by role.
        count: Number of shards so far.
        kept: Number of those that were there, sound and made from the same texts.
    """

    def __init__(
        self, read: Callable[[str], Iterator[Text]], output: Path, roles: Sequence[str], manifest: Manifest
    ) -> None:
        self._read, self._output = read, output
        self._size, self._model = manifest.shard_size, manifest.model_digest
        self.texts = dict.fromkeys(roles, 0)
        self.count = self.kept = 0

    def missing(self) -> Iterator[Shard]:
        """Yield the shards that are not there yet, and remove those behind the end of a corpus that became shorter."""
        for role in self.texts:
            batches = _batches(self._read(role), self._size)
            for number, batch in enumerate(batches):
                shard = Shard(role, batch, digest_of(batch), self._model, shard_path(self._output, role, number))
                self.texts[role] += len(batch)
                self.count += 1
                if is_sound(shard.path, shard.digest, shard.model):
                    self.kept += 1
                else:
                    yield shard
            count = -(-self.texts[role] // self._size)
            made = {shard_path(self._output, role, number) for number in range(count)}
            for path in shard_paths(self._output, role):
                if path not in made:
                    path.unlink()


def _check_folder(output: Path) -> None:
    """Refuse a folder that is neither empty nor one of `encode`, before anything is written to it.

    An encoded.json that is damaged makes it one of `encode`, but not one of another program.
    """
    with os_errors_explained(output, "read"):
        if not output.is_dir() or all(path.name.startswith(".") for path in output.iterdir()):
            return
        if (output / MANIFEST).is_file():
            manifest = (output / MANIFEST).read_bytes()
            if b'"model"' in manifest or not manifest.strip(b"\0"):  # a crash may leave zeros
                return
    raise IsoglotError(f"{output}: is no folder of `isoglot encode` and not empty; choose another")


def _claim(output: Path, manifest: Manifest, force: bool) -> None:
    """Make the folder one of this model and these settings; shards of others are refused, or removed if `force`."""
    with os_errors_explained(output):
        if (output / MANIFEST).exists():
            problem = _foreign(output, manifest)
            if problem is not None and not force:
                raise problem
            if problem is not None:
                for path in [path for role in ROLES for path in shard_paths(output, role)]:
                    path.unlink()
        write_manifest(output, manifest)


def _foreign(output: Path, manifest: Manifest) -> IsoglotError | None:
    """Say why the shards of a folder are not those of `manifest`; None if they are."""
    try:
        difference = read_manifest(output).first_difference(manifest)
    except InputError as error:
        return error
    if difference is None:
        return None
    name, there, here = difference
    return IsoglotError(f"{output}: its {name} is {there!r}, not {here!r}; choose another folder or pass --force")


class _Progress:
    """A line now and then with the number of encoded texts and their rate; the total is not known beforehand."""

    def __init__(self, shown: bool) -> None:
        self._shown, self._done = shown, 0
        self._started = self._last = time.monotonic()

    def advance(self, texts: int) -> None:
        self._done += texts
        now = time.monotonic()
        if self._shown and now - self._last >= _SECONDS_BETWEEN_LINES:
            log.info("%d texts encoded, %.0f a second", self._done, self._done / (now - self._started))
            self._last = now
