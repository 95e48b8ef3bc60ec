"""Configuration files: YAML, JSON and TOML, read into plain trees (contract 8.1).

A tree holds mappings with text keys, lists, text, numbers, booleans and null: what JSON can say.
What a parser says about a broken file is reduced to its place, because its own text may
quote the line, and the line may hold a secret.
"""

import codecs
import datetime
import json
import math
import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from talos.config.faults import shown_name
from talos.errors import ConfigurationError

MAX_BYTES: Final = 4 * 1024 * 1024
_SUFFIXES: Final = (".yaml", ".yml", ".json", ".toml")
_KINDS: Final = {stat.S_IFDIR: "Is a directory", stat.S_IFIFO: "a pipe, not a regular file"}
_DEEPEST: Final = 32
_MOST_VALUES: Final = 100_000
_TOML_PLACE: Final = re.compile(r"\(at (line \d+, column \d+|end of document)\)")
# A dotted key of n parts costs the parser the square of n. Text with so many dots is no setting.
_TOML_LONG_KEY: Final = re.compile(r"(?:\.[ \t]*[\"'A-Za-z0-9_-]{1,64}[ \t]*){33}")
_QUOTED_TOKEN: Final = re.compile(r"'<[a-z ]+>'")


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file held when it was read, or ``problem``: why it could not be, in words.

    ``mode`` are its permissions as ``stat`` has them, 0 where it could not be opened.
    """

    path: Path
    content: bytes = field(default=b"", repr=False)
    mode: int = 0
    problem: str = ""


def examine(path: Path) -> FileContent:
    """Return what the file holds, or why that cannot be had. Never waits for a writer."""
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        return FileContent(path, problem="no such file")
    except (OSError, ValueError) as error:
        return FileContent(path, problem=_words(error))
    try:
        status = os.fstat(descriptor)
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "not a regular file")
            return FileContent(path, mode=mode, problem=kind)
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        return FileContent(path, problem=_words(error))
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        return FileContent(path, mode=mode, problem=f"larger than {MAX_BYTES} bytes")
    return FileContent(path, content, mode)


def _words(error: Exception) -> str:
    """Say why a file cannot be read; a name with a NUL is a ValueError, which may quote it."""
    detail = error.strerror if isinstance(error, OSError) else None
    return detail or "cannot be read"


def read(path: Path) -> bytes:
    """Return the content of the file. Raises ConfigurationError when it cannot be read."""
    return usable(examine(path))


def usable(file: FileContent) -> bytes:
    """Return the content of the configuration file. Raises ConfigurationError without one."""
    if file.problem:
        raise _unusable(file.path, file.problem)
    return file.content


def secret_text(content: bytes) -> str:
    """Return the secret that a file holds: all of it but one line break at its end, and a BOM.

    What is not UTF-8 comes out as lone surrogates, as it does from the environment.
    """
    text = content.removeprefix(codecs.BOM_UTF8).decode(errors="surrogateescape")
    end = 2 if text.endswith("\r\n") else int(text.endswith("\n"))
    return text[: len(text) - end]


def parse(path: Path, content: bytes) -> dict[str, Any]:
    """Return the tree that ``content`` spells, in the format that the name ``path`` says.

    Raises ConfigurationError with one fault: unknown extension, syntax error, duplicate key, a root
    that is no mapping, or values that JSON could not hold.
    """
    if path.suffix not in _SUFFIXES:
        raise _unusable(path, f"unknown format; expected a name ending in {', '.join(_SUFFIXES)}")
    tree, problem = _attempt(path.suffix, content)
    # Raised here, where no parser's exception is being handled: those hold the text of the file.
    if problem:
        raise _unusable(path, problem)
    if not isinstance(tree, dict):
        found = "empty" if tree is None else "no mapping"
        raise _unusable(path, f"the document is {found}; expected a mapping of settings")
    return tree


def _attempt(suffix: str, content: bytes) -> tuple[Any, str]:
    """Return the parsed value, or what is wrong in words that quote nothing."""
    try:
        return _Plain().value(_load(suffix, content.decode("utf-8-sig")), 0), ""
    except _Unreadable as error:
        return None, str(error)
    except UnicodeDecodeError:
        return None, "not valid UTF-8"
    except json.JSONDecodeError as error:
        return None, f"line {error.lineno}, column {error.colno}: not valid JSON"
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        return None, f"{place[1]}: not valid TOML" if place else "not valid TOML"
    except yaml.MarkedYAMLError as error:
        return None, _yaml_problem(error)
    except (yaml.YAMLError, ValueError):
        return None, "not valid in its format"
    except RecursionError:
        return None, "nested too deeply"


def _load(suffix: str, text: str) -> Any:
    match suffix:
        case ".json":
            return json.loads(text, object_pairs_hook=_unique, parse_constant=_not_finite)
        case ".toml":
            if _TOML_LONG_KEY.search(text):
                raise _Unreadable("nested too deeply")
            return tomllib.loads(text)
        case _:
            return _first_document(text)


def parse_json(text: str) -> Any:
    """Return the plain value that a JSON text spells. Raises ValueError, without a quotation."""
    value, problem = _attempt(".json", text.encode(errors="surrogateescape"))
    if problem:
        raise ValueError(problem)
    return value


class _Unreadable(Exception):
    """The file is well-formed and cannot be used; the text is safe to print."""


def _unusable(path: Path, problem: str) -> ConfigurationError:
    heading = "the configuration file cannot be used"
    return ConfigurationError(heading, (f"{path}: {problem}",))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        names = [name for name, _ in pairs]
        raise _duplicate(next(name for name in names if names.count(name) > 1))
    return tree


def _duplicate(name: object, place: str = "") -> _Unreadable:
    shown = shown_name(name)
    return _Unreadable(f"{place}duplicate key {shown}" if shown else f"{place}duplicate key")


def _not_finite(_: str) -> NoReturn:
    raise _Unreadable("holds a number that is not finite")


class _YamlLoader(yaml.SafeLoader):
    """Reads the values of YAML 1.2's core schema, and refuses duplicate keys.

    The 1.1 of the library's own loader turns ``no`` into false, ``12:30:45`` into a number and
    times into objects; here they stay text.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._left = _MOST_VALUES

    def compose_node(self, parent: Any, index: Any) -> Any:
        # The parser takes seconds for a megabyte: what is too much is not read to its end.
        self._left -= 1
        if self._left < 0:
            raise _Unreadable("holds too many values")
        return super().compose_node(parent, index)

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            identity = (key.tag, key.value)
            if identity in seen:
                mark = key.start_mark
                place = f"line {mark.line + 1}, column {mark.column + 1}: "
                raise _duplicate(key.value, place)
            seen.add(identity)
        return node


_YamlLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(0|[1-9][0-9_]*|0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?[0-9]+[eE][-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("merge", r"<<", "<"),
):
    _YamlLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first)
    )


def _integer(loader: _YamlLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    # Base 0 reads 0x, 0o and 0b, and refuses the leading zeros that could mean either base.
    return int(text, 0)


def _number(loader: _YamlLoader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_YamlLoader.add_constructor("tag:yaml.org,2002:int", _integer)
_YamlLoader.add_constructor("tag:yaml.org,2002:float", _number)


def _first_document(text: str) -> Any:
    loader: Any = _YamlLoader(text)
    try:
        return loader.get_data() if loader.check_data() else None
    finally:
        loader.dispose()


def _yaml_problem(error: yaml.MarkedYAMLError) -> str:
    """Say where the error is, and what it is if the parser's text quotes nothing of the file."""
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = error.problem or ""
    quotes = _QUOTED_TOKEN.sub("", problem)
    detail = problem if problem and "'" not in quotes and '"' not in quotes else ""
    return f"{place}not valid YAML{f' ({detail})' if detail else ''}"


class _Plain:
    """Turns what the parsers return into what JSON can say, within bounds.

    YAML aliases can make a small file stand for an endless tree; the count of values ends that.
    """

    def __init__(self) -> None:
        self._left = _MOST_VALUES

    def value(self, value: object, depth: int) -> Any:
        self._left -= 1
        if depth > _DEEPEST:
            raise _Unreadable("nested too deeply")
        if self._left < 0:
            raise _Unreadable("holds too many values")
        match value:
            case None | bool() | int():
                return value
            case str():
                return _valid_text(value)
            case float():
                if not math.isfinite(value):
                    raise _Unreadable("holds a number that is not finite")
                return value
            case list():
                return [self.value(item, depth + 1) for item in value]
            case dict():
                return {_name(name): self.value(item, depth + 1) for name, item in value.items()}
            case datetime.datetime() | datetime.date() | datetime.time():
                # TOML only: its times become the text that the same setting has in YAML and JSON.
                return value.isoformat().replace("+00:00", "Z")
            case _:
                raise _Unreadable("holds a value that is no text, number, boolean, list or mapping")


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise _Unreadable("holds a key that is no text")
    return _valid_text(name)


def _valid_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        # A chained error would carry the text itself.
        raise _Unreadable("holds text that is not valid Unicode") from None
    return text
