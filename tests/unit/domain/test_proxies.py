"""Which peers may speak for others, and whom they name (contract 16 (41))."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.domain.addresses import caller_address
from talos.domain.proxies import NO_PROXIES, TrustedProxies

PROXY = "198.51.100.7"
PROXIES = TrustedProxies([PROXY, "10.0.0.0/8", "2001:db8:1::/48", "::ffff:192.0.2.0/120"])


def told(header: str | None, peer: str = PROXY) -> str:
    return str(caller_address(PROXIES.caller(peer, header)))


def told_forwarded(header: str | None, peer: str = PROXY) -> str:
    return str(caller_address(PROXIES.caller_forwarded_for(peer, header)))


@pytest.mark.parametrize(
    "entry",
    [
        "",
        " 10.0.0.1",
        "10.0.0.1 ",
        "10.0.0.0/33",
        "10.0.0.1:80",
        "[::1]",
        "fe80::1%eth0",
        "010.0.0.1",
        "10.1",
        "10.0.0.0/",
        "localhost",
        "unix",
        "unix:/run/talos.sock",
        "UNIX:",
        "*",
        "10.0.0.1-10.0.0.9",
    ],
)
def test_entries_that_are_refused(entry: str) -> None:
    with pytest.raises(ValueError):
        TrustedProxies(["10.0.0.1", entry])


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        (PROXY, True),
        ("198.51.100.8", False),
        ("10.255.0.1", True),
        ("::ffff:10.255.0.1", True),
        ("11.0.0.1", False),
        ("2001:db8:1:2::3", True),
        ("2001:DB8:1::", True),
        ("2001:db8:2::", False),
        ("192.0.2.200", True),
        ("::ffff:192.0.2.200", True),
        ("192.0.3.1", False),
        ("unix:", False),
        ("fe80::1%eth0", False),
        ("2001:db8:1::1%eth0", False),
        ("", False),
        ("10.0.0.1:80", False),
    ],
)
def test_which_peers_are_listed(peer: str, trusted: bool) -> None:
    assert PROXIES.trust_peer(peer) is trusted
    assert not NO_PROXIES.trust_peer(peer)
    assert told("203.0.113.9", peer) == ("203.0.113.9" if trusted else told(None, peer))
    assert told_forwarded("203.0.113.9", peer) == told("203.0.113.9", peer)


def test_a_unix_socket_is_listed_by_its_name_alone() -> None:
    assert TrustedProxies(["unix:"]).trust_peer("unix:")
    assert not TrustedProxies(["unix:"]).trust_peer("127.0.0.1")
    assert not TrustedProxies(["127.0.0.0/8", "::1"]).trust_peer("unix:")


def test_an_empty_list_is_false() -> None:
    assert not NO_PROXIES
    assert TrustedProxies(["unix:"])
    assert TrustedProxies(["::1"])


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 203.0.113.9\t", "203.0.113.9"),
        ("203.0.113.9:1", "203.0.113.9"),
        ("203.0.113.9:65535", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("[2001:db8::9]:443", "2001:db8::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:443", "203.0.113.9"),
        ("[2001:0db8:0000:0000:0000:0000:203.255.113.255]:65535", "2001:db8::cbff:71ff"),
        ("2001:db8::9:443", "2001:db8::9:443"),
    ],
)
def test_the_spellings_of_an_address(text: str, address: str) -> None:
    assert told(text) == address
    assert told_forwarded(text) == address
    assert told_forwarded(f"10.0.0.9, {text},10.1.1.1 , [2001:db8:1::5]:80") == address


@pytest.mark.parametrize(
    "text",
    [
        "unknown",
        "_hidden",
        "unix:",
        "localhost",
        "203.0.113.9:",
        "203.0.113.9:65536",
        "203.0.113.9:000080",
        "203.0.113.9:+80",
        "203.0.113.9:8 0",
        "203.0.113.9:\u0661",
        "203.0.113.9:\xb2",
        "203.0.113.9 :80",
        ":80",
        "3405803785",
        "3405803785:80",
        "[203.0.113.9]",
        "[203.0.113.9]:80",
        "[2001:db8::9",
        "2001:db8::9]",
        "[2001:db8::9]80",
        "[2001:db8::9]:",
        "[2001:db8::9]:65536",
        "[2001:db8::9]:80:80",
        "[[2001:db8::9]]",
        "[ 2001:db8::9]",
        "[]",
        "[]:80",
        "fe80::1%eth0",
        "[fe80::1%eth0]",
        "[fe80::1%25eth0]:80",
        "2001:db8::9%",
        "010.0.0.1",
        "203.0.113.9/32",
        '"203.0.113.9"',
        "for=203.0.113.9",
        "203.0.113.9;203.0.113.8",
        "203.0.113.9 203.0.113.8",
        "\xa0203.0.113.9",
        "203.0.113.9\x00",
        "1" * 20_000,
        ":" * 20_000,
        "[" * 20_000,
    ],
)
def test_what_cannot_be_read_is_nobody(text: str) -> None:
    assert told(text) == "None"
    assert told_forwarded(text) == "None"
    # Left of what cannot be read nothing is looked at.
    assert told_forwarded(f"203.0.113.9, {text}, 10.0.0.1") == "None"


@pytest.mark.parametrize("header", [None, "", " ", "\t"])
def test_without_a_header_the_peer_counts(header: str | None) -> None:
    assert told(header) == told_forwarded(header) == PROXY


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("203.0.113.9, 203.0.113.8", "203.0.113.8"),
        ("203.0.113.9,203.0.113.8,10.0.0.1,10.0.0.2", "203.0.113.8"),
        ("nonsense, 203.0.113.8", "203.0.113.8"),
        (",203.0.113.8", "203.0.113.8"),
        ("10.0.0.2, 10.0.0.1", "10.0.0.2"),
        ("10.0.0.1", "10.0.0.1"),
        ("nonsense, 10.0.0.1", "None"),
        ("203.0.113.9,", "None"),
        ("203.0.113.9,,10.0.0.1", "None"),
        ("203.0.113.9, ", "None"),
        (",", "None"),
        (", ,", "None"),
    ],
)
def test_forwarded_for_is_read_from_the_right(header: str, address: str) -> None:
    assert told_forwarded(header) == address


def test_a_header_of_one_address_holds_no_list() -> None:
    assert told("203.0.113.9, 203.0.113.9") == "None"
    assert told("203.0.113.9,") == "None"


@given(
    st.lists(st.sampled_from(["10.0.0.1", "10.1.2.3:80", "[2001:db8:1::1]:4", "192.0.2.1"])),
    st.ip_addresses(),
    st.text(st.characters(max_codepoint=255)),
)
def test_whatever_a_client_sent_its_own_address_is_found(
    behind: list[str], client: object, sent: str
) -> None:
    """The nearest listed proxy appended the address that it saw."""
    address = ip_address(str(client))
    address = getattr(address, "ipv4_mapped", None) or address
    trusted = any(
        address in ip_network(network)
        for network in (f"{PROXY}/32", "10.0.0.0/8", "2001:db8:1::/48", "192.0.2.0/24")
    )
    if not trusted:
        assert told_forwarded(",".join([sent, str(client), *behind])) == str(address)


def test_which_lists_hold_a_family() -> None:
    for entries, whole in (
        (["0.0.0.0/0"], True),
        (["10.0.0.1", "::/0"], True),
        (["::ffff:0.0.0.0/96"], True),
        (["10.0.0.0/8", "::1", "unix:"], False),
        ([], False),
    ):
        assert TrustedProxies(entries).hold_a_family is whole


def test_lists_of_the_same_entries_are_equal() -> None:
    assert TrustedProxies(["10.0.0.1"]) == TrustedProxies(("10.0.0.1",))
    assert hash(TrustedProxies(["10.0.0.1"])) == hash(TrustedProxies(("10.0.0.1",)))
    assert TrustedProxies(["10.0.0.1"]) != TrustedProxies(["10.0.0.2"])
