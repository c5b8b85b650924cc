"""Reproduction: numbers that are expected, as data, and a runner that shows which come out, which do not and why."""
