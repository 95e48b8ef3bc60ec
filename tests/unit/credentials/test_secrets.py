import copy
import pickle
from collections.abc import Callable

import pytest

from talos.credentials.secrets import Retired, Secret, SecretRing

TEXT = "test-secret-for-hmac-0123456789abcdef"


def test_a_secret_is_revealed_on_request_only() -> None:
    secret = Secret(TEXT)
    assert secret.reveal() == TEXT.encode()
    assert Secret(TEXT.encode()).reveal() == TEXT.encode()
    printed = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}",
        f"{secret!r}",
        f"{[secret]}",
    ]
    assert not any("test" in text or TEXT in text for text in printed)
    assert "redacted" in repr(SecretRing(secret, (Retired(secret),)))
    assert TEXT not in repr(SecretRing(secret, (Retired(secret),)))


def test_secrets_compare_with_secrets_alone() -> None:
    assert Secret(TEXT) == Secret(TEXT.encode())
    assert Secret(TEXT) != Secret(TEXT + "x")
    assert Secret(TEXT) != Secret("T" + TEXT[1:])
    assert Secret(TEXT) != TEXT
    assert Secret(TEXT) != TEXT.encode()


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_does_not_travel(leak: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        leak(Secret(TEXT))


def test_a_secret_has_no_hash() -> None:
    with pytest.raises(TypeError):
        hash(Secret(TEXT))


def test_a_secret_that_is_no_text_is_refused_without_being_quoted() -> None:
    with pytest.raises(ValueError, match="valid Unicode") as caught:
        Secret(TEXT + "\ud800")
    assert TEXT not in repr(caught.value)
    assert caught.value.__suppress_context__


def test_a_retired_value_counts_until_the_instant_it_expires() -> None:
    assert Retired("x").accepted(2**63)
    assert Retired("x", 100).accepted(99)
    assert not Retired("x", 100).accepted(100)
    assert not Retired("x", 100).accepted(101)


def test_a_ring_accepts_the_current_secret_first_and_skips_what_is_over_or_empty() -> None:
    ring = SecretRing(
        Secret("current"),
        (
            Retired(Secret("over"), 50),
            Retired(Secret("")),
            Retired(Secret("later"), 101),
            Retired(Secret("always")),
        ),
    )
    assert ring.accepted(100) == (b"current", b"later", b"always")


def test_a_ring_without_a_current_secret_cannot_exist() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        SecretRing(Secret(""))
