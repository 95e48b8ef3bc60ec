"""Reading JSON values into drafts, one declared kind per member (contract 2.1, 2.3).

A ``Kind`` knows two things about a member: how it is read, and how the API description describes
it. ``Message`` puts kinds together: it knows the names of its members in both spellings, refuses
one that is given twice, skips those it does not know, and reports every bad member at once.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from math import isinf
from typing import Any, Final, Generic, Protocol, Self, TypeAlias, TypeVar

from talos.domain.durations import parse_ttl, parse_window
from talos.domain.keys import Metadata
from talos.domain.rules import Violation, raise_for
from talos.http.json_body import JsonValue, compact, parse_object

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Schema: TypeAlias = Mapping[str, Any]

_INT32: Final = range(-(2**31), 2**31)
_INT64: Final = range(-(2**63), 2**63)
_64_BITS: Final = range(-(2**63), 2**64)
_INTEGRAL_BELOW: Final = 10**21
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,9})?")
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,][0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)


class MalformedError(Exception):
    """Values that are not what they must be; ``violations`` has one entry for each.

    Fields are named as seen from the value that was read, which is itself the empty name.
    """

    def __init__(self, *violations: Violation) -> None:
        """Keep the violations."""
        super().__init__()
        self.violations = violations

    @classmethod
    def itself(cls, text: str) -> Self:
        """Return the error for a value that is itself not what it must be."""
        return cls(Violation("", text))

    def below(self, outer: str) -> Iterator[Violation]:
        """Yield the violations as seen from one level up, where the value is called ``outer``."""
        for violation in self.violations:
            inner = violation.field
            dot = "." if inner and not inner.startswith("[") else ""
            yield Violation(f"{outer}{dot}{inner}", violation.text)


class Kind(Protocol[T_co]):
    """A kind of JSON value."""

    @property
    def schema(self) -> Schema:
        """JSON Schema of the value."""
        ...

    def read(self, value: JsonValue) -> T_co:
        """Return what ``value``, never null, says. Raises ``MalformedError``."""
        ...


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


@dataclass(frozen=True, slots=True)
class ListOf(Generic[T]):
    """A list of one kind; null is not an element. The first bad element is the one reported.

    ``most``, where it is given, is held before the elements are read: a body full of ``{}`` shall
    not cost more than it says.
    """

    kind: Kind[T]
    bounds: Schema = field(default_factory=dict)
    most: int | None = None

    @property
    def schema(self) -> Schema:
        """See ``Kind``."""
        return {"type": "array", "items": self.kind.schema, **self.bounds}

    def read(self, value: JsonValue) -> tuple[T, ...]:
        """See ``Kind``."""
        if not isinstance(value, list):
            raise MalformedError.itself("must be a list")
        if self.most is not None and len(value) > self.most:
            raise MalformedError.itself(f"must hold a maximum of {self.most} per batch")
        items: list[T] = []
        read = self.kind.read
        try:
            for item in value:
                items.append(read(item))
        except MalformedError as error:
            raise MalformedError(*error.below(f"[{len(items)}]")) from None
        return tuple(items)


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a message.

    ``attribute`` is the draft's name for it where that differs from the wire's; the empty text
    means that the member must be well-formed and is then dropped. ``bounds`` adds to the kind's
    schema what the field rules demand of the value.
    """

    name: str
    kind: Kind[object]
    attribute: str | None = None
    required: bool = False
    bounds: Schema = field(default_factory=dict)


class Message(Generic[T]):
    """An object with known members, read into ``make(**members)``. Itself a ``Kind``."""

    def __init__(self, make: Callable[..., T], *members: Member, name: str | None = None) -> None:
        """Read by ``members``; ``name`` is the schema's name where it has one of its own."""
        self.members = members
        self.name = name
        self._make = make
        self._by_spelling: dict[str, tuple[str, Kind[object], str]] = {}
        for member in members:
            attribute = member.name if member.attribute is None else member.attribute
            for spelling in (member.name, camel_case(member.name)):
                self._by_spelling[spelling] = (member.name, member.kind, attribute)

    @property
    def schema(self) -> Schema:
        """See ``Kind``; a reference where the message has a name."""
        return {"$ref": f"#/components/schemas/{self.name}"} if self.name else self.definition()

    def definition(self) -> dict[str, Any]:
        """Return the JSON Schema of the message itself."""
        required = [member.name for member in self.members if member.required]
        return {
            "type": "object",
            "properties": {m.name: {**m.kind.schema, **m.bounds} for m in self.members},
            **({"required": required} if required else {}),
        }

    def decode(self, body: bytes) -> T:
        """Read a request body. Raises ``InvalidRequest`` naming every member at fault."""
        return self.decode_value(parse_object(body))

    def decode_value(self, value: JsonValue) -> T:
        """Read a parsed request body. Raises as ``decode`` does."""
        try:
            return self.read(value)
        except MalformedError as error:
            raise_for(error.violations)
            raise

    def read(self, value: JsonValue) -> T:
        """See ``Kind``. A member that is null counts as absent (contract 2.1)."""
        if not isinstance(value, tuple):
            raise MalformedError.itself("must be an object")
        values: dict[str, object] = {}
        given: set[str] = set()
        violations: list[Violation] = []
        for spelling, member_value in value:
            known = self._by_spelling.get(spelling)
            if known is None:
                continue
            name, kind, attribute = known
            if name in given:
                violations.append(Violation(name, "is given twice"))
                break
            given.add(name)
            if member_value is None:
                continue
            try:
                values[attribute] = kind.read(member_value)
            except MalformedError as error:
                violations.extend(error.below(name))
        if violations:
            raise MalformedError(*violations)
        values.pop("", None)
        return self._make(**values)


def camel_case(name: str) -> str:
    """Return the lowerCamelCase spelling of a snake_case name."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


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
    1e21 being ints (contract 2.1, 16 (17)). Raises ``ValueError`` for a repeated key, a number
    that no double can hold and U+0000 in any text.
    """
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, tuple):
        # A loop, not a comprehension: those take a frame more per level of nesting.
        members: dict[str, object] = {}
        for name, member in value:
            if name in members:
                raise ValueError("must not have a key twice")
            members[_storable(name)] = free_form(member)
        return members
    if isinstance(value, list):
        items: list[object] = []
        for item in value:
            items.append(free_form(item))
        return items
    if value is None or isinstance(value, bool) or (isinstance(value, int) and value in _64_BITS):
        return value
    return _double(value)


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


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain U+0000")
    return text


def _stored_text(value: JsonValue) -> str:
    return _storable(_text(value))


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


TEXT: Final = Scalar(_text, {"type": "string"})
STORED_TEXT: Final = Scalar(_stored_text, {"type": "string"})
"""Text that is written to the database or into a token: without U+0000 (contract 16, 35)."""

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
OBJECT: Final = Scalar(_object, {"type": "object"})
METADATA: Final = Scalar(lambda value: Metadata(compact(_object(value))), {"type": "object"})
