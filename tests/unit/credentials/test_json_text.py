import json
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.credentials import json_text
from talos.domain.units import MAX_JSON_DEPTH

plain_text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | plain_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain_text, inner, max_size=4),
)
objects = st.dictionaries(plain_text, values, max_size=6)


@given(objects)
def test_what_is_encoded_is_decoded_the_same(members: dict[str, object]) -> None:
    assert json_text.decode_object(json_text.encode_object(members)) == members


@given(objects)
def test_encoding_is_json_with_sorted_members_and_no_markup(members: dict[str, object]) -> None:
    text = json_text.encode_object(members).decode()
    assert json.loads(text) == members
    assert list(json.loads(text)) == sorted(members)
    assert not set(text) & set("<>&\u2028\u2029")


def test_encoding_is_compact_and_leaves_other_characters_alone() -> None:
    members = {"b": [1, 2.5], "a": 'é<>&\u2028\u2029"\\/😀\x7f'}
    assert json_text.encode_object(members).decode() == (
        '{"a":"é\\u003c\\u003e\\u0026\\u2028\\u2029\\"\\\\/😀\x7f","b":[1,2.5]}'
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800", {"x": "\udfff"}])
def test_what_json_cannot_say_is_not_written(value: object) -> None:
    with pytest.raises(ValueError):
        json_text.encode_object({"a": value})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"a"',
        b"1",
        b"{",
        b"{}}",
        b"{} {}",
        b"{}\0",
        b"{}x",
        b"\xef\xbb\xbf{}",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":0x1}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":-1e999}',
        b'{"a":' + b"9" * 400 + b"}",
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'{"x":{"a":1,"a":2}}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\uDC00\\uD800"}',
        b'{"\\ud800":1}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\n"}',
        b'{"a":"\\x41"}',
        b'{"a":1}/*x*/',
        '{"a":1}\u00a0'.encode(),
        b'{"a":' + b"[" * 256 + b"]" * 256 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":"' + b"[" * 100_000,
    ],
)
def test_what_two_readers_could_read_differently_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        json_text.decode_object(data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":"\\ud83d\\ude00"}', "😀"),
        (b'{"a":18446744073709551615}', 2**64 - 1),
        (b'{"a":-9223372036854775808}', -(2**63)),
        (b'{"a":9007199254740993}', 2**53 + 1),
        (b'{"a":18446744073709551616}', 18446744073709551616.0),
        (b'{"a":-9223372036854775809}', -9223372036854775809.0),
        (b'{"a":1e308}', 1e308),
        (b'{"a":1e-999}', 0.0),
        (b' \t\r\n{"a":null}\n', None),
        (b'{"a":"' + b"[" * 300 + b'"}', "[" * 300),
        (b'{"a":"\\"' + b"{" * 300 + b'\\\\"}', '"' + "{" * 300 + "\\"),
    ],
)
def test_what_is_only_unusual_is_read(data: bytes, value: object) -> None:
    decoded = json_text.decode_object(data)["a"]
    assert decoded == value
    assert type(decoded) is type(value)


def test_the_depth_that_is_allowed_is_reached() -> None:
    levels = MAX_JSON_DEPTH - 1
    decoded = json_text.decode_object(b'{"a":' + b"[" * levels + b"]" * levels + b"}")["a"]
    depth = 1
    while decoded:
        assert isinstance(decoded, list)
        decoded = decoded[0]
        depth += 1
    assert depth == levels


def test_many_shallow_containers_are_not_deep() -> None:
    assert json_text.decode_object(b'{"a":[' + b"[]," * 1000 + b"[]]}")["a"] == [[]] * 1001


@given(st.binary())
def test_decoding_raises_nothing_but_value_errors(data: bytes) -> None:
    try:
        json_text.decode_object(data)
    except ValueError:
        return
    assert isinstance(json.loads(data), dict)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the decoder has a stack of its own there")
def test_a_caller_with_little_stack_left_gets_the_same_error() -> None:
    data = b'{"a":' + b"[" * 255 + b"]" * 255 + b"}"

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        else:
            json_text.decode_object(data)

    for levels in range(500, 960, 20):
        try:
            deep(levels)
        except ValueError:
            return
        except RecursionError:
            pytest.fail("the decoder let a RecursionError out")
    pytest.fail("the stack never became short")
