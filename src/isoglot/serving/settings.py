"""The settings of a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an index is served.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0: any free one.
        compare: Model of the left column; None: the index's first.
        balance: Balance of the columns that the page begins with, and of the API's default.
        audits: Folders of the audits that the Bias page shows.
        api_key: Key that clients must send; None: no key.
        allowed_hosts: Names besides `host` under which clients reach the server; ``*``: any.
        allowed_origins: Web sites whose pages may use the API.
        max_body: Maximum number of bytes of a request's body.
        max_requests: Maximum number of API requests in progress at the same time.
        body_seconds: Maximum time in seconds in which a body must arrive.
        log_queries: Whether questions are logged.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    compare: str | None = None
    balance: str = "none"
    audits: tuple[Path, ...] = ()
    api_key: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    max_body: int = 2**22
    max_requests: int = 64
    body_seconds: float = 10
    log_queries: bool = False

    @property
    def hosts(self) -> list[str]:
        """The names that a request's Host header may hold.

        A server that listens on this machine alone accepts this machine's names alone. Otherwise a web site could
        reach it by giving its own name the address 127.0.0.1 (DNS rebinding).
        """
        names = {*self.allowed_hosts, self.host, *LOOPBACK}
        return sorted(f"[{name}]" if ":" in name else name for name in names) if self.host in LOOPBACK else ["*"]
