"""Rows of the reference's free edition as keys (contract 8.6).

Every column may hold what SQLite lets it hold: text arrives as bytes and is decoded here, so that
a row with a bad byte is one fault and not the end of the reading.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from talos.adapters.sql.rows import RowDecodeError
from talos.adapters.sql.tables import (
    KEY_ID_LENGTHS,
    NAME_LENGTH,
    NETWORK_ID_LENGTH,
    REQUEST_ID_LENGTH,
)
from talos.domain.keys import (
    NO_METADATA,
    Key,
    KeyKind,
    KeyStatus,
    KeyVisibility,
    Metadata,
    RateLimitPolicy,
    RevocationReason,
)
from talos.domain.units import NS_PER_S

_PREFIX_LENGTH: Final = 16
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?"
    r"(?: ?([+-]\d\d):?([0-5]\d)|Z)?(?: UTC)?",
    re.ASCII,
)
_EARLIEST_NS: Final = -(2**63)
_LATEST_NS: Final = 2**63 - 2

_STATUS: Final = {status.value: status for status in (KeyStatus.ACTIVE, KeyStatus.REVOKED)}
_REASONS: Final = {reason.value: reason for reason in RevocationReason}

_texts: Final = msgspec.json.Decoder(tuple[str, ...])
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def parse_time(text: str) -> int:
    """Return a stored time in ns since the epoch, exact to its last digit.

    The form is ``2026-11-21 20:24:31.476114038 +0000 UTC`` with 0 to 9 fraction digits; the forms
    of other settings of its driver (``T``, ``Z``, ``+00:00``, other offsets) are taken as well.
    Raises ``ValueError``.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("not a time")
    date, clock, fraction, offset_hours, offset_minutes = match.groups()
    whole = datetime.fromisoformat(f"{date} {clock}").replace(tzinfo=UTC)
    since_epoch = whole - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = since_epoch.days * 86_400 + since_epoch.seconds
    if offset_hours is not None:
        minutes = abs(int(offset_hours)) * 60 + int(offset_minutes)
        seconds -= 60 * (-minutes if offset_hours.startswith("-") else minutes)
    time_ns = seconds * NS_PER_S + int((fraction or "").ljust(9, "0"))
    if not _EARLIEST_NS <= time_ns <= _LATEST_NS:
        raise ValueError("beyond the range of times")
    return time_ns


def key_of(kind: KeyKind, row: Mapping[str, Any]) -> Key:
    """Return the key that a row of the old database holds. Raises ``RowDecodeError``.

    A policy with a quota or a window missing or not positive was never shown nor enforced, and
    does not become one. A revocation reason outside the known set becomes UNSPECIFIED, an unknown
    visibility SECRET, which is what they acted as.
    """
    columns = _Columns(row)
    reason = columns.integer("revocation_reason") or 0
    visibility = columns.integer("visibility")
    created_at_ns = columns.time("created_at")
    if created_at_ns is None:
        raise RowDecodeError("column created_at is empty")
    updated_at_ns = columns.time("updated_at")
    return Key(
        kind=kind,
        network_id=columns.text("nid", NETWORK_ID_LENGTH),
        key_id=columns.text("key_id", KEY_ID_LENGTHS[kind]),
        name=columns.text("name", NAME_LENGTH),
        actor_id=columns.text("actor_id", NAME_LENGTH),
        scopes=columns.texts("scopes"),
        metadata=columns.object("metadata"),
        status=columns.status(),
        visibility=(
            KeyVisibility.PUBLIC
            if visibility == KeyVisibility.PUBLIC.value
            else KeyVisibility.SECRET
        ),
        created_at_ns=created_at_ns,
        updated_at_ns=created_at_ns if updated_at_ns is None else updated_at_ns,
        expires_at_ns=columns.time("expires_at"),
        last_used_at_ns=columns.time("last_used_at"),
        rate_limit=columns.policy(),
        allowed_cidrs=columns.texts("allowed_cidrs"),
        revocation_reason=_REASONS.get(reason, RevocationReason.UNSPECIFIED),
        revocation_description=columns.optional_text("revocation_reason_text", None) or None,
        request_id=columns.optional_text("request_id", REQUEST_ID_LENGTH) or None,
        token_prefix=(
            columns.text("token_prefix", _PREFIX_LENGTH) if kind is KeyKind.ISSUED else None
        ),
    )


class _Columns:
    """The values of a row, each checked for what a key may hold."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row

    def text(self, name: str, length: int) -> str:
        value = self.optional_text(name, length)
        if value is None:
            raise RowDecodeError(f"column {name} is empty")
        return value

    def optional_text(self, name: str, length: int | None) -> str | None:
        value = self._row[name]
        if value is None:
            return None
        if not isinstance(value, bytes):
            raise RowDecodeError(f"column {name} holds no text")
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise RowDecodeError(f"column {name} is not UTF-8") from None
        if "\0" in text:
            raise RowDecodeError(f"column {name} holds a NUL, which no other database takes")
        if length is not None and len(text) > length:
            raise RowDecodeError(f"column {name} is longer than {length} characters")
        return text

    def integer(self, name: str) -> int | None:
        value = self._row[name]
        if value is not None and not isinstance(value, int):
            raise RowDecodeError(f"column {name} holds no number")
        return value

    def time(self, name: str) -> int | None:
        text = self.optional_text(name, None)
        try:
            return None if text is None else parse_time(text)
        except ValueError:
            raise RowDecodeError(f"column {name} holds no time") from None

    def status(self) -> KeyStatus:
        status = _STATUS.get(self.integer("status") or 0)
        if status is None:
            raise RowDecodeError("column status is neither active nor revoked")
        return status

    def policy(self) -> RateLimitPolicy | None:
        quota, window_s = self.integer("rate_limit_quota"), self.integer("rate_limit_window")
        if quota is None or window_s is None or quota < 1 or window_s < 1:
            return None
        return RateLimitPolicy(quota, window_s)

    def texts(self, name: str) -> tuple[str, ...]:
        text = self.optional_text(name, None)
        try:
            return () if text is None else _texts.decode(text)
        except msgspec.MsgspecError:
            raise RowDecodeError(f"column {name} is not a JSON list of strings") from None

    def object(self, name: str) -> Metadata:
        """Return the JSON text as it stands: it is the caller's."""
        text = self.optional_text(name, None)
        if text is None or text == "null":
            return NO_METADATA
        try:
            _object.decode(text)
        except (msgspec.MsgspecError, RecursionError):
            raise RowDecodeError(f"column {name} is not a JSON object") from None
        return Metadata(text)
