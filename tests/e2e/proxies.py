"""Documented proxies in front of a server, and callers who say what they like."""

import json
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.e2e.certificates import Authority
from tests.e2e.documented import block, with_changes
from tests.e2e.processes import PATIENCE_S
from tests.support.servers import Unavailable
from tests.support.servers.process import ServerProcess
from tests.support.servers.proxies import REQUIRED, proxy
from tests.support.talos_server import ADMIN, Talos

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
        # Where no package has it, there is no command to tell.
        pytest.skip(str(missing) if name in REQUIRED else f"{name} is not installed")


class Text:
    """A documented configuration, put on a port, before a server and with certificates."""

    def __init__(
        self,
        example: str,
        upstream: int,
        authority: Authority | None = None,
        changes: Mapping[str, str] = {},
    ) -> None:
        self._example = with_changes(example, changes)
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


LANGUAGES: Final = {"nginx": "nginx", "haproxy": "haproxy", "caddy": "caddyfile", "envoy": "yaml"}
HEADINGS: Final = {"nginx": "nginx", "haproxy": "HAProxy", "caddy": "Caddy", "envoy": "Envoy"}

FORWARDED: Final = "X-Forwarded-For"
SPOOFS: Final[dict[str, tuple[str, ...]]] = {
    "forwarded for": (f"{FORWARDED}: {INSIDE}",),
    "in lower case": (f"x-forwarded-for: {INSIDE}",),
    "in mixed case": (f"X-fOrWaRdEd-FoR: {INSIDE}",),
    "twice": (f"{FORWARDED}: {INSIDE}", f"{FORWARDED}: {INSIDE}"),
    "an empty line first": (f"{FORWARDED}:", f"{FORWARDED}: {INSIDE}"),
    "an empty line last": (f"{FORWARDED}: {INSIDE}", f"{FORWARDED}:"),
    "two spellings": (f"{FORWARDED}: {INSIDE}", f"x-forwarded-for: {INSIDE}"),
    "a list": (f"{FORWARDED}: {INSIDE}, {INSIDE}",),
    "through the proxy": (f"{FORWARDED}: {INSIDE}, {PROXY}",),
    "through the proxy, last": (f"{FORWARDED}: {PROXY}", f"{FORWARDED}: {INSIDE}, {PROXY}"),
    "a comma last": (f"{FORWARDED}: {INSIDE},",),
    "a comma first": (f"{FORWARDED}: ,{INSIDE}",),
    "with a port": (f"{FORWARDED}: {INSIDE}:80",),
    "mapped": (f"{FORWARDED}: [::ffff:{INSIDE}]:80",),
    "blanks": (f"{FORWARDED}:\t {INSIDE} \t",),
    "a form feed": (f"{FORWARDED}: \x0c{INSIDE}",),
    "a no-break space": (f"{FORWARDED}: {INSIDE},\xa0",),
    "a blank before the colon": (f"{FORWARDED} : {INSIDE}",),
    "folded": (f"{FORWARDED}:\r\n {INSIDE}",),
    "folded behind another": (f"X-Other: x\r\n\t{FORWARDED}: {INSIDE}",),
    "behind a bare line feed": (f"X-Other: x\n{FORWARDED}: {INSIDE}",),
    "behind a bare carriage return": (f"X-Other: x\r{FORWARDED}: {INSIDE}",),
    "behind a NUL": (f"\0{FORWARDED}: {INSIDE}",),
    "a long list": (f"{FORWARDED}: {', '.join([INSIDE] * 400)}",),
    "many lines": tuple(f"{FORWARDED}: {INSIDE}" for _ in range(60)),
    "with underscores": (f"X_Forwarded_For: {INSIDE}",),
    "with an underscore": (f"X-Forwarded_For: {INSIDE}",),
    "in both spellings": (f"{FORWARDED}: {INSIDE}", f"X_Forwarded_For: {INSIDE}"),
    "with dots": (f"X.Forwarded.For: {INSIDE}",),
    "of the environ": (f"HTTP_X_FORWARDED_FOR: {INSIDE}", f"REMOTE_ADDR: {INSIDE}"),
    "real ip": (f"X-Real-Ip: {INSIDE}",),
    "real ip, in capitals": (f"X-REAL-IP: {INSIDE}",),
    "real ip, twice": (f"X-Real-Ip: {INSIDE}", f"X-Real-IP: {INSIDE}"),
    "real ip, with underscores": (f"X_Real_Ip: {INSIDE}",),
    "real ip, blank": ("X-Real-Ip:",),
    "others": (f"True-Client-Ip: {INSIDE}", f"Cf-Connecting-Ip: {INSIDE}"),
    "forwarded": (f"Forwarded: for={INSIDE}",),
    "forwarded, quoted": (f'Forwarded: for="{INSIDE}:80";by={PROXY}',),
    "everything": (
        f"{FORWARDED}: {INSIDE}",
        f"X-Real-Ip: {INSIDE}",
        f"X_Forwarded_For: {INSIDE}",
        f"X_Real_Ip: {INSIDE}",
        f"X-Client-Ip: {INSIDE}",
        f"X-Cluster-Client-Ip: {INSIDE}",
        f"X-Original-Forwarded-For: {INSIDE}",
        f"X-Envoy-External-Address: {INSIDE}",
        f"Forwarded: for={INSIDE}",
    ),
    # A hop-by-hop header is removed by some, the proxy's own among them.
    "hop by hop": (f"Connection: {FORWARDED}", f"{FORWARDED}: {INSIDE}"),
    "hop by hop, both": ("Connection: x-forwarded-for, x-real-ip",),
    "hop by hop, kept": ("Connection: keep-alive, X-Real-Ip", f"X-Real-Ip: {INSIDE}"),
}


@dataclass
class ProxiedServer:
    """A server behind a proxy, and keys that tell whom it takes a caller for."""

    talos: Talos
    front: Front
    inside: str
    """A key for where callers say that they are."""
    proxy: str
    """A key for the address of the proxy."""
    client: str
    """A key for where callers are."""


def key(talos: Talos, address: str) -> str:
    return str(talos.issue(ip_restriction={"allowed_cidrs": [f"{address}/32"]})["secret"])


def proxied(talos: Talos, front: Front) -> ProxiedServer:
    return ProxiedServer(talos, front, key(talos, INSIDE), key(talos, PROXY), key(talos, CLIENT))


def documented(name: str) -> str:
    return block("proxies", HEADINGS[name], LANGUAGES[name])


def settings(source: str = "X_FORWARDED_FOR", **http: Any) -> dict[str, Any]:
    configured = SETTINGS["serve"]["http"] | {"client_ip_source": f"CLIENT_IP_SOURCE_{source}"}
    return {"serve": {"http": configured | http}}


def front(name: str, port: int, authority: Authority) -> Front:
    return Front(port, None if name in ("caddy", "envoy") else authority.trusting())
