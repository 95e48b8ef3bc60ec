"""Documented proxies in front of a server, and callers who say what they like."""

import json
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.e2e.certificates import Authority
from tests.e2e.conftest import ADMIN
from tests.e2e.documented import block, with_changes
from tests.e2e.processes import PATIENCE_S
from tests.servers import Unavailable
from tests.servers.process import ServerProcess
from tests.servers.proxies import REQUIRED, proxy

NAMES: Final = ("nginx", "haproxy", "caddy", "envoy")
PROXY: Final = "127.0.0.1"
"""Where all proxies connect to the server from."""
CLIENT: Final = "127.0.0.9"
"""Where the callers of these tests connect from."""
INSIDE: Final = "203.0.113.7"
"""Where they say that they are."""

SETTINGS: Final = yaml.safe_load(block("proxies", "Whose address", "yaml"))
"""What the page says that the server's configuration holds."""


@contextmanager
def running(process: ServerProcess) -> Iterator[ServerProcess]:
    """Start a proxy, and end it with the block."""
    with process:
        process.start()
        yield process


def prepared(
    name: str, text: Callable[[Path, int], str], *, underscores: bool = False
) -> ServerProcess:
    """Return the proxy, or skip the test where there is none and need be none."""
    try:
        return proxy(name, text, underscores=underscores)
    except Unavailable as missing:
        if name in REQUIRED and os.environ.get("TALOS_REQUIRE_SERVICES") == "1":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


class Text:
    """A documented configuration, put on a port, before a server and with certificates."""

    def __init__(self, example: str, upstream: int, authority: Authority | None = None) -> None:
        self._example = example
        self._upstream = upstream
        self._authority = authority

    def __call__(self, folder: Path, port: int) -> str:
        if self._authority is not None:
            self._authority.write(folder)
        changes: dict[str, str] = {}
        for listener, here in LISTENERS.items():
            if listener in self._example:
                changes[listener] = here.format(port=port, folder=folder)
        assert changes, "no listener that is known"
        if "/etc/talos/tls" in self._example and "crt /etc/talos/tls" not in self._example:
            changes["/etc/talos/tls"] = str(folder)
        upstream = f"port_value: {self._upstream}", f"127.0.0.1:{self._upstream}"
        text = with_changes(self._example, changes)
        return with_changes(
            text,
            {"port_value: 4420": upstream[0]}
            if "port_value: 4420" in text
            else {"127.0.0.1:4420": upstream[1]},
        )


LISTENERS: Final[Mapping[str, str]] = {
    "listen 443 ssl;": "listen 127.0.0.1:{port} ssl;",
    "listen 8443 ssl;": "listen 127.0.0.1:{port} ssl;",
    "bind :443 ssl crt /etc/talos/tls/": "bind 127.0.0.1:{port} ssl crt {folder}/",
    "keys.example.com {": "http://:{port} {{\n    bind 127.0.0.1",
    "address: 0.0.0.0, port_value: 8080": "address: 127.0.0.1, port_value: {port}",
}
"""What listens in the examples, and on what it does in a test. Caddy would ask the internet for a
certificate, and Envoy's example has none."""


@dataclass(frozen=True)
class Front:
    """What callers connect to: a proxy, or the server itself."""

    port: int
    tls: ssl.SSLContext | None = None

    def connect(self, source: str = CLIENT) -> socket.socket:
        """Open a connection from an address of the loopback network."""
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S, (source, 0))
        if self.tls is None:
            return plain
        return self.tls.wrap_socket(plain, server_hostname="keys.example.com")

    def say(self, data: bytes, source: str = CLIENT) -> bytes:
        """Send ``data`` on a connection of its own; return all until it is closed."""
        received = bytearray()
        with self.connect(source) as connection:
            try:
                connection.sendall(data)
                while piece := connection.recv(65536):
                    received += piece
            except (ConnectionError, ssl.SSLEOFError):
                # Refused in the middle of a request; what came before counts.
                pass
        return bytes(received)

    def verify(self, credential: str, *lines: str, source: str = CLIENT) -> bytes:
        """Verify with header lines as they are given; return the answer as it came."""
        return self.say(verifying(credential, *lines), source)


def verifying(credential: str, *lines: str, close: bool = True) -> bytes:
    """Return the bytes of a verify request."""
    body = json.dumps({"credential": credential})
    closing = ["Connection: close"] if close else []
    head = [
        f"POST {ADMIN}/apiKeys:verify HTTP/1.1",
        "Host: keys.example.com",
        *lines,
        *closing,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*head, "", body]).encode("latin-1")


def valid(answer: bytes) -> bool:
    """Tell whether any verdict in the answer is yes."""
    return b'"is_valid":true' in answer


def answered(answer: bytes) -> bool:
    """Tell whether the server gave a verdict, and the proxy let it through."""
    return answer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")) and b'"is_valid"' in answer
