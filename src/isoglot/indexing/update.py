"""Writing an index: what a corpus has new, changed or no longer, committed in batches.

Each commit is one of LanceDB's: a killed process leaves what was committed, and the next run goes on from there. One
process writes at a time; others wait.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from isoglot.corpora.documents import corpus_name, read_documents
from isoglot.indexing.seen import SeenDocuments
from isoglot.indexing.snapshot import stored_models
from isoglot.indexing.tables import connect, find_table, open_table, quoted, told
from isoglot.indexing.writer import Changes, Writer, corpora
from isoglot.platform.errors import IsoglotError
from isoglot.platform.files import os_errors_explained
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
    show_progress: bool = False,
) -> Changes:
    """Make an index hold what a corpus holds; what has not changed is left alone.

    The corpus is read twice: all of it is checked before the first document is encoded.

    Args:
        corpus: A file, a folder, or a source such as ``mini@test``.
        folder: Of the index; made if it is not there.
        models: Bundled models, folders or hub ids to add to those that the index has; a new index needs one.
        add: Whether to add to an index that holds other corpora, and to delete nothing.
        language: Canonical tag of documents that name none; None: detected.
        passage_tokens: The most tokens of a passage; None: the index's, else what all models read, at most 512.
        overlap: How many tokens a passage takes over from the last; None: the index's, else an eighth of a passage.
        device: ``auto`` or a torch device.
        trust_remote_code: Whether code inside a model's repository may run.
        show_progress: Whether to show progress on standard error.

    Raises:
        IsoglotError: Something in the corpus is wrong, the index holds another corpus, or it cannot be written.
    """
    name = corpus_name(corpus)
    target = str(folder)
    with SeenDocuments() as seen, ExitStack() as stack:
        total = sum(seen.add(document) for document in read_documents(corpus, language))
        if not total:
            raise IsoglotError(f"{corpus}: holds no document")
        stack.enter_context(writing(target))
        table = find_table(target)
        held = [] if table is None else corpora(table)
        if held and name not in held and not add:
            raise IsoglotError(f"{folder}: holds {', '.join(held)}; pass --add to add to it, or name another folder")
        writer = Writer.opened(target, table, models, passage_tokens, overlap, device, trust_remote_code)
        with progress("indexing documents", total, show=show_progress) as advance:
            writer.upsert(filter(seen.take, read_documents(corpus, language)), name, advance)
        if not add:
            writer.delete_missing(seen, name)
        writer.fill(show_progress)
        writer.optimize()
        return writer.changes


def delete_documents(folder: str | Path, ids: Sequence[str]) -> int:
    """Delete documents with all their passages, in one commit; returns how many passages they had.

    Raises:
        IsoglotError: The index has no document of that id; then none is deleted.
    """
    target = str(folder)
    with writing(target):
        table = open_table(connect(target), target)
        condition = f"document_id IN ({', '.join(map(quoted, ids))})"
        found = table.search().select(["document_id"]).where(condition).to_arrow()["document_id"].to_pylist()
        if missing := [identity for identity in ids if identity not in set(found)]:
            raise IsoglotError(f"{folder}: has no document {missing[0]!r}; nothing was deleted")
        with told(target):
            table.delete(condition)
        return len(found)


def drop_model(folder: str | Path, model: str) -> None:
    """Delete the vectors of a model.

    Raises:
        IsoglotError: The index has no such model, or no other.
    """
    target = str(folder)
    with writing(target):
        table = open_table(connect(target), target)
        stored = {known.name: known.column for known in stored_models(table.schema)}
        if model not in stored or len(stored) == 1:
            raise IsoglotError(f"{folder}: cannot drop {model!r}; its models: {', '.join(stored)}, one must stay")
        with told(target):
            table.drop_columns([stored[model]])


@contextmanager
def writing(folder: str) -> Iterator[None]:
    """Be the one process that writes to the index; wait for another to finish.

    Object storage has no lock: there LanceDB refuses commits that conflict, and one writer at a time is up to the user.

    Raises:
        IsoglotError: The folder cannot be written to.
    """
    if "://" in folder:  # object storage
        yield
        return
    from filelock import FileLock, Timeout

    path = Path(folder)
    with os_errors_explained(path):
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / ".writing.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("%s: waiting for another process that writes to it", folder)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()
