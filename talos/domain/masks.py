"""Which fields an update covers, and what it makes of them (contract 4.4)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from talos.domain.drafts import KeyChange
from talos.domain.keys import NO_METADATA, Key
from talos.domain.rules import rate_limit_policy
from talos.errors import InvalidRequest

MUTABLE_FIELDS: Final = ("name", "scopes", "metadata", "rate_limit_policy", "ip_restriction")

_SPELLINGS: Final = {field: field for field in MUTABLE_FIELDS} | {
    "rateLimitPolicy": "rate_limit_policy",
    "ipRestriction": "ip_restriction",
}


def split_mask(text: str) -> tuple[str, ...]:
    """Split the query parameter ``update_mask`` into paths, which are not checked here."""
    return tuple(text.split(","))


def covered_fields(change: KeyChange, mask: Sequence[str] | None) -> frozenset[str]:
    """Return the mutable fields that an update touches.

    With a mask these are the fields it lists, in snake_case or lowerCamelCase. Without one they
    are the populated members of the body: an empty name or list of scopes does not count.
    Raises ``InvalidRequest`` for any other path, the empty one included.
    """
    if mask is not None:
        return frozenset(_field(path) for path in mask)
    populated = {
        "name": bool(change.name),
        "scopes": bool(change.scopes),
        "metadata": change.metadata is not None,
        "rate_limit_policy": change.rate_limit is not None,
        "ip_restriction": change.allowed_cidrs is not None,
    }
    return frozenset(field for field, is_populated in populated.items() if is_populated)


def updated(key: Key, change: KeyChange, fields: frozenset[str], now_ns: int) -> Key:
    """Return ``key`` with the covered fields replaced, absent ones cleared, and a new update time.

    ``change`` must have passed ``talos.domain.rules``.
    """
    if "name" in fields:
        key = replace(key, name=change.name or "")
    if "scopes" in fields:
        key = replace(key, scopes=change.scopes or ())
    if "metadata" in fields:
        key = replace(key, metadata=NO_METADATA if change.metadata is None else change.metadata)
    if "rate_limit_policy" in fields:
        key = replace(key, rate_limit=rate_limit_policy(change.rate_limit))
    if "ip_restriction" in fields:
        key = replace(key, allowed_cidrs=change.allowed_cidrs or ())
    return replace(key, updated_at_ns=now_ns)


def _field(path: str) -> str:
    try:
        return _SPELLINGS[path]
    except KeyError:
        allowed = ", ".join(MUTABLE_FIELDS)
        raise InvalidRequest(f'update_mask: "{path}" is not one of {allowed}') from None
