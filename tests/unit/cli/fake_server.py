"""A server that records what it is asked and answers from a script."""

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Recorded:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Scripted:
    status: int
    body: bytes
    headers: dict[str, str]


@dataclass
class FakeServer:
    """``url`` is where it listens. Without a script left it answers 500 with a text."""

    url: str = ""
    requests: list[Recorded] = field(default_factory=list)
    _script: deque[Scripted] = field(default_factory=deque)

    def answer(
        self, body: object = b"", status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Add an answer to the script; what is not bytes goes out as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._script.append(Scripted(status, content, headers or {}))

    def refuse(self, status: int, message: str, reason: str = "BAD_REQUEST") -> None:
        """Add an error answer in the envelope of contract 3.1."""
        detail = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
        error = {"code": status, "message": message, "status": "X", "details": [detail]}
        self.answer({"error": error}, status)

    def next_answer(self) -> Scripted:
        return self._script.popleft() if self._script else Scripted(500, b"no script left", {})

    @property
    def only(self) -> Recorded:
        """The one request that came."""
        (request,) = self.requests
        return request


@contextmanager
def running() -> Iterator[FakeServer]:
    """Serve on a free port of the loopback interface until the block ends."""
    fake = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            fake.requests.append(Recorded(self.command, self.path, dict(self.headers), body))
            answer = fake.next_answer()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in answer.headers and answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        fake.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
