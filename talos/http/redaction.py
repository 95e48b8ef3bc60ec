"""Keeping credentials out of log fields (contract 11.4, 14.1, 16 (33)).

Headers that carry credentials by their nature lose their value whole. Everywhere else, what is
shaped like a credential of ours is cut out: people do paste a key where its id belongs.
"""

import re
from typing import Final

REDACTED: Final = "[REDACTED]"

_SECRET_HEADERS: Final = frozenset(
    {
        "authorization",
        "cookie",
        "set-cookie",
        "x-session-token",
        "proxy-authorization",
        "x-api-key",
    }
)
_CREDENTIAL: Final = re.compile(
    # An issued key or a macaroon; the prefix stays readable.
    r"(?P<prefix>[A-Za-z0-9_]{1,16}_v1_)[A-Za-z0-9_\-=+/%.]{16,}"
    # A JWT, whole or cut off.
    r"|eyJ[A-Za-z0-9_-]{16}[A-Za-z0-9_.-]*"
)


def header(name: str, value: str) -> str:
    """Return the value of a header, named in lower case, as it may be logged."""
    return REDACTED if name in _SECRET_HEADERS else text(value)


def text(value: str) -> str:
    """Return ``value`` with every credential cut out."""
    return _CREDENTIAL.sub(_cut, value)


def _cut(match: re.Match[str]) -> str:
    return (match["prefix"] or "") + REDACTED
