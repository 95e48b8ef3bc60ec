"""What proxies say of a request: its caller and its host (contract 16 (41))."""

from typing import Any

import pytest

from talos.domain.proxies import TrustedProxies
from talos.http.request import ALL_LINES, Request, client_address
from talos.services.tenant import HttpSettings
from tests.http.surface import API_KEYS, ISSUED, PEER, Surface

HEADERS = {
    "CF_CONNECTING_IP": "HTTP_CF_CONNECTING_IP",
    "X_FORWARDED_FOR": "HTTP_X_FORWARDED_FOR",
    "X_REAL_IP": "HTTP_X_REAL_IP",
    "TRUE_CLIENT_IP": "HTTP_TRUE_CLIENT_IP",
}
INSIDE, OUTSIDE = "203.0.113.7", "192.0.2.99"


@pytest.fixture(params=HEADERS)
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def secret(surface: Surface) -> str:
    return str(surface.issue(ip_restriction={"allowed_cidrs": ["203.0.113.0/24"]})["secret"])


def trust(surface: Surface, source: str, *proxies: str) -> None:
    surface.configuration.change(
        client_ip_source=f"CLIENT_IP_SOURCE_{source}", trusted_proxies=TrustedProxies(proxies)
    )


def verdict(surface: Surface, secret: str, **environ: Any) -> str:
    result = surface.send("POST", f"{API_KEYS}:verify", {"credential": secret}, **environ)
    assert result.status_code == 200, result.text
    return str(result.json.get("error_message", "valid"))


class TestCaller:
    def test_the_header_counts_from_a_listed_peer_alone(
        self, surface: Surface, secret: str, source: str
    ) -> None:
        inside = {HEADERS[source]: INSIDE}
        trust(surface, source, PEER)
        assert verdict(surface, secret, **inside) == "valid"
        assert "is not allowed" in verdict(surface, secret, **{HEADERS[source]: OUTSIDE})
        assert verdict(surface, secret, **inside, REMOTE_ADDR=f"::ffff:{PEER}") == "valid"
        for peer in ("192.0.2.2", "unix:", "::1", "127.0.0.1"):
            assert "is not allowed" in verdict(surface, secret, **inside, REMOTE_ADDR=peer)
        # A reload takes the trust away at once.
        trust(surface, source, "192.0.2.2")
        assert "is not allowed" in verdict(surface, secret, **inside)

    def test_what_a_stranger_says_of_himself_does_not_hide_his_address(
        self, surface: Surface, secret: str, source: str
    ) -> None:
        trust(surface, source, PEER)
        outside = {HEADERS[source]: OUTSIDE}
        assert verdict(surface, secret, **outside, REMOTE_ADDR=INSIDE) == "valid"
        assert verdict(surface, secret, **{HEADERS[source]: "x"}, REMOTE_ADDR=INSIDE) == "valid"

    def test_a_proxy_on_a_unix_socket(self, surface: Surface, secret: str, source: str) -> None:
        trust(surface, source, "unix:")
        assert verdict(surface, secret, **{HEADERS[source]: INSIDE}, REMOTE_ADDR="unix:") == "valid"
        assert "is not allowed" in verdict(surface, secret, **{HEADERS[source]: INSIDE})

    def test_ports_and_brackets_are_read_where_proxies_are_listed(
        self, surface: Surface, secret: str, source: str
    ) -> None:
        for text in (f"{INSIDE}:50123", f"[::ffff:{INSIDE}]:50123", f"[::ffff:{INSIDE}]"):
            trust(surface, source, PEER)
            assert verdict(surface, secret, **{HEADERS[source]: text}) == "valid"
            trust(surface, source)
            answer = verdict(surface, secret, **{HEADERS[source]: text})
            assert answer == "unable to determine client IP"

    def test_an_absent_or_blank_header_leaves_the_peer(self, surface: Surface, source: str) -> None:
        restriction = {"allowed_cidrs": [f"{PEER}/32"]}
        secret = surface.issue(ip_restriction=restriction)["secret"]
        trust(surface, source, PEER)
        assert verdict(surface, secret) == "valid"
        assert verdict(surface, secret, **{HEADERS[source]: " "}) == "valid"

    def test_several_lines_of_a_single_address_are_nobody(
        self, surface: Surface, secret: str, source: str
    ) -> None:
        """Which of them the proxy wrote cannot be told: some replace a header, others add one."""
        variable = HEADERS[source]
        for first, second in ((INSIDE, OUTSIDE), (OUTSIDE, INSIDE), (INSIDE, INSIDE)):
            repeated = {variable: first, ALL_LINES: {variable: f"{first},{second}"}}
            trust(surface, source, PEER)
            answer = verdict(surface, secret, **repeated)
            if source == "X_FORWARDED_FOR":
                assert (answer == "valid") is (second == INSIDE)
            else:
                assert answer == "unable to determine client IP"
            # Without a list the first line counts (6.6).
            trust(surface, source)
            assert (verdict(surface, secret, **repeated) == "valid") is (first == INSIDE)

    def test_all_lines_of_forwarded_for_are_read_from_the_right(
        self, surface: Surface, secret: str
    ) -> None:
        trust(surface, "X_FORWARDED_FOR", PEER, "10.0.0.0/8")
        variable = HEADERS["X_FORWARDED_FOR"]
        for first, lines, expected in (
            (INSIDE, f"{INSIDE},{OUTSIDE}", "The request IP is not allowed for this API key."),
            ("", f",{INSIDE},10.0.0.1", "valid"),
            (INSIDE, f"{INSIDE},,10.0.0.1", "unable to determine client IP"),
            (OUTSIDE, f"{OUTSIDE},{INSIDE}, 10.0.0.1,10.0.0.2:80", "valid"),
        ):
            repeated = {variable: first, ALL_LINES: {variable: lines}}
            assert verdict(surface, secret, **repeated) == expected

    def test_a_credential_without_a_list_does_not_look_at_the_header(
        self, surface: Surface, source: str
    ) -> None:
        trust(surface, source, PEER)
        secret = surface.issue()["secret"]
        assert verdict(surface, secret, **{HEADERS[source]: "nonsense"}) == "valid"

    def test_batches_and_derive_ask_for_the_same_address(
        self, surface: Surface, secret: str
    ) -> None:
        trust(surface, "X_FORWARDED_FOR", PEER)
        batch = {"requests": [{"credential": secret}]}
        derive = {"credential": secret, "algorithm": "TOKEN_ALGORITHM_MACAROON"}
        for header, valid in (
            (f"{OUTSIDE}, {INSIDE}", True),
            (f"{INSIDE}, {OUTSIDE}", False),
            (f"{INSIDE}, nonsense", False),
        ):
            environ = {"HTTP_X_FORWARDED_FOR": header}
            answer = surface.send("POST", f"{API_KEYS}:batchVerify", batch, **environ)
            assert answer.json["results"][0].get("is_valid", False) is valid
            answer = surface.send("POST", f"{API_KEYS}:derive", derive, **environ)
            assert answer.status_code == (200 if valid else 401)


def request(settings: HttpSettings, **environ: str) -> Request:
    env = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.errors": None, "wsgi.input": None}
    made = Request(env | environ)
    made.context.settings = settings
    return made


@pytest.mark.parametrize(
    ("peer", "header", "address"),
    [
        (PEER, f"{INSIDE}:80", INSIDE),
        (PEER, None, PEER),
        (PEER, "nonsense", PEER),
        (f"::ffff:{PEER}", None, PEER),
        (OUTSIDE, INSIDE, OUTSIDE),
        ("unix:", None, "unix:"),
        ("", None, ""),
    ],
)
def test_the_address_for_logs(peer: str, header: str | None, address: str) -> None:
    settings = HttpSettings(
        client_ip_source="CLIENT_IP_SOURCE_X_REAL_IP", trusted_proxies=TrustedProxies([PEER])
    )
    environ = {} if header is None else {"HTTP_X_REAL_IP": header}
    assert client_address(request(settings, REMOTE_ADDR=peer, **environ)) == address


class TestHost:
    def seen(self, surface: Surface, **environ: Any) -> str:
        headers = {"Host": "a", "X-Forwarded-Host": "b"}
        surface.send("GET", ISSUED, headers=headers, **environ)
        version = surface.send("GET", "/version", headers=headers, **environ)
        host = surface.configuration.seen[-1]
        assert version.json["config_hash"] == f"hash of {host}"
        return host

    def test_it_counts_from_a_listed_peer_alone(self, surface: Surface) -> None:
        assert self.seen(surface) == "a"
        surface.configuration.change(trust_forwarded_host=True)
        assert self.seen(surface) == "b"
        surface.configuration.change(trusted_proxies=TrustedProxies([PEER]))
        assert self.seen(surface) == "b"
        assert self.seen(surface, REMOTE_ADDR=OUTSIDE) == "a"
        assert self.seen(surface, REMOTE_ADDR="unix:") == "a"
        surface.configuration.change(trusted_proxies=TrustedProxies(["unix:"]))
        assert self.seen(surface) == "a"
        assert self.seen(surface, REMOTE_ADDR="unix:") == "b"

    def test_a_listed_peer_changes_nothing_where_the_header_is_not_trusted(
        self, surface: Surface
    ) -> None:
        surface.configuration.change(trusted_proxies=TrustedProxies([PEER]))
        assert self.seen(surface) == "a"

    def test_several_lines_are_one_list_which_names_no_host(self, surface: Surface) -> None:
        repeated = {ALL_LINES: {"HTTP_X_FORWARDED_HOST": "b,c"}}
        surface.configuration.change(trust_forwarded_host=True)
        assert self.seen(surface, **repeated) == "b"
        surface.configuration.change(trusted_proxies=TrustedProxies([PEER]))
        assert self.seen(surface, **repeated) == "b,c"
