"""How large the body of a request may be, by what it asks for (contract 2.1, 16 (40)).

The head of a request decides it, so the server need not take in more than that
(``talos.http.application.Application.body_limit``). What is read by strangers is small.
"""

import re
from typing import Final

LARGE_BYTES: Final = 4 * 1024 * 1024
"""Of an import, a batch of them, an issue, a rotation and an update."""
MEDIUM_BYTES: Final = 1024 * 1024
"""Of a batch of verifications, 100 credentials of 8192 bytes each, and of a derivation."""
SMALL_BYTES: Final = 128 * 1024
"""Of a verification and a revocation, and of what takes no body at all."""

_BYTES_A_VALUE: Final = 16

# Of a decoded path: what stands for a key's id holds no slash, and anything else.
_LARGE: Final = re.compile(
    r"POST /v2alpha1/admin/(?:issuedApiKeys|importedApiKeys(?::batchCreate)?)"
    r"|POST /v2alpha1/admin/issuedApiKeys/[^/]+:rotate"
    r"|PATCH /v2alpha1/admin/(?:issued|imported)ApiKeys/[^/]+"
)
_MEDIUM: Final = re.compile(r"POST /v2alpha1/admin/apiKeys:(?:batchVerify|derive)")


def limit_bytes(method: str, path: str) -> int:
    """Return the most bytes of a body; ``path`` is decoded."""
    asked = f"{method} {path}"
    if _LARGE.fullmatch(asked):
        return LARGE_BYTES
    return MEDIUM_BYTES if _MEDIUM.fullmatch(asked) else SMALL_BYTES


def limit_values(most_bytes: int) -> int:
    """Return the most JSON values in a body of up to ``most_bytes``: one for 16 bytes of that.

    Decoding takes time by the value, and other threads wait for it. It is enough for 1000 imports
    of 100 scopes, 50 networks and 90 members of metadata each.
    """
    return most_bytes // _BYTES_A_VALUE
