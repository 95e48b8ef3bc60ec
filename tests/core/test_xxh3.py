"""The core's XXH3 is the xxhash package's, whatever the length, the seed and the alignment."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from talos import _core

FORMS = [False, True]
EDGES = (0, 1, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1, 0x9E3779B185EBCA8D)
SEEDS = st.one_of(st.sampled_from(EDGES), st.integers(0, 2**64 - 1))


@pytest.mark.parametrize("portable", FORMS)
@pytest.mark.parametrize("seed", [*EDGES, *(random.Random(1).getrandbits(64) for _ in range(8))])
def test_every_length_up_to_a_block_and_a_bit(seed: int, portable: bool) -> None:
    data = random.Random(seed).randbytes(1100)
    for length in range(len(data) + 1):
        piece = data[:length]
        assert _core.xxh3_64(piece, seed, portable=portable) == xxh3_64_intdigest(piece, seed)


@pytest.mark.parametrize("portable", FORMS)
@given(
    length=st.one_of(
        st.integers(0, 8192),
        st.builds(lambda block, more: 1024 * block + more, st.integers(1, 7), st.integers(-65, 65)),
    ),
    seed=SEEDS,
    source=st.randoms(use_true_random=False),
)
def test_long_texts(length: int, seed: int, source: random.Random, portable: bool) -> None:
    data = source.randbytes(length)
    assert _core.xxh3_64(data, seed, portable=portable) == xxh3_64_intdigest(data, seed)


@pytest.mark.parametrize("portable", FORMS)
@given(data=st.binary(max_size=600), seed=SEEDS)
def test_any_bytes(data: bytes, seed: int, portable: bool) -> None:
    assert _core.xxh3_64(data, seed, portable=portable) == xxh3_64_intdigest(data, seed)


@pytest.mark.parametrize("portable", FORMS)
@pytest.mark.parametrize(
    ("length", "seed", "expected"),
    [
        # Both are in the tests of the reference implementation, too.
        (0, 0, 0x2D06800538D394C2),
        (0, 0x9E3779B185EBCA8D, 0xA8A6B918B2F0364A),
        (1, 0x9E3779B185EBCA8D, 0x032BE332DD766EF8),
        (4, 0x9E3779B185EBCA8D, 0x305FB4C44F8D6951),
        (9, 0x9E3779B185EBCA8D, 0xDEFB5A4D8E24DA5B),
        (17, 0x9E3779B185EBCA8D, 0x290132B0798B2853),
        (40, 0x9E3779B185EBCA8D, 0xC9231777DE0AE596),
        (129, 0x9E3779B185EBCA8D, 0x7D07BA727C76F7BA),
        (241, 0x9E3779B185EBCA8D, 0x1F049462CA4EDF9A),
        (1025, 0x9E3779B185EBCA8D, 0xC604D968010CA0C7),
        (4096, 0, 0xEB4B7C3707879151),
        (4096, 0x9E3779B185EBCA8D, 0x32858C850E714A75),
    ],
)
def test_known_hashes(length: int, seed: int, expected: int, portable: bool) -> None:
    """Of the bytes from 0 to 255, over and over."""
    data = (bytes(range(256)) * 17)[:length]
    assert _core.xxh3_64(data, seed, portable=portable) == expected


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_is_64_bits(seed: int) -> None:
    with pytest.raises(OverflowError):
        _core.xxh3_64(b"", seed)


@pytest.mark.parametrize("wrong", [0, 40, 128, 241, 4168])
def test_a_core_whose_hashes_differ_is_not_imported(tmp_path: Path, wrong: int) -> None:
    """As of a compiler with a fault: here it is the package that answers otherwise."""
    (tmp_path / "wrong.py").write_text(
        "import sys, types, xxhash\n"
        "differing = types.ModuleType('xxhash')\n"
        "differing.xxh3_64_intdigest = lambda data, seed: (\n"
        f"    xxhash.xxh3_64_intdigest(data, seed) ^ (len(data) == {wrong})\n"
        ")\n"
        "sys.modules['xxhash'] = differing\n"
        "try:\n"
        "    import talos._core\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    program = [sys.executable, str(tmp_path / "wrong.py")]
    told = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    assert (
        f"talos._core, cannot be used: it was compiled wrongly, its XXH3 of {wrong} bytes" in told
    )
