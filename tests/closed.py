"""An origin for tests of builds that cannot be had."""

from tests.bakery import closed as rows

__all__ = ["rows"]
