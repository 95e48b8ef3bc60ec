"""A server, its listeners and its clients on one thread, turned by hand."""

import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import uvloop

from talos import _core
from talos.http.served import MAIN, METRICS, ServedApplication
from talos.serving.connection_counts import WorkerSlot
from talos.serving.http.body_memory import BodyMemoryBudget
from talos.serving.http.connection import Timeouts
from talos.serving.process.options import main_listener, metrics_listener
from talos.serving.process.worker_application import listeners_of
from talos.serving.server import ConnectionServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATIENCE_S = 60.0
BIG_BYTES = 64 * 1024 * 1024


class ServerHarness:
    """The site, too. Its first listener's application counts the bytes of bodies."""

    def __init__(
        self, capacity: int, fast_path: _core.FastPath | None = None, slot: WorkerSlot | None = None
    ) -> None:
        self.fast_path = fast_path
        self.word = memoryview(bytearray(8)).cast("Q")
        self.configuration_revision = self.word
        self.configure: Callable[[], None] = lambda: None
        self.applications = {
            name: ServedApplication(self._application, lambda _environ: 4 * 1024 * 1024)
            for name in (MAIN, METRICS)
        }
        self.gate = threading.Event()
        self.body_clock_s = 0.0
        self.running: list[str] = []
        self.listener, self.probes = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        self.listener.setblocking(False)
        self.probes.setblocking(False)
        self.loop = uvloop.new_event_loop()
        self.server = ConnectionServer(
            self.loop,
            listeners_of(
                self,
                [self.listener, self.probes],
                [main_listener("HTTP", 2, capacity), metrics_listener("Metrics")],
            ),
            timeouts=Timeouts(),
            body_memory=BodyMemoryBudget(250_000, clock=lambda: self.body_clock_s),
            slot=slot,
        )
        self.listener_state, _ = self.server.listeners
        self.clients: list[socket.socket] = []

    def configure_fast_path(self) -> None:
        self.configure()

    def turn(self) -> None:
        """Have the event loop look once at everything that has happened, and wait a little."""
        self.loop.call_later(0.001, self.loop.stop)
        self.loop.run_forever()

    def drain(self, grace_s: float) -> bool:
        finished = self.loop.run_until_complete(self.server.drain(grace_s))
        self.turn()
        return finished

    def close(self) -> None:
        """Nothing to give back."""

    def _application(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.running.append(path)
        if path == "/wait":
            self.gate.wait(PATIENCE_S)
        self.running.remove(path)
        body = b"%d" % len(environ["wsgi.input"].read())
        if path == "/big":
            body = b"x" * BIG_BYTES
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def end(self) -> None:
        self.gate.set()
        for client in self.clients:
            client.close()
        self.drain(PATIENCE_S)
        self.loop.close()

    def connect(self, data: bytes = b"", *, probe: bool = False) -> socket.socket:
        listener = self.probes if probe else self.listener
        client = socket.create_connection(listener.getsockname())
        client.setblocking(False)
        client.sendall(data)
        self.clients.append(client)
        return client

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            self.turn()

    def answer(self, client: socket.socket) -> bytes:
        """What the client receives next; empty when the connection was closed."""
        received: list[bytes] = []

        def arrived() -> bool:
            piece = receive(client)
            received.extend([] if piece is None else [piece])
            return bool(received)

        self.until(arrived, "an answer")
        return received[0]


def receive(client: socket.socket) -> bytes | None:
    try:
        return client.recv(65536)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return b""
