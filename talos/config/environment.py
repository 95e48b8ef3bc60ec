"""Settings from environment variables (contract 8.1 and 16, 31).

A variable is the path of a setting in upper case, dots turned into underscores, with ``TALOS_``
before it or without; where both are there, the prefixed one wins. Letter case does not matter.
Variables that match nothing in the schema change nothing; those with the prefix are warned of.

Lists are a JSON array, or comma-separated text with CSV quoting, or single elements under the names
``..._0``, ``..._1``; the first two replace the list, elements are laid over what is there. A whole
section may be one JSON object, which merges. A secret may stand in a file instead, which the same
name with ``_FILE`` behind it names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path as FilePath
from typing import Any, Final

from talos.config import schema, unknown_variables
from talos.config.faults import Fault
from talos.config.files import FileContent, secret_text
from talos.config.schema import ENV_PREFIX, Path
from talos.config.variable_values import NoSection, NotThat, is_section, value_of
from talos.config.variables import FILE_SUFFIX

_ELEMENT: Final = re.compile(r"(?P<list>[A-Z_]+)_(?P<index>0|[1-9][0-9]{0,4})(?:_(?P<member>.+))?")


@dataclass(frozen=True, slots=True)
class Assignment:
    """One variable that sets something. ``path`` may point into a list."""

    path: Path
    variable: str
    prefixed: bool
    value: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A variable that names the file in which a secret stands."""

    path: Path
    variable: str
    prefixed: bool
    file: FilePath


@dataclass(frozen=True, slots=True)
class Overlay:
    """What the environment says: assignments, weakest first, and what could not be read.

    ``files`` are still to be read: ``with_contents`` makes assignments of them.
    """

    assignments: tuple[Assignment, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[str, ...]
    files: tuple[SecretFile, ...] = ()


def read(environ: Mapping[str, str]) -> Overlay:
    """Return what ``environ`` sets, each value in the type that its setting has."""
    reading = _Reading()
    files: list[SecretFile] = []
    unknown: dict[str, str] = {}
    for variable, text in environ.items():
        canonical = _canonical(variable)
        if (found := _place(variable)) is not None:
            reading.take(*found, variable, text)
        elif (place := _file_place(canonical)) is not None:
            if text:
                path, prefixed = place
                files.append(SecretFile(path, variable, prefixed, FilePath(text).absolute()))
            else:
                problem = "names no file"
                reading.faults.append(Fault(place[0], variable, problem, _FILE_NAME))
        elif canonical.startswith(ENV_PREFIX) and not unknown_variables.is_known(canonical, text):
            unknown[variable] = canonical
    for file in files:
        reading.refuse_both(file)
    reading.warnings.extend(unknown_variables.warnings(unknown))
    return reading.overlay(tuple(files))


def with_contents(overlay: Overlay, contents: Mapping[str, FileContent]) -> Overlay:
    """Return ``overlay`` with the secrets of its files, which ``contents`` has by variable.

    A file holds what the variable without ``_FILE`` would hold, and may end in a line break.
    """
    reading = _Reading(overlay)
    for file in overlay.files:
        found = contents[file.variable]
        if found.problem:
            # Not its name, unless it is there: somebody may have written the secret itself.
            named = f"{found.path}: " if found.mode else ""
            problem = f"{named}{found.problem}"
            reading.faults.append(Fault(file.path, file.variable, problem, _FILE_NAME))
            continue
        reading.take(file.path, file.prefixed, file.variable, secret_text(found.content))
    reading.warn_of_overruled()
    return reading.overlay(overlay.files)


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


_FILE_NAME: Final = "the name of a regular file that can be read"


class _Reading:
    """What has been read so far, on top of ``overlay``."""

    def __init__(self, overlay: Overlay | None = None) -> None:
        self.assignments = list(overlay.assignments) if overlay else []
        self.faults = list(overlay.faults) if overlay else []
        self.warnings = list(overlay.warnings) if overlay else []

    def take(self, path: Path, prefixed: bool, variable: str, text: str) -> None:
        """Read the text of one variable."""
        try:
            value = value_of(path, text)
        except NoSection:
            if prefixed:
                ignored = f"{variable} is ignored: it names a section, and is no JSON object"
                self.warnings.append(ignored)
            return
        except NotThat as error:
            self.faults.append(Fault(path, variable, str(error), error.expected))
            return
        if is_section(path):
            value = _known(path, value, variable, self.warnings)
        self.assignments.append(Assignment(path, variable, prefixed, value))

    def refuse_both(self, file: SecretFile) -> None:
        """Find a variable that says itself what ``file`` is to say."""
        for other in self.assignments:
            if other.path == file.path:
                problem = f"{other.variable} is set too"
                self.faults.append(Fault(file.path, file.variable, problem, "one of the two"))

    def warn_of_overruled(self) -> None:
        """Find variables that another one for the same setting overrules, with another value."""
        strongest = {given.path: given for given in sorted(self.assignments, key=_strength)}
        for given in self.assignments:
            winner = strongest[given.path]
            if given.value != winner.value and not is_section(given.path):
                reason = f"{winner.variable} sets the same setting"
                self.warnings.append(f"{given.variable} is ignored: {reason}")

    def overlay(self, files: tuple[SecretFile, ...]) -> Overlay:
        """Return all of it, in order."""
        assignments = tuple(sorted(self.assignments, key=_strength))
        return Overlay(assignments, tuple(self.faults), tuple(sorted(self.warnings)), files)


@cache
def _places() -> Mapping[str, Path]:
    return {"_".join(parts).upper(): parts for parts, _ in schema.walk()}


def _canonical(variable: str) -> str:
    return variable.replace(".", "_").upper()


def _place(variable: str) -> tuple[Path, bool] | None:
    """Return the path that a variable sets, and whether it has the prefix."""
    if not variable.isascii():
        return None
    canonical = _canonical(variable)
    prefixed = canonical.startswith(ENV_PREFIX)
    name = canonical.removeprefix(ENV_PREFIX)
    path = _places().get(name) or _element(name)
    return None if path is None else (path, prefixed)


def _file_place(variable: str) -> tuple[Path, bool] | None:
    """Return the secret that a variable names the file of, and whether it has the prefix."""
    plain = variable.removesuffix(FILE_SUFFIX)
    place = _place(plain) if plain != variable else None
    return place if place and schema.is_secret(place[0]) else None


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
        elif isinstance(member, dict) and is_section(below):
            kept[name] = _known(below, member, variable, warnings)
        else:
            kept[name] = member
    return kept


def _assign(tree: dict[str, Any], path: Path, value: Any) -> list[Path]:
    """Set the value, or merge it into its section; return the paths that were set."""
    if is_section(path) and isinstance(value, dict):
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
