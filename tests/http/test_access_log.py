"""The request line, the error line, and what never stands in them (contract 11.4, 14.1, 16)."""

import io
import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talos.adapters.observability.logs import Format, LineFormatter, scrub
from talos.domain.events import EventName, Requester
from talos.errors import ServiceUnavailable
from talos.http import redaction
from talos.http.request import LOGGER
from tests.http.surface import API_KEYS, IMPORTED, ISSUED, PEER, SELF_REVOKE, Surface, send

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
        "client": PEER,
        "method": "POST",
        "path": f"{API_KEYS}:verify",
        "scheme": "http",
        "host": "h.example.com:1",
        "request_id": "r-1",
        "cf_ray_id": "ray",
        "headers": {
            "user-agent": "test",
            "content-type": "text/x",
            "content-length": "19",
        },
    }


KEY_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
HASH = "ab" * 32


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        (ISSUED, ISSUED),
        (f"{ISSUED}/{KEY_ID}", f"{ISSUED}/{KEY_ID}"),
        (f"{ISSUED}/{KEY_ID}:rotate", f"{ISSUED}/{KEY_ID}:rotate"),
        (f"{IMPORTED}/{HASH}", f"{IMPORTED}/{HASH}"),
        (f"{IMPORTED}/swordfish", f"{IMPORTED}/[REDACTED]"),
        (f"{IMPORTED}/swordfish:revoke", f"{IMPORTED}/[REDACTED]:revoke"),
        (f"{IMPORTED}/sword:fish", f"{IMPORTED}/[REDACTED]"),
        (f"{IMPORTED}/sword%66ish?key=swordfish", f"{IMPORTED}/[REDACTED]"),
        (f"{IMPORTED}/a/swordfish", f"{IMPORTED}/[REDACTED]/[REDACTED]"),
        ("/admin/importedApiKeys/swordfish", "/admin/importedApiKeys/[REDACTED]"),
        ("/swordfish", "/[REDACTED]"),
        ("/version", "/version"),
        ("/health/ready", "/health/ready"),
        ("/a" * 20, "/" + "[REDACTED]/" * 7 + "..."),
    ],
)
def test_of_a_path_only_words_of_routes_and_ids_are_logged(
    surface: Surface, caplog: pytest.LogCaptureFixture, path: str, logged: str
) -> None:
    surface.send("GET", path)
    assert only(caplog).fields["http_request"]["path"] == logged


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
    surface.harness.keys.trouble = ServiceUnavailable()
    result = surface.send(method, path)
    record = only(caplog)
    assert record.levelno == level
    assert record.fields["status"] == result.status_code


class TestErrors:
    def test_of_the_caller_stand_in_the_line_of_the_request(
        self, surface: Surface, caplog: pytest.LogCaptureFixture
    ) -> None:
        surface.send("POST", ISSUED, {"name": "n"})
        [record] = caplog.records
        assert record.getMessage() == REQUEST
        assert record.levelno == logging.WARNING
        assert record.fields["status"] == 400  # type: ignore[attr-defined]
        assert record.fields["error"] == {  # type: ignore[attr-defined]
            "message": "the request is malformed or invalid",
            "id": "bad_request",
            "code": 400,
            "status": "Bad Request",
            "reason": "validation error: actor_id: must have 1 to 255 characters",
            "details": [{"reason": "BAD_REQUEST", "domain": "www.ory.com/talos"}],
        }
        assert record.fields["http_request"]["path"] == ISSUED  # type: ignore[attr-defined]
        assert record.exc_info is None

    @pytest.mark.parametrize("error", [ServiceUnavailable(), RuntimeError("boom")])
    def test_of_our_own_making_carry_the_exception(
        self, surface: Surface, caplog: pytest.LogCaptureFixture, error: Exception
    ) -> None:
        surface.harness.keys.trouble = error  # type: ignore[assignment]
        surface.send("GET", ISSUED)
        record = only(caplog, ERROR)
        assert record.levelno == logging.ERROR
        assert record.exc_info[1] is error
        assert record.fields["http_response"] == {
            "status_code": 500 if "boom" in str(error) else 503
        }
        request = record.fields["http_request"]
        assert request["request_id"]
        assert request["client"] == PEER
        assert "error" not in only(caplog).fields

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


class TestVerdicts:
    def test_stand_in_the_line_of_a_verification(
        self, surface: Surface, caplog: pytest.LogCaptureFixture
    ) -> None:
        issued = surface.issue()
        key_id, secret = issued["issued_api_key"]["key_id"], issued["secret"]
        surface.send("POST", f"{API_KEYS}:verify", {"credential": secret})
        surface.send("POST", f"{ISSUED}/{key_id}:revoke", {})
        surface.send("POST", f"{API_KEYS}:verify", {"credential": secret})
        surface.send("POST", f"{API_KEYS}:verify", {"credential": "unknown"})
        told = [record.fields.get("verification") for record in lines(caplog, REQUEST)]
        assert [verdict for verdict in told if verdict] == [
            {"verdict": "VALID", "type": "issued", "key_id": key_id},
            {"verdict": "REVOKED", "type": "issued", "key_id": key_id},
            {"verdict": "NOT_FOUND", "type": "imported"},
        ]

    def test_of_a_batch_are_counted(
        self, surface: Surface, caplog: pytest.LogCaptureFixture
    ) -> None:
        secret = surface.issue()["secret"]
        caplog.clear()
        items = [{"credential": text} for text in (secret, "unknown", secret)]
        surface.send("POST", f"{API_KEYS}:batchVerify", {"requests": items})
        verdicts = only(caplog).fields["verification"]["verdicts"]
        assert verdicts == {"VALID": 2, "NOT_FOUND": 1}


def test_every_event_carries_the_request_and_its_caller(surface: Surface) -> None:
    surface.configuration.change(client_ip_source="CLIENT_IP_SOURCE_X_REAL_IP")
    headers = {"X-Request-ID": "r-1", "X-Real-IP": "203.0.113.9"}
    secret = surface.send("POST", ISSUED, {"name": "n", "actor_id": "a"}, headers).json
    key_id, credential = secret["issued_api_key"]["key_id"], secret["secret"]
    imports = {"raw_key": "raw", "name": "n", "actor_id": "a"}
    imported = surface.send("POST", IMPORTED, imports, headers).json["key_id"]
    batch = {"requests": [imports, {**imports, "raw_key": "raw-2"}]}
    for method, path, body in (
        ("POST", f"{IMPORTED}:batchCreate", batch),
        ("PATCH", f"{ISSUED}/{key_id}", {"name": "m"}),
        ("PATCH", f"{IMPORTED}/{imported}", {"name": "m"}),
        ("POST", f"{API_KEYS}:derive", {"credential": credential}),
        ("POST", f"{API_KEYS}:derive", {"credential": "unknown"}),
        ("POST", f"{API_KEYS}:verify", {"credential": "unknown"}),
        ("POST", f"{API_KEYS}:batchVerify", {"requests": [{"credential": "unknown"}]}),
        ("POST", f"{ISSUED}/{key_id}:rotate", {}),
        ("POST", f"{IMPORTED}/{imported}:revoke", {}),
        ("DELETE", f"{IMPORTED}/{imported}", None),
        ("POST", SELF_REVOKE, {"credential": "raw-2"}),
    ):
        surface.send(method, path, body, headers)
    other = surface.issue()["issued_api_key"]["key_id"]
    surface.harness.events.events.pop()
    surface.send("POST", f"{API_KEYS}/{other}:revoke", {}, headers)
    told = surface.harness.events.events
    assert set(surface.harness.events.names) == set(EventName)
    caller = Requester("r-1", "203.0.113.9", user_agent="falcon-client/4.4.0")
    assert {event.requester for event in told} == {caller}


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

    @pytest.mark.parametrize(
        "name",
        ["Api-Key", "X-Auth-Token", "Private-Token", "X-Forwarded-Authorization", "X-Whatever"],
    )
    def test_headers_that_nobody_has_listed(
        self, surface: Surface, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        surface.send("GET", "/version", headers={name: "swordfish"})
        record = only(caplog)
        assert name.lower() not in record.fields["http_request"]["headers"]
        assert "swordfish" not in json.dumps(record.fields)

    @pytest.mark.parametrize(
        ("url", "logged"),
        [
            (
                "https://console.example.com:8443/keys?raw=swordfish",
                "https://console.example.com:8443",
            ),
            ("https://console.example.com/keys/swordfish#a", "https://console.example.com"),
            ("https://user:swordfish@console.example.com/", "[REDACTED]"),
            ("https://swordfish@console.example.com/", "[REDACTED]"),
            ("swordfish", "[REDACTED]"),
            ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443"),
        ],
    )
    def test_what_stands_behind_the_host_of_a_referring_page(
        self, surface: Surface, caplog: pytest.LogCaptureFixture, url: str, logged: str
    ) -> None:
        surface.send("GET", "/version", headers={"Referer": url})
        record = only(caplog)
        assert record.fields["http_request"]["headers"]["referer"] == logged
        assert "swordfish" not in json.dumps(record.fields)

    def test_a_credential_in_a_path_whose_escapes_hide_its_shape(
        self, surface: Surface, caplog: pytest.LogCaptureFixture
    ) -> None:
        secret = surface.issue()["secret"]
        caplog.clear()
        hidden = secret.replace("_", "%5f")
        surface.send("GET", f"{ISSUED}/{hidden}")
        for record in caplog.records:
            assert secret[-20:] not in str(vars(record))
        path = only(caplog, REQUEST).fields["http_request"]["path"]
        assert path == f"{ISSUED}/[REDACTED]"

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
                surface.harness.keys.trouble = RuntimeError("boom")  # type: ignore[assignment]
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
            caplog.clear()


@pytest.mark.parametrize(
    "text", ["", "plain", "a_v1_b", "ory_ak_v1_", "/v2alpha1/admin/issuedApiKeys", "eyJ.a"]
)
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert redaction.text(text) == text


@pytest.mark.parametrize("piece", ["x", "\x80", '"', "\\", "@", "://:@", "é", "\x7f", "\xad"])
def test_a_value_is_printed_in_256_bytes_at_most(piece: str) -> None:
    kept = redaction.text(piece * 10_000)
    assert kept.endswith("...")
    assert len(scrub(json.dumps(kept))) - 2 <= redaction.LONGEST_VALUE
    assert len(kept) > 20


_PIECES = st.sampled_from(
    ["a", " ", '"', "\\", "\x80", "\xad", "\x7f", "é", "@", "://", ":", "_v1_", "%"]
)
_VALUES = st.builds(
    lambda pieces, times: "".join(pieces) * times,
    st.lists(_PIECES, max_size=4),
    st.integers(0, 3_000),
)
_LOGGED = ("User-Agent", "Accept", "Origin", "Referer", "X-Forwarded-For", "X-Real-IP", "Pragma")


@given(
    path=st.text("aZ:/%", max_size=300),
    headers=st.dictionaries(
        st.sampled_from((*_LOGGED, "X-Request-ID", "Host", "CF-Ray", "Api-Key", "Cookie")), _VALUES
    ),
    style=st.sampled_from(["json", "text"]),
)
@settings(max_examples=300, deadline=None)
def test_no_request_makes_the_log_grow_by_more_than_half_of_it(
    path: str, headers: dict[str, str], style: Format
) -> None:
    surface = Surface("all")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(style, with_stacktraces=True))
    LOGGER.addHandler(handler)
    try:
        surface.send("GET", "/" + path.replace("%", "%41"), headers=headers)
    finally:
        LOGGER.removeHandler(handler)
    sent = len(path) + sum(len(name) + len(value) for name, value in headers.items())
    lines = stream.getvalue().encode()
    assert lines.count(b"\n") == 1
    assert len(lines) <= FIXED_BYTES + sent // 2


FIXED_BYTES = 1536
"""What the line of any refused request may hold; the names of fields and headers take most."""
