"""The registry of alignment methods, and `align`, which runs one and saves an ordinary model folder."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from isoglot.collection import Collection
from isoglot.errors import IsoglotError
from isoglot.files import new_folder, told_in_one_line
from isoglot.rows.loading import data_name, training_rows
from isoglot.rows.row import Row, fingerprint

RECORD = "isoglot.json"
"""The file in an aligned model's folder that says how it was made."""


@dataclass(frozen=True)
class Method:
    """An alignment method.

    Attributes:
        name: As in ``--method``.
        summary: One line for help texts.
        needs_language: Whether the aligned model must know each text's language.
        module: The module with ``Options`` and ``run(encoder, rows, options, *, seed, show_progress)``.
    """

    name: str
    summary: str
    needs_language: bool
    module: str

    def options(self, given: Mapping[str, Any]) -> Any:
        """The method's ``Options`` with the values `given`.

        Raises:
            IsoglotError: The method has no such option, or a value is out of range.
        """
        options = import_module(self.module).Options
        known = [field.name for field in dataclasses.fields(options)]
        for name in given:
            if name not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise IsoglotError(f"{self.name} has no option {name!r}; {has}")
        return options(**given)


METHODS = {
    method.name: method
    for method in (
        Method(
            "center", "subtract each language's mean; no training, needs the language", True, "isoglot.alignment.center"
        ),
        Method("shift", "move documents by their language's offset from English", True, "isoglot.alignment.shift"),
        Method("lir", "remove each language's first singular directions", True, "isoglot.alignment.lir"),
        Method("leace", "erase linearly what tells the language; no training", False, "isoglot.alignment.leace"),
        Method("jsd-nce", "the paper's JSD and InfoNCE on translations; trained", False, "isoglot.alignment.jsd_nce"),
        Method("nce", "InfoNCE among both languages of queries and documents; trained", False, "isoglot.alignment.nce"),
        Method("distill", "learn the model's own centered vectors; trained", False, "isoglot.alignment.distill"),
    )
}


def align(
    model: str,
    method: str,
    data: str | Path | Collection | Sequence[Row],
    output: str | Path,
    *,
    languages: Sequence[str] | None = None,
    per_row: int | None = None,
    seed: int = 0,
    device: str = "auto",
    force: bool = False,
    trust_remote_code: bool = False,
    progress: bool = False,
    **options: Any,
) -> Path:
    """Align a model and save the result as a sentence-transformers folder.

    The folder appears when it is complete. If it is there already and was made by the same model, data, method, options
    and seed, it is kept as it is.

    Args:
        model: An embedded model's name, a folder, or a hub id.
        method: A name out of ``isoglot.alignment.METHODS``.
        data: Where the training rows come from: a file of rows, a source such as ``mini@train``, a collection, or rows.
        output: The folder to write.
        languages: The languages to use; None: all of `data`.
        per_row: At most so many languages in a row besides English, evenly over languages; None: all.
        seed: Of the training.
        device: ``auto`` or a torch device.
        force: Whether a folder that is there already may be replaced.
        trust_remote_code: Whether code inside the model's repository may run.
        progress: Whether to show progress on standard error.
        **options: The method's own; see its ``Options``.

    Returns:
        `output` as a path.

    Raises:
        IsoglotError: Something named does not exist, an option is wrong, the output is taken, or training failed.
    """
    import isoglot
    from isoglot.encoders.sentence_transformer import load_encoder

    chosen = METHODS.get(method)
    if chosen is None:
        raise IsoglotError(f"unknown method {method!r}; choose from {', '.join(METHODS)}")
    settings = chosen.options(options)
    rows = training_rows(data, languages, per_row=per_row, seed=seed)
    encoder = load_encoder(model, device=device, trust_remote_code=trust_remote_code)
    target = Path(output)
    record = {
        "schema": "isoglot.alignment/1",
        "isoglot": isoglot.__version__,
        "method": method,
        "needs_language": chosen.needs_language,
        "options": dataclasses.asdict(settings),
        "seed": seed,
        "base": {"name": model, "fingerprint": encoder.fingerprint},
        "data": {
            "name": data_name(data),
            "fingerprint": fingerprint(rows),
            "languages": sorted({language for row in rows for language in row.document}),
            "rows": len(rows),
            "licences": sorted({row.licence for row in rows if row.licence}),
        },
    }
    if target.exists() and not force:
        if read_record(target) == record:
            return target
        raise IsoglotError(f"{target}: holds something else; choose another folder or pass --force")
    _check_writable(target)
    for role, prompt in encoder.prompts.items():
        encoder.model.prompts[role] = prompt.text  # a family's prompt is known by a name that the new folder lacks
    losses = import_module(chosen.module).run(encoder, rows, settings, seed=seed, show_progress=progress)
    with new_folder(target, replace=force) as folder, _full_disk_told(target):
        encoder.model.save_pretrained(str(folder), create_model_card=False)
        if losses:
            (folder / "losses.jsonl").write_text(
                "".join(json.dumps(entry) + "\n" for entry in losses), encoding="utf-8"
            )
        (folder / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(_model_card(record, chosen), encoding="utf-8")
    return target


def _check_writable(target: Path) -> None:
    """Tell before a long training, not after it, that `target` cannot be written."""
    there = next(parent for parent in target.absolute().parents if parent.exists())
    with told_in_one_line(target), tempfile.TemporaryFile(dir=there):
        pass


@contextmanager
def _full_disk_told(target: Path) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise IsoglotError(f"{target}: cannot write the model: {error}") from error


def read_record(folder: Path) -> dict[str, Any] | None:
    """How the model in `folder` was aligned; None if isoglot did not make it."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _model_card(record: Mapping[str, Any], method: Method) -> str:
    options = ", ".join(f"{name} {value}" for name, value in record["options"].items()) or "none"
    loading = 'SentenceTransformer("this folder")'
    if method.needs_language:
        loading = 'SentenceTransformer("this folder", trust_remote_code=True)  # with isoglot installed'
    data = record["data"]
    return f"""---
library_name: sentence-transformers
tags: [isoglot, cross-lingual-alignment]
---
# {record["base"]["name"]}, aligned by isoglot with `{record["method"]}`

- Method: `{record["method"]}`: {method.summary}. Options: {options}. Seed {record["seed"]}.
- Data: {data["name"]}, {data["rows"]} rows in {", ".join(data["languages"])} (fingerprint {data["fingerprint"][:12]}).
  Licence of the data: {", ".join(data["licences"]) or "see its source"}.
- Base: {record["base"]["name"]} (fingerprint {record["base"]["fingerprint"][:12]}); its licence applies.
- isoglot {record["isoglot"]}.

```python
from sentence_transformers import SentenceTransformer
model = {loading}
```
"""
