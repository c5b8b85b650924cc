"""The optional packages: which extra of isoglot brings them, and the error where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution, requires

from isoglot.platform.errors import IsoglotError, first_line

FOR_DEVELOPERS = ("dev", "docs")
"""Extras that no command needs."""
_PACKAGES = {
    "faiss": "faiss-cpu",
    "llama_index": "llama-index-core",
    "markdown_it": "markdown-it-py",
    "ot": "POT",
    "umap": "umap-learn",
    "vl_convert": "vl-convert-python",
}
"""Module -> its package on PyPI, where they differ by more than the hyphens."""


@contextmanager
def needs(what: str, extra: str) -> Iterator[None]:
    """Import optional packages inside; one that is missing becomes an error that names its extra.

    Args:
        what: What the packages are imported for: ``an index``.
        extra: The extra of isoglot that brings them.

    Raises:
        IsoglotError: One is not installed, or cannot be loaded on this machine.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        package = _PACKAGES.get(module, module.replace("_", "-"))
        raise IsoglotError(f"{what} needs the package {package}: pip install 'isoglot[{extra}]'") from error
    except ImportError as error:
        raise IsoglotError(f"{what}: a package cannot be loaded: {first_line(error)}") from error


def missing_packages() -> dict[str, list[str]]:
    """Return each extra that a user may want, and those of its packages that are not installed.

    The extras are those that the installed isoglot declares; in a source tree that is not installed there are none.
    """
    from packaging.requirements import Requirement

    try:
        extras = distribution("isoglot").metadata.get_all("Provides-Extra") or []
        requirements = [Requirement(text) for text in requires("isoglot") or []]
    except PackageNotFoundError:
        return {}
    optional = [(requirement.name, requirement.marker) for requirement in requirements if requirement.marker]
    return {
        extra: [
            name
            for name, marker in optional
            if marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}) and not _is_installed(name)
        ]
        for extra in sorted(set(extras) - {"all", *FOR_DEVELOPERS})
    }


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True
