"""What is told of a JSON text before it is decoded: never less than a decoder finds."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos._core import measure_json
from tests.core.strategies import thorough

TEXTS = st.text(st.sampled_from('a"\\[]{},:\n\xe9\U0001f511'), max_size=6)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)


def extent(value: Any) -> tuple[int, int]:
    """Count the values, and the levels."""
    inner = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    )
    if inner is None:
        return 1, 0
    below = [extent(each) for each in inner]
    return 1 + sum(count for count, _ in below), 1 + max((deep for _, deep in below), default=0)


@thorough
@given(VALUES, st.booleans(), st.sampled_from((None, 2)), st.binary(max_size=20))
def test_it_holds_for_every_value(
    value: Any, escaped: bool, indent: int | None, rest: bytes
) -> None:
    text = json.dumps(value, ensure_ascii=escaped, indent=indent).encode()
    values, depth = extent(value)
    told, deep = measure_json(text)
    # An opening bracket and each comma count one, so an empty one counts one too many.
    assert values <= told <= 2 * values
    assert deep == depth
    if depth:
        # What follows the first value is nobody's concern.
        assert measure_json(text + rest) == (told, deep)


@thorough
@given(st.binary(max_size=40) | st.text('[]{},"\\:1 ', max_size=40).map(str.encode))
def test_it_bounds_what_a_decoder_does_with_anything(text: bytes) -> None:
    made = []

    def hook(pairs: list[tuple[str, Any]]) -> None:
        made.append(len(pairs))

    told, _ = measure_json(text)
    with contextlib.suppress(ValueError, RecursionError):
        json.JSONDecoder(object_pairs_hook=hook).raw_decode(text.decode("latin-1"))
    assert sum(made) + len(made) <= told


@pytest.mark.parametrize(
    ("text", "values", "depth"),
    [
        (b"", 1, 0),
        (b"1", 1, 0),
        (b"[]", 2, 1),
        (b'{"a":[1,2,{"b":null}]}', 6, 3),
        (b'["[[[,,,{{{", "\\"[,", "\\\\"]', 4, 1),
        (b'["\\\\",["\\\\\\"", []]]', 6, 3),
        (b"{}[[[[,,,,", 2, 1),
        (b"]]]][[[[", 1, 0),
        (b'"', 1, 0),
        (b'"\\', 1, 0),
        (b"[" * 1000, 1001, 1000),
        (b"[" + b"1," * 100_000, 100_002, 1),
    ],
)
def test_known_texts(text: bytes, values: int, depth: int) -> None:
    assert measure_json(text) == (values, depth)
