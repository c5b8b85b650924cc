"""``isoglot data origins``."""

from __future__ import annotations

from isoglot.cli.options import Json


def origins(json: Json = False) -> None:
    """List the origins of training rows."""
    from dataclasses import asdict
    from json import dumps

    from isoglot.report.tables import Table
    from isoglot.report.terminal import print_tables
    from isoglot.training_data.origins import MIX, ORIGINS

    if json:
        print(dumps([asdict(origin) for origin in ORIGINS.values()], indent=1))
        return
    rows = [(origin.name, origin.licence, origin.summary) for origin in ORIGINS.values()]
    rows.append(("mix", "theirs", f"the default recipe: {', '.join(MIX)}"))
    print_tables([Table("Origins", ("name", "licence", "what it is"), tuple(rows), labels=3)])
