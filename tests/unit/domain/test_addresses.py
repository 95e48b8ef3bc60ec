"""Addresses and allowlists (contract 4.0, 6.6)."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.domain.addresses import Caller, allows, caller_address, covers, valid_cidr

PEER = "198.51.100.7"


@pytest.mark.parametrize(
    "cidr",
    [
        "10.0.0.0/8",
        "10.1.2.3/8",
        "10.0.0.0/08",
        "10.0.0.0/0000",
        "0.0.0.0/0",
        "255.255.255.255/32",
        "::/0",
        "::1/128",
        "2001:db8::/32",
        "2001:DB8::5/32",
        "::ffff:10.0.0.0/104",
        "::ffff:10.0.0.0/8",
        "1:2:3:4:5:6:7:8/128",
        "::ffff:a00:1/128",
    ],
)
def test_cidrs_that_pass(cidr: str) -> None:
    assert valid_cidr(cidr)


@pytest.mark.parametrize(
    "cidr",
    [
        "",
        "/",
        "/8",
        "10.0.0.0",
        "::1",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8 ",
        " 10.0.0.0/8",
        "10.0.0.0 /8",
        "10.0.0.0/ 8",
        "10.0.0.0/8\n",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/0.255.255.255",
        "10.0.0.0/8/8",
        "10.0.0.0/²",
        "10.0.0.0/\u0668",
        "010.0.0.0/8",
        "10.0.0.00/8",
        "10.0.0/8",
        "10/8",
        "0x0a.0.0.0/8",
        "167772160/8",
        "256.0.0.0/8",
        "\u0661\u0660.0.0.0/8",
        "fe80::1%eth0/64",
        "fe80::%/64",
        "[::1]/128",
        "1::2::3/64",
        "::ffff:010.0.0.0/104",
        "12345::/16",
        "example.com/8",
        "10.0.0.0/" + "9" * 5_000,
    ],
)
def test_cidrs_that_are_refused(cidr: str) -> None:
    assert not valid_cidr(cidr)


@pytest.mark.parametrize(
    ("cidr", "address", "inside"),
    [
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.1.2.3/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.1/32", "10.0.0.1", True),
        ("10.0.0.0/08", "10.0.0.1", True),
        ("0.0.0.0/0", "203.0.113.9", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("::/0", "2001:db8::1", True),
        ("::/0", "203.0.113.9", False),
        ("::/0", "::ffff:203.0.113.9", False),
        ("10.0.0.0/8", "::ffff:10.0.0.1", True),
        ("::ffff:10.0.0.0/104", "10.0.0.1", True),
        ("::ffff:10.0.0.0/104", "::ffff:10.0.0.1", True),
        ("::ffff:10.0.0.0/104", "11.0.0.1", False),
        ("::ffff:0.0.0.0/96", "203.0.113.9", True),
        ("::ffff:0.0.0.0/95", "203.0.113.9", False),
        ("2001:db8::/32", "2001:db8:ffff::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
    ],
)
def test_membership(cidr: str, address: str, inside: bool) -> None:
    assert allows([cidr], caller_address(Caller(address))) is inside


def test_any_entry_admits_and_no_entry_admits_none() -> None:
    address = ip_address("10.0.0.1")
    assert allows(["192.0.2.0/24", "10.0.0.0/8"], address)
    assert not allows([], address)
    assert not allows(["0.0.0.0/0", "::/0"], None)


def test_a_broken_entry_counts_only_until_a_match() -> None:
    address = ip_address("10.0.0.1")
    assert allows(["10.0.0.0/8", "nonsense"], address)
    with pytest.raises(ValueError):
        allows(["nonsense", "10.0.0.0/8"], address)


@pytest.mark.parametrize("header", [None, "", "   ", "\t"])
def test_without_a_header_the_peer_counts(header: str | None) -> None:
    assert caller_address(Caller(PEER, header)) == IPv4Address(PEER)
    assert caller_address(Caller.from_forwarded_for(PEER, header)) == IPv4Address(PEER)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        (" 10.0.0.1\t", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
    ],
)
def test_a_header_beats_the_peer(header: str, expected: str) -> None:
    assert caller_address(Caller(PEER, header)) == ip_address(expected)


@pytest.mark.parametrize(
    "header",
    [
        "10.0.0.1:443",
        "[2001:db8::1]",
        "[2001:db8::1]:443",
        "fe80::1%eth0",
        "010.0.0.1",
        "10.0.0.1, 10.0.0.2",
        ",10.0.0.1",
        "unknown",
        "10.0.0",
        "10.0.0.1/32",
        "\xa010.0.0.1",
        "10.0.0.1\0",
        "1" * 10_000,
    ],
)
def test_a_header_that_is_no_address_denies(header: str) -> None:
    assert caller_address(Caller(PEER, header)) is None


def test_a_peer_on_a_unix_socket_counts_as_loopback() -> None:
    assert caller_address(Caller("unix:")) == IPv4Address("127.0.0.1")
    assert caller_address(Caller("unix:", " ")) == IPv4Address("127.0.0.1")
    assert caller_address(Caller("unix:", "10.0.0.1")) == IPv4Address("10.0.0.1")
    # Nobody says so of himself.
    assert caller_address(Caller(PEER, "unix:")) is None


@pytest.mark.parametrize("peer", ["", "/run/talos.sock", "fe80::1%eth0", "localhost"])
def test_a_peer_without_an_address_is_denied(peer: str) -> None:
    assert caller_address(Caller(peer)) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1, 203.0.113.9", "10.0.0.1"),
        (" 10.0.0.1 ,203.0.113.9", "10.0.0.1"),
        ("10.0.0.1,", "10.0.0.1"),
        (",10.0.0.1", None),
        (" , 10.0.0.1", None),
        (",", None),
        ("unknown, 10.0.0.1", None),
    ],
)
def test_the_leftmost_forwarded_address(header: str, expected: str | None) -> None:
    address = caller_address(Caller.from_forwarded_for(PEER, header))
    assert address == (ip_address(expected) if expected else None)


@pytest.mark.parametrize(
    ("outer", "inner", "inside"),
    [
        ("10.0.0.0/8", "10.1.0.0/16", True),
        ("10.0.0.0/8", "10.0.0.0/8", True),
        ("10.0.0.0/8", "0.0.0.0/0", False),
        ("10.0.0.0/8", "::ffff:10.0.0.0/104", True),
        ("::/0", "10.0.0.0/8", False),
        ("0.0.0.0/0", "2001:db8::/32", False),
        ("2001:db8::/32", "2001:db8:1::/48", True),
    ],
)
def test_a_network_inside_another(outer: str, inner: str, inside: bool) -> None:
    assert covers([outer], inner) is inside


IPV4_CIDRS = st.tuples(st.ip_addresses(v=4), st.integers(0, 32))
IPV6_CIDRS = st.tuples(st.ip_addresses(v=6), st.integers(0, 128))


@given(st.one_of(IPV4_CIDRS, IPV6_CIDRS), st.ip_addresses())
def test_membership_agrees_with_the_standard_library(
    network: tuple[IPv4Address | IPv6Address, int], address: IPv4Address | IPv6Address
) -> None:
    base, length = network
    if any(isinstance(ip, IPv6Address) and ip.ipv4_mapped for ip in (base, address)):
        return
    cidr = f"{base}/{length}"
    assert valid_cidr(cidr)
    assert allows([cidr], address) is (address in ip_network(cidr, strict=False))


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4))
def test_mapped_networks_are_the_ipv4_ones(
    base: IPv4Address, length: int, address: IPv4Address
) -> None:
    mapped = f"::ffff:{base}/{length + 96}"
    assert allows([mapped], address) is allows([f"{base}/{length}"], address)


@given(st.text("0123456789abcdef.:/%[] ", max_size=24))
def test_hostile_text_is_no_network_or_a_good_one(text: str) -> None:
    if valid_cidr(text):
        assert covers([text], text)
