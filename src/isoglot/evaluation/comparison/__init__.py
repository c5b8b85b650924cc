"""Audits side by side: which may be compared, what differs, and conditions on it."""
