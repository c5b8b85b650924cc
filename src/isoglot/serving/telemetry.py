"""What the server tells of itself: metrics for Prometheus, and a line of JSON for every request."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

log = logging.getLogger("isoglot.serving")


class Metrics:
    """The server's numbers, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "isoglot_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "isoglot_request_seconds", "Time to answer a request.", ["route"], registry=self.registry
        )
        self.in_flight = Gauge("isoglot_requests_in_flight", "API requests that are worked on.", registry=self.registry)
        self.batch = Histogram(
            "isoglot_batch_texts", "Texts encoded at once.", buckets=(1, 2, 4, 8, 16, 32), registry=self.registry
        )
        self.waiting = Gauge("isoglot_texts_waiting", "Texts that wait to be encoded.", registry=self.registry)
        self.passages = Gauge("isoglot_index_passages", "Passages in the index.", registry=self.registry)


class JsonLines(logging.Formatter):
    """A log record as one line of JSON: time, level, message, and the fields in its ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)  # in ASCII, so that no question breaks a line or turns its direction


def log_as_json() -> None:
    """Have isoglot and uvicorn log lines of JSON on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("isoglot", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
