"""Requests as bytes, and the file from which both load generators send them.

The file is a count, as many pairs of offset and length, and then the requests themselves; all
numbers are 64 bits, little-endian. A generator sends them in the order of the pairs, over and over;
several pairs may name one request, so an order of a million draws from a few keys stays small.
"""

import random
import struct
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Final

_WORD: Final = 8


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP/1.1 request with a body, as a client of a verifying server would send it."""

    path: str
    body: bytes
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, host: str) -> bytes:
        """Return what goes over the wire."""
        headers = {
            "Host": host,
            "User-Agent": "talos-bench",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
            **self.headers,
        }
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def write(path: Path, requests: Sequence[bytes], order: Sequence[int] | None = None) -> Path:
    """Write ``requests`` in ``order``, their own by default; return ``path``."""
    chosen = range(len(requests)) if order is None else order
    start = _WORD + 2 * _WORD * len(chosen)
    offsets = list(accumulate((len(request) for request in requests), initial=start))
    pack = struct.Struct("<QQ").pack
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(chosen)))
        file.writelines(pack(offsets[index], len(requests[index])) for index in chosen)
        file.writelines(requests)
    return path


def uniform_order(keys: int, draws: int, seed: int = 1) -> list[int]:
    """Return a walk through all ``keys``, in a random order, cut or repeated to ``draws``."""
    order = list(range(keys))
    random.Random(seed).shuffle(order)
    return [order[at % keys] for at in range(draws)]


def zipf_order(keys: int, exponent: float, draws: int, seed: int = 1) -> list[int]:
    """Return ``draws`` keys of which the one of rank r has the weight ``r ** -exponent``."""
    totals = list(accumulate((rank + 1) ** -exponent for rank in range(keys)))
    rng = random.Random(seed)
    return [bisect(totals, rng.random() * totals[-1], hi=keys - 1) for _ in range(draws)]
