"""``isoglot sources``."""

from __future__ import annotations

from isoglot.cli.options import Json


def sources(json: Json = False) -> None:
    """List where collections can come from."""
    from dataclasses import asdict
    from json import dumps

    from isoglot.corpora.sources import SOURCES
    from isoglot.report.tables import Table
    from isoglot.report.terminal import print_tables

    if json:
        print(dumps([asdict(source) for source in SOURCES.values()], indent=1))
        return
    rows = tuple((source.form, source.licence, source.summary) for source in SOURCES.values())
    print_tables([Table("Sources", ("--data", "licence", "what it is"), rows, labels=3)])
