"""Updates of an index: what a corpus has added, changed or lost is committed in batches.

A commit is one of LanceDB's: a killed process leaves what was committed, and the next run continues from there. One
process writes at a time; others wait.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from isoglot.corpora.documents import corpus_name, read_documents
from isoglot.corpora.left_out import LeftOut
from isoglot.corpora.seen import SeenIds
from isoglot.evaluation.labels import LabelCheck
from isoglot.indexing.checksums import check_files, record_checksums
from isoglot.indexing.snapshot import stored_models
from isoglot.indexing.tables import connect, find_table, is_remote, open_table, sql_literal, write_errors_explained
from isoglot.indexing.writer import Changes, Writer, corpus_names
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import locked
from isoglot.platform.progress import progress

log = logging.getLogger("isoglot")


def update_index(
    corpus: str,
    folder: str | Path,
    models: Sequence[str] = (),
    *,
    add: bool = False,
    language: str | None = None,
    passage_tokens: int | None = None,
    overlap: int | None = None,
    device: str = "auto",
    trust_remote_code: bool = False,
    prompts: Mapping[str, str] | None = None,
    strict: bool = False,
    show_progress: bool = False,
) -> Changes:
    """Make an index hold what a corpus holds; documents that have not changed are left alone.

    The corpus is read twice: all of it is checked before the first document is encoded.

    Args:
        corpus: A file, a folder, or a source such as ``mini@test``.
        folder: The index; created if it does not exist.
        models: Bundled models, folders or hub ids to add to the index's models; a new index needs one.
        add: Whether to add to an index that holds other corpora, and to delete nothing.
        language: Canonical tag of documents that name no language; None: detected.
        passage_tokens: Maximum number of tokens of a passage; None: the index's, else what all models read, up to 512.
        overlap: Number of tokens that a passage repeats from the one before; None: the index's, else an eighth of
            `passage_tokens`.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside the model's repository may run.
        prompts: ``query`` or ``document`` -> the prompt before such texts: its text, or the name of one of a model's
            prompts. They are those of `models`, and stay in the index; None: the models' own.
        strict: Whether a document that would be left out, for it has no text or its language cannot be told, or a model
            knows no word of it, is an error; else a warning says how many there were.
        show_progress: Whether to show progress on standard error.

    Returns:
        Counts of what has changed.

    Raises:
        IsoglotError: Something in the corpus is wrong, the index holds another corpus, or it cannot be written.
    """
    name = corpus_name(corpus)
    target = str(folder)
    left_out = LeftOut(strict)
    with SeenIds() as seen, ExitStack() as stack:
        total = _read_once(corpus, language, seen, left_out)
        if not total:
            raise IsoglotError("; ".join((f"{corpus}: holds no document", *left_out.notes)))
        left_out.warn(corpus)
        stack.enter_context(write_lock(target))
        table = find_table(target)
        present = [] if table is None else corpus_names(table)
        if present and name not in present and not add:
            raise IsoglotError(f"{folder}: holds {', '.join(present)}; pass --add to add to it, or name another folder")
        writer = Writer.open(
            target,
            table,
            {model: model for model in models},
            tokens=passage_tokens,
            overlap=overlap,
            device=device,
            trust_remote_code=trust_remote_code,
            prompts=prompts or {},
            strict=strict,
        )
        with progress("indexing documents", total, show=show_progress) as advance:
            writer.upsert(read_documents(corpus, language, LeftOut()), name, advance)
        if not add:
            writer.delete_missing(seen, name)
        writer.finish(name)
        writer.fill(show_progress)
        writer.optimize()
        writer.warn_of_moved_means()
        writer.left_out.warn(corpus)
        writer.changes.left_out = "; ".join((*left_out.notes, *writer.left_out.notes))
        return writer.changes


def _read_once(corpus: str, language: str | None, seen: SeenIds, left_out: LeftOut) -> int:
    """Read a corpus once and return its number of documents; warn of labels that disagree with the texts."""
    labels = LabelCheck()
    total = 0
    for document in read_documents(corpus, language, left_out):
        total += seen.add(document.id)
        if not document.language_detected:
            labels.add(document.language, document.text)
    if note := labels.note("documents"):
        log.warning("%s: %s", corpus, note)
    return total


def add_model(
    folder: str | Path,
    name: str,
    path: str,
    *,
    prompts: Mapping[str, str] | None = None,
    device: str = "auto",
    trust_remote_code: bool = False,
    show_progress: bool = False,
) -> Changes:
    """Give an index the vectors of one more model, or those of a model that has changed.

    A model that consists of another one of the index and a head (see `Encoder.head_beyond`) encodes no text: its
    vectors are computed from those of the other.

    Args:
        folder: The index.
        name: What the index calls the model.
        path: A bundled model, a folder or a hub id.
        prompts: As in `update_index`.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside the model's repository may run.
        show_progress: Whether to show progress on standard error.

    Raises:
        IsoglotError: There is no index, the model cannot be loaded, or the index cannot be written.
    """
    target = str(folder)
    with write_lock(target):
        writer = Writer.open(
            target,
            open_table(connect(target), target),
            {name: path},
            tokens=None,
            overlap=None,
            prompts=prompts or {},
            device=device,
            trust_remote_code=trust_remote_code,
        )
        writer.fill(show_progress)
        writer.optimize()
        return writer.changes


def delete_documents(folder: str | Path, ids: Sequence[str]) -> int:
    """Delete documents with all their passages, in one commit.

    Returns:
        The number of passages that they had.

    Raises:
        IsoglotError: The index has no document of one of the ids; then none is deleted.
    """
    target = str(folder)
    with write_lock(target):
        table = open_table(connect(target), target)
        condition = f"document_id IN ({', '.join(map(sql_literal, ids))})"
        present = table.search().select(["document_id"]).where(condition).to_arrow()["document_id"].to_pylist()
        if missing := [document_id for document_id in ids if document_id not in set(present)]:
            raise IsoglotError(f"{folder}: has no document {missing[0]!r}; nothing was deleted")
        with write_errors_explained(target):
            table.delete(condition)
        return len(present)


def drop_model(folder: str | Path, model: str) -> None:
    """Delete the vectors of a model.

    Raises:
        IsoglotError: The index has no such model, or no other one.
    """
    target = str(folder)
    with write_lock(target):
        table = open_table(connect(target), target)
        stored = stored_models(table.schema)
        names = list(dict.fromkeys(entry.name for entry in stored))
        if model not in names or len(names) == 1:
            raise IsoglotError(f"{folder}: cannot drop {model!r}; its models: {', '.join(names)}, one must stay")
        with write_errors_explained(target):  # a killed run may have left two columns of a model that has changed
            table.drop_columns([entry.column for entry in stored if entry.name == model])


@contextmanager
def write_lock(folder: str) -> Iterator[None]:
    """Be the only process that writes to the index; wait while another one does. Checksums are checked and recorded.

    Object storage has no lock: LanceDB refuses commits that conflict there, and users must run one writer at a time.

    Raises:
        IsoglotError: The folder cannot be written to, or a file in it is damaged.
    """
    if is_remote(folder):
        yield
        return
    with locked(Path(folder) / ".writing.lock", f"{folder}: waiting for another process that writes to it"):
        check_files(folder, set())
        try:
            yield
        except BaseException:
            with suppress(IsoglotError):  # the reason why the work has ended is what the user is to read
                record_checksums(folder)
            raise
        record_checksums(folder)
