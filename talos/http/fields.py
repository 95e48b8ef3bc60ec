"""Reading JSON objects into drafts, one declared kind per member (contract 2.1).

A ``Kind`` knows two things about a value: how it is read, and how the API description describes
it; ``talos.http.scalars`` has those of plain values. ``Message`` puts kinds together: it knows the
names of its members in both spellings, refuses one that is given twice, skips those it does not
know, and reports every bad member at once.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeAlias, TypeVar

from talos.domain.rules import Violation, raise_for
from talos.http.json_body import JsonValue, parse_object

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Schema: TypeAlias = Mapping[str, Any]


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
