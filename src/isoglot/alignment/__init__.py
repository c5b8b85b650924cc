"""Alignment: one file a method, all with the same ``run(encoder, rows, options, *, seed, show_progress)``."""

from __future__ import annotations

from isoglot.alignment.methods import METHODS, Method, align

__all__ = ["METHODS", "Method", "align"]
