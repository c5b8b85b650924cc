"""`push`: an aligned model goes to the Hugging Face hub, with a card that names its results."""

from __future__ import annotations

import logging
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from isoglot.alignment.card import DEVELOPMENT, PLACE, hub_tags, named_without_folders, without_folders
from isoglot.alignment.guard import shown
from isoglot.alignment.record import RECORD, SEEDS, AlignmentRecord, read_record, to_json
from isoglot.encoders.cards import CARD
from isoglot.evaluation.results import AUDIT, Audit
from isoglot.platform.errors import IsoglotError, first_line
from isoglot.platform.files import expanded, os_errors_explained
from isoglot.platform.hub import hub_errors_explained
from isoglot.report.markdown import escape, table_to_markdown
from isoglot.report.model_index import eval_results
from isoglot.report.tables import audit_tables
from isoglot.transforms.files import is_transform

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelCard

log = logging.getLogger(__name__)

_PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill"}
_PICKLED = re.compile(rb"\x80[\x02-\x05]")
"""How a pickle begins, since its second protocol."""

_SCENARIOS = ("multi", "mono-same", "control")
"""The scenarios of an audit that the card shows as tables."""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A model, ready to be sent.

    Attributes:
        name: Name on the hub: ``OWNER/NAME``, or ``NAME`` for one of the user's own.
        files: Path in the repository -> the file, or its content where that differs from the file.
        metadata: What the head of the model card says.
    """

    name: str
    files: Mapping[str, Path | bytes]
    metadata: Mapping[str, Any]

    @property
    def sizes(self) -> dict[str, int]:
        """Path in the repository -> size in bytes."""
        return {
            path: len(content) if isinstance(content, bytes) else content.stat().st_size
            for path, content in self.files.items()
        }


@dataclass(frozen=True, kw_only=True)
class Published:
    """Where a model is now.

    Attributes:
        name: Its full name on the hub.
        address: Address of its page, or of the pull request.
        commit: Id of the commit.
        private: Whether only its owner sees it.
    """

    name: str
    address: str
    commit: str
    private: bool


def push(
    folder: str | Path,
    name: str,
    *,
    audits: Sequence[str | Path | Audit] = (),
    private: bool | None = None,
    revision: str | None = None,
    message: str | None = None,
    create_pr: bool = False,
    force: bool = False,
    show_progress: bool = False,
) -> str:
    """Send an aligned model to the Hugging Face hub, and return its address.

    All files arrive in one commit, or none does. After an interruption the same call goes on: what the hub already
    holds is not sent again. The token is that of huggingface_hub: ``HF_TOKEN``, or what ``hf auth login`` stored.

    Args:
        folder: What `isoglot.align` made.
        name: Name on the hub: ``OWNER/NAME``, or ``NAME`` for a model of the token's user.
        audits: Audits of the model, or folders that hold them, whose results the model card shows too.
        private: Whether a new repository is private; None: as the account's settings say, which is public unless they
            were changed. An existing repository stays as it is.
        revision: Branch to send to, which is made if there is none; None: the main branch.
        message: Message of the commit.
        create_pr: Whether to open a pull request instead.
        force: Whether to send a folder that isoglot did not make, or a model that the guard failed.
        show_progress: Whether to show progress on standard error.

    Returns:
        Address of the model's page, or of the pull request.

    Raises:
        IsoglotError: The folder cannot be sent, the name or an audit is wrong, there is no token, or the hub refuses;
            the message says what to do.
    """
    publication = prepare_publication(folder, name, audits=audits, force=force)
    return publish(
        publication,
        private=private,
        revision=revision,
        message=message,
        create_pr=create_pr,
        show_progress=show_progress,
    ).address


def prepare_publication(
    folder: str | Path, name: str, *, audits: Sequence[str | Path | Audit] = (), force: bool = False
) -> Publication:
    """Collect the files of a model and write its card, without the network; the arguments are those of `push`.

    Hidden files and the audits on the development split, which hold the ids of the user's questions, are left out.
    Names of models and data are sent without the folders in which they lie here.

    Raises:
        IsoglotError: The folder cannot be sent, or the name or an audit is wrong.
    """
    _check_name(name)
    place = expanded(folder)
    record = _checked_record(place, force)
    files: dict[str, Path | bytes] = {}
    with os_errors_explained(place, "read"):
        for path in sorted(place.rglob("*")):
            parts = path.relative_to(place).parts
            if path.is_file() and parts[0] != DEVELOPMENT and not any(part.startswith(".") for part in parts):
                _check_not_pickled(path)
                files["/".join(parts)] = path
    if record is not None:
        files[RECORD] = to_json(_without_folders(record)).encode()
    card = _card(place, name, _loaded(place, audits), record)
    files[CARD] = str(card).encode()
    return Publication(name=name, files=files, metadata=card.data.to_dict())


def publish(
    publication: Publication,
    *,
    private: bool | None = None,
    revision: str | None = None,
    message: str | None = None,
    create_pr: bool = False,
    show_progress: bool = False,
) -> Published:
    """Send a model to the hub; the arguments are those of `push`.

    Raises:
        IsoglotError: There is no token, or the hub refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    if revision is not None and create_pr:
        raise IsoglotError("--revision names a branch to send to, and --create-pr a request to the main one: pass one")
    token = get_token()
    if not token:
        raise IsoglotError("there is no token for the hub: set HF_TOKEN, or run `hf auth login`")
    if not re.fullmatch("[!-~]+", token):
        raise IsoglotError("the token for the hub has characters that no token has; set HF_TOKEN anew")
    api = HfApi(token=token)
    size = sum(publication.sizes.values())
    if show_progress:
        log.info("sending %d files, %.1f MB, to %s", len(publication.files), size / 1e6, publication.name)
    with hub_errors_explained(publication.name, api.endpoint, token), _bars(show_progress):
        name, is_private = _repository(api, publication.name, private)
        if revision is not None:
            _make_branch(api, name, revision)
        commit = api.create_commit(
            name,
            [CommitOperationAdd(path, content) for path, content in publication.files.items()],
            commit_message=message or "Push a model aligned by isoglot",
            revision=revision,
            create_pr=create_pr,
        )
    address = f"{api.endpoint}/{name}" + (f"/tree/{revision}" if revision else "")
    return Published(name=name, address=commit.pr_url or address, commit=commit.oid, private=is_private)


def _check_name(name: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise IsoglotError(f"{name!r} is no name on the hub, such as OWNER/NAME: {first_line(error)}") from error


def _checked_record(folder: Path, force: bool) -> AlignmentRecord | None:
    """The record of a model that may be sent; None where isoglot did not make it and it is sent by force.

    Raises:
        IsoglotError: There is no model, isoglot did not make it, or the guard failed it.
    """
    if not folder.is_dir():
        raise IsoglotError(f"{folder}: no such folder")
    if is_transform(folder):
        raise IsoglotError(f"{folder}: is a transform of vectors; the hub's libraries load models only")
    if (folder / SEEDS).is_file():
        raise IsoglotError(
            f"{folder}: holds the models of several seeds; push one of them, such as {folder / 'seed-0'}"
        )
    if not (folder / "modules.json").is_file():
        raise IsoglotError(f"{folder}: is no model of sentence-transformers: it has no modules.json")
    record = read_record(folder)
    if record is None and not force:
        raise IsoglotError(f"{folder}: was not made by isoglot align; pass --force to push it all the same")
    verdict = None if record is None or record.verdict is None else record.verdict.verdict()
    if verdict is not None and not verdict.passed and not force:
        raise IsoglotError(f"{folder}: failed the guard: {verdict}; pass --force to push it all the same")
    return record


def _check_not_pickled(path: Path) -> None:
    """Refuse a file that can run code when it is loaded.

    Raises:
        IsoglotError: It is a pickle, or an archive that holds one, as torch.save writes them.
    """
    with path.open("rb") as file:
        start = file.read(4)
    archived = start == b"PK\x03\x04" and zipfile.is_zipfile(path)
    inside = zipfile.ZipFile(path).namelist() if archived else []
    suffixes = {path.suffix.lower(), *(Path(name).suffix.lower() for name in inside)}
    if _PICKLED.match(start) or suffixes & _PICKLES:
        raise IsoglotError(
            f"{path}: is a pickle, which can run code where it is loaded; save the model as safetensors, or move the "
            "file away"
        )


def _without_folders(record: AlignmentRecord) -> AlignmentRecord:
    """The record with names of models and data that do not say where they lie on this machine."""

    def renamed(part: Any) -> Any:
        return part and msgspec.structs.replace(part, name=without_folders(part.name))

    parts = ("base", "data", "development")
    record = msgspec.structs.replace(record, **{part: renamed(getattr(record, part)) for part in parts})
    if record.auto is None:
        return record
    recipe = record.auto.recipe
    recipe = msgspec.structs.replace(recipe, **{part: renamed(getattr(recipe, part)) for part in parts})
    return msgspec.structs.replace(record, auto=msgspec.structs.replace(record.auto, recipe=recipe))


def _loaded(folder: Path, audits: Sequence[str | Path | Audit]) -> list[Audit]:
    """The audits, each of them of the model in the folder, as far as the folder says which model that is.

    Raises:
        IsoglotError: There is no audit, or it is of another model, or of more than the model.
    """
    own = folder / DEVELOPMENT / "aligned"
    expected = Audit.load(own, with_ranks=False).model.fingerprint if (own / AUDIT).is_file() else None
    loaded = []
    for source in audits:
        audit = source if isinstance(source, Audit) else Audit.load(source, with_ranks=False)
        where = audit.model.name if isinstance(source, Audit) else source
        if expected not in (None, audit.model.fingerprint):
            raise IsoglotError(f"{where}: is an audit of another model; make one with `isoglot audit {folder}`")
        if audit.balance != "none":
            raise IsoglotError(f"{where}: is an audit with --balance {audit.balance}; the card shows the model alone")
        loaded.append(named_without_folders(audit))
    return loaded


def _card(folder: Path, name: str, audits: Sequence[Audit], record: AlignmentRecord | None) -> ModelCard:
    """The folder's card, which its user may have changed, with the model's name on the hub and the audits' results.

    Raises:
        IsoglotError: The metadata of the folder's card are damaged.
    """
    import yaml  # type: ignore[import-untyped]
    from huggingface_hub import ModelCard

    path = folder / CARD
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else f"---\n{{}}\n---\n# {escape(folder.name)}\n"
        card = ModelCard(text)
    except (OSError, ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
        raise IsoglotError(f"{path}: cannot be read as a model card: {first_line(error)}") from error
    new = [result for audit in audits for result in eval_results(audit, shown(audit.goal))]
    results = {(*each.unique_identifier, each.metric_type): each for each in [*(card.data.eval_results or []), *new]}
    if results:
        card.data.model_name, card.data.eval_results = name, list(results.values())
    if record is not None:
        card.data.tags = list(dict.fromkeys([*(card.data.tags or []), *hub_tags(with_results=bool(results))]))
    sections = [f"\n## Audit on {escape(audit.collection.name)}\n\n{_audit_tables(audit)}" for audit in audits]
    card.text = card.text.replace(PLACE, name) + "".join(sections)
    return card


def _audit_tables(audit: Audit) -> str:
    tables = [table for table in audit_tables(audit) if table.title.split(":")[0] in _SCENARIOS]
    tables_text = "\n".join(table_to_markdown(table, 3) for table in tables)
    return f"Means over questions with 95% intervals, by isoglot {escape(audit.isoglot)}.\n\n{tables_text}"


def _repository(api: HfApi, name: str, private: bool | None) -> tuple[str, bool]:
    """The full name of the repository, which is made if there is none, and whether it is private.

    Raises:
        IsoglotError: It exists and is not as private as the user asks.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    full = name if "/" in name else f"{api.whoami()['name']}/{name}"
    try:
        is_private = bool(api.model_info(full).private)
    except RepositoryNotFoundError:
        api.create_repo(full, private=private, exist_ok=True)
        is_private = bool(api.model_info(full).private)
    if private not in (None, is_private):
        raise IsoglotError(
            f"{full}: exists and is {'private' if is_private else 'public'}; change that in its settings on the hub, "
            f"or push without --{'private' if private else 'public'}"
        )
    return full, is_private


def _make_branch(api: HfApi, name: str, revision: str) -> None:
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        api.model_info(name, revision=revision)
    except RevisionNotFoundError:
        api.create_branch(name, branch=revision, exist_ok=True)


@contextmanager
def _bars(show: bool) -> Iterator[None]:
    """Let huggingface_hub draw its bars on a terminal only."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if are_progress_bars_disabled() or (show and sys.stderr.isatty()):
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
