"""The list filter: up to two equalities joined by AND (contract 7.2, 16 (8))."""

import re
from dataclasses import dataclass
from typing import Final

from talos.domain.keys import KeyStatus
from talos.errors import InvalidRequest

MAX_ACTOR_ID_CHARACTERS: Final = 255

_CLAUSE: Final = re.compile(r'([^\s="]+)\s*=\s*(?:"([^"]*)"|([A-Za-z0-9_.-]+))', re.ASCII)
_CONJUNCTION: Final = re.compile(r"\s+AND\s+", re.ASCII | re.IGNORECASE)
_BLANKS: Final = " \t\n\r\f\v"

_STATUSES: Final = {
    f"KEY_STATUS_{status.name}": status
    for status in KeyStatus
    if status is not KeyStatus.UNSPECIFIED
}


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """What a list is narrowed to; None does not narrow. ``status`` is the shown one."""

    actor_id: str | None = None
    status: KeyStatus | None = None


def parse_filter(text: str) -> KeyFilter:
    """Read a filter; a blank one narrows nothing.

    Raises ``InvalidRequest`` for anything outside the grammar, an unknown field, one that is given
    twice, and a value that its field cannot have.
    """
    text = text.strip(_BLANKS)
    if not text:
        return KeyFilter()
    if not _storable(text):
        raise _invalid("it holds characters that no stored value can hold")
    values: dict[str, str] = {}
    position = 0
    while True:
        clause = _CLAUSE.match(text, position)
        if clause is None:
            raise _invalid('it must be field="value", joined by AND')
        field, quoted, plain = clause.groups()
        if field not in ("actor_id", "status"):
            raise _invalid("only actor_id and status can be filtered by")
        if field in values:
            raise _invalid(f"{field} is given twice")
        values[field] = plain if quoted is None else quoted
        if not values[field]:
            raise _invalid(f"{field} has an empty value")
        position = clause.end()
        if position == len(text):
            return KeyFilter(_actor_id(values.get("actor_id")), _status(values.get("status")))
        conjunction = _CONJUNCTION.match(text, position)
        if conjunction is None:
            raise _invalid("clauses must be joined by AND")
        position = conjunction.end()


def _actor_id(value: str | None) -> str | None:
    if value is not None and len(value) > MAX_ACTOR_ID_CHARACTERS:
        raise _invalid(f"actor_id has at most {MAX_ACTOR_ID_CHARACTERS} characters")
    return value


def _status(value: str | None) -> KeyStatus | None:
    if value is None:
        return None
    try:
        return _STATUSES[value]
    except KeyError:
        raise _invalid(f"status must be one of {', '.join(_STATUSES)}") from None


def _storable(text: str) -> bool:
    """Return whether a stored value could equal ``text``: no NUL, no lone surrogate."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _invalid(why: str) -> InvalidRequest:
    return InvalidRequest(f"invalid filter: {why}")
