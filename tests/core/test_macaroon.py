import base64
import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymacaroons import MACAROON_V2, Macaroon, Verifier

from talos import _core
from tests.core import strategies as make
from tests.reference import macaroon, parity
from tests.vectors import cases, load, title

VECTOR_D = cases("macaroons", "valid")[0]
SECRET_OF_VECTOR_A = b"0123456789abcdef0123456789abcdef"


class TestVectors:
    def test_root_key(self) -> None:
        root = "d88a20e89d10d9c5a449a2d65a0e53f175bacd367e356a28a641a6dc947a6e86"
        assert _core.macaroon_root_key(SECRET_OF_VECTOR_A).hex() == root
        assert VECTOR_D["root_key"] == root

    def test_vector_d_is_that_of_the_contract(self) -> None:
        data = bytes.fromhex(VECTOR_D["data"])
        assert len(data) == 445
        assert data.hex().endswith(
            "59de39f4b3da5c2dcb71a67b8537659f505b4166ec4366f810e1d202fb3d1215"
        )
        text = base64.urlsafe_b64encode(data).decode().rstrip("=")
        assert text.startswith("AgEXaHR0cHM6Ly9hcGkuZXhhbXBsZS5jb20CLnsianRpIjoiOWIyZDZhMWUt")
        assert text.endswith("ABiBZ3jn0s9pcLctxpnuFN2WfUFtBZuxDZvgQ4dIC-z0SFQ")

    @pytest.mark.parametrize("vector", cases("macaroons", "valid"), ids=title)
    def test_valid(self, vector: dict[str, Any]) -> None:
        data = bytes.fromhex(vector["data"])
        root_key = bytes.fromhex(vector["root_key"])
        location = bytes.fromhex(vector["location"])
        identifier = bytes.fromhex(vector["identifier"])
        caveats = tuple(bytes.fromhex(caveat) for caveat in vector["caveats"])
        assert _core.macaroon_encode(location, identifier, caveats, root_key) == data
        decoded = _core.macaroon_decode(data)
        assert decoded.location == location
        assert decoded.identifier == identifier
        assert decoded.caveats == caveats
        assert decoded.signature == data[-32:]
        assert _core.macaroon_signature_valid(decoded, (root_key,))
        assert not _core.macaroon_signature_valid(decoded, (make.STRANGE,))
        assert parity.macaroon_bytes(data, (root_key,)) is not None

    @pytest.mark.parametrize("vector", cases("macaroons", "unauthentic"), ids=title)
    def test_unauthentic(self, vector: dict[str, Any]) -> None:
        root_key = bytes.fromhex(load("macaroons")["root_key"])
        data = bytes.fromhex(vector["data"])
        assert not _core.macaroon_signature_valid(_core.macaroon_decode(data), (root_key,))

    @pytest.mark.parametrize("vector", cases("macaroons", "invalid"), ids=title)
    def test_invalid(self, vector: dict[str, Any]) -> None:
        data = bytes.fromhex(vector["data"])
        with pytest.raises(ValueError, match=r"macaroon|broken"):
            _core.macaroon_decode(data)
        assert parity.macaroon_bytes(data, ()) is None


class TestParity:
    @make.thorough
    @given(make.macaroons)
    def test_macaroons(self, data: bytes) -> None:
        assert parity.macaroon_bytes(data, make.ROOT_KEYS) is not None

    @make.thorough
    @given(make.nearly_macaroons())
    def test_nearly_macaroons(self, data: bytes) -> None:
        parity.macaroon_bytes(data, make.ROOT_KEYS)

    @make.quick
    @given(st.binary(max_size=100).map(lambda tail: b"\x02" + tail))
    def test_hostile_bytes(self, data: bytes) -> None:
        parity.macaroon_bytes(data, make.ROOT_KEYS)

    @make.quick
    @given(
        st.binary(max_size=300),
        st.binary(max_size=300),
        st.lists(st.binary(max_size=300), max_size=5).map(tuple),
        st.binary(max_size=100),
    )
    def test_encoding(
        self, location: bytes, identifier: bytes, caveats: tuple[bytes, ...], root_key: bytes
    ) -> None:
        parity.macaroon_parts(location, identifier, caveats, root_key)

    def test_every_truncation(self) -> None:
        data = bytes.fromhex(VECTOR_D["data"])
        for length in range(len(data)):
            assert parity.macaroon_bytes(data[:length], ()) is None

    def test_every_byte_changed(self) -> None:
        data = bytes.fromhex(VECTOR_D["data"])
        root_keys = (bytes.fromhex(VECTOR_D["root_key"]),)
        for place in range(len(data)):
            for value in (0, 1, 2, 6, 0x7F, 0x80, 0xFF, data[place] ^ 1):
                parity.macaroon_bytes(data[:place] + bytes([value]) + data[place + 1 :], root_keys)

    @pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 129, 255, 256, 4095, 4096, 8100])
    def test_lengths_of_fields(self, length: int) -> None:
        value = b"x" * length
        parity.macaroon_parts(value, b"", (), make.CURRENT)
        parity.macaroon_parts(b"", value, (), make.CURRENT)
        parity.macaroon_parts(b"", b"", (value,), make.CURRENT)


class TestBounds:
    def test_number_of_caveats(self) -> None:
        for number in (255, 256, 257):
            parity.macaroon_parts(b"", b"i", (b"{}",) * number, make.CURRENT)
            data = macaroon.mint(b"", b"i", (b"{}",) * number, make.CURRENT)
            decoded = parity.macaroon_bytes(data, (make.CURRENT,))
            assert (decoded is not None) is (number <= 256)

    def test_size(self) -> None:
        overhead = len(macaroon.mint(b"", b"x" * 200, (), make.CURRENT)) - 200
        for size in (8191, 8192, 8193):
            identifier = b"x" * (size - overhead)
            assert len(macaroon.mint(b"", identifier, (), make.CURRENT)) == size
            parity.macaroon_parts(b"", identifier, (), make.CURRENT)
            data = macaroon.mint(b"", identifier, (), make.CURRENT)
            assert (parity.macaroon_bytes(data, ()) is not None) is (size <= 8192)

    def test_parts_far_beyond_the_size(self) -> None:
        huge = b"x" * 1_000_000
        for parts in ((huge, b"", ()), (b"", huge, ()), (b"", b"", (huge,) * 200)):
            with pytest.raises(ValueError, match="8192"):
                _core.macaroon_encode(*parts, make.CURRENT)


class TestSignature:
    def test_every_root_key_is_tried(self) -> None:
        right = bytes.fromhex(VECTOR_D["root_key"])
        decoded = _core.macaroon_decode(bytes.fromhex(VECTOR_D["data"]))
        others = (*make.ROOT_KEYS, make.STRANGE)
        for place in range(4):
            assert _core.macaroon_signature_valid(
                decoded, (*others[:place], right, *others[place:])
            )
        assert not _core.macaroon_signature_valid(decoded, others)
        assert not _core.macaroon_signature_valid(decoded, ())

    def test_the_location_is_not_signed(self) -> None:
        # As libmacaroons has it (contract 5.5: the location is not compared with anything).
        data = bytes.fromhex(VECTOR_D["data"])
        moved = _core.macaroon_decode(data.replace(b"api.example.com", b"api.example.org", 1))
        assert _core.macaroon_signature_valid(moved, (bytes.fromhex(VECTOR_D["root_key"]),))


class TestPymacaroons:
    """The public library reads what we write, and we read what it writes."""

    def test_reads_ours(self) -> None:
        root_key = bytes.fromhex(VECTOR_D["root_key"])
        theirs = Macaroon.deserialize(
            base64.urlsafe_b64encode(bytes.fromhex(VECTOR_D["data"])).decode().rstrip("=")
        )
        verifier = Verifier()
        verifier.satisfy_general(lambda caveat: True)
        assert verifier.verify(theirs, root_key)
        assert theirs.location == "https://api.example.com"

    def test_writes_what_we_read(self) -> None:
        theirs = Macaroon(
            location="https://api.example.com",
            identifier=bytes.fromhex(VECTOR_D["identifier"]),
            key=bytes.fromhex(VECTOR_D["root_key"]),
            version=MACAROON_V2,
        )
        theirs.add_first_party_caveat(bytes.fromhex(VECTOR_D["caveats"][0]).decode())
        assert raw(theirs).hex() == VECTOR_D["data"]

    def test_a_holder_narrows_offline(self) -> None:
        root_key = bytes.fromhex(VECTOR_D["root_key"])
        theirs = Macaroon.deserialize(
            base64.urlsafe_b64encode(bytes.fromhex(VECTOR_D["data"])).decode().rstrip("=")
        )
        theirs.add_first_party_caveat('{"exp":1750001000}')
        decoded = _core.macaroon_decode(raw(theirs))
        assert decoded.caveats[1:] == (b'{"exp":1750001000}',)
        assert _core.macaroon_signature_valid(decoded, (root_key,))

    def test_a_third_party_caveat_is_refused(self) -> None:
        theirs = Macaroon(location="here", identifier="id", key="key", version=MACAROON_V2)
        theirs.add_third_party_caveat("https://third.example", "caveat key", "caveat id")
        with pytest.raises(ValueError, match="first-party"):
            _core.macaroon_decode(raw(theirs))


def raw(token: Macaroon) -> bytes:
    text = token.serialize()
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class TestUnverifiedMacaroon:
    def test_shows_nothing(self) -> None:
        decoded = _core.macaroon_decode(bytes.fromhex(VECTOR_D["data"]))
        assert repr(decoded) == "<UnverifiedMacaroon with 1 caveats>"

    def test_is_immutable(self) -> None:
        decoded: Any = _core.macaroon_decode(bytes.fromhex(VECTOR_D["data"]))
        for name in ("location", "identifier", "caveats", "signature"):
            with pytest.raises(AttributeError):
                setattr(decoded, name, getattr(decoded, name))
        with pytest.raises(AttributeError):
            decoded.verified = True

    def test_is_made_by_decoding_only(self) -> None:
        with pytest.raises(TypeError):
            _core.UnverifiedMacaroon()
        with pytest.raises(TypeError):
            type("Derived", (_core.UnverifiedMacaroon,), {})
        decoded = _core.macaroon_decode(bytes.fromhex(VECTOR_D["data"]))
        for copier in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                copier(decoded)

    def test_an_empty_shell_is_harmless(self) -> None:
        shell = _core.UnverifiedMacaroon.__new__(_core.UnverifiedMacaroon)
        with pytest.raises(TypeError):
            _core.macaroon_signature_valid(shell, make.ROOT_KEYS)
        assert "UnverifiedMacaroon" in repr(shell)


def test_takes_exact_types_only() -> None:
    decoded = _core.macaroon_decode(bytes.fromhex(VECTOR_D["data"]))
    for wrong in (None, "abc", 5, bytearray(b"abc")):
        calls: list[tuple[Any, ...]] = [
            (_core.macaroon_decode, wrong),
            (_core.macaroon_encode, wrong, b"", (), b"k"),
            (_core.macaroon_encode, b"", wrong, (), b"k"),
            (_core.macaroon_encode, b"", b"", wrong, b"k"),
            (_core.macaroon_encode, b"", b"", (wrong,), b"k"),
            (_core.macaroon_encode, b"", b"", (), wrong),
            (_core.macaroon_signature_valid, wrong, ()),
            (_core.macaroon_signature_valid, decoded, wrong),
            (_core.macaroon_signature_valid, decoded, (b"k", wrong)),
            (_core.macaroon_root_key, wrong),
            (_core.pagination_key, wrong),
        ]
        for function, *arguments in calls:
            with pytest.raises(TypeError):
                function(*arguments)


def test_pagination_key_vector() -> None:
    # Contract 5.8.
    expected = "071ec3911e1cc5c43316e59e3734144f148e5871627021006f40e3289ef2a4e0"
    assert _core.pagination_key(SECRET_OF_VECTOR_A).hex() == expected
