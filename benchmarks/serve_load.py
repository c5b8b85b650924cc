"""A server under load: 32 clients for a minute, beside the bare cost of encoding; then again beside hostile clients.

    python -m benchmarks.serve_load INDEX [--seconds 60] [--clients 32]

Clients and server share the machine. Every question is new, so none is answered from a cache.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import typer

from isoglot.indexing.store import Index

AT_ONCE = 10_000
ENCODED = 100
HOSTILE_CLIENTS = 8
"""How many clients of each hostile kind there are at the same time."""


class Questions:
    """Random questions of eight words from the index's passages."""

    def __init__(self, index: Index) -> None:
        self._random = random.Random(0)
        self._words = [word for passage in index.passages(limit=500) for word in passage.text.split()]

    def next(self) -> str:
        return " ".join(self._random.choices(self._words, k=8))


def request_of(question: str) -> bytes:
    body = json.dumps({"question": question}).encode()
    head = (
        f"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    return f"{head}\r\n\r\n".encode() + body


async def answer(reader: asyncio.StreamReader) -> int:
    """Read the next response to its end and return its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))
    return int(head.split(b" ", 2)[1])


async def ask(port: int, raw: bytes, seconds: float = 60) -> str:
    """Send one request on a new connection; returns the status, or the name of the failure."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(raw)
                return str(await answer(reader))
            finally:
                writer.close()
    except (OSError, EOFError, TimeoutError) as error:
        return type(error).__name__


async def load(port: int, questions: Questions, seconds: float, clients: int) -> None:
    """Run clients that each send the next question as soon as the last one is answered, and print their latencies."""
    end, latencies, statuses = time.perf_counter() + seconds, [], Counter[int]()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            started = time.perf_counter()
            writer.write(request_of(questions.next()))
            statuses[await answer(reader)] += 1
            latencies.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    p50, p99 = 1000 * np.percentile(latencies, [50, 99])
    print(
        f"{clients} clients, {seconds:g} s: {len(latencies)} answers {dict(statuses)}, {len(latencies) / seconds:.0f} "
        f"a second, p50 {p50:.0f} ms, p99 {p99:.0f} ms, worst {1000 * max(latencies):.0f} ms"
    )


async def hostile_clients(port: int, questions: Questions, seconds: float) -> None:
    """Run eight clients of each hostile kind, each beginning anew when it is let go, and print what became of them."""
    end = time.perf_counter() + seconds
    head = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    post = b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    tag = json.dumps({"question": "a", "language": "en-x-" + "a" * 900_000}).encode()
    fields = json.dumps({"question": "a", **{f"k{number}": 0 for number in range(50_000)}}).encode()
    kinds: dict[str, tuple[bytes, bytes]] = {  # what is sent first, and what again and again, without end
        "idle": (b"", b""),
        "slow headers": (head, b"X: y\r\n"),
        "slow body": (request_of(questions.next())[:-5], b""),
        "endless URL": (b"GET /", b"a" * 2**16),
        "endless header": (head + b"X: ", b"a" * 2**16),
        "endless chunks": (post + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        "not HTTP": (b"\x16\x03\x01\x02\x00\r\n\r\n", b""),
        "bad JSON": (post + b"Content-Length: 1\r\n\r\n{", b""),
        "long language tag": (post + f"Content-Length: {len(tag)}\r\n\r\n".encode() + tag, b""),
        "50,000 fields": (post + f"Content-Length: {len(fields)}\r\n\r\n".encode() + fields, b""),
        "reads nothing": (b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 200, b""),
    }

    async def client(begin: bytes, more: bytes, outcomes: Counter[str], *, reads: bool) -> None:
        while time.perf_counter() < end:
            try:
                async with asyncio.timeout(45):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    answered = asyncio.create_task(reader.read(12) if reads else asyncio.sleep(40, b""))
                    answered.add_done_callback(lambda task: task.cancelled() or task.exception())
                    writer.write(begin)
                    while not answered.done():
                        writer.write(more)
                        await writer.drain()
                        await asyncio.sleep(0.05)
                    outcomes[(await answered)[9:12].decode() or "closed"] += 1
                    writer.close()
            except (OSError, EOFError, TimeoutError) as error:
                outcomes[type(error).__name__] += 1

    counts = {kind: Counter[str]() for kind in kinds}
    tasks = [
        client(*kinds[kind], counts[kind], reads=kind != "reads nothing")
        for kind in kinds
        for _ in range(HOSTILE_CLIENTS)
    ]
    await asyncio.gather(*tasks)
    for kind, outcomes in counts.items():
        print(f"  {kind}: {dict(outcomes)}")


async def hostile(port: int, process: int, questions: Questions) -> None:
    """Print the server's answers to clients that are slow, wrong or too many, and to a question afterwards."""
    slow = asyncio.create_task(ask(port, request_of(questions.next())[:-5]))
    head = b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    bodies = {
        "oversized": b"Content-Length: 50000000\r\n\r\n" + b"x" * 100_000,
        "bad JSON": b'Content-Length: 12\r\n\r\n{"question":',
        "invalid UTF-8": b'Content-Length: 17\r\n\r\n{"question":"\xff\xfe"}',
        "ten megabytes without a length": b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 160,
    }
    for name, body in bodies.items():
        answers = Counter(await asyncio.gather(*(ask(port, head + body) for _ in range(200))))
        print(f"200 x {name}: {dict(answers)}")
    before = memory(process)
    for turn in (1, 2, 3):
        started = time.perf_counter()
        answers = Counter(await asyncio.gather(*(ask(port, request_of(questions.next())) for _ in range(AT_ONCE))))
        seconds = time.perf_counter() - started
        print(f"{AT_ONCE} requests at once ({turn}): {dict(answers)} in {seconds:.1f} s; RSS {memory(process):.0f} MiB")
    print(f"slow client: {await slow}; a question afterwards: {await ask(port, request_of(questions.next()))}")
    print(f"RSS before {before:.0f} MiB, after {memory(process):.0f} MiB")


def memory(process: int) -> float:
    """Return the resident memory of a process in MiB (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def bare_cost(index: Index, questions: Questions) -> None:
    """Print the time to encode one question after another with the same encoder and nothing around it."""
    encoder = index.load_encoder()
    latencies = []
    for _ in range(ENCODED):
        text = f"{encoder.prompts['query'].text}{questions.next()}"
        started = time.perf_counter()
        encoder.model.encode([text], show_progress_bar=False)
        latencies.append(time.perf_counter() - started)
    p50, p99 = 1000 * np.percentile(latencies, [50, 99])
    print(f"encoding one question alone: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {1 / np.mean(latencies):.0f} a second")


def main(folder: str, seconds: float = 60, clients: int = 32) -> None:
    """Start a server in a new process and put it under load, then under hostile load."""
    index = Index(folder)
    questions = Questions(index)
    print(f"{len(index)} passages, model {index.models[0]}")
    bare_cost(index, questions)
    command = [sys.executable, "-m", "isoglot", "serve", folder, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        line = next(line for line in server.stderr if '"url"' in line)
        port = int(json.loads(line)["url"].rsplit(":", 1)[1].strip("/"))
        drained = asyncio.to_thread(server.stderr.read)

        async def work() -> None:
            log = asyncio.create_task(drained)
            try:
                await load(port, questions, seconds, clients)
                print(f"RSS {memory(server.pid):.0f} MiB; now beside {HOSTILE_CLIENTS} clients of each hostile kind")
                for _ in range(2):
                    attack = asyncio.create_task(hostile_clients(port, questions, seconds))
                    await load(port, questions, seconds, clients)
                    await attack
                    print(f"RSS {memory(server.pid):.0f} MiB")
                await hostile(port, server.pid, questions)
            finally:
                server.terminate()
                await log

        asyncio.run(work())


if __name__ == "__main__":
    typer.run(main)
