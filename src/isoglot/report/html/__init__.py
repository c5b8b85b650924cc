"""Audits as one HTML file that makes no network request: its verdict, its charts, its questions, and the page."""
