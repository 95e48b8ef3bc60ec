"""Keeping credentials out of log fields (contract 11.4, 14.1, 16 (33)).

Headers that carry credentials by their nature lose their value whole. Everywhere else, what is
shaped like a credential of ours is cut out: people do paste a key where its id belongs.
"""

from typing import Final
from urllib.parse import unquote

from talos.credentials.redaction import REDACTED, redacted

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


def header(name: str, value: str) -> str:
    """Return the value of a header, named in lower case, as it may be logged."""
    return REDACTED if name in _SECRET_HEADERS else text(value)


def text(value: str) -> str:
    """Return ``value`` with every credential cut out."""
    return redacted(value)


def path(escaped: str) -> str:
    """Return a path, given with its escapes, with every credential cut out.

    One whose shape only shows when the escapes are gone makes the path be shown without them.
    """
    plain = unquote(escaped, "latin-1")
    shown = redacted(plain)
    return redacted(escaped) if shown == plain else shown
