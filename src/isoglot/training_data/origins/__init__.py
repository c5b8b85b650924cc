"""Where training rows come from: one file for each origin, with a function from downloads and languages to rows.

An origin yields texts and their translations, without its own artefacts; the checks that all rows go through
(`isoglot.training_data.checks`) come after.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A place that training rows come from.

    Attributes:
        name: Name, as in ``isoglot data build NAME``.
        summary: One line for ``isoglot data origins``.
        licence: Licence of the rows, as an SPDX expression.
        module: Module with the function ``rows(downloads, languages)``.
    """

    name: str
    summary: str
    licence: str
    module: str


ORIGINS = {
    origin.name: origin
    for origin in (
        Origin(
            name="libreoffice-help",
            summary="headings and sections of LibreOffice's help; Debian packages libreoffice-help-XX",
            licence="MPL-2.0",
            module="isoglot.training_data.origins.libreoffice_help",
        ),
        Origin(
            name="debian-descriptions",
            summary="short and long descriptions of Debian's packages; its Translation-XX indices",
            licence="LicenseRef-Debian-descriptions",
            module="isoglot.training_data.origins.debian_descriptions",
        ),
        Origin(
            name="debian-manuals",
            summary="sections of Debian's installation guide, handbook and reference",
            licence="GPL-2.0-only AND GPL-2.0-or-later",
            module="isoglot.training_data.origins.debian_manuals",
        ),
        Origin(
            name="electron-docs",
            summary="sections of Electron's documentation; npm package electron-i18n",
            licence="MIT",
            module="isoglot.training_data.origins.electron_docs",
        ),
        Origin(
            name="mini",
            summary="questions and passages of mini@train, machine-written and machine-translated, in the package",
            licence="CC0-1.0",
            module="isoglot.training_data.origins.mini",
        ),
        Origin(
            name="miracl",
            summary="questions and passages of MIRACL's English training data, from the hub or miracl:DIR",
            licence="Apache-2.0 AND CC-BY-SA-3.0",
            module="isoglot.training_data.origins.miracl",
        ),
        Origin(
            name="mmarco",
            summary="questions and passages of mMARCO, machine-translated, from the hub (3 to 8 GB a language) or "
            "mmarco:DIR",
            licence="Apache-2.0",
            module="isoglot.training_data.origins.mmarco",
        ),
    )
}
"""Name -> origin."""

MIX = ("libreoffice-help", "debian-descriptions", "debian-manuals", "electron-docs", "mini")
"""The origins over which ``mix`` is spread: headings and texts that people translated, and mini's questions."""

LOCAL_COPIES = ("miracl", "mmarco")
"""The origins whose function also takes ``folder``, a local copy of their files: ``NAME:DIR``."""
