"""Instants as text (contract 2.4). Inside the server they are integer nanoseconds since 1970."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from talos.domain.units import NS_PER_DAY, NS_PER_S

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = _EPOCH.replace(tzinfo=None)
_RFC3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9})[0-9]*)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)


def rfc3339(instant_ns: int) -> str:
    """Print an instant in UTC with the shortest fraction of 0, 3, 6 or 9 digits that loses nothing.

    Raises ``ValueError`` outside the years 1 to 9999.
    """
    fraction_ns = instant_ns % NS_PER_S
    text = _to_the_second(instant_ns)
    if fraction_ns == 0:
        return f"{text}Z"
    if fraction_ns % 1_000_000 == 0:
        return f"{text}.{fraction_ns // 1_000_000:03d}Z"
    if fraction_ns % 1_000 == 0:
        return f"{text}.{fraction_ns // 1_000:06d}Z"
    return f"{text}.{fraction_ns:09d}Z"


def parse_rfc3339(text: str) -> int:
    """Return the instant of any RFC 3339 time, decimals beyond the ninth cut.

    Raises ``ValueError``, without quoting the text.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not a time as RFC 3339 has it")
    try:
        moment = datetime.fromisoformat(match[1] + match[3])
        # Subtraction in integers: a float would lose the nanoseconds.
        since = moment - _EPOCH
    except (ValueError, OverflowError):
        raise ValueError("not a time as RFC 3339 has it") from None
    return (since.days * 86_400 + since.seconds) * NS_PER_S + int((match[2] or "").ljust(9, "0"))


def from_rfc3339(text: str) -> int:
    """Return the instant that ``rfc3339`` printed, faster than ``parse_rfc3339`` would.

    Raises ``ValueError`` for what is none.
    """
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    since = datetime.fromisoformat(seconds) - _NAIVE_EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_S + int(fraction.ljust(9, "0"))


def rfc3339_seconds(instant_ns: int) -> str:
    """Print an instant in UTC, its fraction cut off, as audit events do (contract 11.3).

    Raises ``ValueError`` outside the years 1 to 9999.
    """
    return f"{_to_the_second(instant_ns)}Z"


def utc_day(instant_ns: int) -> int:
    """Number the UTC calendar day that an instant lies on; 0 is 1970-01-01 (contract 12)."""
    return instant_ns // NS_PER_DAY


def day_ends_ns(instant_ns: int) -> int:
    """Return the first instant of the UTC calendar day after the one that an instant lies on."""
    return (utc_day(instant_ns) + 1) * NS_PER_DAY


def _to_the_second(instant_ns: int) -> str:
    try:
        instant = _EPOCH + timedelta(seconds=instant_ns // NS_PER_S)
    except OverflowError as error:
        raise ValueError("is outside the years 1 to 9999") from error
    return instant.replace(tzinfo=None).isoformat(timespec="seconds")
