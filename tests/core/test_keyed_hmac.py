"""HMAC under a kept key against the standard library, by context and by one-shot."""

import hmac
import pickle
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos import _core
from tests.core.strategies import quick

both = pytest.mark.parametrize("one_shot", [False, True], ids=["context", "one-shot"])


@both
@quick
@given(key=st.binary(max_size=200), messages=st.lists(st.binary(max_size=300), max_size=4))
def test_digests_are_the_standard_librarys(
    one_shot: bool, key: bytes, messages: list[bytes]
) -> None:
    mac = _core.KeyedHmac(key, one_shot=one_shot)
    # Each message twice and among others: nothing of one may be left in the next.
    for message in [*messages, *messages]:
        assert mac.digest(message) == hmac.digest(key, message, "sha256")


@both
def test_a_long_message(one_shot: bool) -> None:
    message = bytes(range(256)) * 4096
    mac = _core.KeyedHmac(b"test-secret-for-hmac-0123456789abcdef", one_shot=one_shot)
    assert mac.digest(message) == hmac.digest(
        b"test-secret-for-hmac-0123456789abcdef", message, "sha256"
    )


def test_keys_do_not_mix() -> None:
    macs = {key: _core.KeyedHmac(key) for key in (b"", b"a", b"b", b"a" * 64, b"a" * 65)}
    for _ in range(3):
        for key, mac in macs.items():
            assert mac.digest(b"message") == hmac.digest(key, b"message", "sha256")


def test_the_one_shot_can_be_asked_for() -> None:
    assert _core.KeyedHmac(b"key", one_shot=True).is_one_shot


@pytest.mark.skipif(
    ssl.OPENSSL_VERSION_INFO < (3,) or "OpenSSL" not in ssl.OPENSSL_VERSION,
    reason="the interpreter's OpenSSL has no EVP_MAC",
)
def test_a_context_is_used_where_openssl_has_one() -> None:
    assert not _core.KeyedHmac(b"key").is_one_shot


def test_it_cannot_be_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(_core.KeyedHmac(b"key"))


def test_its_text_does_not_tell_the_key() -> None:
    assert "secret" not in repr(_core.KeyedHmac(b"test-secret", one_shot=True))


@pytest.mark.parametrize("key", [None, "text", bytearray(b"key")])
def test_a_key_is_bytes(key: object) -> None:
    with pytest.raises(TypeError):
        _core.KeyedHmac(key)  # type: ignore[arg-type]
