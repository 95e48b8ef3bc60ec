"""How hosts and origins are read and compared (contract 16 (38), 16 (39))."""

import pytest

from talos.domain.hosts import AllowedHosts, Authority, Origin, is_loopback


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("keys.example.com", "keys.example.com", None),
        ("Keys.Example.COM.:4420", "keys.example.com", 4420),
        ("localhost:", "localhost", None),
        ("127.0.0.1:80", "127.0.0.1", 80),
        ("[::1]:4420", "::1", 4420),
        ("[0:0:0:0:0:0:0:1]", "::1", None),
        ("a_b.internal", "a_b.internal", None),
    ],
)
def test_an_authority_is_a_host_and_maybe_a_port(text: str, host: str, port: int | None) -> None:
    assert Authority.parse(text) == Authority(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        ":80",
        "a b",
        "a,b",
        "a/b",
        "a@b",
        "user@localhost",
        "localhost#.example.com",
        "localhost\\.example.com",
        "a:80:80",
        "a:x",
        "a:123456",
        "::1",
        "[::1",
        "[127.0.0.1]",
        "[]",
        "\xe9.example.com",
        "a\n",
        "a" * 256,
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert Authority.parse(text) is None
    assert not AllowedHosts(["localhost", "*.example.com", "a"]).allow(text)


@pytest.mark.parametrize(
    ("text", "origin", "port"),
    [
        ("https://a.example.com", Origin("https", "a.example.com", None), 443),
        ("http://A.example.com:8080", Origin("http", "a.example.com", 8080), 8080),
        ("HTTP://[::1]:4420", Origin("http", "::1", 4420), 4420),
        ("http://localhost", Origin("http", "localhost", None), 80),
    ],
)
def test_an_origin_has_a_port_named_or_not(text: str, origin: Origin, port: int) -> None:
    assert Origin.parse(text) == origin
    assert origin.port == port


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "a.example.com",
        "file://",
        "chrome-extension://abc",
        "http://",
        "https://a/",
        "https://a, https://b",
        "https://a https://b",
        "https://a,https://a",
        "http:a",
    ],
)
def test_what_is_no_page_over_http_has_no_such_origin(text: str) -> None:
    assert Origin.parse(text) is None


HOSTS = AllowedHosts(
    ["Keys.example.com", "10.0.0.7", "[2001:DB8::1]", "fe80:0:0:0:0:0:0:1", "*.Svc.example.org."]
)


@pytest.mark.parametrize(
    "host",
    [
        "keys.example.com",
        "KEYS.EXAMPLE.COM:4420",
        "keys.example.com.",
        "keys.example.com.:443",
        "10.0.0.7:80",
        "[2001:db8:0:0:0:0:0:1]:4420",
        "[fe80::1]",
        "a.svc.example.org",
        "a.b.svc.example.org.:1",
    ],
)
def test_listed_hosts_are_allowed_however_they_are_spelt(host: str) -> None:
    assert HOSTS.allow(host)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "evil-keys.example.com",
        "a.keys.example.com",
        "keys.example.com.evil.org",
        "keys.example.com..",
        "svc.example.org",
        "evilsvc.example.org",
        ".svc.example.org",
        "a..svc.example.org",
        "*.svc.example.org.evil.org",
        "10.0.0.70",
        "010.0.0.7",
        "[2001:db8::2]",
        "localhost",
    ],
)
def test_other_hosts_are_not(host: str) -> None:
    assert not HOSTS.allow(host)


def test_an_empty_list_of_patterns_ends_nothing() -> None:
    assert not AllowedHosts(["a"]).allow("b")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"]
)
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "localhost.evil.org", "evil.localhost.org", "10.0.0.1", "0.0.0.0", "::", "127.1"]
)
def test_no_loopback(host: str) -> None:
    assert not is_loopback(host)
