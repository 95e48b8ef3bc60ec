"""No regular expression takes time that grows with the square of what a stranger sends.

Two open-ended repetitions that may match the same characters, one behind the other, share a run of
such characters out between them in every possible way before they give up. A possessive repetition
(``*+``) keeps what it took, and has one way only.

The first half of this module reads that off the patterns. The second half runs each of them on
repeated fragments of its own alphabet, since there are other ways to a square: a search that begins
anew at every character, for one.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from re import _constants as code  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from tests.architecture.regexes import encoded, hostile, methods, patterns, uncovered
from tests.support.work import grows_faster

LONGEST_HARMLESS = 300
"""A repetition that ends after so many characters costs little, however often it is tried."""
ALPHABET = [chr(number) for number in range(0x300)]


def ambiguous(pattern: str | bytes, flags: int = 0) -> bool:
    """Tell whether two open-ended repetitions may stand side by side on the same characters."""
    return _ambiguous(parser.parse(pattern, flags))


def _ambiguous(sequence: Iterable[Any]) -> bool:
    items = list(_flat(sequence))
    for position, item in enumerate(items):
        if any(_ambiguous(inner) for inner in _inside(item)):
            return True
        if not _is_open(item):
            continue
        for follower in items[position + 1 :]:
            if _is_open(follower) and _characters(item) & _characters(follower):
                return True
            if not _may_be_empty(follower):
                break
    return False


def _flat(sequence: Iterable[Any]) -> Iterator[Any]:
    """The items of a sequence, groups opened."""
    for item in sequence:
        if item[0] is code.SUBPATTERN:
            yield from _flat(item[1][-1])
        else:
            yield item


def _inside(item: Any) -> Sequence[Any]:
    operation, argument = item
    if operation in (code.MAX_REPEAT, code.MIN_REPEAT, code.POSSESSIVE_REPEAT):
        return [argument[2]]
    if operation is code.BRANCH:
        return list(argument[1])
    return []


def _is_open(item: Any) -> bool:
    operation, argument = item
    return operation in (code.MAX_REPEAT, code.MIN_REPEAT) and argument[1] > LONGEST_HARMLESS


def _may_be_empty(item: Any) -> bool:
    operation, argument = item
    if operation in (code.MAX_REPEAT, code.MIN_REPEAT, code.POSSESSIVE_REPEAT):
        return bool(argument[0] == 0 or all(map(_may_be_empty, _flat(argument[2]))))
    return operation in (code.AT, code.ASSERT, code.ASSERT_NOT, code.BRANCH)


def _characters(item: Any) -> set[str]:
    """All that a repetition may take."""
    taken: set[str] = set()
    for inner in _flat(item[1][2]):
        if inner[0] is code.BRANCH:
            for branch in inner[1][1]:
                taken |= _characters((None, (0, 0, branch)))
        elif inner[0] in (code.MAX_REPEAT, code.MIN_REPEAT, code.POSSESSIVE_REPEAT):
            taken |= _characters(inner)
        else:
            taken |= {text for text in ALPHABET if _takes(inner, text)}
    return taken


def _takes(item: Any, text: str) -> bool:
    operation, argument = item
    if operation is code.LITERAL:
        return ord(text) == argument
    if operation is code.NOT_LITERAL:
        return ord(text) != argument
    if operation is code.ANY:
        return text != "\n"
    if operation is not code.IN:
        return False
    negated = argument[0][0] is code.NEGATE
    return negated != any(_is_member(member, text) for member in argument)


def _is_member(member: Any, text: str) -> bool:
    operation, argument = member
    if operation is code.LITERAL:
        return ord(text) == argument
    if operation is code.RANGE:
        return argument[0] <= ord(text) <= argument[1]
    if operation is code.CATEGORY:
        return _CATEGORIES[argument].match(text) is not None
    return False


_CATEGORIES = {
    code.CATEGORY_DIGIT: re.compile(r"\d"),
    code.CATEGORY_NOT_DIGIT: re.compile(r"\D"),
    code.CATEGORY_SPACE: re.compile(r"\s"),
    code.CATEGORY_NOT_SPACE: re.compile(r"\S"),
    code.CATEGORY_WORD: re.compile(r"\w"),
    code.CATEGORY_NOT_WORD: re.compile(r"\W"),
}


@pytest.mark.parametrize(
    ("pattern", "verdict"),
    [
        (r"a:[ \t]*([ -~]*)", True),
        (r"a:[ \t]*+([ -~]*+)", False),
        (r"a*,?a*", True),
        (r"a*,a*", False),
        (r"\s+AND\s+", False),
        (r"(?:x|[^y]*\w+)z", True),
        (r"[0-9]{1,20}[0-9]{1,20}", False),
        (r"(?:[0-9]+[a-z]*)*\d*", True),
    ],
)
def test_the_check_itself(pattern: str, verdict: bool) -> None:
    assert ambiguous(pattern) is verdict


def test_no_pattern_shares_a_run_out() -> None:
    found = dict(patterns())
    assert len(found) > 20
    assert [
        name for name, known in found.items() if ambiguous(known.pattern, known.flags & ~re.UNICODE)
    ] == []


COMPILED_ELSEWHERE = {
    # Of the configuration, and driven in tests/unit/test_linear_work.py.
    "talos.config.files: re.compile(f'(?:{_pattern})\\\\Z')",
    "talos.config.validation: re.search(re.sub('\\\\$$', '\\\\\\\\Z', pattern))",
    "talos.config.validation: re.sub('\\\\$$')",
    "talos.http.middleware.cors: re.compile(re.escape(before) + run + re.escape(after))",
    # A fixed path.
    "talos.http.routes: re.compile(re.escape(path) + '\\\\Z')",
}
"""Patterns that are put together when the program runs."""


def work(pattern: "re.Pattern[Any]", method: str) -> Callable[[str], object]:
    """A call of the method that goes through all that it finds."""
    if method in ("sub", "split"):
        replacement = [encoded("", pattern.pattern)] if method == "sub" else []
        return lambda text: getattr(pattern, method)(*replacement, encoded(text, pattern.pattern))
    if method == "finditer":
        return lambda text: sum(1 for _ in pattern.finditer(encoded(text, pattern.pattern)))
    return lambda text: getattr(pattern, method)(encoded(text, pattern.pattern))


def stalling(pattern: "re.Pattern[Any]", names: Iterable[str]) -> tuple[str, ...] | None:
    """The first method, beginning, fragment and end whose work grows faster than its length."""
    source = pattern.pattern
    texts = list(hostile(source if isinstance(source, str) else source.decode("latin-1")))
    for method in sorted(names):
        for parts in texts:
            if grows_faster(partial(sized, work(pattern, method), *parts)):
                return method, *parts
    return None


def sized(
    call: Callable[[str], object], beginning: str, fragment: str, end: str, size: int
) -> Callable[[], object]:
    """The call on a text of about this size."""
    return partial(call, beginning + fragment * (size // len(fragment) + 1) + end)


@pytest.mark.parametrize(
    ("pattern", "method", "stalls"),
    [
        (r"(?<=://)[^\s/@\"]*:[^\s@\"]*(?=@)", "sub", True),
        (r"\s+AND\s+", "split", True),
        (r"\s+AND\s+", "match", False),
        (r"a:[ \t]*([ -~]*)", "fullmatch", True),
        (r"a:[ \t]*+([ -~]*+)", "fullmatch", False),
        (r"[^\s\"]+", "sub", False),
        (r"(?:a|b)*c", "search", True),
        (r"(?:a|b)*c", "fullmatch", False),
    ],
)
def test_driving_tells_a_square_from_a_line(pattern: str, method: str, stalls: bool) -> None:
    assert (stalling(re.compile(pattern), [method]) is not None) is stalls


@pytest.mark.parametrize(("name", "pattern"), list(patterns()), ids=lambda value: str(value))
def test_no_pattern_stalls_on_its_own_alphabet(name: str, pattern: "re.Pattern[Any]") -> None:
    assert stalling(pattern, methods(name.rpartition(".")[2])) is None


def test_every_pattern_is_a_global_that_the_test_above_drives() -> None:
    assert uncovered() == COMPILED_ELSEWHERE
