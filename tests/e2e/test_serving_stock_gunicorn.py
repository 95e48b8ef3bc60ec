"""The surfaces under gunicorn's own workers, with the command lines of docs/deployment.md."""

import contextlib
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.connections import suspended
from tests.e2e.processes import (
    PYTHON,
    Server,
    clean_environment,
    eventually,
    free_ports,
    read_all,
    say,
)
from tests.support.talos_server import ADMIN, HMAC_SECRET, Talos, merge, settings

Start = Callable[..., Talos]


@pytest.fixture
def stock(tmp_path: Path, sqlite_dsn: str) -> Iterator[Start]:
    """Start gunicorn on a factory of ``talos.serving.wsgi``, with further arguments."""
    servers: list[Server] = []

    def start(
        factory: str,
        *arguments: str,
        dsn: str = sqlite_dsn,
        over: Mapping[str, Any] = {},
        ready: bool = True,
    ) -> Talos:
        [port] = free_ports(1)
        configuration = tmp_path / f"talos-{port}.yaml"
        configuration.write_text(yaml.safe_dump(merge(settings(dsn, port, port + 1), over)))
        command = [PYTHON, "-m", "gunicorn", f"talos.serving.wsgi:{factory}()", *arguments]
        server = Server(
            [*command, "--bind", f"127.0.0.1:{port}", "--control-socket", str(tmp_path / "ctl")],
            tmp_path,
            port=port,
            metrics_port=None,
            environment=clean_environment(TALOS_CONFIG=str(configuration)),
        )
        servers.append(server)
        return Talos(server.wait_ready() if ready else server, configuration)

    yield start
    for server in servers:
        server.destroy()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--worker-class", "sync", "--workers", "2"],
        ["--worker-class", "gthread", "--workers", "2", "--threads", "8"],
        ["--worker-class", "gthread", "--workers", "2", "--threads", "8", "--preload"],
    ],
    ids=["sync", "gthread", "preload"],
)
def test_a_key_lives_its_life_under_stock_workers(stock: Start, arguments: list[str]) -> None:
    talos = stock("all_in_one", *arguments)
    issued = talos.issue(scopes=["read"])
    assert talos.verify(issued["secret"])["is_valid"] is True
    status, answer = talos.ask(
        "POST", "/v2alpha1/apiKeys:selfRevoke", {"credential": issued["secret"]}
    )
    assert (status, answer) == (200, {})
    assert talos.verify(issued["secret"])["is_valid"] is False
    # The use was written down when the server ended, not in thirty seconds.
    assert talos.server.stop() == 0
    path = f"{ADMIN}/issuedApiKeys/{issued['issued_api_key']['key_id']}"
    assert "last_used_time" in stock("admin").ask("GET", path)[1]


def test_bodies_under_stock_workers(stock: Start) -> None:
    talos = stock("admin")
    announced = say(
        talos.server.port,
        b"POST /v2alpha1/admin/issuedApiKeys HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        b"Content-Length: 5000000\r\n\r\n",
    )
    assert announced.startswith(b"HTTP/1.1 400 ")
    assert b'"INVALID_ARGUMENT"' in announced
    body = b'{"name":"chunked","actor_id":"a"}'
    answer = say(
        talos.server.port,
        b"POST /v2alpha1/admin/issuedApiKeys HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
    )
    assert answer.startswith(b"HTTP/1.1 201 ")


def test_each_factory_has_its_surface(stock: Start) -> None:
    assert stock("public").ask("POST", f"{ADMIN}/issuedApiKeys", {})[0] == 404
    assert stock("admin").ask("POST", "/v2alpha1/apiKeys:selfRevoke", {})[0] == 404


def test_what_keeps_talos_from_starting_keeps_gunicorn_from_it(
    stock: Start, tmp_path: Path
) -> None:
    talos = stock("public", dsn=f"sqlite://{tmp_path}/missing.db", ready=False)
    assert talos.server.wait() != 0
    assert "talos migrate up" in talos.server.log
    assert HMAC_SECRET not in talos.server.log


@pytest.mark.parametrize(
    ("preload", "second"), [(["--preload"], [False] * 3), ([], [True, True, False])]
)
def test_limits_are_counted_together_by_workers_of_one_factory(
    stock: Start, preload: list[str], second: list[bool]
) -> None:
    """Others count each for itself, and say so."""
    enforced = {"rate_limit": {"enabled": True}}
    talos = stock("admin", "--worker-class", "sync", "--workers", "2", *preload, over=enforced)
    secret = talos.issue(rate_limit_policy={"quota": 2, "window": "86400s"})["secret"]
    workers = eventually(lambda: len(talos.server.workers) == 2 and talos.server.workers, "workers")
    told = []
    for worker in sorted(workers):
        with suspended(workers - {worker}):
            told.append([talos.verify(secret)["is_valid"] for _ in range(3)])
    assert told == [[True, True, False], second]
    alone = "rate limits are counted in this process alone"
    expected = 0 if preload else 2
    eventually(lambda: talos.server.log.count(alone) == expected, "what is said of the counts")


def test_nothing_is_said_about_limits_that_nobody_enforces(stock: Start) -> None:
    talos = stock("public", over={"rate_limit": {"enabled": True}})
    talos.ask("GET", "/v2alpha1/derivedKeys/jwks.json")
    assert "rate limits" not in talos.server.log
    talos = stock("admin")
    talos.issue()
    assert "rate limits" not in talos.server.log


def test_a_peer_on_a_unix_socket_has_no_say_in_what_it_is_called(
    stock: Start, tmp_path: Path
) -> None:
    """gunicorn hands on the name that a client has bound its socket to, an address for one."""
    claimed, path = "203.0.113.7", str(tmp_path / "talos.sock")
    source = {"client_ip_source": "CLIENT_IP_SOURCE_X_REAL_IP"}
    proxies = {"trusted_proxies": ["unix:"]}
    talos = stock("admin", "--bind", f"unix:{path}", over={"serve": {"http": source | proxies}})

    def verdict(cidr: str, line: str = "Accept: */*") -> bool:
        secret = talos.issue(ip_restriction={"allowed_cidrs": [cidr]})["secret"]
        body = json.dumps({"credential": secret})
        head = f"POST {ADMIN}/apiKeys:verify HTTP/1.1\r\nHost: localhost\r\n{line}\r\n"
        with socket.socket(socket.AF_UNIX) as client, contextlib.chdir(tmp_path):
            Path(claimed).unlink(missing_ok=True)
            client.bind(claimed)
            client.connect(path)
            length = f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(f"{head}{length}{body}".encode())
            return b'"is_valid":true' in read_all(client)

    assert not verdict(f"{claimed}/32")
    assert verdict("127.0.0.1/32")
    # It is listed as ``unix:``, so it may speak for others.
    assert verdict(f"{claimed}/32", f"X-Real-Ip: {claimed}")
    talos.edit({"serve": {"http": {"trusted_proxies": [f"{claimed}/32", "127.0.0.1"]}}})
    eventually(lambda: not verdict(f"{claimed}/32", f"X-Real-Ip: {claimed}"), "the reload")
