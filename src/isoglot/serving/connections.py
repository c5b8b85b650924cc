"""Connections that cannot stop the server: limits on a request's head, on the time for it, and on their number."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEAD = 2**16
"""How many bytes the request line and the headers of a request may have."""
HEAD_SECONDS = 10.0
"""How long a client may take for a request's headers, and for the rest of a body that was answered before its end."""
READ_SECONDS = 30.0
"""How long a client may take to read a response."""
MAX_CONNECTIONS = 1024
"""How many connections are open at the same time, where the system allows twice as many files."""

_ORDER = count()
"""Numbers connections and requests, since a loop's clock may stand still for a millisecond."""


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol over h11, which bounds a request's head, with bounds on time and on connections.

    At the maximal number of connections a new one takes the place of the one that has kept the server waiting longest:
    for a request, for the rest of it, or for the client to read. Connections that the server works for are kept.
    """

    max_connections = MAX_CONNECTIONS
    head_seconds = HEAD_SECONDS
    read_seconds = READ_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None
        self._turn = next(_ORDER)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for the connection, and give it time for its first request."""
        if len(self.connections) >= self.max_connections:
            waiting = [one for one in self.connections if isinstance(one, BoundedProtocol) and one.waits_for_client]
            if waiting:
                min(waiting, key=lambda one: one._turn).drop()
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that pause_writing is called for any unread byte
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Pass data on, and see whether a request's head is complete."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._turn = next(_ORDER)
        unread_body = self.conn.their_state is h11.SEND_BODY and self.cycle.response_complete
        if self.conn.their_state is not h11.IDLE and not unread_body:
            self._stop_head_timer()
        elif self._head_timer is None:
            self._await_head()

    @property
    def waits_for_client(self) -> bool:
        """Whether the client's turn is next: to send a request or the rest of one, or to read."""
        return self._read_timer is not None or self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def drop(self) -> None:
        """Close the connection at once, whatever is still to be sent."""
        self.connections.discard(self)
        self.transport.abort()

    def pause_writing(self) -> None:
        """Give the client time to read what it has not read yet."""
        super().pause_writing()
        if self._read_timer is None:
            self._read_timer = self.loop.call_later(self.read_seconds, self.drop)

    def resume_writing(self) -> None:
        """Note that the client has read everything."""
        self._stop_read_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, once it is closed."""
        self._stop_head_timer()
        self._stop_read_timer()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self.drop)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None


def bounded() -> dict[str, Any]:
    """Return the arguments of uvicorn's Config that bound its connections.

    There are at most `MAX_CONNECTIONS`, and at most half as many as this process may open files: without a free file
    no connection is accepted, and the index cannot be read.
    """
    allowed = MAX_CONNECTIONS
    if sys.platform != "win32":
        import resource

        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        allowed = allowed if files == resource.RLIM_INFINITY else min(allowed, files // 2)
    return {
        "http": type("BoundedProtocol", (BoundedProtocol,), {"max_connections": allowed}),
        "h11_max_incomplete_event_size": MAX_HEAD,
        "backlog": allowed // 2,  # as many are accepted before the first of them is counted
    }
