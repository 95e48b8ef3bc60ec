"""The regular expressions of the program: which there are, how used, and what may stall them."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from re import _constants as code  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, AnyStr

import talos

PACKAGE = Path(talos.__file__).parent
METHODS = ("match", "fullmatch", "search", "sub", "split", "findall", "finditer")
_OTHERS = ("\0", "\n", "~", "\xff")


def modules() -> Iterator[tuple[str, Path]]:
    """Name and file of every module that can be imported without doing anything."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        if ".migrations" not in name and not name.endswith("__main__"):
            yield name, path


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax trees of all modules, by name."""
    return {name: ast.parse(path.read_text()) for name, path in modules()}


def patterns() -> Iterator[tuple[str, "re.Pattern[Any]"]]:
    """Every compiled expression among the globals of the program, once."""
    seen: set[int] = set()
    for module_info in pkgutil.walk_packages(talos.__path__, "talos."):
        if ".migrations" in module_info.name or module_info.name.endswith("__main__"):
            continue
        module = importlib.import_module(module_info.name)
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern) and id(value) not in seen:
                seen.add(id(value))
                yield f"{module_info.name}.{name}", value


def methods(variable: str) -> set[str]:
    """The methods that are called on a global of this name, anywhere; all where none is."""
    used = {
        node.attr
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == variable
    }
    return used & set(METHODS) or {"match", "fullmatch", "search"}


def uncovered() -> set[str]:
    """Uses of ``re`` that compile elsewhere than in an assignment of a module, as ``name:source``.

    A pattern that is a global is driven by the tests that read ``patterns``; any other is not.
    """
    found = set()
    for name, tree in trees().items():
        driven = {
            id(node)
            for statement in tree.body
            if isinstance(statement, ast.Assign | ast.AnnAssign)
            for node in ast.walk(statement)
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr in (*METHODS, "compile", "subn")
                and id(node) not in driven
            ):
                found.add(f"{name}: {ast.unparse(node.func)}({ast.unparse(node.args[0])})")
    return found


def hostile(pattern: str) -> Iterator[tuple[str, str, str]]:
    """What may stall a pattern: a beginning, a fragment to repeat, and an end that fits nothing.

    The fragments are made of the characters that the pattern itself speaks of, and of the parts of
    texts that it matches.
    """
    parsed = list(parser.parse(pattern))
    samples = [sample for sample in _samples(parsed, 0) if sample][:4]
    alphabet = _alphabet(parsed)
    pieces = {sample[a:b] for sample in samples for a in range(5) for b in range(a + 1, a + 9)}
    words = {"".join(letters) for length in (1, 2) for letters in product(alphabet, repeat=length)}
    if len(alphabet) <= 6:
        words |= {"".join(letters) for letters in product(alphabet, repeat=3)}
    beginnings = {"", *(sample[:length] for sample in samples for length in (1, len(sample)))}
    for fragment in sorted(words | pieces | set(samples)):
        if fragment:
            for beginning in sorted(beginnings):
                for end in ("", *_OTHERS[:2]):
                    yield beginning, fragment, end


def encoded(text: str, like: AnyStr) -> AnyStr:
    """``text`` in the type that a pattern is written in."""
    return text if isinstance(like, str) else text.encode("latin-1", "replace")


def _samples(sequence: Iterable[Any], depth: int) -> list[str]:
    """Some texts that a sequence matches, or nearly: each with its optional parts and without."""
    found = [""]
    for operation, argument in sequence:
        options = _options(operation, argument, depth)
        found = [before + option for before in found for option in options][:6]
    return found


def _options(operation: Any, argument: Any, depth: int) -> list[str]:
    if operation is code.LITERAL:
        return [chr(argument)]
    if operation in (code.NOT_LITERAL, code.ANY, code.IN):
        return _letters(operation, argument)[:1]
    if operation in (code.MAX_REPEAT, code.MIN_REPEAT, code.POSSESSIVE_REPEAT):
        once = _samples(argument[2], depth + 1)
        return [text * max(argument[0], 1) for text in once] + ([""] if argument[0] == 0 else [])
    if operation is code.SUBPATTERN:
        return _samples(argument[-1], depth + 1)
    if operation is code.ATOMIC_GROUP:
        return _samples(argument, depth + 1)
    if operation is code.BRANCH:
        return [text for branch in argument[1] for text in _samples(branch, depth + 1)[:2]]
    if operation in (code.ASSERT, code.ASSERT_NOT):
        return [*_samples(argument[1], depth + 1)[:1], ""] if operation is code.ASSERT else [""]
    return [""]


def _alphabet(sequence: Iterable[Any]) -> list[str]:
    """A letter or two for everything that the pattern tells apart, at most twelve."""
    letters: dict[str, None] = {}

    def collect(items: Iterable[Any]) -> None:
        for operation, argument in items:
            if operation in (code.LITERAL, code.NOT_LITERAL, code.ANY, code.IN):
                letters.update(dict.fromkeys(_letters(operation, argument)[:2]))
            elif operation in (code.MAX_REPEAT, code.MIN_REPEAT, code.POSSESSIVE_REPEAT):
                collect(argument[2])
            elif operation is code.SUBPATTERN:
                collect(argument[-1])
            elif operation is code.ATOMIC_GROUP:
                collect(argument)
            elif operation is code.BRANCH:
                for branch in argument[1]:
                    collect(branch)
            elif operation in (code.ASSERT, code.ASSERT_NOT):
                collect(argument[1])

    collect(sequence)
    return list(letters)[:12]


def _letters(operation: Any, argument: Any) -> list[str]:
    """Characters that one step of a pattern speaks of, some that it takes first."""
    if operation is code.LITERAL:
        return [chr(argument)]
    if operation is code.ANY:
        return ["a"]
    if operation is code.NOT_LITERAL:
        return ["a" if chr(argument) != "a" else "b", chr(argument)]
    negated = argument[0][0] is code.NEGATE
    named = []
    for kind, value in argument:
        if kind is code.LITERAL:
            named.append(chr(value))
        elif kind is code.RANGE:
            named += [chr(value[0]), chr(value[1])]
        elif kind is code.CATEGORY:
            named.append(_CATEGORY_LETTERS[value])
    return [*(letter for letter in "a0.\\" if letter not in named), *named] if negated else named


_CATEGORY_LETTERS = {
    code.CATEGORY_DIGIT: "0",
    code.CATEGORY_NOT_DIGIT: "a",
    code.CATEGORY_SPACE: " ",
    code.CATEGORY_NOT_SPACE: "a",
    code.CATEGORY_WORD: "a",
    code.CATEGORY_NOT_WORD: " ",
}
