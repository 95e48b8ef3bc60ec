"""Page tokens (contract 7.1)."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.credentials.secrets import Retired, Secret, SecretRing
from talos.domain.keys import NIL_NETWORK
from talos.errors import InvalidRequest
from talos.services.page_tokens import TOKEN_LIFETIME_NS, PageTokens
from tests.support.fakes.tenants import OTHER_NETWORK

NOW_NS = 1_750_000_000_000_000_000
OLD = Secret("test-secret-for-hmac-0123456789abcdef")
NEW = Secret("new-secret-for-hmac-0123456789abcdef")
TOKENS = PageTokens(SecretRing(OLD), NIL_NETWORK)
LAST_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


def refused(tokens: PageTokens, token: str, now_ns: int = NOW_NS) -> str:
    with pytest.raises(InvalidRequest) as caught:
        tokens.open(token, now_ns)
    return caught.value.message


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_token_opens_to_its_id(last_id: str) -> None:
    token = TOKENS.seal(last_id, NOW_NS)
    assert TOKENS.open(token, NOW_NS) == last_id
    assert re.fullmatch("[A-Za-z0-9_-]+", token)


def test_every_token_is_different_and_tells_nothing() -> None:
    one, two = TOKENS.seal(LAST_ID, NOW_NS), TOKENS.seal(LAST_ID, NOW_NS)
    assert one != two
    opened = base64.urlsafe_b64decode(one + "=" * (-len(one) % 4))
    assert LAST_ID.encode() not in opened
    assert NIL_NETWORK.encode() not in opened


def test_a_token_lives_an_hour() -> None:
    token = TOKENS.seal(LAST_ID, NOW_NS)
    end_ns = NOW_NS + 3_600_000_000_000
    assert end_ns == NOW_NS + TOKEN_LIFETIME_NS
    assert TOKENS.open(token, end_ns - 1) == LAST_ID
    assert refused(TOKENS, token, end_ns) == "invalid page token"


def test_a_token_belongs_to_its_network() -> None:
    token = TOKENS.seal(LAST_ID, NOW_NS)
    elsewhere = PageTokens(SecretRing(OLD), OTHER_NETWORK)
    assert refused(elsewhere, token) == "page token network mismatch"
    with_other_secret = PageTokens(SecretRing(NEW), OTHER_NETWORK)
    assert refused(with_other_secret, token) == "invalid page token"


def test_a_token_of_a_retired_secret_opens_until_it_expires() -> None:
    token = TOKENS.seal(LAST_ID, NOW_NS)
    forever = PageTokens(SecretRing(NEW, (Retired(OLD),)), NIL_NETWORK)
    assert forever.open(token, NOW_NS) == LAST_ID
    ended = PageTokens(SecretRing(NEW, (Retired(OLD, NOW_NS),)), NIL_NETWORK)
    assert refused(ended, token) == "invalid page token"
    assert refused(PageTokens(SecretRing(NEW), NIL_NETWORK), token) == "invalid page token"


def test_every_changed_character_is_noticed() -> None:
    token = TOKENS.seal(LAST_ID, NOW_NS)
    for position, character in enumerate(token):
        other = "A" if character != "A" else "B"
        changed = token[:position] + other + token[position + 1 :]
        assert refused(TOKENS, changed) == "invalid page token"


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token[1:],
        lambda token: token + "A",
        lambda token: token + "AAAA",
        lambda token: token + "=",
        lambda token: token + "==",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token[:5] + "\n" + token[5:],
        lambda token: token.replace(token[3], "ü", 1),
        lambda _: "x",
        lambda _: "A" * 16,
        lambda _: "A" * 40,
        lambda _: "\0",
        lambda _: "\ud800",
    ],
)
def test_only_the_spelling_that_was_given_out_is_accepted(change: object) -> None:
    token = TOKENS.seal(LAST_ID, NOW_NS)
    assert refused(TOKENS, change(token)) == "invalid page token"  # type: ignore[operator]


@pytest.mark.parametrize("length", range(4))
def test_spare_bits_are_no_second_spelling(length: int) -> None:
    token = TOKENS.seal(LAST_ID + "x" * length, NOW_NS)
    if len(token) % 4 == 0:
        return
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1])
    assert refused(TOKENS, token[:-1] + alphabet[last ^ 1]) == "invalid page token"


@given(st.text(max_size=80))
def test_hostile_text_is_refused(text: str) -> None:
    assert refused(TOKENS, text) == "invalid page token"
