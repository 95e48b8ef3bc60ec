"""The text of an environment variable, read in the type that its setting has (contract 8.1)."""

import csv
import math
import re
from collections.abc import Callable
from typing import Any, Final

from talos.config import schema
from talos.config.files import parse_json
from talos.config.schema import Node, Path

_OCTAL: Final = re.compile(r"[+-]?0[0-7]+")
_TRUE: Final = frozenset({"1", "t", "T", "true", "True", "TRUE"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "False", "FALSE", ""})
_BLANKS: Final = " \t\r\n"


class NotThat(Exception):
    """The text is not what the setting takes; says what it is, never the text itself."""

    def __init__(self, problem: str, expected: str) -> None:
        """Keep what is wrong, and what was expected, in words."""
        super().__init__(problem)
        self.expected = expected


class NoSection(Exception):
    """The variable shares its name with a section and holds something else."""


def value_of(path: Path, text: str) -> Any:
    """Return what ``text`` means for the setting or section at ``path``.

    Raises NotThat, or NoSection for a section that the text does not spell.
    """
    node = schema.at(path) or {}
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        if is_section(path):
            return _section(text)
        value = _reader(node)(text, node)
        is_text = isinstance(value, str)
        return value.strip(_BLANKS) if is_text and _is_item_trimmed(path) else value
    raise NotThat("not valid UTF-8", schema.expectation(node))


def _is_item_trimmed(path: Path) -> bool:
    split = next((at for at, step in enumerate(path) if isinstance(step, int)), None)
    return split is not None and _is_trimmed(schema.at(path[:split]) or {})


def _is_trimmed(node: Node) -> bool:
    """Return whether blanks around the items of a list mean nothing: in all but plain secrets.

    Of a secret every character counts, unless a pattern says what it looks like.
    """
    return not node.get("x-secret") or "pattern" in schema.resolve(node["items"])


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
    raise NotThat(_quoted("neither true nor false", text), schema.expectation(node))


def _integer(text: str, node: Node) -> int:
    if text == "":
        return 0
    try:
        return int(text, 8) if _OCTAL.fullmatch(text) else int(text, 0)
    except ValueError:
        pass
    raise NotThat(_quoted("not an integer", text), schema.expectation(node))


def _number(text: str, node: Node) -> float:
    try:
        return _integer(text, node)
    except NotThat:
        pass
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    raise NotThat(_quoted("not a number", text), schema.expectation(node))


def _quoted(problem: str, text: str) -> str:
    """Add the usual reason: shells take quotes away, and files of variables may keep them."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return f"{problem}, with quotes around it" if quoted else problem


def _text(text: str, _: Node) -> str:
    return text


def _item(text: str, _: Node) -> Any:
    """Read an element that may be an object; what is no JSON object is text."""
    try:
        value = parse_json(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


def _list(text: str, node: Node) -> list[Any]:
    if text == "":
        return []
    try:
        value = parse_json(text)
    except ValueError:
        return _comma_separated(text, trimmed=_is_trimmed(node))
    if isinstance(value, list):
        return value
    raise NotThat("a single JSON value", _LIST_FORMS)


_LIST_FORMS: Final = 'a JSON array such as ["a","b"], or comma-separated text such as a,b'


def _comma_separated(text: str, *, trimmed: bool) -> list[str]:
    if text.startswith("[") and text.rstrip().endswith("]"):
        raise NotThat("neither valid JSON nor comma-separated text", _LIST_FORMS)
    try:
        rows = list(csv.reader([text], strict=True, skipinitialspace=trimmed))
    except csv.Error:
        rows = []
    if len(rows) == 1:
        return [item.strip(_BLANKS) for item in rows[0]] if trimmed else rows[0]
    raise NotThat("not one line of comma-separated text", _LIST_FORMS)


def _section(text: str) -> dict[str, Any]:
    try:
        value = parse_json(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NoSection
    return value


def is_section(path: Path) -> bool:
    """Return whether the path is that of a section."""
    return ".".join(str(step) for step in path) in schema.sections()
