"""Which routes each surface has, and what everything else answers (contract 1.2, 1.3, 2.1)."""

from typing import Any

import pytest

from tests.http.surface import (
    API_KEYS,
    IMPORTED,
    ISSUED,
    JWKS,
    SELF_REVOKE,
    SURFACES,
    Surface,
    assert_envelope,
    send,
)
from tests.support.routes import ADMIN_ROUTES, HAS, KEY_ID, PUBLIC_ROUTES

LACKS = {"all": (), "admin": PUBLIC_ROUTES, "public": ADMIN_ROUTES}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
ODD_METHODS = ("BREW", "get", "PROPFIND", "WEBSOCKET", "QUERY", "G-E_T")


def rows(table: dict[str, Any]) -> list[Any]:
    return [
        pytest.param(name, *route, id=f"{name} {route[0]} {route[1]}")
        for name in SURFACES
        for route in table[name]
    ]


@pytest.mark.parametrize(("name", "method", "path", "body", "status"), rows(HAS))
def test_a_surface_has_its_routes(
    name: str, method: str, path: str, body: Any, status: int
) -> None:
    result = Surface(name).send(method, path, body)
    assert result.status_code == status, result.text
    if status == 404:
        assert_envelope(result, 404, "API_KEY_NOT_FOUND", "NOT_FOUND")


@pytest.mark.parametrize(("name", "method", "path", "body", "status"), rows(LACKS))
def test_a_surface_lacks_the_routes_of_the_other(
    name: str, method: str, path: str, body: Any, status: int
) -> None:
    result = Surface(name).send(method, path, body)
    assert_envelope(result, 404, "NOT_FOUND", "NOT_FOUND")
    assert "allow" not in result.headers


# Every path, and the methods that the surface with everything has on it.
PATH_METHODS = {
    ISSUED: {"GET", "POST"},
    f"{ISSUED}/{KEY_ID}": {"GET", "PATCH"},
    IMPORTED: {"GET", "POST"},
    f"{IMPORTED}/{KEY_ID}": {"GET", "PATCH", "DELETE"},
    f"{IMPORTED}:batchCreate": {"POST"},
    f"{API_KEYS}:derive": {"POST"},
    f"{API_KEYS}:verify": {"POST"},
    f"{API_KEYS}:batchVerify": {"POST"},
    f"{API_KEYS}/{KEY_ID}": set(),
    SELF_REVOKE: {"POST"},
    JWKS: {"GET"},
    "/openapi.json": {"GET"},
    # With a verb in it a path is another one for POST alone.
    f"{ISSUED}/{KEY_ID}:rotate": {"POST", "GET", "PATCH"},
    f"{ISSUED}/{KEY_ID}:revoke": {"POST", "GET", "PATCH"},
    f"{IMPORTED}/{KEY_ID}:revoke": {"POST", "GET", "PATCH", "DELETE"},
    f"{API_KEYS}/{KEY_ID}:revoke": {"POST"},
}


@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("path", PATH_METHODS)
def test_other_methods_of_a_path_are_not_found(name: str, path: str) -> None:
    surface = Surface(name)
    for method in {*METHODS, *ODD_METHODS} - PATH_METHODS[path]:
        result = surface.send(method, path, {"name": "n"})
        if method == "HEAD":
            assert (result.status_code, result.content) == (404, b"")
        else:
            assert_envelope(result, 404, "NOT_FOUND", "NOT_FOUND")
        assert "allow" not in result.headers
        assert result.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/version", "/health/alive", "/health/ready"])
@pytest.mark.parametrize("method", [*METHODS, "BREW", "get"])
def test_health_and_version_take_any_method(surface: Surface, path: str, method: str) -> None:
    result = surface.send(method, path, b"\xff{")
    assert result.status_code == 200
    if method == "HEAD":
        assert result.content == b""
        assert int(result.headers["content-length"]) > 0
    else:
        assert isinstance(result.json, dict)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nothing",
        "/v2alpha1",
        "/v2alpha1/admin",
        "/v2alpha1/admin/derivedKeys/jwks.json",
        "/v2alpha1/admin/issuedapikeys",
        "/metrics",
        "/version/",
        "/health",
        "/health/alive/",
        "/health/alive/x",
        "/healthz",
        "/v2alpha1/derivedKeys/jwks.json/",
        f"{API_KEYS}:verify/",
        f"{API_KEYS}:Verify",
        f"{API_KEYS}:VERIFY",
        f"{IMPORTED}:batchcreate",
        f"{ISSUED}/a/b",
        f"{ISSUED}//",
    ],
)
def test_unknown_paths_are_not_found(surface: Surface, path: str) -> None:
    for method in ("GET", "POST"):
        result = surface.send(method, path, {})
        if "//" in path:
            assert result.status_code == 307
        else:
            assert_envelope(result, 404, "NOT_FOUND", "NOT_FOUND")


class TestVerbs:
    def test_the_verb_is_what_stands_behind_the_last_colon(self, surface: Surface) -> None:
        for path in (f"{ISSUED}/a:b:revoke", f"{ISSUED}/revoke:revoke"):
            assert_envelope(surface.send("POST", path), 404, "API_KEY_NOT_FOUND")

    @pytest.mark.parametrize(
        "end", ["abc", "abc:", ":revoke", "abc:Revoke", "abc:foo", "abc:revok"]
    )
    def test_without_a_known_verb_there_is_nothing_to_post_to(
        self, surface: Surface, end: str
    ) -> None:
        for path in (ISSUED, IMPORTED, API_KEYS):
            assert_envelope(surface.send("POST", f"{path}/{end}"), 404, "NOT_FOUND")

    def test_rotate_is_no_verb_of_imported_keys(self, surface: Surface) -> None:
        key_id = surface.import_key()["key_id"]
        assert_envelope(surface.send("POST", f"{IMPORTED}/{key_id}:rotate"), 404, "NOT_FOUND")

    @pytest.mark.parametrize("key_id", ["abc:foo", "abc:revoke", ":revoke", "%00", "%FF", "a%20b"])
    def test_for_other_methods_it_belongs_to_the_id(self, surface: Surface, key_id: str) -> None:
        for path in (ISSUED, IMPORTED):
            result = surface.send("GET", f"{path}/{key_id}")
            assert_envelope(result, 404, "API_KEY_NOT_FOUND", "NOT_FOUND")

    def test_an_escaped_colon_is_a_colon(self, surface: Surface) -> None:
        result = surface.send("POST", f"{API_KEYS}%3Averify", {"credential": "x"})
        assert result.status_code == 200
        key_id = surface.issue()["issued_api_key"]["key_id"]
        assert surface.send("POST", f"{ISSUED}/{key_id}%3arevoke").status_code == 204


@pytest.mark.parametrize("path", [ISSUED, IMPORTED])
def test_a_trailing_slash_is_an_empty_id_for_the_methods_of_an_item(
    surface: Surface, path: str
) -> None:
    methods = ["GET", "PATCH"] + (["DELETE"] if path == IMPORTED else [])
    for method in methods:
        error = assert_envelope(surface.send(method, f"{path}/"), 400, "BAD_REQUEST")
        assert "key_id" in error["message"]
    for method in {"POST", "PUT", "DELETE", "HEAD"} - set(methods):
        assert surface.send(method, f"{path}/", {}).status_code == 404


def test_revoking_any_key_looks_among_both_kinds(surface: Surface) -> None:
    issued = surface.issue()["issued_api_key"]["key_id"]
    imported = surface.import_key()["key_id"]
    for key_id in (issued, imported):
        path = f"{API_KEYS}/{key_id}:revoke"
        assert surface.send("POST", path).status_code == 204
        assert_envelope(surface.send("POST", path), 409, "CONFLICT", "ALREADY_EXISTS")


class TestMetricsPort:
    @pytest.mark.parametrize("method", ["GET", "POST", "BREW", "OPTIONS"])
    def test_has_the_health_paths_for_any_method(self, surface: Surface, method: str) -> None:
        for path in ("/health/alive", "/health/ready"):
            result = send(surface.metrics_app, method, path)
            assert (result.status_code, result.json) == (200, {"status": "ok"})
            assert set(result.headers) == {"content-type", "content-length"}
            assert result.headers["content-type"] == "application/json; charset=utf-8"

    @pytest.mark.parametrize(
        "path", ["/", "/version", "/metrics", "/openapi.json", ISSUED, JWKS, "/health%2Falive"]
    )
    @pytest.mark.parametrize("method", ["GET", "POST", "BREW", "WEBSOCKET"])
    def test_has_nothing_else(self, surface: Surface, method: str, path: str) -> None:
        result = send(surface.metrics_app, method, path)
        assert result.status_code == 404
        assert result.text == "404 page not found\n"
        assert result.headers["content-type"].startswith("text/plain")
        assert "x-request-id" not in result.headers
