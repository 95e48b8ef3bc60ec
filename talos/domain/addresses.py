"""Whose address a request carries, and whether an allowlist lets it in (contract 4.0, 6.6).

Everything here fails closed: what cannot be read as an address is no address, and no address is
inside any network. An IPv4-mapped IPv6 address or network is the IPv4 one; apart from that the
families do not mix.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, Self

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNIX_PEER: Final = "unix:"
"""The peer of a connection over a Unix socket. It counts as loopback."""

BLANKS: Final = " \t"
_LOOPBACK: Final = IPv4Address("127.0.0.1")
_MAPPED_PREFIX_BITS: Final = 96


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request came from, unchecked.

    ``peer`` is the address of the TCP peer, or ``UNIX_PEER``. ``header`` is the value of the one
    header that the configuration trusts, None where none is trusted or the request has none. It
    must hold a single address; for ``X-Forwarded-For`` use ``from_forwarded_for``, and where
    proxies are listed ``talos.domain.proxies``.
    """

    peer: str
    header: str | None = None

    @classmethod
    def from_forwarded_for(cls, peer: str, header: str | None) -> Self:
        """Take the leftmost element of an ``X-Forwarded-For`` list.

        Where that element is empty the list is kept whole: a list is no address, so the caller is
        denied instead of being mistaken for the peer.
        """
        if header is None or not header.strip(BLANKS):
            return cls(peer)
        return cls(peer, header.split(",", 1)[0].strip(BLANKS) or header)


def caller_address(caller: Caller) -> Address | None:
    """Return the caller's address, or None when it cannot be determined and must be denied.

    A header that is absent, empty or blank falls back to the TCP peer; one that is not exactly an
    address does not.
    """
    header = (caller.header or "").strip(BLANKS)
    return read_address(header) if header else peer_address(caller.peer)


@lru_cache(maxsize=1024)
def peer_address(peer: str) -> Address | None:
    """Return the address of the other end of a connection, None where it has none."""
    return _LOOPBACK if peer == UNIX_PEER else read_address(peer)


def read_address(text: str) -> Address | None:
    """Read a plain address: no zone, no brackets, no port, no leading zeros in an octet.

    Returns None for anything else.
    """
    try:
        return _address(text)
    except ValueError:
        return None


def valid_cidr(text: str) -> bool:
    """Return whether ``text`` is an address, a slash and a prefix length (contract 4.0)."""
    try:
        _network(text)
    except ValueError:
        return False
    return True


def allows(cidrs: Iterable[str], address: Address | None) -> bool:
    """Return whether ``address`` is inside one of the networks; None never is.

    Raises ``ValueError`` for an unparsable entry that is met before a match.
    """
    return address is not None and any(address in _network(cidr) for cidr in cidrs)


def covers(cidrs: Iterable[str], narrower: str) -> bool:
    """Return whether every address of ``narrower`` is inside one of the networks.

    Raises ``ValueError`` for an unparsable entry. Asking one list about many networks is cheap.
    """
    inner = _network(narrower)
    spans = _outermost(tuple(cidrs), inner.version)
    return spans.hold(int(inner.network_address), int(inner.broadcast_address))


class Spans:
    """The outermost of some networks of one family: those that lie in no other one.

    Networks are nested or disjoint, so of the outermost ones only the nearest below can hold
    another network. Both lists of a caller may come from a stranger: comparing every pair would let
    a token of 8 KB cost tens of milliseconds.
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, networks: Iterable[Network]) -> None:
        """Keep first and last addresses of the outermost ``networks``, in order."""
        spans = sorted(
            (int(network.network_address), -int(network.broadcast_address)) for network in networks
        )
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, negative_last in spans:
            if not self._lasts or -negative_last > self._lasts[-1]:
                self._firsts.append(first)
                self._lasts.append(-negative_last)

    def hold(self, first: int, last: int) -> bool:
        """Return whether one of the networks holds all addresses from ``first`` to ``last``."""
        position = bisect_right(self._firsts, first) - 1
        return position >= 0 and last <= self._lasts[position]


@lru_cache(maxsize=256)
def _outermost(cidrs: tuple[str, ...], version: int) -> Spans:
    return Spans(network for network in map(_network, cidrs) if network.version == version)


def read_network(text: str) -> Network:
    """Read a CIDR or a plain address, which is a network of one. Raises ``ValueError``."""
    if "/" in text:
        return _network(text)
    address = _address(text)
    return _network(f"{address}/{address.max_prefixlen}")


def _address(text: str) -> Address:
    if "%" in text:
        raise ValueError("has a zone")
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@lru_cache(maxsize=4096)
def _network(text: str) -> Network:
    """Read a CIDR; host bits may be set, and leading zeros in the prefix length are harmless."""
    address_text, slash, length_text = text.partition("/")
    if not slash or not (length_text.isascii() and length_text.isdigit()) or "%" in address_text:
        raise ValueError("must be an address, a slash and a prefix length")
    address = ip_address(address_text)
    length = int(length_text)
    if length > address.max_prefixlen:
        raise ValueError("has a prefix length beyond its family's")
    if isinstance(address, IPv4Address):
        return IPv4Network((address, length), strict=False)
    if address.ipv4_mapped is not None and length >= _MAPPED_PREFIX_BITS:
        return IPv4Network((address.ipv4_mapped, length - _MAPPED_PREFIX_BITS), strict=False)
    return IPv6Network((address, length), strict=False)
