"""Rankings as TREC runs and qrels, with the document's language in the iteration column."""

from __future__ import annotations

from pathlib import Path

from isoglot.corpora.collection import Collection
from isoglot.corpora.trec import run_name, trec_token, version_id
from isoglot.evaluation.results import Audit, ScenarioResult
from isoglot.platform.files import write_text
from isoglot.platform.languages import canonical

DEPTH = 100
"""Number of documents of each query in a run."""


def write_runs(audit: Audit, collection: Collection, folder: Path) -> int:
    """Write NAME.run and NAME.qrels for every result of an audit that kept its runs.

    A document is called ``CONTENT@LANGUAGE``; white space in ids is percent-encoded. Scores are the model's, with all
    digits of a float32, so a tool that sorts again orders exact ties by its own rule. Results that were merged by a
    balance get 1 / rank, since the model's scores would sort them out of balance.

    Returns:
        The number of results.

    Raises:
        IsoglotError: The folder cannot be written.
    """
    for result in audit.scenarios:
        name = run_name(result.scenario, result.pool_languages, result.query_language)
        run = [
            f"{trec_token(query)} {language} {version_id(content, language)} {rank} "
            f"{score if audit.balance == 'none' else 1 / rank:.9g} isoglot"
            for query, top in result.run
            for rank, (content, language, score) in enumerate(top, start=1)
        ]
        write_text(folder / f"{name}.run", "\n".join(run) + "\n")
        write_text(folder / f"{name}.qrels", "\n".join(_qrels(result, collection)) + "\n")
    return len(audit.scenarios)


def _qrels(result: ScenarioResult, collection: Collection) -> list[str]:
    pool = {canonical(tag) for tag in result.pool_languages}
    languages: dict[str, list[str]] = {}
    for document in collection.documents:
        if document.language in pool:
            languages.setdefault(document.content_id, []).append(document.language)
    return [
        f"{trec_token(query)} {language} {version_id(content, language)} {grade:g}"
        for query in result.query_ids
        for content, grade in (collection.grades.get(query) or dict.fromkeys(collection.golds[query], 1)).items()
        for language in languages.get(content, ())
    ]
