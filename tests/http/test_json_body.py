"""JSON text: what is read, what is refused, and that nothing is lost on the way (contract 2.1)."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from talos.domain.units import MAX_JSON_DEPTH
from talos.errors import InvalidRequest
from talos.http.json_body import compact, parse_object
from talos.http.scalars import free_form


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n\t ", b"{}", b" { } "])
def test_blank_is_an_empty_object(body: bytes) -> None:
    assert parse_object(body) == ()


def test_members_keep_their_order_and_repeat() -> None:
    assert parse_object(b'{"b":1,"a":[{"x":null}],"b":true}') == (
        ("b", 1),
        ("a", [(("x", None),)]),
        ("b", True),
    )


@pytest.mark.parametrize(
    "tail", [b" ", b"x", b"}", b"{}", b"\xff\xfe", b"\x00", b'"\\ud800"', b"[" * 1000]
)
def test_what_stands_behind_the_value_is_ignored(tail: bytes) -> None:
    assert parse_object(b'{"a":1}' + tail) == (("a", 1),)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b"true",
        b"{",
        b"}",
        b'{"a"',
        b'{"a":',
        b'{"a":1',
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":1.}',
        b'{"a":.5}',
        b'{"a":0x1}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":nul}',
        b'{"a":"\n"}',
        b'{"a":"\x00"}',
        b'{"a":"\x1f"}',
        b'{"a":"\\x41"}',
        b'{"a":"\\u12"}',
        b'{"a":"\xff"}',
        b'{"a":"\xc0\x80"}',
        b'{"\xff":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"a":1}',
        b"\xff",
        b" \xff",
        b"\x00",
        b"//x\n{}",
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00"}',
        b'{"a":"\\ud800\\ud800\\udc00"}',
        b'{"a":"\\ud800x\\udc00"}',
        b'{"\\uD800":1}',
        b'{"a":[{"b":"x\\udfffy"}]}',
        b'{"a":1e99999999999999999999999999}',
    ],
)
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_object(body)
    assert caught.value.message


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse_object(b'{"a":"\\ud83d\\ude00 \\\\ud800"}') == (
        ("a", "\N{GRINNING FACE} \\ud800"),
    )


def test_the_error_does_not_repeat_the_text() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_object(b'{"raw_key": "test-secret-value" "}')
    assert "test-secret-value" not in caught.value.message


class TestDepth:
    @staticmethod
    def nested(levels: int, opening: str = "[", closing: str = "]") -> bytes:
        inner = levels - 1
        return f'{{"a":{opening * inner}{closing * inner}}}'.encode()

    def test_is_bounded(self) -> None:
        assert parse_object(self.nested(MAX_JSON_DEPTH))
        assert parse_object(self.nested(MAX_JSON_DEPTH, '{"a":', "}").replace(b":}", b":1}"))
        with pytest.raises(InvalidRequest, match="levels"):
            parse_object(self.nested(MAX_JSON_DEPTH + 1))

    @pytest.mark.parametrize("opening", ["[", '{"a":', "[{", '[{"a":[', '{"a":[', '["[",'])
    def test_far_too_much_of_it_is_no_more_than_an_error(self, opening: str) -> None:
        with pytest.raises(InvalidRequest):
            parse_object(b'{"a":' + opening.encode() * 500_000)

    def test_brackets_in_strings_and_wide_lists_are_not_deep(self) -> None:
        text = '"' + "[{" * 5000 + '\\"[' * 100 + '"'
        assert parse_object(f'{{"a":{text},"b":[{"[],{}," * 5000}1]}}'.encode())

    def test_an_endless_string_of_escapes_is_read_once(self) -> None:
        with pytest.raises(InvalidRequest):
            parse_object(b'{"a":' + b"[" * 300 + b'"' + b'\\"' * 1_000_000)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_metadata_says_what_was_sent(value: Any, is_ascii: bool) -> None:
    body = json.dumps({"m": value}, ensure_ascii=is_ascii).encode()
    ((_, member),) = parse_object(body)
    text = compact(free_form(member))
    assert json.loads(text) == value
    assert json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False) == text


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("9007199254740993", "9007199254740993"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "18446744073709551616"),
        ("18446744073709551617", "18446744073709551616"),
        ("1.0", "1"),
        ("1e2", "100"),
        ("-1e2", "-100"),
        ("1e20", "100000000000000000000"),
        ("1e21", "1e+21"),
        ("1.5", "1.5"),
        ("0.1", "0.1"),
        ("1e-7", "1e-07"),
        ("1e-400", "0"),
        ("-0.0", "0"),
        ("0e999999999", "0"),
        ("9" * 30, "1e+30"),
        ("true", "true"),
        ("null", "null"),
        ('"\\u00e9\\u0001\\/"', '"é\\u0001/"'),
        ('{ "b" : 1 , "a" : [ ] }', '{"b":1,"a":[]}'),
    ],
)
def test_numbers_and_text_are_kept(sent: str, kept: str) -> None:
    ((_, member),) = parse_object(f'{{"m":{sent}}}'.encode())
    assert compact(free_form(member)) == kept


@pytest.mark.parametrize("sent", ["1e400", "-1e400", "1e999999", "9" * 400, '[{"a":1e309}]'])
def test_numbers_beyond_a_double_are_refused_where_they_would_be_kept(sent: str) -> None:
    ((_, member),) = parse_object(f'{{"m":{sent}}}'.encode())
    with pytest.raises(ValueError, match="double"):
        free_form(member)


@pytest.mark.parametrize("sent", ['{"a":1,"a":1}', '[{"x":{"a":null,"a":2}}]', '{"":1,"":2}'])
def test_a_key_given_twice_is_refused_at_any_depth(sent: str) -> None:
    ((_, member),) = parse_object(f'{{"m":{sent}}}'.encode())
    with pytest.raises(ValueError, match="twice"):
        free_form(member)


def test_long_numbers_are_exact_until_somebody_rounds_them() -> None:
    digits = "1" * 5000
    assert parse_object(f'{{"a":{digits},"b":0.{digits}}}'.encode()) == (
        ("a", Decimal(digits)),
        ("b", Decimal(f"0.{digits}")),
    )


@given(st.binary(max_size=200))
@example(b'{"\\')
@example(b'{"a":"\\u')
@example(b'{"a":-}')
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        members = parse_object(body)
    except InvalidRequest:
        return
    assert isinstance(members, tuple)


@given(st.binary(max_size=40))
def test_bytes_behind_a_value_change_nothing(tail: bytes) -> None:
    assert parse_object(b'{"a":"\xc3\xa9"}' + tail) == (("a", "é"),)


JSON_FRAGMENTS = st.lists(
    st.one_of(
        st.sampled_from('{}[],:"\\a1-e. \n\x00\ufeffé'),
        st.sampled_from(["null", "NaN", "true", "1e400", '"a":']),
        st.sampled_from(["\\u", "d800", "dc00", "\\ud83d\\ude00"]),
    ),
    max_size=20,
).map("".join)


@given(JSON_FRAGMENTS)
def test_agrees_with_a_plain_reader_on_what_is_an_object(tail: str) -> None:
    body = '{"a":' + tail
    try:
        expected, _ = json.JSONDecoder(
            object_pairs_hook=tuple, parse_float=Decimal, parse_constant=_refuse
        ).raw_decode(body)
        json.dumps(expected, ensure_ascii=False, default=str).encode()
    except ValueError:
        with pytest.raises(InvalidRequest):
            parse_object(body.encode())
    else:
        assert parse_object(body.encode()) == expected


def _refuse(name: str) -> None:
    raise ValueError(name)
