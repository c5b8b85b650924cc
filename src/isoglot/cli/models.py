"""``isoglot models``."""

from __future__ import annotations

from isoglot.cli.options import Json


def models(json: Json = False) -> None:
    """List the bundled models, and the forms in which other models and retrievers are named."""
    from dataclasses import asdict
    from json import dumps

    from isoglot.encoders.models import BUNDLED
    from isoglot.report.tables import Table
    from isoglot.report.terminal import print_tables
    from isoglot.retrievers.kinds import RETRIEVERS

    if json:
        print(dumps([asdict(model) for model in BUNDLED.values()], indent=1))
        return
    rows = [(model.name, model.licence, model.summary) for model in BUNDLED.values()]
    rows.append(("./FOLDER", "yours", "a sentence-transformers model folder, such as `isoglot align` writes"))
    rows.append(("OWNER/NAME", "its own", "any sentence-transformers model on the Hugging Face hub"))
    rows += [(kind.form, "", kind.summary) for kind in RETRIEVERS.values()]
    print_tables([Table("Models", ("name", "licence", "what it is"), tuple(rows), labels=3)])
