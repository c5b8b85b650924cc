"""Audits as one HTML file that asks nothing of a network: what it says, its pictures, its questions, its page."""
