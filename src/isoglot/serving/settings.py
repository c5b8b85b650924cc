"""What the one who runs the server chooses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Settings:
    """How an index is served.

    Attributes:
        host: The address to listen at.
        port: 0: any free one.
        compare: The model of the left column; None: the index's first.
        audits: Folders of audits whose charts the Bias page shows.
        api_key: What clients must send; None: nothing.
        allowed_hosts: Names under which the server is reached, besides `host`; ``*``: any.
        allowed_origins: Web sites whose pages may use the API.
        max_body: Bytes of a request's body.
        max_requests: Requests to the API that are worked on at the same time.
        body_seconds: How long a client may take to send a body.
        log_queries: Whether questions are logged.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    compare: str | None = None
    audits: tuple[Path, ...] = ()
    api_key: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    max_body: int = 2**20
    max_requests: int = 64
    body_seconds: float = 10
    log_queries: bool = False

    @property
    def hosts(self) -> list[str]:
        """The names that a request's Host header may hold.

        A server for this machine alone answers to this machine's names alone, so that no web site can reach it by
        giving its own name the address 127.0.0.1 (DNS rebinding).
        """
        names = {*self.allowed_hosts, self.host, *LOOPBACK}
        return sorted(f"[{name}]" if ":" in name else name for name in names) if self.host in LOOPBACK else ["*"]
