"""Kept connections to known workers, all of which ask at once."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.processes import PATIENCE_S, Server, eventually
from tests.support.talos_server import ADMIN


@dataclass(frozen=True)
class Answer:
    """An answer, and the readings of the monotonic clock that it was decided between."""

    status: int
    headers: Mapping[str, str]
    body: Any
    before_ns: int
    after_ns: int


class Connection:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def ask(self, request: bytes) -> Answer:
        """Send a whole request and wait for its answer. Raises ``OSError`` if there is none."""
        [answer] = self.ask_all([request])
        return answer

    def ask_all(self, requests: Sequence[bytes]) -> list[Answer]:
        """Send whole requests at once and wait for the answers. Raises ``OSError`` as ``ask``."""
        before_ns = time.monotonic_ns()
        self._socket.sendall(b"".join(requests))
        return [self._answer(before_ns) for _ in requests]

    def _answer(self, before_ns: int) -> Answer:
        status = self._line().split()[1]
        headers = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = self._reader.read(int(headers["content-length"]))
        after_ns = time.monotonic_ns()
        return Answer(int(status), headers, json.loads(body), before_ns, after_ns)

    def _line(self) -> str:
        line = self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the answer is cut short")
        return line[:-2].decode()

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


class Connections:
    """The same number of connections to each worker of a server."""

    def __init__(self, server: Server, *, workers: int, each: int) -> None:
        self.of_worker: dict[int, list[Connection]] = {}
        eventually(lambda: len(server.workers) == workers, "all workers")
        forked = server.workers
        for worker in forked:
            with suspended(forked - {worker}):
                connections = [Connection(server.port) for _ in range(each)]
                for connection in connections:
                    # Only this worker can have answered, so the connection is its.
                    assert connection.ask(request("GET", "/health/alive")).status == 200
            self.of_worker[worker] = connections
        self._threads = ThreadPoolExecutor(workers * each)

    def __enter__(self) -> "Connections":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        for connection in self._all:
            connection.close()

    @property
    def _all(self) -> list[Connection]:
        return [connection for some in self.of_worker.values() for connection in some]

    def volley(self, requests: Sequence[bytes]) -> list[Answer]:
        """Let every connection send all the requests, one after the other; return all answers."""
        return self.each(lambda connection: [connection.ask(data) for data in requests])

    def each(self, work: Callable[[Connection], list[Answer]]) -> list[Answer]:
        """Call ``work`` for all connections at once; return all answers."""
        return [answer for answers in self._threads.map(work, self._all) for answer in answers]


@contextmanager
def suspended(pids: set[int]) -> Iterator[None]:
    """Let processes stand still for the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def request(method: str, path: str, body: object = None, **headers: str) -> bytes:
    """A request as clients send it. Underscores in names of headers stand for hyphens."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: keys.example.com"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data


def verify(credential: str, **headers: str) -> bytes:
    """A request for one verification."""
    return request("POST", f"{ADMIN}/apiKeys:verify", {"credential": credential}, **headers)


def batch_verify(credentials: Sequence[str], **headers: str) -> bytes:
    """A request for many verifications."""
    body = {"requests": [{"credential": credential} for credential in credentials]}
    return request("POST", f"{ADMIN}/apiKeys:batchVerify", body, **headers)
