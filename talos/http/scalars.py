"""The kinds of plain values: text, numbers, enums, durations, free-form objects (2.1, 2.5)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from math import isinf
from typing import Final, Generic, TypeVar

from talos.domain.durations import parse_ttl, parse_window
from talos.domain.keys import Metadata
from talos.domain.rules import holds_nul
from talos.http.fields import MalformedError, Schema
from talos.http.json_body import JsonValue, compact

T = TypeVar("T")

_INT32: Final = range(-(2**31), 2**31)
_INT64: Final = range(-(2**63), 2**63)
_64_BITS: Final = range(-(2**63), 2**64)
_INTEGRAL_BELOW: Final = 10**21
_NO_NUL: Final = "must not contain U+0000"
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,9})?")
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)


@dataclass(frozen=True, slots=True)
class Scalar(Generic[T]):
    """A value that is read as a whole: ``convert`` raises ``ValueError`` with what must be."""

    convert: Callable[[JsonValue], T]
    schema: Schema

    def read(self, value: JsonValue) -> T:
        """See ``Kind``."""
        try:
            return self.convert(value)
        except ValueError as error:
            raise MalformedError.itself(str(error)) from None


def enumeration(known: type[IntEnum], prefix: str) -> Scalar[int]:
    """A member of ``known`` by full name or number; a number is not checked against the known ones.

    A name that is not known counts as unset (contract 2.1).
    """
    numbers = {f"{prefix}_{value.name}": int(value) for value in known}

    def convert(value: JsonValue) -> int:
        if isinstance(value, str):
            return numbers.get(value, 0)
        number = _integral(value)
        if number is None or number not in _INT32:
            raise ValueError(f"must be a name such as {next(iter(numbers))}")
        return number

    return Scalar(convert, {"type": "string", "enum": list(numbers)})


def free_form(value: JsonValue) -> object:
    """Turn a value into plain dicts, lists and numbers, as metadata and claims are kept.

    Integers keep every digit up to 64 bits; other numbers become doubles, integral ones below
    1e21 being ints (contract 2.1, 16 (17)). Raises ``ValueError`` for a repeated key and for a
    number that no double can hold.
    """
    if isinstance(value, tuple):
        # A loop, not a comprehension: those take a frame more per level of nesting.
        members: dict[str, object] = {}
        for name, member in value:
            if name in members:
                raise ValueError("must not have a key twice")
            members[name] = free_form(member)
        return members
    if isinstance(value, list):
        items: list[object] = []
        for item in value:
            items.append(free_form(item))
        return items
    if value is None or isinstance(value, str | bool):
        return value
    return value if isinstance(value, int) and value in _64_BITS else _double(value)


def _double(value: int | Decimal) -> int | float:
    double = float(value)
    if isinf(double):
        raise ValueError("must not hold a number beyond the range of a double")
    return int(double) if double.is_integer() and abs(double) < _INTEGRAL_BELOW else double


def _integral(value: JsonValue) -> int | None:
    """Return the integer that a number of any spelling is, None where it is none or is far off."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if not isinstance(value, Decimal):
        return None
    if not value:
        return 0
    if value.adjusted() > len(str(_INT64.stop)) or value != value.to_integral_value():
        return None
    return int(value)


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def _token_text(value: JsonValue) -> str:
    text = _text(value)
    if "\0" in text:
        raise ValueError(_NO_NUL)
    return text


def _int64(value: JsonValue) -> int:
    if isinstance(value, str):
        value = Decimal(value) if _NUMBER.fullmatch(value) else None
    number = _integral(value)
    if number is None or number not in _INT64:
        raise ValueError("must be a 64-bit integer, as a number or a decimal string")
    return number


def _timestamp(value: JsonValue) -> str:
    match = _TIMESTAMP.fullmatch(_text(value))
    if match is None:
        raise ValueError("must be an RFC 3339 timestamp")
    datetime.fromisoformat(match[1])
    return match[0]


def _object(value: JsonValue) -> dict[str, object]:
    plain = free_form(value)
    if not isinstance(plain, dict):
        raise ValueError("must be an object")
    return plain


def _claims(value: JsonValue) -> dict[str, object]:
    claims = _object(value)
    if holds_nul(compact(claims)):
        raise ValueError(_NO_NUL)
    return claims


TEXT: Final = Scalar(_text, {"type": "string"})
TOKEN_TEXT: Final = Scalar(_token_text, {"type": "string"})
"""Text that goes into a token: without U+0000, as what is stored (contract 16, 35)."""

INT64: Final = Scalar(_int64, {"type": "string", "pattern": "^-?[0-9]+$", "examples": ["100"]})
TTL: Final = Scalar(
    lambda value: parse_ttl(_text(value)),
    {
        "type": "string",
        "pattern": r"^(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h|d|w|mo|y))+$",
        "examples": ["3600s", "1h30m", "30d"],
    },
)
WINDOW: Final = Scalar(
    lambda value: parse_window(_text(value)),
    {"type": "string", "pattern": "^[0-9]+s$", "examples": ["60s"]},
)
TIMESTAMP: Final = Scalar(_timestamp, {"type": "string", "format": "date-time"})
CLAIMS: Final = Scalar(_claims, {"type": "object"})
"""A free-form object that goes into a token, under the same rule."""

METADATA: Final = Scalar(lambda value: Metadata(compact(_object(value))), {"type": "object"})
