"""Blanks and quotes around a text that was probably meant without them.

A shell takes quotes away; a file of variables for a container keeps them, and an editor ends a file
with a line break. Both count as part of the value, and are hard to see in it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from talos.config import schema
from talos.config.schema import Path
from talos.config.texts import texts
from talos.config.validation import VariableOf


def warnings(tree: Mapping[str, Any], variable_of: VariableOf) -> tuple[str, ...]:
    """Return a line for each text of ``tree`` with blanks or quotes around it, without the text."""
    return tuple(
        f"{_place(path, variable_of)}: {problem}"
        for path, text, _ in texts(tree)
        for problem in _problems(text)
    )


def _problems(text: str) -> Iterator[str]:
    if text != text.strip():
        yield "begins or ends with a blank or a line break, which counts as part of the value"
    elif len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        yield "stands in quotes, which count as part of the value"


def _place(path: Path, variable_of: VariableOf) -> str:
    variable = variable_of(path)
    return schema.dotted(path) if variable is None else f"{schema.dotted(path)} ({variable})"
