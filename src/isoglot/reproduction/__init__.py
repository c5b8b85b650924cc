"""Reproduction: expected numbers as data, and a runner that shows which of them come out, which do not, and why."""
