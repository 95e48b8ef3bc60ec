"""What is wrong with a configuration, one line a fault (contract 8.2 and 16, 27).

A line names the setting, its environment variable and what was expected. It never holds text that
somebody wrote as a value: only numbers, true and false, and only outside secret settings.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from talos.config import schema
from talos.config.schema import Path

# A secret has at least 32 characters: whatever was written as a name and is that long stays unsaid.
_PLAIN_NAME: Final = re.compile(r"[A-Za-z$][A-Za-z0-9_$-]{0,30}")
_LARGEST_SHOWN: Final = 10**10
_MOST_SUGGESTIONS: Final = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``variable`` is the environment variable that gave the value, or could give it."""

    path: Path
    variable: str | None
    problem: str
    expected: str | None

    def __str__(self) -> str:
        """Print as ``credentials.issuer (TALOS_CREDENTIALS_ISSUER): missing; expected ...``."""
        place = schema.dotted(self.path)
        if self.variable is not None:
            place = f"{place} ({self.variable})"
        return f"{place}: {'; '.join(part for part in (self.problem, self._expectation()) if part)}"

    def _expectation(self) -> str:
        return f"expected {self.expected}" if self.expected else ""


def in_order(faults: Iterable[Fault]) -> tuple[str, ...]:
    """Print faults in the order of the schema, for each path the one that says most."""
    best: dict[str, Fault] = {}
    for fault in faults:
        place = schema.dotted(fault.path)
        if place not in best or (fault.problem and not best[place].problem):
            best[place] = fault
    return tuple(str(fault) for fault in sorted(best.values(), key=_position))


def shown_name(name: object) -> str | None:
    """Return a name as it may be printed, or None where it looks like something else."""
    return name if isinstance(name, str) and _PLAIN_NAME.fullmatch(name) else None


def shown_value(value: object, *, secret: bool) -> str:
    """Say what a value is, for the text of a fault: ``is 70000``, ``is a string``."""
    if value is None:
        return "is null"
    if secret or not isinstance(value, bool | int | float):
        return f"is {_kind(value)}"
    if isinstance(value, bool):
        return f"is {str(value).lower()}"
    return f"is {value}" if abs(value) < _LARGEST_SHOWN else f"is {_kind(value)}"


def unknown_key(above: Path, name: object) -> Fault:
    """Return the fault of a key that the schema does not have at this place, with a suggestion.

    Something that may be a secret in the wrong place is not repeated as the name of a key.
    """
    shown = shown_name(name)
    suggestions = _suggestions(above, shown) if shown else []
    if shown is None or (_holds_secrets(above) and not suggestions):
        known = (schema.at(above) or {}).get("properties", {})
        return Fault(above, None, "holds an unknown key", f"only {', '.join(known)}")
    hint = f"did you mean {' or '.join(suggestions)}?" if suggestions else ""
    return Fault((*above, shown), None, "; ".join(filter(None, ("unknown key", hint))), None)


def _suggestions(above: Path, name: str) -> list[str]:
    node = schema.at(above) or {}
    siblings = list(node.get("properties", {}))
    near = difflib.get_close_matches(name.lower(), siblings, n=1, cutoff=0.6)
    if near:
        return [schema.dotted((*above, near[0]))]
    deeper = [
        schema.dotted(parts)
        for parts, _ in schema.walk()
        if parts[: len(above)] == above and parts[-1] == name.lower()
    ]
    return deeper if len(deeper) <= _MOST_SUGGESTIONS else []


def _holds_secrets(section: Path) -> bool:
    children = (schema.at(section) or {}).get("properties", {}).values()
    return section[:1] == ("secrets",) or any(child.get("x-secret") for child in children)


def _kind(value: object) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _position(fault: Fault) -> tuple[int, str]:
    """Sort by the place in the schema; what it does not know comes after its section."""
    names = [step for step in fault.path if isinstance(step, str)]
    order = _order()
    for length in range(len(names), 0, -1):
        position = order.get(".".join(names[:length]))
        if position is not None:
            return position, schema.dotted(fault.path)
    return -1, schema.dotted(fault.path)


def _order() -> dict[str, int]:
    return {".".join(parts): position for position, (parts, _) in enumerate(schema.walk())}
