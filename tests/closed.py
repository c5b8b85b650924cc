"""An origin, for tests of builds, that cannot be read."""

from tests.bakery import closed as rows

__all__ = ["rows"]
