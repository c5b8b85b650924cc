"""How much of the queries' mean is subtracted, by what the queries are; nothing heavy is imported, for help texts."""

SHARES = {"rows": 1.0, "questions": 0.75, "spans": 0.5}
"""The default query share of training rows, of questions that people asked of a corpus, and of spans or documents that
stand in for them; docs/results/development.md says how the last two were chosen."""
