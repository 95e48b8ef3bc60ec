"""Settings from environment variables (contract 8.1 and 16, 31).

A variable is the path of a setting in upper case, dots turned into underscores, with ``TALOS_``
before it or without; where both are there, the prefixed one wins. Letter case does not matter.
Variables that match nothing in the schema are none of our business.

Lists are a JSON array, or comma-separated text with CSV quoting, or single elements under the names
``..._0``, ``..._1``; the first two replace the list, elements are laid over what is there. A whole
section may be one JSON object, which merges.
"""

import csv
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from talos.config import schema
from talos.config.faults import Fault
from talos.config.files import parse_json
from talos.config.schema import ENV_PREFIX, Node, Path

_ELEMENT: Final = re.compile(r"(?P<list>[A-Z_]+)_(?P<index>0|[1-9][0-9]{0,4})(?:_(?P<member>.+))?")
_OCTAL: Final = re.compile(r"[+-]?0[0-7]+")
_TRUE: Final = frozenset({"1", "t", "T", "true", "True", "TRUE"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "False", "FALSE", ""})


@dataclass(frozen=True, slots=True)
class Assignment:
    """One variable that sets something. ``path`` may point into a list."""

    path: Path
    variable: str
    prefixed: bool
    value: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Overlay:
    """What the environment says: assignments, weakest first, and what could not be read."""

    assignments: tuple[Assignment, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[str, ...]


def read(environ: Mapping[str, str]) -> Overlay:
    """Return what ``environ`` sets, each value in the type that its setting has."""
    assignments: list[Assignment] = []
    faults: list[Fault] = []
    warnings: list[str] = []
    for variable, text in environ.items():
        found = _place(variable)
        if found is None:
            continue
        path, prefixed = found
        try:
            value = _value(path, text)
        except _NoSection:
            if prefixed:
                warnings.append(f"{variable} is ignored: it names a section, and is no JSON object")
            continue
        except _NotThat as trouble:
            faults.append(Fault(path, variable, str(trouble), trouble.expected))
            continue
        if _is_section(path):
            value = _known(path, value, variable, warnings)
        assignments.append(Assignment(path, variable, prefixed, value))
    assignments.sort(key=_strength)
    return Overlay(tuple(assignments), tuple(faults), tuple(sorted(warnings)))


def apply(overlay: Overlay, tree: dict[str, Any]) -> tuple[dict[Path, str], list[Fault]]:
    """Lay the assignments over ``tree``; return which variable set which path, and the faults."""
    origins: dict[Path, str] = {}
    faults: list[Fault] = []
    # What was set at a path or below it, so that no assignment looks through all before it.
    below: dict[Path, set[Path]] = {}
    for assignment in overlay.assignments:
        path, variable = assignment.path, assignment.variable
        split = next((at for at, step in enumerate(path) if isinstance(step, int)), None)
        set_paths: list[Path] | None
        if split is None:
            set_paths = _assign(tree, path, assignment.value)
        else:
            set_paths = _assign_element(tree, path, split, assignment.value)
            if set_paths is None:
                expected = "indexes that count up from 0"
                faults.append(Fault(path, variable, "leaves a gap before it", expected))
                continue
        for set_path in set_paths:
            for stale in below.pop(set_path, ()):
                origins.pop(stale, None)
            origins[set_path] = variable
            for length in range(1, len(set_path) + 1):
                below.setdefault(set_path[:length], set()).add(set_path)
    return origins, faults


class _NotThat(Exception):
    """The text is not what the setting takes; says what it is, never the text itself."""

    def __init__(self, problem: str, expected: str) -> None:
        super().__init__(problem)
        self.expected = expected


class _NoSection(Exception):
    """The variable shares its name with a section and holds something else."""


@cache
def _places() -> Mapping[str, Path]:
    return {"_".join(parts).upper(): parts for parts, _ in schema.walk()}


def _place(variable: str) -> tuple[Path, bool] | None:
    if not variable.isascii():
        return None
    canonical = variable.replace(".", "_").upper()
    prefixed = canonical.startswith(ENV_PREFIX)
    name = canonical.removeprefix(ENV_PREFIX)
    path = _places().get(name) or _element(name)
    return None if path is None else (path, prefixed)


def _element(name: str) -> Path | None:
    match = _ELEMENT.fullmatch(name)
    path = _places().get(match["list"]) if match else None
    if match is None or path is None:
        return None
    node = schema.at(path) or {}
    if node.get("type") != "array":
        return None
    element = (*path, int(match["index"]))
    if match["member"] is None:
        return element
    members = schema.resolve(node["items"]).get("properties", {})
    return next(((*element, name) for name in members if name.upper() == match["member"]), None)


def _strength(assignment: Assignment) -> tuple[object, ...]:
    """Sort the weaker first: unprefixed ones, then sections before what they hold.

    Elements follow their list in order. Of two spellings of one name the canonical one is last.
    """
    path, spelled = assignment.path, assignment.variable
    names = [step for step in path if isinstance(step, str)]
    split = next((at for at, step in enumerate(path) if isinstance(step, int)), len(path))
    index = path[split] if split < len(path) else -1
    canonical = spelled == spelled.upper()
    return (assignment.prefixed, split, names[:split], index, names[split:], canonical, spelled)


def _value(path: Path, text: str) -> Any:
    node = schema.at(path) or {}
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        return _section(text) if _is_section(path) else _reader(node)(text, node)
    raise _NotThat("not valid UTF-8", schema.expectation(node))


def _reader(node: Node) -> Callable[[str, Node], Any]:
    match node["type"]:
        case "boolean":
            return _boolean
        case "integer":
            return _integer
        case "number":
            return _number
        case "array":
            return _list
        case "string":
            return _text
        case _:
            return _item


def _boolean(text: str, node: Node) -> bool:
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise _NotThat("neither true nor false", schema.expectation(node))


def _integer(text: str, node: Node) -> int:
    if text == "":
        return 0
    try:
        return int(text, 8) if _OCTAL.fullmatch(text) else int(text, 0)
    except ValueError:
        pass
    raise _NotThat("not an integer", schema.expectation(node))


def _number(text: str, node: Node) -> float:
    try:
        return _integer(text, node)
    except _NotThat:
        pass
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    raise _NotThat("not a number", schema.expectation(node))


def _text(text: str, _: Node) -> str:
    return text


def _item(text: str, _: Node) -> Any:
    """Read an element that may be an object; what is no JSON object is text."""
    try:
        value = parse_json(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


def _list(text: str, _: Node) -> list[Any]:
    if text == "":
        return []
    try:
        value = parse_json(text)
    except ValueError:
        return _comma_separated(text)
    if isinstance(value, list):
        return value
    raise _NotThat("a single JSON value", _LIST_FORMS)


_LIST_FORMS: Final = 'a JSON array such as ["a","b"], or comma-separated text such as a,b'


def _comma_separated(text: str) -> list[str]:
    if text.startswith("[") and text.rstrip().endswith("]"):
        raise _NotThat("neither valid JSON nor comma-separated text", _LIST_FORMS)
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        rows = []
    if len(rows) == 1:
        return rows[0]
    raise _NotThat("not one line of comma-separated text", _LIST_FORMS)


def _section(text: str) -> dict[str, Any]:
    try:
        value = parse_json(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _NoSection
    return value


def _is_section(path: Path) -> bool:
    return ".".join(str(step) for step in path) in schema.sections()


def _known(path: Path, value: dict[str, Any], variable: str, warnings: list[str]) -> dict[str, Any]:
    """Drop members that the schema does not have: the environment may hold what others put there.

    Items of lists keep theirs: a retired secret whose ``expires_at`` is misspelt must not live on.
    """
    kept: dict[str, Any] = {}
    for name, member in value.items():
        below = (*path, name)
        if schema.at(below) is None:
            warnings.append(
                f"{variable}: a member that {schema.dotted(path)} does not have is ignored"
            )
        elif isinstance(member, dict) and _is_section(below):
            kept[name] = _known(below, member, variable, warnings)
        else:
            kept[name] = member
    return kept


def _assign(tree: dict[str, Any], path: Path, value: Any) -> list[Path]:
    """Set the value, or merge it into its section; return the paths that were set."""
    if _is_section(path) and isinstance(value, dict):
        return [
            changed
            for name, member in value.items()
            for changed in _assign(tree, (*path, name), member)
        ]
    above = _mapping_at(tree, path[:-1])
    if above is None:
        return []
    above[str(path[-1])] = value
    return [path]


def _assign_element(tree: dict[str, Any], path: Path, split: int, value: Any) -> list[Path] | None:
    """Set one element, or one member of it, in a copy of its list; None where that leaves a gap."""
    list_path, index, member = path[:split], path[split], path[split + 1 :]
    above = _mapping_at(tree, list_path[:-1])
    if above is None or not isinstance(index, int):
        return []
    name = str(list_path[-1])
    items = above.get(name)
    if items is None:
        items = above[name] = [*(schema.at(list_path) or {}).get("default", [])]
    if not isinstance(items, list):
        return []
    if index > len(items):
        return None
    if member:
        present = items[index] if index < len(items) else {}
        # A plain retired value is short for an object that holds nothing else.
        whole = present if isinstance(present, dict) else {"value": present}
        value = {**whole, str(member[0]): value}
    items[index : index + 1] = [value]
    return [path]


def _mapping_at(tree: dict[str, Any], path: Path) -> dict[str, Any] | None:
    """Return the mapping at ``path``, made where it is absent.

    None where the file has something else there: the validation names it.
    """
    for step in path:
        below = tree.setdefault(str(step), {})
        if not isinstance(below, dict):
            return None
        tree = below
    return tree
