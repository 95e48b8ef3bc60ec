"""The heads of answers from memory, as the application itself would have sent them."""

from collections.abc import Iterable
from typing import TypeAlias

from talos.domain.verification import CacheOutcome
from talos.http.middleware.security_headers import SECURITY_HEADERS

_Pieces: TypeAlias = tuple[bytes, bytes, bytes, bytes]


def verify_head() -> _Pieces:
    """Return the head of a verification that the cache answers, in four pieces.

    Between them stand the date, the request id and the length of the body. The order is that of
    the application behind the server's own HTTP (contract 2.2, 6.8): a differential test holds the
    two together.
    """
    return _pieces((*SECURITY_HEADERS, ("Ory-Talos-Cache", CacheOutcome.HIT.value)))


def token_head() -> _Pieces:
    """Return the same for a derived token, of which the cache has no verdict (6.8)."""
    return _pieces((*SECURITY_HEADERS, ("Ory-Talos-Cache", CacheOutcome.SKIP.value)))


def batch_head() -> _Pieces:
    """Return the same of a batch, which says nothing of the cache (contract 4.15)."""
    return _pieces(SECURITY_HEADERS)


def _pieces(headers: Iterable[tuple[str, str]]) -> _Pieces:
    plain = "".join(f"\r\n{name}: {value}" for name, value in headers)
    return (
        b"HTTP/1.1 200 OK\r\nDate: ",
        b"\r\nConnection: keep-alive\r\nX-Request-Id: ",
        f"{plain}\r\nContent-Length: ".encode("ascii"),
        b"\r\nContent-Type: application/json\r\n\r\n",
    )
