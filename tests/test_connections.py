"""Connections: clients that send without end, send nothing, or do not read, while others are served."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

pytest.importorskip("uvicorn", reason="isoglot[serve] is not installed")
from isoglot.serving.connections import MAX_CONNECTIONS, MAX_HEAD, bounded
from tests.serving_index import Running

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
LONG = 2**25
"""Bytes of a response that no socket's buffers hold."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer anything with ``ok``, but /long with a long body."""
    if scope["type"] == "http":
        body = b"x" * LONG if scope["path"] == "/long" else b"ok"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def running() -> Iterator[Running]:
    with Running(app, head_seconds=0.3, read_seconds=0.3, max_connections=8) as server:
        yield server


def connect(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def rest(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    received = bytearray()
    try:
        while part := connection.recv(2**20):
            received += part
    except ConnectionError:
        pass
    return bytes(received)


@pytest.mark.parametrize("begin", [b"GET /", HEAD + b"X: "])
def test_a_request_line_or_header_without_end_is_refused_after_64_kib(running: Running, begin: bytes) -> None:
    with connect(running) as connection:
        connection.sendall(begin + b"a" * (MAX_HEAD + 1))
        assert rest(connection).startswith(b"HTTP/1.1 400 ")
    with connect(running) as connection:
        connection.sendall(begin)
        with pytest.raises(ConnectionError):
            connection.sendall(b"a" * 2**27)
    assert httpx.get(f"{running.url}/healthz").text == "ok"


@pytest.mark.parametrize("begin", [b"", b"GET ", HEAD])
def test_a_client_that_does_not_finish_its_headers_is_let_go(running: Running, begin: bytes) -> None:
    with connect(running) as connection:
        connection.sendall(begin)
        assert rest(connection) == b""


@pytest.mark.parametrize("begin", [HEAD, HEAD + b"Content-Length: 1000000000\r\n\r\n"])
def test_headers_or_a_body_that_arrive_bit_by_bit_without_end_are_let_go_too(running: Running, begin: bytes) -> None:
    with connect(running) as connection:
        connection.sendall(begin)
        connection.settimeout(0.02)
        for _ in range(1000):
            try:
                connection.sendall(b"X: y\r\n")
                if connection.recv(1000) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("the server waits for ever")


def test_a_client_that_does_not_read_is_let_go(running: Running) -> None:
    with connect(running) as connection:
        connection.sendall(HEAD.replace(b"/healthz", b"/long") + b"\r\n")
        connection.recv(1)
        while running.connections:
            time.sleep(0.01)
        assert len(rest(connection)) < LONG


def test_a_connection_is_used_again_and_again(running: Running) -> None:
    with httpx.Client() as client:
        assert [client.get(f"{running.url}/healthz").text for _ in range(20)] == ["ok"] * 20
        assert len(client.get(f"{running.url}/long").content) == LONG


def test_a_new_connection_takes_the_place_of_the_one_that_has_waited_longest() -> None:
    with Running(app, max_connections=8) as server:
        idle = [connect(server) for _ in range(40)]
        assert httpx.get(f"{server.url}/healthz").text == "ok"
        assert [rest(connection) for connection in idle[:32]] == [b""] * 32
        idle[-1].sendall(HEAD + b"Connection: close\r\n\r\n")
        assert rest(idle[-1]).startswith(b"HTTP/1.1 200 OK")
        for connection in idle:
            connection.close()


def test_there_are_at_most_half_as_many_connections_as_files(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")

    def allowed(files: int) -> int:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (files, resource.RLIM_INFINITY))
        return int(bounded()["http"].max_connections)

    assert [allowed(files) for files in (160, 10**6, resource.RLIM_INFINITY)] == [80, MAX_CONNECTIONS, MAX_CONNECTIONS]
