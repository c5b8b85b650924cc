"""The model card of an aligned model, and the writing of card and record into its folder.

The card is for a stranger who finds the model on the Hugging Face hub. Its metadata is what the hub, huggingface_hub
and mteb read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import msgspec

from isoglot.alignment.guard import LIFT, shown
from isoglot.alignment.record import RECORD, AlignmentRecord, DataRecord, DevelopmentRecord, to_json
from isoglot.alignment.tables import before_after_table, change_table, cutoff_tables, tried_table, verdict_text
from isoglot.corpora.sources import hub_dataset
from isoglot.encoders.cards import CARD, ModelCardFacts, card_facts
from isoglot.encoders.models import KIND, looks_local
from isoglot.evaluation.results import AUDIT, Audit
from isoglot.platform.files import expanded
from isoglot.platform.version import HOMEPAGE
from isoglot.report.markdown import code, escape, table_to_markdown
from isoglot.report.model_index import eval_results

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

DEVELOPMENT = "development"
"""The folder inside a model's folder with the audits of base and aligned model on the development split."""

PLACE = "PATH_OF_THIS_FOLDER"
"""What the card's code loads; `isoglot.push` puts the hub's name in its place."""

_MEANINGS = {
    "multi complete@10": "share of questions, in percent, with all versions of the relevant document among the first "
    "10 of a pool with documents in several languages",
    "multi own_first@10": "the same share, where the version in the question's language also comes first",
    "multi max_r": "rank of the worst-placed version in that pool; lower is better",
    "mono-same ndcg@10": "nDCG@10, in percent, with questions and documents in one language",
    "control ndcg@10": "nDCG@10, in percent, in a pool that has each document in one language only",
    LIFT: "how often documents of the question's language are in the top 10, over how often they are in the pool; 1 is "
    "by meaning alone",
}

_PAPER = """\
@inproceedings{hong2026improving,
  title     = {Improving Semantic Proximity in Information Retrieval through Cross-Lingual Alignment},
  author    = {Hong and Jang and Lee and Moon and Lim},
  booktitle = {International Conference on Learning Representations (ICLR)},
  year      = {2026},
  note      = {arXiv:2604.05684}
}
"""

_LANGUAGE = {
    "given": "`language` names the language of all texts of a call, as a BCP-47 tag. Without it the model detects the "
    "language of each text.",
    "detected": "`language` names the language of all documents of a call, as a BCP-47 tag. Without it, and for every "
    "query, the model detects the language of each text.",
    "inferred": "`language` names the language of all documents of a call, as a BCP-47 tag. Without it the model "
    "detects the language of each text. Queries need none: the model reads it from the vector.",
    "common": "`language` names the language of all documents of a call, as a BCP-47 tag. Without it the model detects "
    "the language of each text. Queries need none.",
}
"""How the language of a text is given, by the method's option ``query_language``."""


@dataclass(frozen=True, kw_only=True)
class FolderFacts:
    """What the card says of the files beside it.

    Attributes:
        isoglot: Whether modules of isoglot are needed to load the model.
        remote_code: Whether it is loaded with ``trust_remote_code=True``.
        audits: The audits of base and aligned model on the development split; None where the folder has none.
    """

    isoglot: bool = False
    remote_code: bool = False
    audits: tuple[Audit, Audit] | None = None


def write_record(folder: Path, record: AlignmentRecord) -> None:
    """Write isoglot.json and the model card.

    Raises:
        IsoglotError: The folder's audits are damaged.
        OSError: The folder cannot be written.
    """
    (folder / RECORD).write_text(to_json(record), encoding="utf-8", newline="\n")
    (folder / CARD).write_text(model_card(record, folder_facts(folder)), encoding="utf-8", newline="\n")


def folder_facts(folder: Path) -> FolderFacts:
    """Read what the card says of a model's files.

    Raises:
        IsoglotError: The folder's audits are damaged.
    """
    modules = _json(folder / "modules.json") or []
    own = [module["type"] for module in modules if not module["type"].startswith("sentence_transformers.")]
    places = [folder / DEVELOPMENT / name for name in ("base", "aligned")]
    audits = [Audit.load(place) for place in places if (place / AUDIT).is_file()]
    return FolderFacts(
        isoglot=any(name.startswith("isoglot.") for name in own),
        remote_code=bool(own) or "auto_map" in (_json(folder / "config.json") or {}),
        audits=(audits[0], audits[1]) if len(audits) == len(places) else None,
    )


def model_card(record: AlignmentRecord, files: FolderFacts | None = None) -> str:
    """Return the model card: metadata in YAML, then Markdown.

    Args:
        record: How the model was aligned.
        files: What is beside the card; None: nothing that it would mention.
    """
    files = files or FolderFacts(isoglot=record.needs_language, remote_code=record.needs_language)
    base = card_facts(record.base.name)
    parts = [
        f"---\n{_metadata(record, base, files).to_yaml()}\n---\n{_introduction(record, base)}",
        _use(record, files),
        _results(record, files),
        _data(record, base),
        _limits(record),
        _making(record),
        _citation(record),
    ]
    return "\n".join(parts)


def without_folders(name: str) -> str:
    """Return the name of a model, data set or file without the folders in which it lies, which are nobody's business.

    A hub's name stays whole: ``intfloat/multilingual-e5-small``, ``hub:owner/name``.
    """
    head, comma, tail = name.partition(", ")
    kind = KIND.match(head)
    prefix = kind[0] if kind else ""
    rest = head.removeprefix(prefix)
    local = looks_local(rest) or expanded(rest).exists()
    return prefix + (PurePath(rest.replace("\\", "/")).name if local else rest) + comma + tail


def named_without_folders(audit: Audit) -> Audit:
    """Return an audit whose collection is called by its name alone (see `without_folders`)."""
    collection = msgspec.structs.replace(audit.collection, name=without_folders(audit.collection.name))
    return replace(audit, collection=collection)


def _title(record: AlignmentRecord) -> str:
    return f"{without_folders(record.base.name)} aligned with {record.method}"


def _metadata(record: AlignmentRecord, base: ModelCardFacts, files: FolderFacts) -> ModelCardData:
    from huggingface_hub import ModelCardData
    from langcodes import Language

    results = []
    if files.audits is not None:
        results = eval_results(named_without_folders(files.audits[1]), shown(record.goal))
    dataset = hub_dataset(record.data.name)
    return ModelCardData(
        language=sorted({Language.get(tag).language or tag for tag in record.data.languages}),
        license=base.licence and base.licence.lower(),
        license_name=base.licence_name,
        license_link=base.licence_link,
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=hub_tags(with_results=bool(results)),
        base_model=base.hub_name,
        base_model_relation="finetune" if base.hub_name else None,
        datasets=[dataset] if dataset else None,
        model_name=_title(record) if results else None,
        eval_results=results or None,
    )


def hub_tags(*, with_results: bool) -> list[str]:
    """Return the tags of an aligned model on the hub; ``mteb`` where its card has results."""
    tags = ["sentence-transformers", "feature-extraction", "isoglot", "cross-lingual-retrieval"]
    return [*tags, "mteb"] if with_results else tags


def _introduction(record: AlignmentRecord, base: ModelCardFacts) -> str:
    origin = ""
    if base.hub_name and base.hub_name != record.base.name:
        origin = f", made from {escape(base.hub_name)}"
    return f"""# {escape(_title(record))}

This is the embedding model {escape(without_folders(record.base.name))}{origin}, changed by [isoglot]({HOMEPAGE}).
It was made to rank by meaning and not by language, so that a question finds the versions of the relevant document in
all languages. {_shown_below(record)}
"""


def _shown_below(record: AlignmentRecord) -> str:
    """What the card shows of whether that succeeded."""
    return "Nothing has measured that." if record.measures is None else "The tables below say what changed."


def _use(record: AlignmentRecord, files: FolderFacts) -> str:
    packages = "isoglot" if files.isoglot else "sentence-transformers"
    trusted = ", trust_remote_code=True" if files.remote_code else ""
    query, document = (', language="de"', ', language="en"') if record.needs_language else ("", "")
    notes = []
    if files.isoglot:
        notes.append(
            "The last modules of this model are part of isoglot. sentence-transformers loads them from the installed "
            "package, for which it needs `trust_remote_code=True`."
        )
    elif files.remote_code:
        notes.append("The base has code of its own, for which sentence-transformers needs `trust_remote_code=True`.")
    if record.needs_language:
        notes.append(_LANGUAGE[str(record.options.get("query_language", "given"))])
    explained = "\n".join(notes)
    return f"""## How to use it

```console
$ pip install {packages}
```

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{PLACE}"{trusted})
documents = model.encode_document(["The museum is closed on Mondays."]{document})
questions = model.encode_query(["Wann ist das Museum geschlossen?"]{query})
print(model.similarity(questions, documents))
```
{explained and f"{chr(10)}{explained}{chr(10)}"}
Measure it on your own texts with `isoglot audit {PLACE} --data SOURCE`, after `pip install isoglot`.
"""


def _results(record: AlignmentRecord, files: FolderFacts) -> str:
    if record.verdict is None or record.measures is None or record.development is None:
        return "## What changed\n\nNot audited on a development split.\n"
    development: DevelopmentRecord = record.development
    name = without_folders(development.name)
    verdict = record.verdict.verdict()
    outcome = {True: "passed", False: "**failed**", None: verdict_text(record.verdict)}[verdict.kept]
    note = f" {escape(verdict.note)}" if verdict.note else ""
    meanings = [f"- {code(measure)}: {_MEANINGS[measure]}." for measure in record.measures.base["mean"]]
    tables = [] if files.audits is None else [change_table(files.audits, record.goal)]
    tables.append(before_after_table(record.measures, name))
    text = f"""## What changed

Data: {escape(name)} (fingerprint {development.fingerprint[:12]}).
It has {development.documents} documents and {development.queries} questions in {_listed(development.languages)}.
The questions were not trained on. The pools are isoglot's own; they are no task of MTEB.

{_lines(meanings)}
Guard: {outcome}: {escape(str(verdict))}; allowed is a loss of {verdict.max_loss:g}.{note}
"""
    return "\n".join([text, *(table_to_markdown(table, 3) for table in tables)])


def _data(record: AlignmentRecord, base: ModelCardFacts) -> str:
    data = record.data
    licence = escape(base.licence_name or base.licence) if base.licence else "not known to isoglot; see its card"
    return f"""## Data and licence

- Data: {escape(without_folders(data.name))} (fingerprint {data.fingerprint[:12]}).
  It has {_amount(data)} in {_listed(data.languages)}.
- Licence of the data: {_listed(data.licences) or "see its source"}.
- Base: {escape(without_folders(record.base.name))} (fingerprint {record.base.fingerprint[:12]}).
- Licence of the base, which applies to this model: {licence}.
"""


def _limits(record: AlignmentRecord) -> str:
    lines = [
        "- Vectors of this model and of its base cannot be mixed. Encode all documents of an index again.",
        "- Cosines have another level than those of the base. Set every cut-off anew; the tables below help.",
        "- The measured change holds for texts like those of the development split. Audit your own.",
    ]
    if record.needs_language:
        lines.append(
            f"- It knows {_listed(record.data.languages)}. A text in another language is changed by what these share."
        )
    if record.keep_scale:
        lines.append(_scale(record))
    tables = [table_to_markdown(table, 3) for table in cutoff_tables(record)]
    return "\n".join([f"## Costs and limits\n\n{_lines(lines)}", *tables])


def _making(record: AlignmentRecord) -> str:
    options = ", ".join(escape(f"{name} {value}") for name, value in record.options.items()) or "none"
    seconds = "" if record.seconds is None else f" It took {record.seconds:.0f} s."
    text = f"""## How it was made

- Method: {code(record.method)}: {escape(record.summary)}. Options: {options}. Seed {record.seed}.{seconds}
- isoglot {record.isoglot}; all settings are in {code(RECORD)}.
"""
    return text if record.auto is None else f"{text}\n{table_to_markdown(tried_table(record.auto), 3)}"


def _citation(record: AlignmentRecord) -> str:
    entry = f"""\
@software{{isoglot,
  title   = {{isoglot}},
  author  = {{{{The isoglot maintainers}}}},
  version = {{{record.isoglot}}},
  url     = {{{HOMEPAGE}}}
}}
"""
    if record.method != "jsd-nce":
        return f"## Citation\n\n```bibtex\n{entry}```\n"
    method = "The method is that of [arXiv 2604.05684](https://arxiv.org/abs/2604.05684)."
    return f"## Citation\n\n{method}\n\n```bibtex\n{entry}\n{_PAPER}```\n"


def _scale(record: AlignmentRecord) -> str:
    """What became of ``--keep-scale``."""
    if record.common_share is None:
        return "- Scale: not kept, since the mean cosine of unrelated pairs has not fallen."
    share = record.common_share
    return (
        "- Scale: kept. Vectors have one more component than those of the base, equal in all of them, so that "
        f"unrelated pairs keep their mean cosine: a cosine c has become {1 - share:.4f} c + {share:.4f}. Rankings are "
        "the same without it."
    )


def _amount(data: DataRecord) -> str:
    """``320 rows``, or ``900 documents and 900 spans of them``."""
    if not data.documents:
        return f"{data.rows} rows"
    return f"{data.documents} documents and {data.queries} {'spans of them' if data.spans else 'questions'}"


def _listed(names: Sequence[str]) -> str:
    return escape(", ".join(names))


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes()) if path.is_file() else None
