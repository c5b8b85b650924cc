"""Where training rows come from: one file an origin, each a function from downloads and languages to rows.

An origin gives what people wrote and translated, with its own artefacts removed; the checks that all rows go through
(`isoglot.training_data.checks`) come after.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """A place that training rows come from.

    Attributes:
        name: As in ``isoglot data build NAME``.
        summary: One line for ``isoglot data origins``.
        licence: SPDX expression.
        module: The module with ``rows(downloads, languages)``.
    """

    name: str
    summary: str
    licence: str
    module: str


ORIGINS = {
    origin.name: origin
    for origin in (
        Origin(
            "libreoffice-help",
            "headings and sections of LibreOffice's help; Debian packages libreoffice-help-XX",
            "MPL-2.0",
            "isoglot.training_data.origins.libreoffice_help",
        ),
        Origin(
            "debian-descriptions",
            "short and long descriptions of Debian's packages; its Translation-XX indices",
            "LicenseRef-Debian-descriptions",
            "isoglot.training_data.origins.debian_descriptions",
        ),
        Origin(
            "debian-manuals",
            "sections of Debian's installation guide, handbook and reference",
            "GPL-2.0-only AND GPL-2.0-or-later",
            "isoglot.training_data.origins.debian_manuals",
        ),
        Origin(
            "electron-docs",
            "sections of Electron's documentation; npm package electron-i18n",
            "MIT",
            "isoglot.training_data.origins.electron_docs",
        ),
        Origin(
            "miracl",
            "questions and passages of MIRACL's English training data, from the hub or miracl:DIR",
            "Apache-2.0 AND CC-BY-SA-3.0",
            "isoglot.training_data.origins.miracl",
        ),
        Origin(
            "mmarco",
            "questions and passages of mMARCO, machine-translated, from the hub (3 to 8 GB a language) or mmarco:DIR",
            "Apache-2.0",
            "isoglot.training_data.origins.mmarco",
        ),
    )
}

MIX = ("libreoffice-help", "debian-descriptions", "debian-manuals", "electron-docs")
"""The human-translated origins that ``mix`` spreads over."""
