"""The log of a running server: who does not read it, and what a stranger can make of it (11.4)."""

import json
import os
import re
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine
from tests.e2e.connections import Connection, request, verify
from tests.e2e.processes import eventually, read_all, say, try_get
from tests.support.talos_server import ADMIN, Serve, Talos

FIXED_BYTES = 1536
"""What the line of any refused request may hold beside half of what was sent."""
FLOOD = 4_000
"""Refused requests that leave more lines than a pipe and the queue of a worker hold."""


class Pipe:
    """A named pipe that nobody reads unless the test does."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        # Opened for both, it does not wait for a writer.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.received = bytearray()

    def read(self) -> list[dict[str, Any]]:
        """The whole records that have come so far."""
        while select.select([self._descriptor], [], [], 0.02)[0]:
            self.received += os.read(self._descriptor, 65_536)
        return [json.loads(line) for line in self.received.split(b"\n")[:-1]]

    def close(self) -> None:
        os.close(self._descriptor)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    made = Pipe(tmp_path / "stderr")
    yield made
    made.close()


def serve_into(serve: Serve, pipe: Pipe) -> Talos:
    """A server of one worker whose standard error is the pipe."""
    return serve(
        over={"serve": {"http": {"workers": 1}}},
        wrap=lambda command: ["sh", "-c", 'exec "$@" 2>"$0"', str(pipe.path), *command],
    )


def flood(talos: Talos) -> None:
    connection = Connection(talos.server.port)
    refused = [request("GET", f"{ADMIN}/nothing")] * 50
    for _ in range(FLOOD // len(refused)):
        assert all(answer.status == 404 for answer in connection.ask_all(refused))
    connection.close()


def test_a_log_that_nobody_reads_stops_nothing(serve: Serve, pipe: Pipe) -> None:
    talos = serve_into(serve, pipe)
    warm, other = talos.issue(), talos.issue()
    connection = Connection(talos.server.port)
    assert connection.ask(verify(warm["secret"])).body["is_valid"] is True
    flood(talos)
    # From memory, from the database, with a change, on the metrics listener, and a refusal.
    assert connection.ask(verify(warm["secret"])).headers["ory-talos-cache"] == "HIT"
    assert talos.verify(other["secret"])["is_valid"] is True
    key_id = other["issued_api_key"]["key_id"]
    assert talos.ask("POST", f"{ADMIN}/issuedApiKeys/{key_id}:revoke", {})[0] == 204
    assert talos.server.metrics_port is not None
    assert try_get(talos.server.metrics_port, "/health/ready") == 200
    assert say(talos.server.port, b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")

    def dropped(what: str) -> int:
        return sum(record.get(what, 0) for record in pipe.read())

    def written() -> int:
        return sum(record["msg"] == "HTTP request completed" for record in pipe.read())

    # Nothing vanishes uncounted.
    eventually(lambda: written() + dropped("dropped_lines") >= FLOOD, "all that was logged")
    assert dropped("dropped_lines") > 0
    assert dropped("dropped_audit_events") == 0

    def revocations() -> int:
        return [record.get("event") for record in pipe.read()].count("IssuedAPIKeyRevoked")

    assert eventually(revocations, "the audit event") == 1
    connection.close()


def test_a_log_that_nobody_reads_does_not_keep_the_server_from_ending(
    serve: Serve, pipe: Pipe
) -> None:
    talos = serve_into(serve, pipe)
    flood(talos)
    talos.server.signal(signal.SIGTERM)
    assert talos.server.wait() == 0


def hostile() -> Iterator[bytes]:
    """Requests that are logged at the length of their values, or would be."""
    for value in (b"\x80", b'"', b"\\", b"://:@", b"\xe2\x80\xae", b"a@:", b"\xff\\"):
        for size in (1, 40, 300, 3_000):
            text = value * (size // len(value) + 1)
            names = (b"User-Agent", b"Accept", b"Referer", b"Pragma", b"X-Real-IP", b"CF-Ray")
            lines = b"".join(b"%b: %b\r\n" % (name, text) for name in names)
            yield b"GET /x HTTP/1.1\r\nHost: h\r\n%b\r\n" % lines
            yield b"GET /x HTTP/1.1\r\nHost: h\r\nX-Request-ID: %b\r\n\r\n" % text[:128]
            yield b"GET /x HTTP/1.1\r\nHost: h\r\nUser-Agent: %b\r\n\r\n" % text
    below = f"{ADMIN}/apiKeys".encode()
    for path in (b"/a", b"/%80", b"/%22", b"/%e2%80%ae", b"//", b"/..", b"/admin"):
        for size in (1, 100, 5_000):
            yield b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % (path * size)
            yield b"GET %b/x HTTP/1.1\r\nHost: h\r\n\r\n" % (below + path * size)
    masks = b",".join([b"\x80"] * 2_000)
    yield b"PATCH %b/issuedApiKeys/x?update_mask=%b HTTP/1.1\r\nHost: h\r\n\r\n" % (
        ADMIN.encode(),
        b"%22" * 5_000,
    )
    yield b"GET /x HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 3_000 + b"\r\n"
    yield b"GET /x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: %b\r\n\r\n" % masks
    yield b"GET /x HTTP/1.1\r\nHost: %b\r\n\r\n" % (b"%" * 3_000)
    yield b"GET /x HTTP/1.1\r\nHost: h\r\nA\x00: b\r\n\r\n"
    body = b'{"requests":[%b]}' % b",".join([b"{}"] * 1_000)
    head = b"POST %b/importedApiKeys:batchCreate HTTP/1.1\r\nHost: h\r\n" % ADMIN.encode()
    yield head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_request_leaves_one_line_that_grows_with_half_of_it(serve: Serve, style: str) -> None:
    talos = serve(over={"serve": {"http": {"workers": 1}}, "log": {"format": style}})

    def lines() -> list[str]:
        """One for each request, refused below HTTP or above; audit events stand apart."""
        whole = talos.server.log.split("\n")[:-1]
        return [line for line in whole if "request completed" in line or "request refused" in line]

    for data in hostile():
        seen = len(lines())
        connection = Connection(talos.server.port)._socket
        connection.sendall(data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        assert read_all(connection).startswith(b"HTTP/1.1 ")
        connection.close()
        eventually(lambda seen=seen: len(lines()) > seen, "the line")  # type: ignore[misc]
        [line] = lines()[seen:]
        assert len(line.encode()) <= FIXED_BYTES + len(data) // 2, data[:200]
        assert line.isprintable()


def test_no_name_of_a_header_and_no_path_gets_an_imported_key_into_the_log(serve: Serve) -> None:
    talos = serve()
    raw_key = "swordfish-of-another-system"
    body = {"raw_key": raw_key, "name": "n", "actor_id": "a"}
    assert talos.ask("POST", f"{ADMIN}/importedApiKeys", body)[0] == 201
    names = ("Api-Key", "X-Auth-Token", "Private-Token", "X-Forwarded-Authorization", "X-Api-Key")
    headers = {name.replace("-", "_"): raw_key for name in names}
    url = f"https://console.example.com/{raw_key}?key={raw_key}"
    connection = Connection(talos.server.port)
    for path in (
        f"/importedApiKeys/{raw_key}",
        f"/importedApiKeys/{raw_key}:revoke",
        f"/importedApiKeys/{raw_key}/x",
        f"/importedApiKeys/%73{raw_key[1:]}",
    ):
        sent = request("GET", ADMIN + path, Referer=url, **headers)
        assert connection.ask(sent).status == 404
    connection.close()
    assert talos.server.stop() == 0
    assert talos.server.log.count("console.example.com") == 4
    assert raw_key[1:] not in talos.server.log


@pytest.mark.parametrize("level", ["warn", "error"])
def test_the_words_of_a_driver_are_told_at_every_level(
    serve: Serve, database_dsn: str, level: str
) -> None:
    talos = serve(dsn=database_dsn, over={"log": {"level": level}})
    assert talos.ask("GET", f"{ADMIN}/issuedApiKeys")[0] == 200
    engine = create_engine(parse_dsn(database_dsn))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE issued_api_keys RENAME TO gone"))
    engine.dispose()
    assert talos.ask("GET", f"{ADMIN}/issuedApiKeys")[0] == 500
    assert talos.server.stop() == 0
    [error] = [r for r in talos.server.records if r["msg"].startswith("An error occurred")]
    assert re.search("no such table|does not exist|doesn't exist", error["error"]["cause"])
    assert "issued_api_keys" in error["error"]["cause"]
    assert "stacktrace" not in error["error"]
    assert error["http_request"]["request_id"]
    assert error["http_request"]["client"] == "127.0.0.1"


def test_the_line_of_a_verification_and_the_events_name_key_and_caller(serve: Serve) -> None:
    talos = serve(over={"cache": {"enabled": False}})
    issued = talos.issue()
    key_id, secret = issued["issued_api_key"]["key_id"], issued["secret"]
    connection = Connection(talos.server.port)
    assert connection.ask(verify(secret, X_Request_ID="good")).body["is_valid"] is True
    assert talos.ask("POST", f"{ADMIN}/issuedApiKeys/{key_id}:revoke", {})[0] == 204
    assert connection.ask(verify(secret, X_Request_ID="bad")).body["is_valid"] is False
    connection.close()
    assert talos.server.stop() == 0
    lines = {
        record["http_request"]["request_id"]: record["verification"]
        for record in talos.server.records
        if "verification" in record
    }
    assert lines == {
        "good": {"verdict": "VALID", "type": "issued", "key_id": key_id},
        "bad": {"verdict": "REVOKED", "type": "issued", "key_id": key_id},
    }
    events = {r["event"]: r for r in talos.server.records if r["msg"] == "audit event"}
    failed, revoked = events["APIKeyVerificationFailed"], events["IssuedAPIKeyRevoked"]
    assert failed["attributes"]["APIKeyID"] == revoked["attributes"]["APIKeyID"] == key_id
    assert failed["http_request"] == {"request_id": "bad", "client": "127.0.0.1"}
    [line] = [
        record
        for record in talos.server.records
        if record["msg"] == "HTTP request completed"
        and record["http_request"]["request_id"] == revoked["http_request"]["request_id"]
    ]
    assert line["http_request"]["path"] == f"{ADMIN}/issuedApiKeys/{key_id}:revoke"
