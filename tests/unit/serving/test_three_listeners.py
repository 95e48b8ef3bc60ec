"""One server, three listeners of which each has an application, threads and a capacity."""

import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvloop

from talos.http.served import ServedApplication
from talos.serving.http.connection import Timeouts
from talos.serving.process.options import ListenerOptions
from talos.serving.process.worker_application import listeners_of
from talos.serving.server import ConnectionServer
from tests.unit.serving.harness import PATIENCE_S

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

OPTIONS = (
    ListenerOptions("HTTP", "main", threads=1, capacity=8),
    ListenerOptions("Metrics", "metrics", threads=1, capacity=8, takes_bodies=False),
    ListenerOptions("Admin", "admin", threads=1, capacity=8),
)
GET = b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"


class Site:
    """Applications that answer with their names; ``/wait`` waits for the gate."""

    fast_path = None
    configuration_revision = None

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.waiting: set[str] = set()
        self.applications: Mapping[str, ServedApplication] = {
            each.application: ServedApplication(
                self._named(each.application), lambda _environ: 1024
            )
            for each in OPTIONS
        }

    def _named(self, name: str):  # type: ignore[no-untyped-def]
        def application(
            environ: "WSGIEnvironment", start_response: "StartResponse"
        ) -> Iterable[bytes]:
            if environ["PATH_INFO"] == "/wait":
                self.waiting.add(name)
                self.gate.wait(PATIENCE_S)
            answer = name.encode() + environ["wsgi.input"].read()
            start_response("200 OK", [("Content-Length", str(len(answer)))])
            return [answer]

        return application

    def configure_fast_path(self) -> None:
        """Nothing is answered from memory."""

    def close(self) -> None:
        """Nothing to give back."""


class Three:
    def __init__(self, folder: Path) -> None:
        self.site = Site()
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(str(folder / "socket"))
        unix.listen()
        self.sockets = [*(socket.create_server(("127.0.0.1", 0)) for _ in range(2)), unix]
        for listening in self.sockets:
            listening.setblocking(False)
        self.loop = uvloop.new_event_loop()
        self.server = ConnectionServer(
            self.loop, listeners_of(self.site, self.sockets, OPTIONS), timeouts=Timeouts()
        )
        self.clients: list[socket.socket] = []

    def connect(self, which: int, data: bytes) -> socket.socket:
        listening = self.sockets[which]
        client = socket.socket(listening.family)
        client.connect(listening.getsockname())
        client.setblocking(False)
        client.sendall(data)
        self.clients.append(client)
        return client

    async def _answer(self, client: socket.socket) -> bytes:
        return await self.loop.sock_recv(client, 65536)

    def answer(self, client: socket.socket) -> bytes:
        return self.loop.run_until_complete(self._answer(client))

    def turn(self) -> None:
        self.loop.call_later(0.001, self.loop.stop)
        self.loop.run_forever()

    def end(self) -> bool:
        self.site.gate.set()
        for client in self.clients:
            client.close()
        finished = self.loop.run_until_complete(self.server.drain(PATIENCE_S))
        self.turn()
        self.loop.close()
        return finished


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Three]:
    three = Three(tmp_path)
    yield three
    assert three.end()
    # None of them takes anybody any more.
    assert all(listening.fileno() == -1 for listening in three.sockets)


def test_each_is_answered_by_its_own_application(three: Three) -> None:
    for which, name in enumerate((b"main", b"metrics", b"admin")):
        assert three.answer(three.connect(which, GET % b"x")).endswith(b"\r\n\r\n" + name)


def test_each_takes_bodies_as_its_options_say(three: Three) -> None:
    for which, name in ((0, b"main"), (2, b"admin")):
        assert three.answer(three.connect(which, POST + b"body")).endswith(name + b"body")
    assert three.answer(three.connect(1, POST + b"body")).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("busy", range(3))
def test_one_whose_threads_are_busy_does_not_hold_up_the_others(three: Three, busy: int) -> None:
    held = three.connect(busy, GET % b"wait")
    while not three.site.waiting:
        three.turn()
    for which, options in enumerate(OPTIONS):
        if which != busy:
            answer = three.answer(three.connect(which, GET % b"x"))
            assert answer.endswith(options.application.encode())
    three.site.gate.set()
    assert three.answer(held).endswith(OPTIONS[busy].application.encode())
