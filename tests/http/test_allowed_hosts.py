"""``serve.http.allowed_hosts`` (contract 16 (39))."""

import pytest

from talos.domain.hosts import AllowedHosts
from tests.http.surface import ISSUED, JWKS, SELF_REVOKE, Surface, assert_envelope, send

HOST = "keys.example.com"


@pytest.fixture
def listed(surface: Surface) -> Surface:
    surface.configuration.change(allowed_hosts=AllowedHosts([HOST, "*.svc.example.com"]))
    return surface


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ISSUED),
        ("POST", ISSUED),
        ("POST", SELF_REVOKE),
        ("GET", JWKS),
        ("GET", "/version"),
        ("GET", "/openapi.json"),
        ("GET", "/nothing"),
        ("BREW", "/nothing"),
        ("GET", "//health/alive"),
        ("GET", "/x/../health/alive"),
        ("OPTIONS", "*"),
    ],
)
@pytest.mark.parametrize("host", ["evil.example.org", "localhost", "", "svc.example.com", "a, b"])
def test_another_host_is_refused_on_every_path(
    listed: Surface, method: str, path: str, host: str
) -> None:
    result = listed.send(method, path, {"name": "n", "actor_id": "a"}, {"Host": host})
    error = assert_envelope(result, 421, "HOST_NOT_ALLOWED", "PERMISSION_DENIED")
    assert "serve.http.allowed_hosts" in error["message"]
    assert "evil" not in error["message"]
    assert result.headers["x-request-id"]
    assert result.headers["x-frame-options"] == "DENY"
    assert not listed.harness.keys.rows


@pytest.mark.parametrize("host", [HOST, f"{HOST.upper()}.:4420", "a.b.svc.example.com"])
def test_a_listed_host_is_served(listed: Surface, host: str) -> None:
    assert listed.send("GET", ISSUED, None, {"Host": host}).status_code == 200


def test_no_host_is_another(listed: Surface) -> None:
    assert listed.send("GET", ISSUED, HTTP_HOST=None).status_code == 421


@pytest.mark.parametrize("path", ["/health/alive", "/health/ready"])
def test_probes_come_under_any_host(listed: Surface, path: str) -> None:
    assert listed.send("GET", path, None, {"Host": "10.0.0.7:4420"}).status_code == 200
    assert listed.send("GET", path, HTTP_HOST=None).status_code == 200
    assert send(listed.metrics_app, "GET", path, None, {"Host": "x"}).status_code == 200


def test_what_a_proxy_or_a_page_says_of_the_host_does_not_count(listed: Surface) -> None:
    listed.configuration.change(trust_forwarded_host=True)
    given = {"Host": "evil.example.org", "X-Forwarded-Host": HOST}
    assert listed.send("GET", ISSUED, None, given).status_code == 421


def test_a_preflight_is_refused_too(listed: Surface) -> None:
    listed.configuration.change(cors_enabled=True, cors_allowed_origins=("*",))
    given = {"Host": "x", "Origin": "https://a.b", "Access-Control-Request-Method": "POST"}
    result = listed.send("OPTIONS", ISSUED, None, given)
    assert result.status_code == 421
    assert not [name for name in result.headers if name.startswith("access-control")]


def test_it_is_read_at_every_request(surface: Surface) -> None:
    given = {"Host": "x"}
    assert surface.send("GET", ISSUED, None, given).status_code == 200
    surface.configuration.change(allowed_hosts=AllowedHosts([HOST]))
    assert surface.send("GET", ISSUED, None, given).status_code == 421
    surface.configuration.change(allowed_hosts=None)
    assert surface.send("GET", ISSUED, None, given).status_code == 200
