import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos import _core
from tests.core.strategies import HOSTILE, quick, thorough
from tests.reference import base58, parity
from tests.vectors import cases


@pytest.mark.parametrize("vector", cases("base58", "valid"), ids=lambda v: v["text"] or "empty")
def test_vectors(vector: dict[str, str]) -> None:
    data, text = bytes.fromhex(vector["bytes"]), vector["text"]
    assert _core.base58_encode(data) == text
    assert _core.base58_decode(text) == data


@pytest.mark.parametrize("text", cases("base58", "invalid"), ids=ascii)
def test_refuses_what_is_not_base58(text: str) -> None:
    with pytest.raises(ValueError, match="not Base58"):
        _core.base58_decode(text)


@thorough
@given(st.binary(max_size=200), st.integers(0, 8))
def test_encoding_agrees(data: bytes, zeros: int) -> None:
    parity.base58_of_bytes(bytes(zeros) + data)


@thorough
@given(st.text(base58.ALPHABET, max_size=200), st.integers(0, 8))
def test_decoding_agrees(text: str, ones: int) -> None:
    parity.base58_of_text("1" * ones + text)


@quick
@given(st.text(base58.ALPHABET + HOSTILE, max_size=20) | st.text(max_size=20))
def test_hostile_text_agrees(text: str) -> None:
    parity.base58_of_text(text)


@pytest.mark.parametrize("fill", [0x00, 0x01, 0x7F, 0x80, 0xFF])
@pytest.mark.parametrize("size", [*range(70), 255, 256, 257, 1022, 1023, 1024, 1025])
def test_every_length_of_bytes(size: int, fill: int) -> None:
    # Limbs of 4 bytes and of 5 digits end at different places: go through all their meetings.
    parity.base58_of_bytes(bytes([fill]) * size)
    parity.base58_of_bytes(b"\0" + bytes([fill]) * size)


@pytest.mark.parametrize("digit", "12z")
@pytest.mark.parametrize("size", [*range(100), 1023, 1024, 1025, 1398, 1399, 1400, 8192])
def test_every_length_of_text(size: int, digit: str) -> None:
    parity.base58_of_text(digit * size)
    parity.base58_of_text("2" + "1" * size)


@pytest.mark.parametrize("exponent", range(1, 60))
def test_borders_of_limbs(exponent: int) -> None:
    for number in (2**exponent, 58**exponent, 58**exponent * 2**exponent):
        for value in (number - 1, number, number + 1):
            parity.base58_of_bytes(value.to_bytes((value.bit_length() + 7) // 8))


def test_takes_exact_types_only() -> None:
    for wrong in (None, "abc", bytearray(b"abc")):
        with pytest.raises(TypeError):
            _core.base58_encode(wrong)  # type: ignore[arg-type]
    for wrong in (None, b"abc", 5):
        with pytest.raises(TypeError):
            _core.base58_decode(wrong)  # type: ignore[arg-type]


def test_errors_do_not_quote_their_argument() -> None:
    with pytest.raises(ValueError, match="not Base58") as caught:
        _core.base58_decode("secret0secret")
    assert "secret" not in str(caught.value)
