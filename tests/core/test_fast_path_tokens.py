"""Derived tokens on the fast path: what was published, while the token is good, and no more."""

import hashlib
import uuid
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from talos import _core
from tests.core.strategies import CURRENT, quick
from tests.support.fast_path import HEAD, NOW_NS, S, asking

NETWORK: Final = uuid.UUID("550e8400-e29b-41d4-a716-446655440000")
IMPORTED, TOKENS = 1, 2
TOKEN_HEAD = (b"\r\nKind: token" + HEAD[0], HEAD[1])
JWT = "eyJhbGciOiJFZERTQSJ9.eyJqdGkiOiJ4In0.c2lnbmF0dXJl"
MACAROON = "mc_v1_MDAxY2xvY2F0aW9uIGE"
BODY = b'{"is_valid":true,"key_id":"x"}'
FOREVER_NS = 2**63 - 1
INSTANTS = st.integers(0, 2**63 - 1) | st.integers(NOW_NS - 700 * S, NOW_NS + 700 * S)


class Host:
    """A fast path that answers for tokens, and what is published for them."""

    def __init__(self) -> None:
        self.memory = _core.SharedMemory(2 << 20)
        assert self.memory.attach()
        self.cache = _core.KeyCache(self.memory)
        self.fast_path = _core.FastPath(
            self.cache,
            kind=0,
            imported_kind=IMPORTED,
            token_kind=TOKENS,
        )
        self.configure()

    def configure(
        self, *, network: uuid.UUID = NETWORK, generation: int = 7, skew_ns: int = 300 * S
    ) -> None:
        settings = _core.FastPathNetwork(
            network=network.bytes,
            secrets=[(CURRENT, None)],
            prefixes=(b"ory_ak",),
            macaroons=(b"mc_v1_",),
            max_ttl_ns=0,
            max_age_ns=2**62,
            skew_ns=skew_ns,
            generation=generation,
        )
        self.fast_path.configure(lambda _host: settings, head=HEAD, token_head=TOKEN_HEAD)

    def publish(
        self,
        token: str = JWT,
        *,
        kind: int = TOKENS,
        name: str | None = None,
        begins_at_ns: int | None = 0,
        expires_at_ns: int | None = None,
        generation: int = 7,
        plain: bool = True,
        body: bytes = BODY,
    ) -> None:
        payload = _core.pack_answer(
            body,
            b"tail",
            generation=generation,
            expires_at_ns=expires_at_ns,
            begins_at_ns=begins_at_ns,
            plain=plain,
        )
        entry = (NETWORK.bytes, kind, name or named(token))
        outcome = self.cache.publish(
            self.cache.lease(*entry), *entry, payload, expires_at_ns=FOREVER_NS, now_ns=0
        )
        assert outcome == _core.PUBLISH_DONE

    def answer(self, token: str = JWT, now_ns: int = NOW_NS) -> bytes:
        data = asking(token)
        answer, end = self.fast_path.answer(data, now_ns=now_ns)
        assert end == (len(data) if answer else 0)
        return answer


def named(token: str, generation: int = 7) -> str:
    return hashlib.sha256(generation.to_bytes(8, "big") + token.encode()).hexdigest()


@pytest.fixture
def host() -> Host:
    return Host()


SHARED = Host()


@pytest.mark.parametrize("token", [JWT, MACAROON])
def test_a_token_is_answered_for_under_its_own_head(host: Host, token: str) -> None:
    assert host.answer(token) == b""
    host.publish(token)
    head, _, body = host.answer(token).partition(b"\r\n\r\n")
    assert body == BODY
    assert b"\r\nKind: token\r\n" in head
    assert host.memory.counters.read(_core.FIRST_FAST_PATH_COUNTER) == 1


@pytest.mark.parametrize("position", range(len(JWT)))
def test_a_token_that_differs_in_one_byte_is_declined(position: int) -> None:
    SHARED.publish()
    for other in ("A", "_", "."):
        changed = f"{JWT[:position]}{other}{JWT[position + 1 :]}"
        assert bool(SHARED.answer(changed)) is (changed == JWT)


@pytest.mark.parametrize("changed", [JWT + "A", JWT[:-1], "a" + JWT, JWT + ".", "mc_v1_" + JWT])
def test_other_tokens_are_declined(changed: str) -> None:
    SHARED.publish()
    assert SHARED.answer()
    assert SHARED.answer(changed) == b""


def test_another_network_or_generation_is_declined(host: Host) -> None:
    host.publish()
    assert host.answer()
    host.configure(network=uuid.UUID(int=0))
    assert host.answer() == b""
    host.configure(generation=8)
    assert host.answer() == b""
    host.configure()
    assert host.answer()


def test_an_entry_that_says_another_generation_than_its_name_is_declined(host: Host) -> None:
    host.publish(generation=8)
    assert host.answer() == b""


@given(begins_ns=INSTANTS, expires_ns=INSTANTS, now_ns=INSTANTS, skew_ns=st.integers(0, 900 * S))
@example(NOW_NS + 300 * S, FOREVER_NS, NOW_NS, 300 * S)
@example(NOW_NS + 300 * S + 1, FOREVER_NS, NOW_NS, 300 * S)
@example(0, NOW_NS, NOW_NS, 0)
@example(0, NOW_NS - 1, NOW_NS, 0)
@quick
def test_a_token_is_answered_for_while_it_is_good(
    begins_ns: int, expires_ns: int, now_ns: int, skew_ns: int
) -> None:
    SHARED.publish(MACAROON, begins_at_ns=begins_ns, expires_at_ns=expires_ns)
    SHARED.configure(skew_ns=skew_ns)
    good = (
        begins_ns - min(skew_ns, 600 * S) <= now_ns <= expires_ns
        # The entry itself ends with the clock.
        and now_ns < FOREVER_NS
    )
    # A year that no date can be formatted of is beyond what any clock says.
    assert bool(SHARED.answer(MACAROON, now_ns)) is good


@pytest.mark.parametrize("begins_at_ns", [-(2**70), -1, 0])
def test_a_token_may_have_begun_at_any_time(host: Host, begins_at_ns: int) -> None:
    host.publish(begins_at_ns=begins_at_ns)
    assert host.answer()
    assert host.answer(now_ns=0)


def test_what_is_not_plain_is_declined(host: Host) -> None:
    host.publish(plain=False)
    assert host.answer() == b""


def test_tokens_and_keys_are_never_taken_for_each_other(host: Host) -> None:
    # What is published for keys, under the name of a token; zeros could be read as its beginning.
    for body in (BODY, bytes(40)):
        host.publish(begins_at_ns=None, body=body)
        assert host.answer() == b""
    # What is published for tokens, under the names of keys.
    key_id = str(uuid.uuid4())
    key = _core.mint_issued_key("ory_ak", NOW_NS // S, key_id, CURRENT)
    host.publish(kind=0, name=key_id)
    assert host.answer(key) == b""
    raw_key = "sk_test_imported"
    imported = hashlib.new("sha512_256", str(NETWORK).encode() + b"\0" + raw_key.encode())
    host.publish(kind=IMPORTED, name=imported.hexdigest())
    assert host.answer(raw_key) == b""
    host.publish(kind=IMPORTED, name=imported.hexdigest(), begins_at_ns=None)
    assert host.answer(raw_key)


@pytest.mark.parametrize(
    ("kind", "heads"),
    [
        (None, {"head": HEAD}),
        (TOKENS, {"head": HEAD}),
        (None, {"head": HEAD, "token_head": TOKEN_HEAD}),
    ],
)
def test_without_a_kind_or_a_head_for_them_tokens_are_declined(
    kind: int | None, heads: dict[str, tuple[bytes, bytes]]
) -> None:
    host = Host()
    host.publish()
    fast = _core.FastPath(host.cache, kind=0, token_kind=kind)
    settings = _core.FastPathNetwork(
        network=NETWORK.bytes,
        secrets=[(CURRENT, None)],
        prefixes=(b"ory_ak",),
        macaroons=(b"mc_v1_",),
        max_ttl_ns=0,
        max_age_ns=2**62,
        skew_ns=0,
        generation=7,
    )
    fast.configure(lambda _host: settings, **heads)
    assert fast.answer(asking(JWT), now_ns=NOW_NS) == (b"", 0)


def test_a_token_has_no_limit() -> None:
    with pytest.raises(ValueError, match="limit"):
        _core.pack_answer(
            BODY, b"", generation=1, expires_at_ns=None, plain=True, limit=(1, 1), begins_at_ns=0
        )


def test_what_is_packed_for_a_token_is_unpacked() -> None:
    payload = _core.pack_answer(
        BODY, b"tail", generation=1, expires_at_ns=None, plain=True, begins_at_ns=NOW_NS
    )
    assert _core.unpack_answer(payload) == (BODY, b"tail")
    assert _core.unpack_answer(payload[:24]) is None
