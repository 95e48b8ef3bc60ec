"""Cross-origin requests (contract 2.2, 8.3, 16 (25))."""

from typing import Any

import pytest

from tests.http.surface import ISSUED, Surface, assert_envelope

ORIGIN = "https://app.example.com"
ALLOW = "access-control-allow-"


@pytest.fixture
def cors() -> Surface:
    surface = Surface()
    surface.configuration.change(
        cors_enabled=True,
        cors_allowed_origins=("*",),
        cors_allowed_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
        cors_allowed_headers=("Authorization", "Content-Type"),
        cors_exposed_headers=("Content-Type",),
    )
    return surface


def preflight(surface: Surface, path: str = ISSUED, **headers: str) -> Any:
    given = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return surface.send("OPTIONS", path, headers=given)


def allowed(result: Any) -> dict[str, str]:
    return {
        name: value for name, value in result.headers.items() if name.startswith("access-control")
    }


class TestOff:
    def test_nothing_is_said_about_origins(self, surface: Surface) -> None:
        result = surface.send("GET", ISSUED, headers={"Origin": ORIGIN})
        assert "vary" not in result.headers
        assert not allowed(result)
        assert_envelope(preflight(surface), 404, "NOT_FOUND")

    def test_it_is_read_at_every_request(self, surface: Surface) -> None:
        surface.configuration.change(cors_enabled=True, cors_allowed_methods=("POST",))
        assert preflight(surface).status_code == 204
        surface.configuration.change(cors_enabled=False)
        assert preflight(surface).status_code == 404


class TestPreflight:
    @pytest.mark.parametrize("path", [ISSUED, "/nothing", "/health/alive", "//x", "/version"])
    def test_is_answered_for_any_path(self, cors: Surface, path: str) -> None:
        result = preflight(cors, path)
        assert result.status_code == 204
        assert result.content == b""
        assert allowed(result) == {f"{ALLOW}origin": "*", f"{ALLOW}methods": "POST"}
        assert result.headers["vary"] == (
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
        )
        assert result.headers["x-frame-options"] == "DENY"
        assert result.headers["x-request-id"]

    def test_needs_no_tenant(self, cors: Surface) -> None:
        cors.configuration.unknown = {"nowhere"}
        assert preflight(cors, Host="nowhere").status_code == 204

    def test_repeats_only_what_was_asked_for(self, cors: Surface) -> None:
        asked = "authorization,content-type"
        result = preflight(cors, Access_Control_Request_Headers=asked)
        assert result.headers[f"{ALLOW}headers"] == asked
        assert result.headers[f"{ALLOW}methods"] == "POST"

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": ""},
            {"Access_Control_Request_Method": "TRACE"},
            {"Access_Control_Request_Method": "post"},
            {"Access_Control_Request_Headers": "x-other"},
            {"Access_Control_Request_Headers": "Authorization"},
            {"Access_Control_Request_Headers": "content-type,authorization"},
            {"Access_Control_Request_Headers": "authorization, content-type"},
            {"Access_Control_Request_Headers": "authorization,authorization"},
            {"Access_Control_Request_Headers": "authorization,"},
        ],
    )
    def test_is_refused_without_a_word(self, cors: Surface, headers: dict[str, str]) -> None:
        result = preflight(cors, **headers)
        assert result.status_code == 204
        assert not allowed(result)
        assert "Origin" in result.headers["vary"]

    def test_any_header_that_is_a_name_passes_a_wildcard(self, cors: Surface) -> None:
        cors.configuration.change(cors_allowed_headers=("*",))
        result = preflight(cors, Access_Control_Request_Headers="x-a,x-b")
        assert result.headers[f"{ALLOW}headers"] == "x-a,x-b"
        assert not allowed(preflight(cors, Access_Control_Request_Headers="a\x01b"))

    def test_max_age_is_sent_where_it_is_positive(self, cors: Surface) -> None:
        assert "access-control-max-age" not in preflight(cors).headers
        cors.configuration.change(cors_max_age_s=600)
        assert preflight(cors).headers["access-control-max-age"] == "600"

    def test_without_a_requested_method_it_is_none(self, cors: Surface) -> None:
        result = cors.send("OPTIONS", ISSUED, headers={"Origin": ORIGIN})
        assert_envelope(result, 404, "NOT_FOUND")
        assert result.headers["vary"] == "Origin"


class TestActualRequests:
    def test_are_marked(self, cors: Surface) -> None:
        result = cors.send("GET", ISSUED, headers={"Origin": ORIGIN})
        assert result.status_code == 200
        assert result.headers["vary"] == "Origin"
        assert allowed(result) == {
            f"{ALLOW}origin": "*",
            "access-control-expose-headers": "Content-Type",
        }

    def test_so_are_errors(self, cors: Surface) -> None:
        result = cors.send("GET", f"{ISSUED}/x", headers={"Origin": ORIGIN})
        assert_envelope(result, 404)
        assert result.headers[f"{ALLOW}origin"] == "*"

    def test_without_origin_only_vary_is_set(self, cors: Surface) -> None:
        result = cors.send("GET", ISSUED)
        assert result.headers["vary"] == "Origin"
        assert not allowed(result)

    def test_of_a_method_that_is_not_allowed_are_not(self, cors: Surface) -> None:
        cors.configuration.change(cors_allowed_methods=("POST",))
        assert not allowed(cors.send("GET", ISSUED, headers={"Origin": ORIGIN}))


@pytest.mark.parametrize(
    ("pattern", "origin", "passes"),
    [
        ("https://app.example.com", "https://app.example.com", True),
        ("https://APP.example.com", "https://app.EXAMPLE.com", True),
        ("https://app.example.com", "http://app.example.com", False),
        ("https://app.example.com", "https://app.example.com:8443", False),
        ("https://app.example.com:8443", "https://app.example.com:8443", True),
        ("https://app.example.com", "https://appxexample.com", False),
        ("https://app.example.com", "https://app.example.com.evil.org", False),
        ("https://*.example.com", "https://a.example.com", True),
        ("https://*.example.com", "https://a.b.example.com", True),
        ("https://*.example.com", "https://evil-example.com", False),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://a.example.com.evil.org", False),
        ("https://*.example.com", "https://evil.org/.example.com", False),
        ("https://*.example.com", "https://a\r\nX: y.example.com", False),
        ("https://*.example.com", "https://a.example.com\n", False),
        ("https://a.example.com:*", "https://a.example.com:1", True),
        ("null", "null", True),
    ],
)
def test_origins_match_by_pattern(pattern: str, origin: str, passes: bool, cors: Surface) -> None:
    cors.configuration.change(cors_allowed_origins=("https://other.example.org", pattern))
    result = cors.send("GET", ISSUED, HTTP_ORIGIN=origin)
    assert result.headers.get(f"{ALLOW}origin") == (origin if passes else None)
    result = cors.send(
        "OPTIONS", ISSUED, HTTP_ORIGIN=origin, HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST"
    )
    assert result.headers.get(f"{ALLOW}origin") == (origin if passes else None)


def test_credentials_never_go_with_the_wildcard(cors: Surface) -> None:
    cors.configuration.change(cors_allow_credentials=True)
    assert f"{ALLOW}credentials" not in preflight(cors).headers
    assert f"{ALLOW}credentials" not in cors.send("GET", ISSUED, None, {"Origin": ORIGIN}).headers
    cors.configuration.change(cors_allowed_origins=(ORIGIN,))
    assert preflight(cors).headers[f"{ALLOW}credentials"] == "true"
    result = cors.send("GET", ISSUED, headers={"Origin": ORIGIN})
    assert result.headers[f"{ALLOW}credentials"] == "true"


def test_no_origin_is_allowed_where_none_is_listed(cors: Surface) -> None:
    cors.configuration.change(cors_allowed_origins=())
    assert not allowed(preflight(cors))
