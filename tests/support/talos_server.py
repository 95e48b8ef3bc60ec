"""Servers of Talos as programs, and what is asked of them."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol

import yaml

from talos.credentials import generate
from tests.e2e.processes import PATIENCE_S, PYTHON, Server, clean_environment, free_ports

HMAC_SECRET = "test-secret-for-hmac-0123456789abcdef"


ISSUER = "https://keys.example.com"


ADMIN = "/v2alpha1/admin"


def signing_keys() -> str:
    """The URL of a fresh key set."""
    key_set = json.dumps({"keys": [generate.eddsa().private]})
    return "base64://" + base64.b64encode(key_set.encode()).decode()


def settings(dsn: str | None, port: int, metrics_port: int) -> dict[str, Any]:
    """A configuration that is complete but for the hosts, which take their defaults."""
    return {
        "serve": {
            "http": {"port": port, "workers": 2},
            "metrics": {"host": "127.0.0.1", "port": metrics_port},
        },
        **({"db": {"dsn": dsn}} if dsn else {}),
        "credentials": {
            "issuer": ISSUER,
            "api_keys": {"default_ttl": "24h"},
            "derived_tokens": {"jwt": {"signing_keys": {"urls": [signing_keys()]}}},
        },
        "secrets": {"hmac": {"current": HMAC_SECRET}},
    }


def merge(tree: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in over.items():
        below = tree.get(name)
        tree[name] = merge(below, value) if isinstance(below, dict) else value
    return tree


@dataclass
class Talos:
    """A running server and its configuration file."""

    server: Server
    configuration: Path

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send a request with a JSON body; return status and decoded answer."""
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        finally:
            connection.close()

    def issue(self, **fields: Any) -> Any:
        """Issue a key; return the whole answer."""
        body = {"name": "a key", "actor_id": "user:1", **fields}
        status, answer = self.ask("POST", f"{ADMIN}/issuedApiKeys", body)
        assert status == 201, answer
        return answer

    def verify(self, credential: str) -> Any:
        """Verify a credential; return the verdict."""
        body = {"credential": credential}
        status, answer = self.ask("POST", f"{ADMIN}/apiKeys:verify", body)
        assert status == 200, answer
        return answer

    def edit(self, over: Mapping[str, Any]) -> None:
        """Change the configuration file in place."""
        tree = merge(yaml.safe_load(self.configuration.read_text()), over)
        self.configuration.write_text(yaml.safe_dump(tree))


class Serve(Protocol):
    def __call__(
        self,
        *arguments: str,
        dsn: str | None = ...,
        over: Mapping[str, Any] = ...,
        ready: bool = ...,
        ports: tuple[int, int] | None = ...,
        program: Sequence[str] = ...,
        environment: Mapping[str, str] = ...,
        wrap: Callable[[list[str]], list[str]] = ...,
    ) -> Talos: ...


@contextmanager
def serving(folder: Path, database: str) -> Iterator[Serve]:
    """Start ``talos serve`` with further arguments; every server ends with the block.

    ``program`` stands for ``talos``: a module that ends up as it, with arguments of its own.
    ``wrap`` puts another program around the command that ends up as it.
    """
    servers: list[Server] = []

    def start(
        *arguments: str,
        dsn: str | None = database,
        over: Mapping[str, Any] = {},
        ready: bool = True,
        ports: tuple[int, int] | None = None,
        program: Sequence[str] = ("talos",),
        environment: Mapping[str, str] = {},
        wrap: Callable[[list[str]], list[str]] = list,
    ) -> Talos:
        port, metrics_port = ports or free_ports(2)
        configuration = folder / f"talos-{port}.yaml"
        configuration.touch(0o600)
        configuration.write_text(yaml.safe_dump(merge(settings(dsn, port, metrics_port), over)))
        command = [PYTHON, "-m", *program, "serve", *arguments, "--config", str(configuration)]
        server = Server(
            wrap(command),
            folder,
            port=port,
            metrics_port=metrics_port,
            environment=clean_environment(**environment),
        )
        servers.append(server)
        return Talos(server.wait_ready() if ready else server, configuration)

    try:
        yield start
    finally:
        for server in servers:
            server.destroy()
