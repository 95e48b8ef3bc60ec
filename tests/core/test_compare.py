import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos import _core
from tests.core.strategies import quick
from tests.reference import parity


@quick
@given(st.binary(max_size=80), st.binary(max_size=80))
def test_agrees_with_the_standard_library(a: bytes, b: bytes) -> None:
    parity.compare(a, b)
    parity.compare(a, bytes(a))


@pytest.mark.parametrize("size", range(40))
def test_sees_a_single_bit_at_every_place(size: int) -> None:
    # Every length around the word size: whole words, remainders, and remainders alone.
    original = bytes(range(100, 100 + size))
    assert _core.compare_digest(original, bytes(original))
    for place in range(size):
        for bit in range(8):
            changed = bytearray(original)
            changed[place] ^= 1 << bit
            assert not _core.compare_digest(original, bytes(changed))


def test_differences_do_not_cancel_out() -> None:
    # Summing or xor-ing differences over words would call these equal.
    assert not _core.compare_digest(b"\x01" * 8 + b"\x00" * 8, b"\x00" * 8 + b"\x01" * 8)
    assert not _core.compare_digest(b"\x80" + b"\x00" * 7 + b"\x80", bytes(9))


def test_different_lengths_are_unequal() -> None:
    assert not _core.compare_digest(b"abc", b"abcd")
    assert not _core.compare_digest(b"", b"\0")
    assert _core.compare_digest(b"", b"")


@pytest.mark.parametrize("other", [None, "abc", bytearray(b"abc"), memoryview(b"abc"), 3])
def test_takes_bytes_only(other: object) -> None:
    with pytest.raises(TypeError):
        _core.compare_digest(b"abc", other)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _core.compare_digest(other, b"abc")  # type: ignore[arg-type]
