"""Request ids and the headers of every answer (contract 2.2)."""

import re
from typing import Any

import pytest
from falcon import testing

from talos.credentials.jwk import SigningKeys
from tests.http.surface import API_KEYS, ISSUED, JWKS, Surface, assert_envelope
from tests.support.fakes.tenants import tenant

EVERYWHERE = {
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "content-security-policy": (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "geolocation=(), microphone=(), camera=()",
}
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", ISSUED, 200),
        ("POST", ISSUED, 400),
        ("GET", f"{ISSUED}/x", 404),
        ("HEAD", ISSUED, 404),
        ("OPTIONS", ISSUED, 404),
        ("WEBSOCKET", ISSUED, 404),
        ("BREW", "/nothing", 404),
        ("GET", "/health/alive", 200),
        ("GET", "/health/ready", 200),
        ("GET", "/version", 200),
        ("GET", JWKS, 200),
        ("GET", "//x", 307),
    ],
)
def test_every_answer_carries_them(surface: Surface, method: str, target: str, status: int) -> None:
    result = surface.send(method, target)
    assert result.status_code == status
    assert EVERYWHERE.items() <= dict(result.headers).items()
    assert UUID4.fullmatch(result.headers["x-request-id"])


def test_so_do_unclassified_errors_and_unknown_tenants(surface: Surface) -> None:
    surface.configuration.unknown = {"nowhere"}
    result = surface.send("GET", ISSUED, headers={"Host": "nowhere"})
    error = assert_envelope(result, 404, "NOT_FOUND", "NOT_FOUND")
    assert error["message"] == "network not found"
    assert EVERYWHERE.items() <= dict(result.headers).items()
    surface.harness.keys.trouble = RuntimeError("boom")  # type: ignore[assignment]
    result = surface.send("GET", ISSUED)
    assert_envelope(result, 500, "INTERNAL_SERVER_ERROR", "INTERNAL")
    assert EVERYWHERE.items() <= dict(result.headers).items()


class TestRequestId:
    @pytest.mark.parametrize(
        ("sent", "echoed"),
        [
            ("abc", "abc"),
            ("  a b\t", "a b"),
            ("x" * 128, "x" * 128),
            ("\xe4\xff", "\xe4\xff"),
            ("a,b", "a,b"),
        ],
    )
    def test_a_usable_one_is_echoed(self, surface: Surface, sent: str, echoed: str) -> None:
        result = surface.send("GET", "/health/alive", headers={"X-Request-ID": sent})
        assert result.headers["x-request-id"] == echoed

    @pytest.mark.parametrize("sent", ["", "   ", "x" * 129, "a\x01b", "a\r\nSet-Cookie: b", "\x7f"])
    def test_any_other_is_replaced(self, surface: Surface, sent: str) -> None:
        result = surface.send("GET", "/health/alive", HTTP_X_REQUEST_ID=sent)
        assert UUID4.fullmatch(result.headers["x-request-id"])

    def test_each_request_has_its_own(self, surface: Surface) -> None:
        ids = {surface.send("GET", "/x").headers["x-request-id"] for _ in range(20)}
        assert len(ids) == 20


def test_what_the_request_says_of_media_types_is_not_looked_at(surface: Surface) -> None:
    for headers in (
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "\xff;;;", "Accept": "image/png", "Accept-Encoding": "gzip"},
    ):
        result = surface.send("POST", f"{API_KEYS}:verify", {"credential": "x"}, headers)
        assert result.status_code == 200
        assert result.headers["content-type"] == "application/json"
        assert "content-encoding" not in result.headers


def test_authorization_changes_nothing(surface: Surface) -> None:
    headers = {"Authorization": "Bearer nonsense"}
    assert surface.send("GET", ISSUED, headers=headers).status_code == 200


class TestTenancy:
    def test_the_directory_is_given_the_host_as_it_stands(self, surface: Surface) -> None:
        headers = {"Host": "A.example.com:1234", "X-Forwarded-Host": "b.example.com, c"}
        surface.send("GET", ISSUED, headers=headers)
        surface.configuration.change(trust_forwarded_host=True)
        surface.send("GET", ISSUED, headers=headers)
        assert surface.configuration.seen == ["A.example.com:1234", "b.example.com, c"]

    def test_health_needs_no_tenant(self, surface: Surface) -> None:
        surface.configuration.unknown = {"nowhere"}
        headers = {"Host": "nowhere"}
        assert surface.send("GET", "/health/alive", headers=headers).status_code == 200
        assert surface.send("GET", "/health/ready", headers=headers).status_code == 200
        for path in (JWKS, "/version", "/unknown", "//x"):
            error = assert_envelope(surface.send("GET", path, headers=headers), 404)
            assert error["message"] == "network not found"

    def test_a_request_without_host_is_asked_for_all_the_same(self, surface: Surface) -> None:
        surface.send("GET", ISSUED, HTTP_HOST=None)
        assert surface.configuration.seen == [""]


class TestVersion:
    def test_tells_the_build_and_the_hash_of_the_configuration(self, surface: Surface) -> None:
        result = surface.send("GET", "/version", headers={"Host": "A.example.com:1"})
        assert result.headers["content-type"] == "application/json"
        assert result.json == {
            "version": "1.2.3",
            "commit": "abcdef0",
            "build_time": "2026-01-02T03:04:05Z",
            "config_hash": "hash of A.example.com:1",
        }

    def test_the_forwarded_host_counts_where_it_is_trusted(self, surface: Surface) -> None:
        headers = {"Host": "a", "X-Forwarded-Host": "b"}
        surface.configuration.change(trust_forwarded_host=True)
        result = surface.send("GET", "/version", headers=headers)
        assert result.json["config_hash"] == "hash of b"
        result = surface.send("GET", "/version", headers={"Host": "a", "X-Forwarded-Host": ""})
        assert result.json["config_hash"] == "hash of a"


@pytest.mark.parametrize("path", [f"{API_KEYS}:verify", ISSUED, "/version", "/health/alive", "//x"])
def test_the_configuration_is_read_once_a_request(surface: Surface, path: str) -> None:
    surface.send("POST", path, {"credential": "x"}, {"Origin": "https://a"})
    assert surface.configuration.reads == 1


def test_an_edit_in_the_middle_of_a_request_is_for_the_next(surface: Surface) -> None:
    configuration = surface.configuration

    def edit() -> None:
        configuration.change(cors_enabled=True, cors_allowed_methods=("GET",))
        configuration.tenant = tenant(signing_keys=SigningKeys())

    configuration.after_read = edit
    first, second = (surface.send("GET", JWKS, headers={"Origin": "https://a"}) for _ in range(2))
    assert first.status_code == 200
    assert "access-control-allow-origin" not in first.headers
    assert second.status_code == 500
    assert second.headers["access-control-allow-origin"] == "*"


def test_names_are_spelt_as_the_reference_spells_them(surface: Surface) -> None:
    """The SDK hands headers over in a plain mapping, so a client may look them up as written."""
    started: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started.extend(name for name, _ in headers)

    environ = testing.create_environ("/v2alpha1/derivedKeys/jwks.json")
    list(surface.app(environ, start_response))
    assert {"X-Request-Id", "Content-Type", "Content-Security-Policy"} <= set(started)
    assert all(part[:1].isupper() for name in started for part in name.split("-"))
