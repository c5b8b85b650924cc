"""`mend`: put changed vectors beside those of a store, so that its own search ranks by meaning; and take them away."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from isoglot.evaluation.lift import before_and_after, neighbours_kept
from isoglot.evaluation.unlabelled import sample_of_documents, units
from isoglot.platform.arrays import Vectors
from isoglot.platform.errors import IsoglotError
from isoglot.platform.progress import progress
from isoglot.retrievers.stored_index import StoreRetriever
from isoglot.stores.base import Fields, Store
from isoglot.stores.registry import open_store
from isoglot.transforms.files import is_transform, load_transform, save_transform
from isoglot.transforms.transform import Transform

MARK = "isoglot "
"""How a mark of isoglot's begins."""
LEAST_KEPT = 50.0
"""The least share of a document's nearest in its own language that has to stay, in each language."""


class UnsafeMendError(IsoglotError):
    """The probes speak against a mend, of which nothing was written."""

    exit_code = 3


@dataclass(frozen=True)
class Probes:
    """What a transform does to a sample of a store's vectors, by language.

    Attributes:
        lift: The language lift before and after, as `isoglot.evaluation.lift` defines it.
        kept: Share of the nearest documents in the same language that stay, 0 to 100.
    """

    lift: dict[str, tuple[float, float]]
    kept: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Mended:
    """What `mend` did, or would do.

    Attributes:
        store: Name of the store.
        target: Name of the target.
        target_kind: What the target is, in words.
        transform: Folder of the transform, which queries need; not there yet after a dry run.
        documents: Number of documents in the store.
        changed: Number of those that have a changed vector now.
        kept: Number of those that had one from an earlier run.
        unknown: Number of documents without a known language among those that this run changed or sampled.
        probes: None where an earlier run had begun: it was judged then.
        written: Whether vectors were written.
    """

    store: str
    target: str
    target_kind: str
    transform: str
    documents: int
    changed: int
    kept: int
    unknown: int
    probes: Probes | None = field(default=None)
    written: bool = False


def mend(
    named: str,
    fields: Fields,
    *,
    into: str | None = None,
    output: str | Path | None = None,
    transform: str | Path | None = None,
    dry_run: bool = False,
    force: bool = False,
    seed: int = 0,
    show_progress: bool = False,
) -> Mended:
    """Fit `center` to a sample of a store's vectors, and write all of them, changed, beside the ones that are there.

    Nothing that is there is written to. A run that was killed goes on by the same call, and so are documents mended
    that came later. A document without a known language is changed by what all languages share.

    Args:
        named: The store, as for `open_store`.
        fields: Which fields of its documents hold what.
        into: Name of the target; None: the store's own proposal.
        output: Folder of the transform, which changes queries; None: the target's name with ``.transform`` behind it.
        transform: Folder of a transform that is used instead of a new one.
        dry_run: Whether nothing is written.
        force: Whether what the probes speak against is written.
        seed: Random seed of the probes.
        show_progress: Whether to show progress on standard error.

    Raises:
        UnsafeMendError: The probes speak against it.
        IsoglotError: The store cannot be read or written, has one language only, the target or folder is taken, or the
            transform is for other vectors.
    """
    with closing(open_store(named, fields)) as store:
        target = into or store.target
        folder = Path(transform or output or f"{Path(target).name}.transform")
        mark, documents = store.mark(target), store.count()
        if mark is not None and not mark.startswith(MARK):
            raise IsoglotError(
                f"{store.name}: {store.target_kind} {target} is not isoglot's; choose another name, --into"
            )
        if not documents:
            raise IsoglotError(f"{store.name}: is empty")
        if mark is None:
            fitted, probes, unknown = _judged(store, folder, given=transform is not None, seed=seed)
            if not force:
                _check(probes, store.name)
        else:
            fitted, probes, unknown = _begun(store.name, target, folder, mark), None, 0
        kept = store.done(target) if mark else 0
        changed = kept
        if not dry_run:
            if not is_transform(folder):
                save_transform(fitted, folder)
            if mark is None:
                store.create(target, _mark(fitted))
            unknown = _write(store, target, fitted, documents - kept, show_progress=show_progress)
            store.finish(target)
            changed = store.done(target)
    return Mended(
        store=store.name,
        target=target,
        target_kind=store.target_kind,
        transform=str(folder),
        documents=documents,
        changed=changed,
        kept=kept,
        unknown=unknown,
        probes=probes,
        written=not dry_run,
    )


def undo(named: str, fields: Fields, into: str | None = None) -> str:
    """Remove a target, which leaves the store as it was; the transform's folder stays.

    Args:
        named: The store, as for `open_store`.
        fields: Which fields of its documents hold what.
        into: Name of the target; None: the store's own proposal.

    Returns:
        What was removed, in words.

    Raises:
        IsoglotError: There is no such target, or it is not isoglot's.
    """
    with closing(open_store(named, fields)) as store:
        target = into or store.target
        mark = store.mark(target)
        if mark is None:
            raise IsoglotError(f"{store.name}: there is no {store.target_kind.removeprefix('the ')} {target} to remove")
        if not mark.startswith(MARK):
            raise IsoglotError(f"{store.name}: {store.target_kind} {target} is not isoglot's, and stays")
        store.drop(target)
        return f"{store.target_kind} {target}"


def probe(before: Vectors, after: Vectors, languages: Sequence[str], seed: int = 0) -> Probes:
    """Compare (n, d) unit vectors of documents in several languages with the same ones, changed."""
    return Probes(before_and_after(before, after, languages, seed), neighbours_kept(before, after, languages, seed))


def _judged(store: Store, folder: Path, *, given: bool, seed: int) -> tuple[Transform, Probes, int]:
    """The transform, new or out of its folder, what it does, and how many documents have no known language."""
    retriever = StoreRetriever(store)
    versions, vectors = sample_of_documents(retriever, store.name)
    languages = [language for _, language in versions]
    if given or is_transform(folder):
        transform = load_transform(folder)
        if not given and transform.record.model != store.name:
            raise IsoglotError(f"{folder}: is a transform of {transform.record.model}; choose another folder, -o")
        transform.check(vectors)
    else:
        if folder.exists():
            raise IsoglotError(f"{folder}: exists already and is no transform; choose another folder, -o")
        transform = Transform.fit(vectors, languages, model=store.name)
    probes = probe(units(vectors), transform.documents(vectors, languages), languages, seed)
    return transform.with_lift(probes.lift), probes, retriever.unknown


def _begun(name: str, target: str, folder: Path, mark: str) -> Transform:
    """The transform with which a target was begun."""
    if not is_transform(folder):
        raise IsoglotError(
            f"{name}: {target} was begun with a transform that is not at {folder}; name its folder, or remove {target} "
            "with --undo"
        )
    transform = load_transform(folder)
    if _mark(transform) != mark:
        raise IsoglotError(f"{name}: {target} was begun with another transform than {folder}; remove it with --undo")
    return transform


def _check(probes: Probes, name: str) -> None:
    """Refuse what loses too many neighbours in a language, or does not lower the lift."""
    lost = {tag: share for tag, share in probes.kept.items() if share < LEAST_KEPT}
    if lost:
        tag = min(lost, key=lambda each: lost[each])
        raise UnsafeMendError(
            f"{name}: of the nearest documents in the same language only {lost[tag]:.0f}% would stay in {tag}, and at "
            f"least {LEAST_KEPT:.0f}% must; --force writes it nevertheless"
        )
    before, after = (fmean(pair[place] for pair in probes.lift.values()) for place in (0, 1))
    if after >= before:
        raise UnsafeMendError(
            f"{name}: neighbours would be in the same language as often as before (lift {before:.2f}, then "
            f"{after:.2f}), so there is nothing to gain; --force writes it nevertheless"
        )


def _write(store: Store, target: str, transform: Transform, missing: int, *, show_progress: bool) -> int:
    """Write the changed vectors that a target lacks; how many of the documents have no known language."""
    unknown = 0
    with progress(f"mending {store.name}", missing, show=show_progress) as advance:
        for block in store.blocks(lacking=target):
            store.write(target, block, transform.documents(block.vectors, block.languages))
            unknown += sum(language is None for language in block.languages)
            advance(len(block.keys))
    return unknown


def _mark(transform: Transform) -> str:
    return MARK + transform.digest[:32]
