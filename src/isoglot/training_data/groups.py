"""Which contents may not be negatives of each other's questions."""

from __future__ import annotations

from collections.abc import Iterable

from isoglot.training_data.row import Row


def answer_groups(rows: Iterable[Row]) -> dict[str, str]:
    """Return content id -> the group of contents that it belongs to, by the id of one of them.

    Contents that answer the same question, by its text in any language, are one group: each of them is right. Groups
    with a content in common are one as well.
    """
    parents: dict[str, str] = {}

    def group_of(content: str) -> str:
        while parents[content] != content:
            parents[content] = parents[parents[content]]  # halves the way, so that no chain grows long
            content = parents[content]
        return content

    answers: dict[str, str] = {}
    for row in rows:
        parents.setdefault(row.content_id, row.content_id)
        for question in row.query.values():
            parents[group_of(row.content_id)] = group_of(answers.setdefault(question, row.content_id))
    return {content: group_of(content) for content in parents}
