"""One spelling of a path is served, and none leads from the public surface to the admin one."""

import itertools
from functools import cache
from wsgiref.validate import validator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.http.target import clean_path, escaped_path, raw_path
from tests.http.surface import (
    IMPORTED,
    ISSUED,
    SELF_REVOKE,
    Surface,
    assert_envelope,
    send,
)
from tests.support.paths import ADMIN_OPERATIONS, spellings


class TestCleaning:
    @pytest.mark.parametrize(
        ("target", "location"),
        [
            ("//health/alive", "/health/alive"),
            ("/health//alive", "/health/alive"),
            ("/health/./alive", "/health/alive"),
            ("/x/../health/alive", "/health/alive"),
            ("/../../health/alive", "/health/alive"),
            ("/%2e%2e/health/alive", "/health/alive"),
            ("/x/%2E/y", "/x/y"),
            ("/x/..", "/"),
            ("/x/.", "/x"),
            ("/x//", "/x/"),
            ("/x%2F%2Fy", "/x/y"),
            ("//evil.example.com/x", "/evil.example.com/x"),
            ("/x//%5Cy", "/x/%5Cy"),
            ("/x//a%20b%3F%23%25", "/x/a%20b%3F%23%25"),
            ("/x//%C3%A9%FF", "/x/%C3%A9%FF"),
            ("/x//a%0D%0ASet-Cookie:b", "/x/a%0D%0ASet-Cookie:b"),
            ("/x//y?page_size=1&filter=a%20b", "/x/y?page_size=1&filter=a%20b"),
            (f"{ISSUED}/..", "/v2alpha1/admin"),
        ],
    )
    def test_redirects_to_the_clean_path(
        self, surface: Surface, target: str, location: str
    ) -> None:
        for method in ("GET", "HEAD", "POST", "PATCH", "DELETE", "BREW", "OPTIONS"):
            result = surface.send(method, target, {"name": "n"})
            assert result.status_code == 307
            assert result.headers["location"] == location
            assert result.headers["x-frame-options"] == "DENY"
            assert result.headers["x-request-id"]
            if method != "GET":
                assert result.content == b""
                assert "content-type" not in result.headers
                continue
            assert result.headers["content-type"] == "text/html; charset=utf-8"
            assert "Temporary Redirect" in result.text

    def test_the_page_escapes_what_it_shows(self, surface: Surface) -> None:
        result = surface.send("GET", "/x//'><script>?\"'<b>")
        assert "<script>" not in result.text
        assert "'>" not in result.text.replace("</a>", "")
        assert "<b>" not in result.headers["location"]

    @given(st.text(st.sampled_from("/.ab:%"), max_size=12))
    def test_a_clean_path_is_clean(self, tail: str) -> None:
        cleaned = clean_path("/" + tail)
        assert clean_path(cleaned) == cleaned
        assert cleaned.startswith("/")
        segments = cleaned.split("/")[1:]
        assert not {".", ".."} & set(segments)
        assert "" not in segments[:-1]

    def test_a_target_that_is_no_path_is_not_found(self, surface: Surface) -> None:
        assert_envelope(surface.send("OPTIONS", "*"), 404, "NOT_FOUND")
        assert_envelope(surface.send("GET", "health/alive"), 404, "NOT_FOUND")


class TestEscapes:
    @pytest.mark.parametrize("path", ["/%", "/%z", "/%2", "/health/alive%", f"{ISSUED}/%zz", "/%%"])
    @pytest.mark.parametrize("method", ["GET", "POST", "BREW"])
    def test_a_malformed_one_is_a_low_level_error(
        self, surface: Surface, method: str, path: str
    ) -> None:
        result = surface.send(method, path)
        assert result.status_code == 400
        assert set(result.headers) == {"content-type", "content-length"}
        assert result.headers["content-type"].startswith("text/plain")
        assert not result.text.startswith("{")

    def test_request_uri_does_as_well(self, surface: Surface) -> None:
        result = surface.send("GET", "/%zz", RAW_URI=None, REQUEST_URI="/%zz")
        assert result.headers["content-type"].startswith("text/plain")

    def test_a_server_that_keeps_no_target_has_no_such_error(self, surface: Surface) -> None:
        assert_envelope(surface.send("GET", "/%zz", RAW_URI=None), 404, "NOT_FOUND")

    def test_one_in_the_query_is_none_of_the_path(self, surface: Surface) -> None:
        assert surface.send("GET", "/health/alive?%zz").status_code == 200

    @pytest.mark.parametrize("path", ["/health%2Falive", "/health%2fready", "%2Fversion"])
    def test_health_and_version_take_no_escaped_slash(self, surface: Surface, path: str) -> None:
        assert_envelope(surface.send("GET", path), 404, "NOT_FOUND")

    def test_other_escapes_of_theirs_are_decoded(self, surface: Surface) -> None:
        for path in ("/%68ealth/aliv%65", "/%76ersion"):
            assert surface.send("GET", path).status_code == 200

    def test_an_escaped_slash_separates(self, surface: Surface) -> None:
        key_id = surface.issue()["issued_api_key"]["key_id"]
        path = ISSUED.replace("/admin/", "%2Fadmin%2f") + f"%2F{key_id}"
        assert surface.send("GET", path).json["key_id"] == key_id

    def test_a_path_is_decoded_once(self, surface: Surface) -> None:
        key_id = surface.issue()["issued_api_key"]["key_id"]
        double = "".join(f"%25{ord(c):02X}" for c in key_id)
        assert_envelope(surface.send("GET", f"{ISSUED}/{double}"), 404, "API_KEY_NOT_FOUND")

    def test_the_target_may_be_in_absolute_form(self, surface: Surface) -> None:
        environ = {"PATH_INFO": "/health/alive"}
        absolute = "http://example.com/health/alive"
        assert surface.send("GET", absolute, **environ).status_code == 200
        broken = "http://example.com/health/%zz"
        assert surface.send("GET", broken, **environ).status_code == 400


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a%20b?c=d", "/a%20b"),
        ("http://h:1/a%2Fb?c", "/a%2Fb"),
        ("http://h", "/"),
        ("http://h?x", "/"),
        ("/a#b", "/a"),
        ("*", "*"),
    ],
)
def test_the_raw_path_is_what_stands_before_the_query(target: str, path: str) -> None:
    assert raw_path({"RAW_URI": target}) == path
    assert escaped_path({"RAW_URI": target, "PATH_INFO": "/other"}) == path


def test_without_a_raw_path_the_decoded_one_is_escaped_again() -> None:
    assert raw_path({}) is None
    assert escaped_path({"PATH_INFO": "/a b\xff%"}) == "/a%20b%FF%25"


@pytest.mark.parametrize(("method", "path", "body"), ADMIN_OPERATIONS)
def test_no_spelling_reaches_an_admin_operation_on_the_public_surface(
    public_surface: Surface, method: str, path: str, body: object
) -> None:
    for spelling in spellings(path):
        result = public_surface.send(method, spelling, body)  # type: ignore[arg-type]
        assert result.status_code in (307, 400, 404), spelling
        if result.status_code == 307:
            target = result.headers["location"]
            again = public_surface.send(method, target, body)  # type: ignore[arg-type]
            assert again.status_code in (400, 404), spelling
    assert not public_surface.harness.keys.rows
    assert not public_surface.harness.keys.reads


def test_headers_do_not_change_path_or_method(public_surface: Surface) -> None:
    body = {"name": "n", "actor_id": "a"}
    for headers in (
        {"X-Original-URL": ISSUED},
        {"X-Rewrite-URL": ISSUED},
        {"X-Forwarded-Prefix": "/v2alpha1/admin"},
        {"X-HTTP-Method-Override": "GET", "Content-Type": "application/x-www-form-urlencoded"},
    ):
        result = public_surface.send("POST", "/issuedApiKeys", body, headers)
        assert_envelope(result, 404, "NOT_FOUND")
        result = public_surface.send("POST", SELF_REVOKE + "x", body, headers)
        assert_envelope(result, 404, "NOT_FOUND")


def test_a_method_cannot_be_overridden(surface: Surface) -> None:
    key_id = surface.import_key()["key_id"]
    headers = {
        "X-HTTP-Method-Override": "DELETE",
        "X-Method-Override": "DELETE",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    result = surface.send("POST", f"{IMPORTED}/{key_id}?_method=DELETE", b"", headers)
    assert_envelope(result, 404, "NOT_FOUND")
    assert surface.send("GET", f"{IMPORTED}/{key_id}").status_code == 200


PIECES = st.one_of(
    st.sampled_from(r"/.;?#\k*%é"),
    st.sampled_from(["//", "%2F", "%5c", "..", "%2e", "%252e", "%3A", "%00", "%C0%AF", "http://"]),
    st.sampled_from(["v2alpha1", "admin", "Admin", "%61dmin", "health", "alive", "version"]),
    st.sampled_from(["issuedApiKeys", "importedApiKeys", "apiKeys", ":verify", ":selfRevoke"]),
)
OPEN = ("/health/alive", "/health/ready", "/version", "/openapi.json", "/v2alpha1/derivedKeys")


@cache
def public() -> Surface:
    """One surface for all examples."""
    return Surface("public")


@given(st.sampled_from(["GET", "POST", "PATCH", "DELETE", "BREW"]), st.lists(PIECES, max_size=12))
def test_whatever_the_path_the_public_surface_stays_public(method: str, pieces: list[str]) -> None:
    target = "/" + "".join(pieces).encode("utf-8").decode("latin-1")
    surface = public()
    result = surface.send(method, target, {"name": "n", "actor_id": "a"})
    assert result.status_code < 500
    if result.status_code == 200:
        path = raw_path({"RAW_URI": target})
        assert path is not None
        assert path.replace("%61", "a").startswith(OPEN), target
    assert not surface.harness.keys.rows
    assert not surface.harness.keys.reads


def test_both_applications_are_conforming_wsgi(surface: Surface) -> None:
    for app, path in itertools.product((surface.app, surface.metrics_app), ("/health/alive", "/x")):
        result = send(validator(app), "GET", path)
        assert result.status_code in (200, 404)
