"""Lists of retired values, in both forms of their entries (contract 5.7).

An entry is a string, or ``{value, expires_at}``. One that cannot be understood is skipped with a
warning, so that a slip in an old entry never takes the others down with it; the warning names the
list and the index, never the value.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from talos.domain.timestamps import parse_rfc3339


@dataclass(frozen=True, slots=True)
class RetiredEntry:
    """One usable entry. ``expires_at_ns`` is nanoseconds since the Unix epoch, None is forever."""

    value: str = field(repr=False)
    expires_at_ns: int | None


def usable(entries: Sequence[Any]) -> tuple[RetiredEntry, ...]:
    """Return the entries that can be used, in order; empty values are no entries."""
    read = (_read(entry) for entry in entries)
    return tuple(entry for entry in read if isinstance(entry, RetiredEntry) and entry.value)


def warnings(path: str, entries: Sequence[Any]) -> tuple[str, ...]:
    """Return one line for each entry of the list at ``path`` that is skipped as malformed."""
    read = ((index, _read(entry)) for index, entry in enumerate(entries))
    return tuple(
        f"{path}[{index}]: skipped; {entry}" for index, entry in read if isinstance(entry, str)
    )


def _read(entry: object) -> RetiredEntry | str:
    """Return the entry, or what is wrong with it."""
    match entry:
        case str():
            return RetiredEntry(entry, None)
        case {"value": str(value), **rest}:
            expires_at = rest.get("expires_at")
        case {"value": _}:
            return "its value is no string"
        case {}:
            return "it has no value"
        case _:
            return "it is neither a string nor an object with value and expires_at"
    if expires_at is None or expires_at == "":
        return RetiredEntry(value, None)
    if not isinstance(expires_at, str):
        return "its expires_at is no time such as 2030-01-31T00:00:00Z"
    try:
        return RetiredEntry(value, parse_rfc3339(expires_at))
    except ValueError:
        return "its expires_at is no time such as 2030-01-31T00:00:00Z"
