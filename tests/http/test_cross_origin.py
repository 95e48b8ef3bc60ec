"""Pages of other sites, and pages under hosts that were rebound (contract 16 (38), 16 (39))."""

from typing import Any

import pytest

from talos.domain.hosts import AllowedHosts
from tests.http.surface import (
    API_KEYS,
    IMPORTED,
    ISSUED,
    JWKS,
    SELF_REVOKE,
    Surface,
    assert_envelope,
)
from tests.support.paths import ADMIN_OPERATIONS, spellings

HOST = "keys.example.com"
EVIL = "https://evil.example.org"
IMPORT = {"raw_key": "sk_chosen_by_the_page", "name": "n", "actor_id": "root"}

FOREIGN: list[dict[str, str]] = [
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    {"Origin": EVIL, "Sec-Fetch-Site": "same-origin"},
    {"Origin": EVIL, "Sec-Fetch-Site": "none"},
    {"Origin": f"{EVIL},https://{HOST}"},
    {"Origin": f"https://{HOST},{EVIL}"},
    {"Origin": f"https://{HOST}.evil.example.org"},
    {"Origin": f"https://evil{HOST}"},
    {"Origin": f"https://a.{HOST}"},
    {"Origin": f"https://{HOST}@evil.example.org"},
    {"Origin": f"https://{HOST}:8443", "Sec-Fetch-Site": "same-site"},
    {"Origin": f"chrome-extension://{HOST}"},
    {"Origin": HOST},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "Cross-Site"},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
]
OWN: list[dict[str, str]] = [
    {},
    {"Origin": f"https://{HOST}"},
    {"Origin": f"http://{HOST.upper()}"},
    {"Origin": f"https://{HOST}:443"},
    # A proxy may have dropped the port.
    {"Origin": f"https://{HOST}:8443"},
    {"Origin": f"https://{HOST}:8443", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
]


class Unread:
    """A body that nobody may read."""

    def read(self, _size: int = -1) -> bytes:
        raise AssertionError("the body was read")


def send(surface: Surface, method: str, target: str, body: Any = None, **given: Any) -> Any:
    headers = {"Host": HOST, **given.pop("headers", {})}
    return surface.send(method, target, body, headers, **given)


def assert_refused(result: Any, setting: str = "serve.http.cors.allowed_origins") -> None:
    if result.content:
        error = assert_envelope(result, 403, "FORBIDDEN", "PERMISSION_DENIED")
        assert setting in error["message"]
    assert result.status_code == 403
    assert result.headers["x-request-id"]
    assert result.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(("method", "path", "body"), ADMIN_OPERATIONS)
def test_a_page_of_another_site_is_refused_before_its_body_is_read(
    surface: Surface, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    if method == "GET" and headers.get("Sec-Fetch-Mode") == "navigate":
        return
    before = dict(surface.harness.keys.rows)
    unread = {"wsgi.input": Unread(), "CONTENT_LENGTH": "100"}
    assert_refused(send(surface, method, path, headers=headers, **unread))
    assert surface.harness.keys.rows == before


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_own_pages_and_other_clients_are_not(surface: Surface, headers: dict[str, str]) -> None:
    assert send(surface, "POST", IMPORTED, IMPORT, headers=headers).status_code == 201
    assert send(surface, "GET", ISSUED, headers=headers).status_code == 200


def test_the_compatibility_route_is_guarded_too(surface: Surface) -> None:
    key_id = surface.issue()["issued_api_key"]["key_id"]
    path = f"{API_KEYS}/{key_id}:revoke"
    assert_refused(send(surface, "POST", path, {}, headers={"Origin": EVIL}))
    assert send(surface, "POST", path, {}).status_code == 204


def test_no_spelling_of_an_admin_path_escapes(surface: Surface) -> None:
    refused = 0
    for method, path, body in ADMIN_OPERATIONS:
        for target in spellings(path):
            plain = send(surface, method, target, body)
            result = send(surface, method, target, body, headers={"Origin": "null"})
            if result.headers.get("content-type", "").startswith("text/plain"):
                # A malformed escape leads nowhere at all.
                assert result.status_code == 400
            elif plain.status_code in (307, 404):
                # On the way to the clean path, or to nowhere.
                assert result.status_code in (307, 403, 404)
            else:
                assert_refused(result)
                refused += 1
    assert refused > 0


@pytest.mark.parametrize(
    ("host", "origin", "passes"),
    [
        ("localhost:4420", "http://localhost:4420", True),
        ("localhost:4420", "https://localhost:4420", True),
        ("localhost:4420", "http://localhost:4421", False),
        ("localhost:4420", "http://localhost", False),
        ("localhost:4420", "http://127.0.0.1:4420", False),
        (f"{HOST}:443", f"https://{HOST}", True),
        (f"{HOST}:443", f"http://{HOST}", False),
        (f"{HOST}:80", f"http://{HOST}", True),
        ("[::1]:4420", "http://[::1]:4420", True),
        ("[0:0:0:0:0:0:0:1]:4420", "http://[::1]:4420", True),
        ("[::1]:4420", "http://[::1]:4421", False),
        (f"{HOST}.", f"https://{HOST}", True),
        ("", f"https://{HOST}", False),
        ("", "null", False),
        ("a b", "https://a b", False),
    ],
)
def test_ports_count_where_the_host_names_one(
    surface: Surface, host: str, origin: str, passes: bool
) -> None:
    result = send(surface, "GET", ISSUED, headers={"Host": host, "Origin": origin})
    assert result.status_code == (200 if passes else 403)


def test_without_a_host_no_origin_is_its_own(surface: Surface) -> None:
    result = surface.send("GET", ISSUED, None, {"Origin": f"https://{HOST}"}, HTTP_HOST=None)
    assert_refused(result)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_may_lead_to_a_page(surface: Surface, method: str) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert send(surface, method, ISSUED, headers=link).status_code in (200, 404)
    assert_refused(send(surface, method, ISSUED, headers={**link, "Origin": "null"}))
    for mode in ("no-cors", "cors", "websocket", "Navigate", ""):
        headers = {**link, "Sec-Fetch-Mode": mode}
        assert_refused(send(surface, method, ISSUED, headers=headers))


def test_a_form_may_not(surface: Surface) -> None:
    form = {
        "Origin": EVIL,
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-User": "?1",
        "Content-Type": "text/plain",
    }
    body = b'{"raw_key":"sk_chosen","name":"n","actor_id":"root","ignored":"="}'
    assert_refused(send(surface, "POST", IMPORTED, body, headers=form))
    del form["Origin"]
    assert_refused(send(surface, "POST", IMPORTED, body, headers=form))
    assert not surface.harness.keys.rows


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", SELF_REVOKE), ("GET", JWKS), ("GET", "/version"), ("GET", "/health/ready")],
)
def test_what_is_public_is_open_to_pages(surface: Surface, method: str, path: str) -> None:
    for headers in ({"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}):
        assert send(surface, method, path, {}, headers=headers).status_code != 403


class TestCors:
    def test_an_allowed_origin_passes(self, surface: Surface) -> None:
        surface.configuration.change(
            cors_enabled=True, cors_allowed_origins=("https://*.example.org",)
        )
        result = send(surface, "POST", IMPORTED, IMPORT, headers={"Origin": EVIL})
        assert result.status_code == 201
        for origin in ("https://example.org", "https://evil.example.com", "null"):
            assert_refused(send(surface, "POST", IMPORTED, IMPORT, headers={"Origin": origin}))
        # Without an origin nobody can tell whether it is one of them.
        assert_refused(send(surface, "GET", ISSUED, headers={"Sec-Fetch-Site": "cross-site"}))

    def test_everybody_passes_where_everybody_is_allowed(self, surface: Surface) -> None:
        surface.configuration.change(cors_enabled=True, cors_allowed_origins=("*",))
        assert send(surface, "GET", ISSUED, headers={"Origin": "null"}).status_code == 200

    def test_a_list_counts_only_where_cors_is_on(self, surface: Surface) -> None:
        surface.configuration.change(cors_enabled=False, cors_allowed_origins=("*", EVIL))
        assert_refused(send(surface, "GET", ISSUED, headers={"Origin": EVIL}))

    @pytest.mark.parametrize(("enabled", "status"), [(False, 404), (True, 204)])
    def test_preflights_are_answered_as_ever(
        self, surface: Surface, enabled: bool, status: int
    ) -> None:
        surface.configuration.change(cors_enabled=enabled, cors_allowed_origins=())
        asking = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
        preflight = {**asking, "Access-Control-Request-Method": "POST"}
        assert send(surface, "OPTIONS", ISSUED, headers=preflight).status_code == status
        assert_refused(send(surface, "OPTIONS", ISSUED, headers=asking))
        assert_refused(send(surface, "POST", IMPORTED, IMPORT, headers=preflight))


LOCAL: list[dict[str, Any]] = [
    {"SERVER_NAME": "127.0.0.1"},
    {"SERVER_NAME": "::1"},
    {"SERVER_NAME": "::ffff:127.0.0.1"},
    {"SERVER_NAME": "localhost"},
    {"SERVER_NAME": "unix:", "REMOTE_ADDR": "unix:"},
    {"SERVER_NAME": "unix:/run/talos/admin.sock", "REMOTE_ADDR": "unix:"},
    # gunicorn names the host of the request here, and no peer.
    {"SERVER_NAME": "rebound.example.org", "REMOTE_ADDR": ""},
    {"SERVER_NAME": "rebound.example.org", "REMOTE_ADDR": None},
]


@pytest.mark.parametrize("local", LOCAL, ids=str)
class TestRebinding:
    REBOUND = "rebound.example.org:4420"

    def ask(self, surface: Surface, local: dict[str, Any], host: str, **headers: str) -> Any:
        given = {"Host": host, **headers}
        return send(surface, "POST", IMPORTED, IMPORT, headers=given, **local)

    def test_a_page_under_a_host_of_its_own_is_refused(
        self, surface: Surface, local: dict[str, Any]
    ) -> None:
        for host in (self.REBOUND, "localhost.example.org", "10.0.0.1:4420", "0.0.0.0:4420"):
            result = self.ask(surface, local, host, Origin=f"http://{host}")
            assert_refused(result, "serve.http.allowed_hosts")

    def test_a_header_of_its_own_does_not_help_it(
        self, surface: Surface, local: dict[str, Any]
    ) -> None:
        surface.configuration.change(trust_forwarded_host=True)
        headers = {"X-Forwarded-Host": "localhost", "Forwarded": "host=localhost"}
        for origin in (f"http://{self.REBOUND}", "http://localhost"):
            result = self.ask(surface, local, self.REBOUND, Origin=origin, **headers)
            assert result.status_code == 403

    @pytest.mark.parametrize(
        "host", ["localhost:4420", "LOCALHOST.", "127.0.0.1:4420", "127.9.9.9", "[::1]:4420"]
    )
    def test_a_page_under_the_hosts_of_loopback_is_not(
        self, surface: Surface, local: dict[str, Any], host: str
    ) -> None:
        assert self.ask(surface, local, host, Origin=f"http://{host}").status_code == 201

    def test_other_clients_may_use_any_host(self, surface: Surface, local: dict[str, Any]) -> None:
        assert self.ask(surface, local, self.REBOUND).status_code == 201

    def test_a_listed_host_is_known(self, surface: Surface, local: dict[str, Any]) -> None:
        surface.configuration.change(allowed_hosts=AllowedHosts([HOST]))
        assert self.ask(surface, local, HOST, Origin=f"https://{HOST}").status_code == 201

    def test_an_origin_that_cors_allows_does_not_make_a_host_known(
        self, surface: Surface, local: dict[str, Any]
    ) -> None:
        surface.configuration.change(cors_enabled=True, cors_allowed_origins=("*",))
        result = self.ask(surface, local, self.REBOUND, Origin=f"http://{self.REBOUND}")
        assert_refused(result, "serve.http.allowed_hosts")
        assert self.ask(surface, local, "localhost", Origin=EVIL).status_code == 201


def test_other_listeners_take_pages_under_any_host(surface: Surface) -> None:
    for name in ("192.0.2.7", "2001:db8::1", "0.0.0.0", "10.0.0.1"):
        headers = {"Origin": f"https://{HOST}"}
        result = send(surface, "GET", ISSUED, headers=headers, SERVER_NAME=name)
        assert result.status_code == 200
