"""Key ids as they come from a path, and the answer where there is no such key (contract 4.0)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from talos.domain import rules
from talos.domain.keys import KeyKind
from talos.errors import ApiKeyNotFound

_MESSAGES: Final = {
    KeyKind.ISSUED: "API key not found",
    KeyKind.IMPORTED: "imported key not found",
}


def require_key_id(kind: KeyKind, key_id: str) -> None:
    """Refuse an id that no row can have, before any database sees it.

    Raises ``InvalidRequest`` for the empty id, and ``ApiKeyNotFound`` for one with U+0000 or bytes
    that are not UTF-8, which databases refuse or cut (contract 16 (35)).
    """
    rules.raise_for(rules.key_id(key_id))
    try:
        storable = b"\0" not in key_id.encode()
    except UnicodeEncodeError:
        storable = False
    if not storable:
        raise not_found(kind)


def not_found(kind: KeyKind) -> ApiKeyNotFound:
    """Return the error for an unknown id."""
    return ApiKeyNotFound(_MESSAGES[kind])


@contextmanager
def absence_named(kind: KeyKind) -> Iterator[None]:
    """Give the repository's ``ApiKeyNotFound`` the words that belong to the kind."""
    try:
        yield
    except ApiKeyNotFound:
        raise not_found(kind) from None
