"""How many connections each peer address holds, over all workers, and how many it may."""

import hashlib
import mmap
import os
from ipaddress import IPv6Address, ip_address
from typing import Final

from talos.domain.addresses import UNIX_PEER
from talos.serving.connection_counts import SLOTS

_ROWS: Final = 4
_COLUMNS: Final = 4096
_CELLS: Final = _ROWS * _COLUMNS
_NETWORK_BITS: Final = 64


class PeerBound:
    """Counts in memory that all workers share. Made before they are forked.

    Each worker writes a part of its own and reads all of them, as in the counts. A part is a
    count-min sketch (Cormode and Muthukrishnan): an address is counted in one cell of each row, and
    the lowest of the four is its number. It is never too low. It is too high only where others
    share all four cells, and which do is secret and new at each start.
    """

    def __init__(self, most: int) -> None:
        """Let each peer address hold ``most`` connections, at least 1."""
        self._most = most
        self._seed = os.urandom(16)
        # The first number is how many of the other parts have ever been used.
        self._counts = memoryview(mmap.mmap(-1, (1 + SLOTS) * _CELLS * 2)).cast("H")

    def free(self, index: int) -> None:
        """Forget what the worker that had this slot before did not live to count down."""
        self._counts[0] = max(self._counts[0], index)
        first = index * _CELLS
        self._counts[first : first + _CELLS] = memoryview(bytes(_CELLS * 2)).cast("H")

    def admit(self, index: int, host: str) -> bool:
        """Count one connection more in the part of a slot; False, and nothing, where it may not.

        It is written before it is compared: of two workers that admit at once, both may refuse,
        but never both accept one too many.
        """
        cells = self._cells(host)
        if cells is None:
            return True
        self._add(index, cells, 1)
        parts = range(1, 1 + self._counts[0])
        held = min(sum(self._counts[part * _CELLS + cell] for part in parts) for cell in cells)
        if held > self._most:
            self._add(index, cells, -1)
            return False
        return True

    def left(self, index: int, host: str) -> None:
        """Count down what ``admit`` has counted."""
        cells = self._cells(host)
        if cells is not None:
            self._add(index, cells, -1)

    def _add(self, index: int, cells: list[int], change: int) -> None:
        for cell in cells:
            self._counts[index * _CELLS + cell] += change

    def _cells(self, host: str) -> list[int] | None:
        """Return where a peer is counted, None for one over a Unix socket, which has no address."""
        if host == UNIX_PEER:
            return None
        digest = hashlib.blake2b(_network(host), key=self._seed, digest_size=2 * _ROWS).digest()
        return [
            row * _COLUMNS + int.from_bytes(digest[2 * row : 2 * row + 2]) % _COLUMNS
            for row in range(_ROWS)
        ]


def _network(host: str) -> bytes:
    """Return what counts as one peer: an IPv4 address, or the /64 of an IPv6 address."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address):
        return address.packed[: _NETWORK_BITS // 8]
    return address.packed
