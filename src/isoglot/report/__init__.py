"""Audits and comparisons for people: tables, on the terminal and in Markdown; and TREC files for other tools."""
