"""What is shown of an audit without questions and labels."""

from __future__ import annotations

from isoglot.evaluation.unlabelled import UnlabelledAudit


def unlabelled_lines(audit: UnlabelledAudit) -> list[str]:
    """Say what the numbers mean, and what was left out."""
    lines = []
    if audit.lift:
        tag = max(audit.lift, key=lambda each: audit.lift[each].lift)
        worst = audit.lift[tag]
        lines.append(
            f"In {tag}, {worst.own:.0f}% of a document's nearest are in its own language, {worst.lift:.1f} times what "
            "chance would give; by meaning alone it would be 1."
        )
    if audit.self_retrieval is not None:
        why = "; the others are lost by its approximation, or by a metric that does not fit the vectors"
        lines.append(
            f"{audit.self_retrieval:.1f}% of the documents are found first by their own vectors, in the store's own "
            f"search{why if audit.self_retrieval < 100 else ''}."
        )
    if audit.unknown:
        lines.append(f"{audit.unknown} documents have no known language in the language field and are left out.")
    lines.append(
        "This says whether neighbours share a language, not whether they are right: with questions and their answers, "
        "isoglot audit --data measures that."
    )
    return lines
