"""Bad input to a whole server: always the envelope, never a 5xx, and the same worker afterwards."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from talos.adapters.sql import migrate
from talos.adapters.sql.dsn import parse_dsn
from talos.http.messages import VERIFY
from talos.http.operations import OPERATIONS
from tests.e2e.connections import Connection, request, verify
from tests.e2e.processes import PATIENCE_S, REPOSITORY, say
from tests.support.hostile_bodies import GREAT_BODIES, NASTY_TEXT, bodies, text_of
from tests.support.talos_server import ADMIN, Talos, serving

WRITES = [operation for operation in OPERATIONS if operation.request is not None]


@pytest.fixture(scope="module")
def talos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talos]:
    """A server of one worker, which has to be the same one, with a clean log, in the end."""
    folder = tmp_path_factory.mktemp("bad-input")
    dsn = f"sqlite://{folder}/talos.db"
    migrate.up(parse_dsn(dsn))
    with serving(folder, dsn) as start:
        talos = start(over={"serve": {"http": {"workers": 1}}})
        workers = talos.server.workers
        yield talos
        assert talos.server.workers == workers
        assert talos.server.stop() == 0
        bad = [record for record in talos.server.records if record["level"] == "ERROR"]
        assert bad == []


@pytest.fixture(scope="module")
def secret(talos: Talos) -> str:
    """A key that the cache can answer for."""
    secret = str(talos.issue(scopes=["read"])["secret"])
    assert talos.verify(secret)["is_valid"] is True
    return secret


def send(talos: Talos, method: str, path: str, body: bytes) -> tuple[int, Any]:
    """Send a body on a connection of its own; return status and decoded answer."""
    connection = HTTPConnection("127.0.0.1", talos.server.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None
    finally:
        connection.close()


def check(status: int, answer: Any, success: int) -> None:
    """A success, or a refusal in the envelope."""
    if status == success:
        return
    assert 400 <= status < 500, answer
    assert set(answer) == {"error"}
    assert answer["error"]["code"] == status
    assert answer["error"]["details"][0]["reason"]


schema = schemathesis.openapi.from_path(REPOSITORY / "talos" / "http" / "openapi.json")


@schema.parametrize()
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
def test_no_server_error_and_no_undocumented_answer(case: schemathesis.Case, talos: Talos) -> None:
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{talos.server.port}",
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
    )


@pytest.mark.parametrize("path", ["issuedApiKeys", "apiKeys:verify"])
@pytest.mark.parametrize("body", GREAT_BODIES, ids=lambda body: repr(bytes(body[:14]))[2:-1])
def test_bodies_of_great_size(talos: Talos, secret: str, path: str, body: bytes) -> None:
    status, answer = send(talos, "POST", f"{ADMIN}/{path}", body)
    check(status, answer, 200)
    assert talos.verify(secret)["is_valid"] is True


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_bodies_of_nearly_the_right_shape(talos: Talos, secret: str, data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(WRITES))
    assert operation.request is not None
    body = text_of(data.draw(bodies(operation.request)), data.draw(st.booleans()))
    path = operation.path.replace("{key_id}", data.draw(st.sampled_from(["x", "%00", "%F0"])))
    status, answer = send(talos, operation.method.upper(), path, body)
    check(status, answer, operation.success)
    assert talos.verify(secret)["is_valid"] is True


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_bad_verifications_between_good_ones(
    talos: Talos, secret: str, data: st.DataObject
) -> None:
    """On one connection: each gets its own answer, whatever stands before and behind it."""
    body = text_of(data.draw(bodies(VERIFY)), data.draw(st.booleans()))
    head = request("POST", f"{ADMIN}/apiKeys:verify", Content_Length=str(len(body)))
    connection = Connection(talos.server.port)
    try:
        for bad in (False, True, False):
            answer = connection.ask(head + body if bad else verify(secret))
            if bad:
                check(answer.status, answer.body, 200)
                assert answer.body.get("is_valid") is not True
                if answer.headers.get("connection") == "close":
                    # It was over the limit, and not read to its end.
                    connection.close()
                    connection = Connection(talos.server.port)
            else:
                assert answer.body["is_valid"] is True
    finally:
        connection.close()


@pytest.mark.parametrize("text", NASTY_TEXT, ids=repr)
def test_nasty_credentials(talos: Talos, text: str) -> None:
    body = text_of({"credential": text}, is_ascii=True)
    status, answer = send(talos, "POST", f"{ADMIN}/apiKeys:verify", body)
    check(status, answer, 200)
    assert answer.get("is_valid") is not True


def test_a_hundred_thousand_headers(talos: Talos, secret: str) -> None:
    lines = "".join(f"X-{number}: v\r\n" for number in range(100_000))
    head = f"POST {ADMIN}/apiKeys:verify HTTP/1.1\r\nHost: h\r\n{lines}\r\n"
    assert say(talos.server.port, head.encode()).startswith(b"HTTP/1.1 431 ")
    assert talos.verify(secret)["is_valid"] is True
