"""The request line, the error line, and what never stands in them (contract 11.4, 14.1)."""

import json
import logging
from typing import Any

import pytest

from talos.errors import ServiceUnavailable
from talos.http import redaction
from tests.http.surface import API_KEYS, ISSUED, PEER, Surface, send

REQUEST = "HTTP request completed"
ERROR = "An error occurred while handling a request"


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="talos.http")


def lines(caplog: pytest.LogCaptureFixture, message: str) -> list[Any]:
    return [record for record in caplog.records if record.getMessage() == message]


def only(caplog: pytest.LogCaptureFixture, message: str = REQUEST) -> Any:
    (record,) = lines(caplog, message)
    assert record.name == "talos.http"
    json.dumps(record.fields)
    return record


def test_a_request(surface: Surface, caplog: pytest.LogCaptureFixture) -> None:
    headers = {
        "Host": "h.example.com:1",
        "X-Request-ID": "r-1",
        "User-Agent": "test",
        "CF-Ray": "ray",
        "Content-Type": "text/x",
    }
    result = surface.send("POST", f"{API_KEYS}:verify?secret=1", {"credential": "x"}, headers)
    record = only(caplog)
    assert record.levelno == logging.INFO
    fields = record.fields
    assert fields["status"] == 200
    assert fields["bytes"] == len(result.content)
    assert isinstance(fields["duration"], int)
    assert fields["duration"] > 0
    assert fields["http_request"] == {
        "remote": PEER,
        "method": "POST",
        "path": f"{API_KEYS}:verify",
        "scheme": "http",
        "host": "h.example.com:1",
        "request_id": "r-1",
        "cf_ray_id": "ray",
        "headers": {
            "host": "h.example.com:1",
            "x-request-id": "r-1",
            "user-agent": "test",
            "cf-ray": "ray",
            "content-type": "text/x",
            "content-length": "19",
        },
    }


def test_the_path_is_logged_as_escaped_and_without_query(
    surface: Surface, caplog: pytest.LogCaptureFixture
) -> None:
    surface.send("GET", "/a%20b%2Fc?token=x")
    assert only(caplog).fields["http_request"]["path"] == "/a%20b%2Fc"


@pytest.mark.parametrize(
    ("method", "path", "level"),
    [
        ("GET", "/version", logging.INFO),
        ("GET", "//x", logging.INFO),
        ("GET", "/x", logging.WARNING),
        ("POST", ISSUED, logging.WARNING),
        ("GET", ISSUED, logging.ERROR),
    ],
)
def test_the_level_follows_the_status(
    surface: Surface, caplog: pytest.LogCaptureFixture, method: str, path: str, level: int
) -> None:
    surface.house.keys.trouble = ServiceUnavailable()
    result = surface.send(method, path)
    record = only(caplog)
    assert record.levelno == level
    assert record.fields["status"] == result.status_code


class TestErrors:
    def test_have_a_line_before_the_requests_own(
        self, surface: Surface, caplog: pytest.LogCaptureFixture
    ) -> None:
        surface.send("POST", ISSUED, {"name": "n"})
        first, second = caplog.records
        assert (first.getMessage(), second.getMessage()) == (ERROR, REQUEST)
        assert first.levelno == logging.INFO
        assert first.fields["error"] == {  # type: ignore[attr-defined]
            "message": "the request is malformed or invalid",
            "id": "bad_request",
            "code": 400,
            "status": "Bad Request",
            "reason": "validation error: actor_id: must have 1 to 255 characters",
            "details": [{"reason": "BAD_REQUEST", "domain": "www.ory.com/talos"}],
        }
        assert first.fields["http_response"] == {"status_code": 400}  # type: ignore[attr-defined]
        assert first.fields["http_request"]["path"] == ISSUED  # type: ignore[attr-defined]
        assert first.exc_info is None

    @pytest.mark.parametrize("error", [ServiceUnavailable(), RuntimeError("boom")])
    def test_of_our_own_making_carry_the_exception(
        self, surface: Surface, caplog: pytest.LogCaptureFixture, error: Exception
    ) -> None:
        surface.house.keys.trouble = error  # type: ignore[assignment]
        surface.send("GET", ISSUED)
        record = only(caplog, ERROR)
        assert record.levelno == logging.ERROR
        assert record.exc_info[1] is error

    def test_at_level_warn_a_client_fault_leaves_only_the_request_line(
        self, surface: Surface, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, logger="talos.http")
        surface.send("GET", "/x")
        assert [record.getMessage() for record in caplog.records] == [REQUEST]
        caplog.set_level(logging.ERROR, logger="talos.http")
        caplog.clear()
        surface.send("GET", "/x")
        assert not caplog.records


class TestWhatIsNotLogged:
    def test_health_where_it_is_excluded(
        self, surface: Surface, caplog: pytest.LogCaptureFixture
    ) -> None:
        surface.send("GET", "/health/alive")
        assert len(caplog.records) == 1
        caplog.clear()
        surface.configuration.change(exclude_health_from_log=True)
        surface.send("GET", "/health/alive")
        surface.send("GET", "/health/ready")
        assert not caplog.records
        surface.send("GET", "/health/other")
        surface.send("GET", "/version")
        assert len(lines(caplog, REQUEST)) == 2

    def test_the_metrics_port_and_low_level_errors(
        self, surface: Surface, caplog: pytest.LogCaptureFixture
    ) -> None:
        send(surface.metrics_app, "GET", "/health/alive")
        send(surface.metrics_app, "GET", "/x")
        surface.send("GET", "/%zz")
        assert not caplog.records

    def test_values_of_headers_that_carry_credentials(
        self, surface: Surface, caplog: pytest.LogCaptureFixture
    ) -> None:
        names = ("Authorization", "Cookie", "X-Session-Token", "Proxy-Authorization", "X-API-Key")
        surface.send("GET", "/version", headers=dict.fromkeys(names, "test-secret"))
        headers = only(caplog).fields["http_request"]["headers"]
        for name in names:
            assert headers[name.lower()] == "[REDACTED]"

    def test_a_credential_in_a_path_whose_escapes_hide_its_shape(
        self, surface: Surface, caplog: pytest.LogCaptureFixture
    ) -> None:
        secret = surface.issue()["secret"]
        caplog.clear()
        hidden = secret.replace("_", "%5f")
        surface.send("GET", f"{ISSUED}/{hidden}")
        for record in caplog.records:
            assert secret[-20:] not in str(vars(record))
        path = only(caplog, REQUEST).fields["http_request"]["path"]  # type: ignore[attr-defined]
        assert path == f"{ISSUED}/ory_ak_v1_[REDACTED]"

    @pytest.mark.parametrize("status", [200, 400, 404, 500])
    def test_credentials_wherever_they_are_sent(
        self, surface: Surface, caplog: pytest.LogCaptureFixture, status: int
    ) -> None:
        secret = surface.issue()["secret"]
        derived = {}
        for algorithm in ("JWT", "MACAROON"):
            body = {"credential": secret, "algorithm": f"TOKEN_ALGORITHM_{algorithm}"}
            result = surface.send("POST", f"{API_KEYS}:derive", body)
            derived[algorithm] = result.json["token"]["token"]
        caplog.clear()
        for credential in (secret, *derived.values()):
            headers = {"X-Request-ID": credential[:128], "X-Other": f"Key {credential}"}
            if status == 500:
                surface.house.keys.trouble = RuntimeError("boom")  # type: ignore[assignment]
            target, body = {
                200: (f"{API_KEYS}:verify?key={credential}", {"credential": credential}),
                400: (f"{API_KEYS}:verify", {"credential": [credential], credential: credential}),
                404: (f"{ISSUED}/{credential}:rotate", {}),
                500: (f"{ISSUED}/{credential}:revoke", {}),
            }[status]
            assert surface.send("POST", target, body, headers).status_code == status
            told = json.dumps([record.fields for record in caplog.records])  # type: ignore[attr-defined]
            for part in credential.replace(".", "_").split("_"):
                assert len(part) < 20 or part not in told
            assert "[REDACTED]" in told


@pytest.mark.parametrize(
    "text",
    ["", "plain", "a_v1_b", "ory_ak_v1_", "/v2alpha1/admin/issuedApiKeys", "eyJ.a", "x" * 10_000],
)
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert redaction.text(text) == text
