import copy
import pickle
import uuid
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from talos import _core
from tests.core import strategies as make
from tests.reference import base58, issued_key, parity
from tests.vectors import cases, title

VECTOR_A = cases("issued_keys", "valid")[0]


def parsed(credential: str) -> _core.UnverifiedIssuedKey:
    key = _core.parse_issued_key(credential)
    assert key is not None
    return key


class TestVectors:
    @pytest.mark.parametrize("vector", cases("issued_keys", "valid"), ids=title)
    def test_valid(self, vector: dict[str, Any]) -> None:
        secret = vector["secret"].encode()
        key = parsed(vector["credential"])
        assert key.prefix == vector["prefix"]
        assert key.timestamp_s == vector["timestamp_s"]
        assert key.key_id == vector["key_id"]
        assert _core.checksum_valid(key, (secret,))
        assert not _core.checksum_valid(key, (make.STRANGE,))
        parity.credential(vector["credential"], (secret,), make.MACAROON_PREFIXES)

    @pytest.mark.parametrize("vector", cases("issued_keys", "valid"), ids=title)
    def test_minted(self, vector: dict[str, Any]) -> None:
        minted = _core.mint_issued_key(
            vector["prefix"], vector["timestamp_s"], vector["key_id"], vector["secret"].encode()
        )
        assert (minted == vector["credential"]) is vector["minted"]

    @pytest.mark.parametrize("vector", cases("issued_keys", "unauthentic"), ids=title)
    def test_unauthentic(self, vector: dict[str, Any]) -> None:
        secret = vector["secret"].encode()
        assert not _core.checksum_valid(parsed(vector["credential"]), (secret,))
        parity.credential(vector["credential"], (secret,), make.MACAROON_PREFIXES)

    @pytest.mark.parametrize("vector", cases("issued_keys", "not_issued"), ids=title)
    def test_not_issued(self, vector: dict[str, Any]) -> None:
        assert _core.parse_issued_key(vector["credential"]) is None
        parity.credential(vector["credential"], make.SECRETS, make.MACAROON_PREFIXES)


class TestParity:
    @make.thorough
    @given(make.issued_keys)
    def test_minted_keys(self, credential: str) -> None:
        assert parity.credential(credential, make.SECRETS, ()) is not None

    @make.thorough
    @given(make.nearly_issued_keys)
    def test_nearly_issued_keys(self, credential: str) -> None:
        parity.credential(credential, make.SECRETS, make.MACAROON_PREFIXES)

    @make.quick
    @given(make.credentials)
    def test_hostile_text(self, credential: str) -> None:
        parity.credential(credential, make.SECRETS, make.MACAROON_PREFIXES)

    @make.thorough
    @given(make.integer_texts(), make.uuid_texts())
    @example(str(2**63 - 1), f"{{{uuid.UUID(int=0)}}}")
    @example(str(-(2**63)), uuid.UUID(int=0).hex)
    @example(str(2**63), uuid.UUID(int=0).hex)
    @example(str(-(2**63) - 1), uuid.UUID(int=0).hex)
    def test_spellings(self, integer: str, identity: str) -> None:
        identifier = base58.encode(f"{integer}:{identity}".encode())
        parity.credential(issued_key.assemble("k", identifier, make.CURRENT), make.SECRETS, ())

    @pytest.mark.parametrize("identity", (uuid.UUID(int=2**128 - 1).hex, VECTOR_A["key_id"]))
    def test_every_byte_at_every_place_of_a_claim(self, identity: str) -> None:
        claim = f"-1:{identity}".encode()
        for place in range(len(claim)):
            for byte in range(256):
                changed = claim[:place] + bytes([byte]) + claim[place + 1 :]
                credential = f"k_v1_{base58.encode(changed)}_{'z' * 44}"
                parity.credential(credential, (), ())

    def test_every_character_at_every_place_of_a_key(self) -> None:
        credential = VECTOR_A["credential"]
        secrets = (VECTOR_A["secret"].encode(),)
        for place in range(len(credential)):
            for code in range(128):
                changed = credential[:place] + chr(code) + credential[place + 1 :]
                parity.credential(changed, secrets, ())

    @make.quick
    @given(make.prefixes, make.timestamps, make.uuids.map(str), make.secrets)
    def test_minting(self, prefix: str, timestamp_s: int, key_id: str, secret: bytes) -> None:
        credential = _core.mint_issued_key(prefix, timestamp_s, key_id, secret)
        assert credential == issued_key.mint(prefix, timestamp_s, key_id, secret)
        key = parsed(credential)
        assert (key.prefix, key.timestamp_s, key.key_id) == (prefix, timestamp_s, key_id)
        assert _core.checksum_valid(key, (secret,))


class TestChecksum:
    """The core compares digests, the contract texts: no text may tell the two apart."""

    @make.thorough
    @given(make.mutated(st.just(VECTOR_A["credential"].rpartition("_")[2])))
    def test_no_other_text_passes_for_the_checksum(self, checksum: str) -> None:
        original = VECTOR_A["credential"]
        mutated = original[: original.rindex("_") + 1] + checksum
        key = _core.parse_issued_key(mutated)
        accepted = key is not None and _core.checksum_valid(key, (VECTOR_A["secret"].encode(),))
        assert accepted is (mutated == original)

    @make.thorough
    @given(st.binary(min_size=0, max_size=48), st.integers(0, 3))
    def test_texts_of_any_digest(self, digest: bytes, zeros: int) -> None:
        # Digests with leading zero bytes, shorter and longer ones: all of them are wrong, whatever
        # part of 32 bytes they fill.
        signed = VECTOR_A["credential"].rpartition("_")[0] + "_"
        parity.credential(
            signed + base58.encode(bytes(zeros) + digest), (VECTOR_A["secret"].encode(),), ()
        )

    @make.quick
    @given(st.integers(0, 5000), st.sampled_from((0, 1, 2)))
    def test_ones_in_front_are_part_of_the_text(self, number: int, extra: int) -> None:
        secret = b"test-secret-number-%d" % number
        credential = issued_key.mint("k", 0, VECTOR_A["key_id"], secret)
        signed, _, checksum = credential.rpartition("_")
        for text in ("1" * extra + checksum, checksum.lstrip("1")):
            accepted = _core.checksum_valid(parsed(f"{signed}_{text}"), (secret,))
            assert accepted is (text == checksum)

    def test_every_secret_is_tried(self) -> None:
        secret = VECTOR_A["secret"].encode()
        key = parsed(VECTOR_A["credential"])
        others = (make.CURRENT, make.RETIRED, make.STRANGE)
        for place in range(4):
            assert _core.checksum_valid(key, (*others[:place], secret, *others[place:]))
        assert not _core.checksum_valid(key, others)
        assert not _core.checksum_valid(key, ())

    @pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 4096])
    def test_secrets_of_any_length(self, length: int) -> None:
        secret = b"s" * length
        credential = issued_key.mint("k", 0, VECTOR_A["key_id"], secret)
        assert _core.checksum_valid(parsed(credential), (secret,))
        assert not _core.checksum_valid(parsed(credential), (secret + b"s",))

    def test_a_checksum_of_any_length_is_only_wrong(self) -> None:
        signed = VECTOR_A["credential"].rpartition("_")[0]
        for length in (10, 43, 44, 45, 100, 8192):
            for digit in "12z":
                key = parsed(f"{signed}_{digit * length}")
                assert not _core.checksum_valid(key, (VECTOR_A["secret"].encode(),))


class TestMinting:
    @pytest.mark.parametrize("prefix", ["", "a" * 17, "a-b", "a b", "a\n", "é", "\ud800", "a\0"])
    def test_refuses_a_bad_prefix(self, prefix: str) -> None:
        with pytest.raises(ValueError, match="prefix"):
            _core.mint_issued_key(prefix, 0, VECTOR_A["key_id"], make.CURRENT)

    @pytest.mark.parametrize("timestamp_s", [2**63, -(2**63) - 1, 10**30])
    def test_refuses_a_timestamp_beyond_64_bits(self, timestamp_s: int) -> None:
        with pytest.raises(ValueError, match="timestamp_s"):
            _core.mint_issued_key("k", timestamp_s, VECTOR_A["key_id"], make.CURRENT)

    @pytest.mark.parametrize(
        "key_id",
        ["", VECTOR_A["key_id"].upper(), VECTOR_A["key_id"].replace("-", ""), "x" * 36, "é" * 36],
    )
    def test_refuses_a_key_id_that_would_read_back_differently(self, key_id: str) -> None:
        with pytest.raises(ValueError, match="key id"):
            _core.mint_issued_key("k", 0, key_id, make.CURRENT)

    def test_takes_exact_types_only(self) -> None:
        key_id = VECTOR_A["key_id"]
        for arguments in (
            (b"k", 0, key_id, b"s"),
            ("k", "0", key_id, b"s"),
            ("k", 1.5, key_id, b"s"),
            ("k", None, key_id, b"s"),
            ("k", 0, uuid.UUID(key_id), b"s"),
            ("k", 0, key_id, "s"),
            ("k", 0, key_id, None),
        ):
            with pytest.raises(TypeError):
                _core.mint_issued_key(*arguments)


class TestUnverifiedIssuedKey:
    def test_shows_no_checksum(self) -> None:
        credential = VECTOR_A["credential"]
        checksum = credential.rpartition("_")[2]
        key = parsed(credential)
        for text in (repr(key), str(key), f"{key}"):
            assert checksum not in text
            assert credential not in text
        assert not any(checksum in str(getattr(key, name)) for name in dir(key))

    def test_is_immutable(self) -> None:
        key: Any = parsed(VECTOR_A["credential"])
        for name in ("prefix", "timestamp_s", "key_id"):
            with pytest.raises(AttributeError):
                setattr(key, name, getattr(key, name))
        with pytest.raises(AttributeError):
            key.verified = True

    def test_is_made_by_parsing_only(self) -> None:
        with pytest.raises(TypeError):
            _core.UnverifiedIssuedKey()
        with pytest.raises(TypeError):
            type("Derived", (_core.UnverifiedIssuedKey,), {})
        key = parsed(VECTOR_A["credential"])
        for copier in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                copier(key)

    def test_an_empty_shell_is_harmless(self) -> None:
        shell = _core.UnverifiedIssuedKey.__new__(_core.UnverifiedIssuedKey)
        assert not _core.checksum_valid(shell, make.SECRETS)
        assert "UnverifiedIssuedKey" in repr(shell)


def test_takes_exact_types_only() -> None:
    key = parsed(VECTOR_A["credential"])
    for wrong in (None, b"abc", 5):
        with pytest.raises(TypeError):
            _core.parse_issued_key(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            _core.checksum_valid(wrong, make.SECRETS)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            _core.checksum_valid(key, wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            _core.checksum_valid(key, (b"s", wrong if wrong != b"abc" else "abc"))  # type: ignore[arg-type]
