"""Which peers are proxies, and whom they speak for (contract 16 (41)).

A proxy appends the address of its own peer to ``X-Forwarded-For``, so the list is read from the
right: what a listed proxy wrote is believed, and whatever stands left of the first address that is
no listed proxy's was sent by that address itself, or through it. The cost is linear in the header.
"""

from collections.abc import Iterable
from typing import Final

from talos.domain.addresses import (
    BLANKS,
    UNIX_PEER,
    Address,
    Caller,
    Spans,
    peer_address,
    read_address,
    read_network,
)

_UNKNOWN: Final = "unknown"
"""No address (RFC 7239, 6.2): an address list refuses a caller with this header."""

_LONGEST: Final = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535")
_LARGEST_PORT: Final = 65535


class TrustedProxies:
    """The list ``serve.http.trusted_proxies``. False where it is empty: contract 6.6 as it stands.

    Two of them are equal when they were made of the same entries.
    """

    __slots__ = ("_entries", "_spans", "_unix")

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """Read addresses, CIDRs, and ``unix:`` for every peer on a Unix socket.

        Raises ``ValueError`` for anything else.
        """
        self._entries = tuple(entries)
        self._unix = UNIX_PEER in self._entries
        networks = [read_network(entry) for entry in self._entries if entry != UNIX_PEER]
        self._spans = {
            version: Spans(network for network in networks if network.version == version)
            for version in (4, 6)
        }

    def __bool__(self) -> bool:
        """Return whether any proxy is listed."""
        return bool(self._entries)

    def __eq__(self, other: object) -> bool:
        """Compare the entries."""
        return isinstance(other, TrustedProxies) and self._entries == other._entries

    def __hash__(self) -> int:
        """Hash the entries."""
        return hash(self._entries)

    @property
    def hold_a_family(self) -> bool:
        """Whether one entry holds all addresses of IPv4 or of IPv6."""
        return self._spans[4].hold(0, 2**32 - 1) or self._spans[6].hold(0, 2**128 - 1)

    def trust_peer(self, peer: str) -> bool:
        """Return whether the other end of a connection is listed.

        A Unix socket is listed only as ``unix:``, although its peers count as loopback elsewhere.
        """
        if peer == UNIX_PEER:
            return self._unix
        address = peer_address(peer)
        return address is not None and self._trust(address)

    def caller(self, peer: str, header: str | None) -> Caller:
        """Return whom ``peer`` names in a header of one address.

        ``header`` holds all lines, joined with commas. From a peer that is not listed, and where it
        is absent or blank, the peer counts. A port, and brackets around IPv6, are left out.
        """
        if not header or not header.strip(BLANKS) or not self.trust_peer(peer):
            return Caller(peer)
        return _named(peer, _read(header))

    def caller_forwarded_for(self, peer: str, header: str | None) -> Caller:
        """Return whom ``peer`` names in ``X-Forwarded-For``, as in ``caller``.

        It is the rightmost address that is not listed; the leftmost of all where every one is. What
        is no address ends the search, and the caller cannot be told.
        """
        if not header or not header.strip(BLANKS) or not self.trust_peer(peer):
            return Caller(peer)
        address: Address | None = None
        for element in reversed(header.split(",")):
            address = _read(element)
            if address is None or not self._trust(address):
                break
        return _named(peer, address)

    def _trust(self, address: Address) -> bool:
        number = int(address)
        return self._spans[address.version].hold(number, number)


NO_PROXIES: Final = TrustedProxies()


def _named(peer: str, address: Address | None) -> Caller:
    return Caller(peer, _UNKNOWN if address is None else str(address))


def _read(text: str) -> Address | None:
    """Read ``a``, ``a:port``, ``[v6]`` or ``[v6]:port``, blanks around it; None for all else."""
    text = text.strip(BLANKS)
    if len(text) > _LONGEST:
        return None
    if text.startswith("["):
        inside, bracket, behind = text[1:].partition("]")
        if not bracket or ":" not in inside or not (not behind or _is_port(behind)):
            return None
        return read_address(inside)
    if text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return None
    return read_address(text)


def _is_port(text: str) -> bool:
    digits = text[1:]
    return (
        text[:1] == ":"
        and digits.isascii()
        and digits.isdigit()
        and len(digits) <= len(str(_LARGEST_PORT))
        and int(digits) <= _LARGEST_PORT
    )
