"""Telemetry of the server: metrics for Prometheus, and a line of JSON for every request."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

log = logging.getLogger("isoglot.serving")

MAX_LOGGED = 8_000
"""How many characters a field of a line has at most; tracebacks are the longest."""


def cut(text: str, length: int) -> str:
    """Return a text of at most `length` characters: the first half and the last, where it is longer."""
    return text if len(text) <= length else f"{text[: length // 2 - 1]}…{text[-(length // 2) :]}"


class Metrics:
    """The server's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "isoglot_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "isoglot_request_seconds", "Time to answer a request.", ["route"], registry=self.registry
        )
        self.in_flight = Gauge("isoglot_requests_in_flight", "API requests in progress.", registry=self.registry)
        self.batch = Histogram(
            "isoglot_batch_texts", "Texts encoded at once.", buckets=(1, 2, 4, 8, 16, 32), registry=self.registry
        )
        self.waiting = Gauge("isoglot_texts_waiting", "Texts waiting to be encoded.", registry=self.registry)
        self.passages = Gauge("isoglot_index_passages", "Passages in the index.", registry=self.registry)


class JsonLines(logging.Formatter):
    """Formats a log record as a line of JSON: time, level, message, and the fields in its attribute ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        """Implement `logging.Formatter.format`."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        line = {key: cut(value, MAX_LOGGED) if isinstance(value, str) else value for key, value in line.items()}
        return json.dumps(line)  # in ASCII, so that a question can neither break the line nor turn its direction


def log_as_json() -> None:
    """Make isoglot and uvicorn log lines of JSON on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("isoglot", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
