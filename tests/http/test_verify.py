"""Verify over HTTP: response headers, the caller's address, cache directives (6.6 to 6.8)."""

from typing import Any

import pytest

from talos.domain.verification import CacheDirective
from talos.errors import ServiceUnavailable
from talos.http.request import Request, cache_directive, caller
from talos.services.tenant import HttpSettings
from tests.http.surface import API_KEYS, PEER, Surface, assert_envelope
from tests.support.fakes.tenants import tenant

VERIFY = f"{API_KEYS}:verify"
BATCH = f"{API_KEYS}:batchVerify"
LIMIT = {"quota": "2", "window": "60s"}
NOT_ON_BATCH = {"ory-talos-cache", "ratelimit", "ratelimit-policy", "retry-after", "cache-control"}


def verify(surface: Surface, credential: str, **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    result = surface.send("POST", VERIFY, {"credential": credential}, given)
    assert result.status_code == 200, result.text
    return result


class TestHeaders:
    def test_a_plain_key(self, surface: Surface) -> None:
        result = verify(surface, surface.issue()["secret"])
        assert result.json["is_valid"] is True
        assert set(result.headers) & NOT_ON_BATCH == {"ory-talos-cache"}

    def test_of_the_cache(self, surface: Surface) -> None:
        secret = surface.issue()["secret"]
        assert verify(surface, secret).headers["ory-talos-cache"] == "MISS"
        assert verify(surface, secret).headers["ory-talos-cache"] == "HIT"
        skipped = verify(surface, secret, Cache_Control="no-cache")
        assert skipped.headers["ory-talos-cache"] == "SKIP"
        assert verify(surface, "unknown").headers["ory-talos-cache"] == "MISS"
        surface.configuration.tenant = tenant(cache_enabled=False)
        assert verify(surface, secret).headers["ory-talos-cache"] == "SKIP"

    def test_of_an_enforced_policy(self, surface: Surface) -> None:
        secret = surface.issue(rate_limit_policy=LIMIT)["secret"]
        for remaining in ("1", "0"):
            result = verify(surface, secret)
            assert result.json["is_valid"] is True
            assert result.headers["ratelimit-policy"] == '"default";q=2;w=60'
            assert result.headers["ratelimit"] == f'"default";r={remaining}'
            assert result.headers["cache-control"] == "no-store"
            assert "retry-after" not in result.headers
        result = verify(surface, secret)
        assert result.json["error_code"] == "VERIFICATION_ERROR_RATE_LIMITED"
        assert result.json["key_id"]
        assert result.headers["ratelimit"] == '"default";r=0'
        assert result.headers["retry-after"] == "60"
        assert result.headers["cache-control"] == "no-store"

    def test_retry_after_is_at_least_a_second(self, surface: Surface) -> None:
        secret = surface.issue(rate_limit_policy={"quota": 1, "window": "1s"})["secret"]
        verify(surface, secret)
        assert verify(surface, secret).headers["retry-after"] == "1"

    def test_of_a_policy_that_is_not_enforced(self, surface: Surface) -> None:
        """The limiter fails, or limits are switched off: the answer is good for this call only."""
        secret = surface.issue(rate_limit_policy=LIMIT)["secret"]
        shown = {"ory-talos-cache", "ratelimit-policy", "cache-control"}
        surface.harness.limiter.failing = True
        result = verify(surface, secret)
        assert set(result.headers) & NOT_ON_BATCH == shown
        assert "rate_limit_remaining" not in result.json
        surface.harness.limiter.failing = False
        surface.configuration.tenant = tenant(rate_limit_enabled=False)
        result = verify(surface, secret)
        assert set(result.headers) & NOT_ON_BATCH == shown
        assert result.headers["cache-control"] == "no-store"
        assert "rate_limit_remaining" not in result.json

    def test_of_a_policy_that_nobody_enforces(self, surface: Surface) -> None:
        secret = surface.issue(rate_limit_policy=LIMIT)["secret"]
        surface.harness.limiter.counts = False
        surface.configuration.tenant = tenant(rate_limit_enabled=False)
        result = verify(surface, secret)
        assert set(result.headers) & NOT_ON_BATCH == {"ory-talos-cache", "ratelimit-policy"}

    def test_of_a_restricted_credential(self, surface: Surface) -> None:
        cidrs = {"allowed_cidrs": [f"{PEER}/32"]}
        secret = surface.issue(ip_restriction=cidrs)["secret"]
        assert verify(surface, secret).headers["cache-control"] == "no-store"
        derived = surface.send("POST", f"{API_KEYS}:derive", {"credential": secret})
        token = derived.json["token"]["token"]
        result = verify(surface, token)
        assert result.headers["cache-control"] == "no-store"
        assert result.headers["ory-talos-cache"] == "SKIP"
        elsewhere = surface.issue(ip_restriction={"allowed_cidrs": ["10.0.0.0/8"]})["secret"]
        result = verify(surface, elsewhere)
        assert result.json["error_code"] == "VERIFICATION_ERROR_IP_NOT_ALLOWED"
        assert "cache-control" not in result.headers

    def test_batch_has_none_of_them(self, surface: Surface) -> None:
        secret = surface.issue(
            rate_limit_policy={"quota": 1, "window": "60s"},
            ip_restriction={"allowed_cidrs": ["0.0.0.0/0"]},
        )["secret"]
        body = {"requests": [{"credential": secret}] * 2}
        result = surface.send("POST", BATCH, body)
        assert [verdict["is_valid"] for verdict in result.json["results"]] == [True, False]
        assert not set(result.headers) & NOT_ON_BATCH

    def test_trouble_is_a_verdict_here(self, surface: Surface) -> None:
        surface.harness.keys.trouble = ServiceUnavailable()
        result = verify(surface, "unknown")
        assert result.json["error_code"] == "VERIFICATION_ERROR_INTERNAL"


class TestRefusals:
    @pytest.mark.parametrize("body", [{}, {"credential": ""}, {"credential": "x" * 8193}])
    def test_a_credential_is_needed(self, surface: Surface, body: dict[str, str]) -> None:
        assert "credential" in assert_envelope(surface.send("POST", VERIFY, body), 400)["message"]
        item = {"requests": [{"credential": "fine"}, body]}
        error = assert_envelope(surface.send("POST", BATCH, item), 400, "BAD_REQUEST")
        assert "requests[1].credential" in error["message"]

    @pytest.mark.parametrize("count", [0, 101])
    def test_a_batch_has_its_bounds(self, surface: Surface, count: int) -> None:
        body = {"requests": [{"credential": "x"}] * count}
        assert_envelope(surface.send("POST", BATCH, body), 400, "BAD_REQUEST")
        assert_envelope(surface.send("POST", BATCH, {}), 400, "BAD_REQUEST")


def request(settings: HttpSettings | None = None, **environ: str) -> Request:
    env = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "wsgi.errors": None,
        "wsgi.input": None,
        "REMOTE_ADDR": PEER,
    }
    made = Request(env | environ)
    made.context.settings = settings or HttpSettings()
    return made


SOURCES = {
    "UNSPECIFIED": None,
    "REMOTE_ADDR": None,
    "CF_CONNECTING_IP": "Cf-Connecting-Ip",
    "X_FORWARDED_FOR": "X-Forwarded-For",
    "X_REAL_IP": "X-Real-Ip",
    "TRUE_CLIENT_IP": "True-Client-Ip",
}


class TestCaller:
    @pytest.mark.parametrize(("source", "trusted"), SOURCES.items())
    def test_only_the_configured_header_counts(
        self, surface: Surface, source: str, trusted: str | None
    ) -> None:
        secret = surface.issue(ip_restriction={"allowed_cidrs": ["10.0.0.0/8"]})["secret"]
        surface.configuration.change(client_ip_source=f"CLIENT_IP_SOURCE_{source}")
        for name in filter(None, SOURCES.values()):
            header = {name.replace("-", "_"): "10.1.2.3"}
            assert verify(surface, secret, **header).json["is_valid"] == (name == trusted)

    @pytest.mark.parametrize(
        ("value", "code"),
        [
            ("10.1.2.3", None),
            (" 10.1.2.3 ", None),
            ("::ffff:10.1.2.3", None),
            ("10.1.2.3, 192.0.2.9", "IP_NOT_ALLOWED"),
            ("10.1.2.3:80", "IP_NOT_ALLOWED"),
            ("010.1.2.3", "IP_NOT_ALLOWED"),
            ("", "IP_NOT_ALLOWED"),
            ("11.1.2.3", "IP_NOT_ALLOWED"),
        ],
    )
    def test_a_header_of_one_address(self, surface: Surface, value: str, code: str | None) -> None:
        secret = surface.issue(ip_restriction={"allowed_cidrs": ["10.0.0.0/8"]})["secret"]
        surface.configuration.change(client_ip_source="CLIENT_IP_SOURCE_X_REAL_IP")
        result = verify(surface, secret, X_Real_Ip=value)
        expected = f"VERIFICATION_ERROR_{code}" if code else None
        assert result.json.get("error_code") == expected

    @pytest.mark.parametrize(
        ("value", "is_valid"),
        [
            ("10.1.2.3, 192.0.2.9", True),
            ("192.0.2.9, 10.1.2.3", False),
            (",10.1.2.3", False),
            (" , 10.1.2.3", False),
            ("nonsense, 10.1.2.3", False),
        ],
    )
    def test_the_leftmost_of_a_list(self, surface: Surface, value: str, is_valid: bool) -> None:
        secret = surface.issue(ip_restriction={"allowed_cidrs": ["10.0.0.0/8"]})["secret"]
        surface.configuration.change(client_ip_source="CLIENT_IP_SOURCE_X_FORWARDED_FOR")
        assert verify(surface, secret, X_Forwarded_For=value).json["is_valid"] is is_valid

    def test_an_absent_or_blank_header_falls_back_to_the_peer(self) -> None:
        for source in filter(None, SOURCES):
            settings = HttpSettings(client_ip_source=f"CLIENT_IP_SOURCE_{source}")
            for environ in ({}, {"HTTP_X_FORWARDED_FOR": " ", "HTTP_X_REAL_IP": " "}):
                seen = caller(request(settings, **environ))
                assert seen.peer == PEER
                assert not (seen.header or "").strip()

    def test_an_unknown_source_is_the_peer_and_a_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        seen = caller(request(HttpSettings(client_ip_source="X"), HTTP_X_REAL_IP="10.0.0.1"))
        assert (seen.peer, seen.header) == (PEER, None)
        assert caplog.records[0].levelname == "WARNING"

    def test_a_server_that_tells_no_peer(self) -> None:
        made = request()
        del made.env["REMOTE_ADDR"]
        assert caller(made).peer == ""


@pytest.mark.parametrize(
    ("headers", "directive"),
    [
        ({}, "DEFAULT"),
        ({"HTTP_CACHE_CONTROL": ""}, "DEFAULT"),
        ({"HTTP_CACHE_CONTROL": "no-cache"}, "NO_CACHE"),
        ({"HTTP_CACHE_CONTROL": "NO-CACHE"}, "NO_CACHE"),
        ({"HTTP_CACHE_CONTROL": 'max-age=0, no-cache="x"'}, "NO_CACHE"),
        ({"HTTP_CACHE_CONTROL": "no-store"}, "NO_STORE"),
        ({"HTTP_CACHE_CONTROL": "no-cache,No-Store"}, "NO_STORE"),
        ({"HTTP_CACHE_CONTROL": "max-age=0, private"}, "DEFAULT"),
        ({"HTTP_CACHE_CONTROL": "x-no-store-hint"}, "DEFAULT"),
        ({"HTTP_CACHE_CONTROL": "no-storex, xno-cache"}, "DEFAULT"),
        ({"HTTP_PRAGMA": "no-cache"}, "NO_CACHE"),
        ({"HTTP_PRAGMA": " No-Cache "}, "NO_CACHE"),
        ({"HTTP_PRAGMA": "no-cache, x"}, "DEFAULT"),
        ({"HTTP_PRAGMA": "no-cache", "HTTP_CACHE_CONTROL": "no-store"}, "NO_STORE"),
        ({"HTTP_PRAGMA": "no-cache", "HTTP_CACHE_CONTROL": "max-age=1"}, "NO_CACHE"),
    ],
)
def test_directives(headers: dict[str, str], directive: str) -> None:
    assert cache_directive(request(**headers)) is CacheDirective[directive]
