"""``isoglot data``: the commands for training rows, one file each."""

from __future__ import annotations

import typer

from isoglot.cli import data_build, data_check, data_export, data_generate, data_origins, data_stats, data_translate

app = typer.Typer(help="Build, check, describe, translate and export training rows.", no_args_is_help=True)
app.command()(data_origins.origins)
app.command()(data_build.build)
app.command()(data_check.check)
app.command()(data_stats.stats)
app.command()(data_translate.translate)
app.command()(data_generate.generate)
app.command()(data_export.export)
