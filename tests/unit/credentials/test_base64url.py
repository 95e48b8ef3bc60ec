import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.credentials import base64url

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(st.binary())
def test_what_is_encoded_is_decoded_the_same(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data


@given(st.text(ALPHABET, max_size=12))
def test_every_text_has_one_spelling(text: str) -> None:
    try:
        data = base64url.decode(text)
    except ValueError:
        return
    assert base64url.encode(data) == text


def test_of_all_last_characters_only_those_without_spare_bits_pass() -> None:
    for length, passing in ((2, 4), (3, 16), (4, 64)):
        accepted = 0
        for last in ALPHABET:
            try:
                base64url.decode("A" * (length - 1) + last)
            except ValueError:
                continue
            accepted += 1
        assert accepted == passing


@pytest.mark.parametrize(
    "text",
    ["A", "AAAAA", "QQ==", "QQ=", "=", "Q+/Q", "Q Q", "QUJD\n", "QU\nJD", "é", "\uff31", "\ud800"],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        base64url.decode(text)
