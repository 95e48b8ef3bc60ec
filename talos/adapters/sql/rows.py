"""Keys as rows and back."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, null

from talos.adapters.sql.tables import KEY_TABLES, NEVER_NS
from talos.domain.keys import (
    Key,
    KeyKind,
    KeyStatus,
    KeyVisibility,
    Metadata,
    RateLimitPolicy,
    RevocationReason,
)

_NAMES: Final = (
    "nid",
    "key_id",
    "name",
    "actor_id",
    "token_prefix",
    "scopes",
    "metadata",
    "status",
    "visibility",
    "rate_limit_quota",
    "rate_limit_window_s",
    "allowed_cidrs",
    "revocation_reason",
    "revocation_description",
    "request_id",
    "created_at_ns",
    "updated_at_ns",
    "expires_at_ns",
    "last_used_at_ns",
)
_NEVER_REWRITTEN: Final = frozenset({"nid", "key_id", "created_at_ns", "last_used_at_ns"})
WRITABLE: Final = frozenset(_NAMES) - _NEVER_REWRITTEN
"""The columns that a change of a stored key may write."""
_STORED_STATUS: Final = {status.value: status for status in (KeyStatus.ACTIVE, KeyStatus.REVOKED)}
_VISIBILITY: Final = {
    visibility.value: visibility for visibility in (KeyVisibility.SECRET, KeyVisibility.PUBLIC)
}

_texts: Final = msgspec.json.Decoder(tuple[str, ...])
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class RowDecodeError(ValueError):
    """A row that holds what no key can hold. The text names the column and never its value."""


def key_columns(kind: KeyKind) -> Sequence[ColumnElement[Any]]:
    """Return what a query has to select for ``decode``, in its order."""
    columns = KEY_TABLES[kind].c
    return [columns[name] if name in columns else null().label(name) for name in _NAMES]


def decode(kind: KeyKind, row: Sequence[Any]) -> Key:
    """Return the key of a row of ``key_columns``. Raises ``RowDecodeError``."""
    (
        network_id,
        key_id,
        name,
        actor_id,
        token_prefix,
        scopes,
        metadata,
        status,
        visibility,
        quota,
        window_s,
        allowed_cidrs,
        revocation_reason,
        revocation_description,
        request_id,
        created_at_ns,
        updated_at_ns,
        expires_at_ns,
        last_used_at_ns,
    ) = row
    column = "metadata"
    try:
        _object.decode(metadata)
        column = "scopes"
        decoded_scopes = _texts.decode(scopes)
        column = "allowed_cidrs"
        decoded_cidrs = _texts.decode(allowed_cidrs)
        column = "status"
        decoded_status = _STORED_STATUS[status]
        column = "visibility"
        decoded_visibility = _VISIBILITY[visibility]
        column = "revocation_reason"
        decoded_reason = RevocationReason(revocation_reason)
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RowDecodeError(f"column {column} cannot be read") from error
    return Key(
        kind=kind,
        network_id=network_id,
        key_id=key_id,
        name=name,
        actor_id=actor_id,
        scopes=decoded_scopes,
        metadata=Metadata(metadata),
        status=decoded_status,
        visibility=decoded_visibility,
        created_at_ns=created_at_ns,
        updated_at_ns=updated_at_ns,
        expires_at_ns=None if expires_at_ns == NEVER_NS else expires_at_ns,
        last_used_at_ns=last_used_at_ns,
        rate_limit=(
            None if quota is None or window_s is None else RateLimitPolicy(quota, window_s)
        ),
        allowed_cidrs=decoded_cidrs,
        revocation_reason=decoded_reason,
        revocation_description=revocation_description,
        request_id=request_id,
        token_prefix=token_prefix,
    )


def encode(key: Key) -> dict[str, Any]:
    """Return the values of a new row, by column."""
    values: dict[str, Any] = {
        "nid": key.network_id,
        "key_id": key.key_id,
        "name": key.name,
        "actor_id": key.actor_id,
        "scopes": _json(key.scopes),
        "metadata": key.metadata,
        "status": key.status.value,
        "visibility": (key.visibility or KeyVisibility.SECRET).value,
        "rate_limit_quota": None if key.rate_limit is None else key.rate_limit.quota,
        "rate_limit_window_s": None if key.rate_limit is None else key.rate_limit.window_s,
        "allowed_cidrs": _json(key.allowed_cidrs),
        "revocation_reason": key.revocation_reason.value,
        "revocation_description": key.revocation_description,
        "request_id": key.request_id,
        "created_at_ns": key.created_at_ns,
        "updated_at_ns": key.updated_at_ns,
        "expires_at_ns": NEVER_NS if key.expires_at_ns is None else key.expires_at_ns,
        "last_used_at_ns": key.last_used_at_ns,
    }
    if key.kind is KeyKind.ISSUED:
        values["token_prefix"] = key.token_prefix or ""
    return values


def encode_change(key: Key) -> dict[str, Any]:
    """Return the values that a change of a stored key may write, by column."""
    return {name: value for name, value in encode(key).items() if name in WRITABLE}


def with_identity_of(stored: Key, changed: Key) -> Key:
    """Return ``changed`` with everything that a change never writes taken from ``stored``."""
    return replace(
        changed,
        kind=stored.kind,
        network_id=stored.network_id,
        key_id=stored.key_id,
        created_at_ns=stored.created_at_ns,
        last_used_at_ns=stored.last_used_at_ns,
    )


def _json(texts: tuple[str, ...]) -> str:
    return msgspec.json.encode(texts).decode()
