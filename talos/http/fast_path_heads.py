"""The headers of fast path answers, as the application itself would have sent them.

Those that the server's own HTTP and the request add stand in the compiled core: the date, whether
the connection is kept alive, the request id. The order is that of the application behind the server
(contract 2.2, 6.8): a differential test holds the two together.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from talos.domain.verification import CacheOutcome
from talos.http.middleware import cors
from talos.http.middleware.security_headers import SECURITY_HEADERS
from talos.services.tenant import HttpSettings

Head: TypeAlias = tuple[bytes, bytes]


class Heads(NamedTuple):
    """The headers of each kind of answer, in two pieces with the length of the body between them.

    A derived token has no verdict in the cache (6.8); a batch says nothing of the cache (4.15).
    """

    head: Head
    token_head: Head
    batch_head: Head

    @classmethod
    def under(cls, settings: HttpSettings) -> "Heads":
        """Return the heads under ``settings``, for requests that name no origin."""
        common = (*SECURITY_HEADERS, *cors.headers_without_origin(settings))
        return cls(
            _pieces((*common, ("Ory-Talos-Cache", CacheOutcome.HIT.value))),
            _pieces((*common, ("Ory-Talos-Cache", CacheOutcome.SKIP.value))),
            _pieces(common),
        )


def _pieces(headers: Iterable[tuple[str, str]]) -> Head:
    plain = "".join(f"\r\n{name}: {value}" for name, value in headers)
    return (
        f"{plain}\r\nContent-Length: ".encode("ascii"),
        b"\r\nContent-Type: application/json\r\n\r\n",
    )
