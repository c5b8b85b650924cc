"""Audits and comparisons for people: tables on the terminal, in Markdown and in LaTeX; TREC files and pages."""
