"""Hosts as requests and the pages of browsers name them (contract 16 (38), 16 (39))."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Self

_AUTHORITY: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9A-Za-z._\-]{1,255}))(?::([0-9]{0,5}))?"
)
_ORIGIN: Final = re.compile(r"(https?)://(.{1,512})", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_ANY_SUBDOMAIN: Final = "*."


@dataclass(frozen=True, slots=True)
class Authority:
    """A host, and a port where one is named.

    ``host`` is in lower case and without a trailing dot; an address is in its shortest spelling.
    """

    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``host``, ``host:port`` or ``[address]:port``; None for anything else."""
        match = _AUTHORITY.fullmatch(text)
        if match is None:
            return None
        address, name, port = match.groups()
        host = _canonical(address or name)
        if not host or (address and ":" not in host):
            return None
        return cls(host, int(port) if port else None)


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a page over HTTP: where a browser says that a request comes from.

    ``named_port`` is None where the scheme's own port is meant.
    """

    scheme: str
    host: str
    named_port: int | None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read the value of an ``Origin`` header; None for ``null`` and every other scheme."""
        match = _ORIGIN.fullmatch(text)
        authority = Authority.parse(match[2]) if match else None
        if match is None or authority is None:
            return None
        return cls(match[1].lower(), authority.host, authority.port)

    @property
    def port(self) -> int:
        """The port, whether it is named or not."""
        return _DEFAULT_PORTS[self.scheme] if self.named_port is None else self.named_port


class AllowedHosts:
    """Names, addresses, and ``*.example.com`` for every name below that one, at any depth."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Allow what ``entries`` name. Letter case, brackets and a trailing dot do not count."""
        plain = {_canonical(entry.strip("[]")) for entry in entries}
        wild = {entry for entry in plain if entry.startswith(_ANY_SUBDOMAIN)}
        self._names = frozenset(plain - wild)
        self._endings = tuple(sorted(entry[1:] for entry in wild))

    def allow(self, host: str) -> bool:
        """Return whether the value of a ``Host`` header, its port apart, is allowed."""
        authority = Authority.parse(host)
        if authority is None:
            return False
        name = authority.host
        return name in self._names or (
            name.endswith(self._endings) and not name.startswith(".") and ".." not in name
        )


def is_loopback(host: str) -> bool:
    """Return whether a host is ``localhost`` or an address of the loopback interface."""
    if host == "localhost":
        return True
    address = _address(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    address = mapped or address
    return address is not None and address.is_loopback


def _canonical(host: str) -> str:
    address = _address(host)
    return host.lower().removesuffix(".") if address is None else str(address)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    # Most hosts are names, which are told from addresses without an exception.
    if ":" not in host and not host[-1:].isdigit():
        return None
    try:
        return ip_address(host)
    except ValueError:
        return None
