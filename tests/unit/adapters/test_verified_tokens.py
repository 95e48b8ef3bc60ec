"""What is cached of verified tokens, in a dictionary and in the shared cache (contract 16, 6)."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields, replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos._core import KeyCache, SharedMemory, pack_answer
from talos.adapters.cache.verified_tokens import KIND, SharedVerifiedTokenCache
from talos.credentials import json_text
from talos.credentials.claims import TokenClaims
from talos.domain.keys import NIL_NETWORK
from talos.domain.units import MAX_JSON_DEPTH
from talos.http.cached_body import render
from talos.services.ports import VerifiedTokenCache
from talos.services.verdicts import token_verified
from tests.support.fakes.tenants import OTHER_NETWORK, TENANT
from tests.support.fakes.verified_tokens import RecordingTokenCache

S = 1_000_000_000
NOW_NS = 1_750_000_000 * S
SIZE_BYTES = 640 * 1024
TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJqdGkiOiJ4In0.c2lnbmF0dXJl"
CLAIMS = TokenClaims(
    jti="9b2d6a1e-5c3f-4e7a-8d10-2f6b7c8d9e0f",
    sub="3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    iss="https://api.example.com",
    exp_s=NOW_NS // S + 3600,
    scp=("read", "write"),
    meta={"z": 1, "a": [1.5, None, {"n": 2**64 - 1}]},
    custom={"tier": "gold", "nothing": None, "least": -(2**63)},
)


def shared_cache() -> KeyCache:
    memory = SharedMemory(SIZE_BYTES)
    assert memory.attach()
    return KeyCache(memory)


SHARED = SharedVerifiedTokenCache(shared_cache(), render)


@pytest.fixture(
    params=[RecordingTokenCache, lambda: SharedVerifiedTokenCache(shared_cache(), render)]
)
def tokens(request: pytest.FixtureRequest) -> VerifiedTokenCache:
    """Both ways of remembering: what holds for one has to hold for the other."""
    make: Callable[[], VerifiedTokenCache] = request.param
    return make()


def put(
    tokens: VerifiedTokenCache, claims: TokenClaims = CLAIMS, *, ends_ns: int | None = None
) -> None:
    told = token_verified(claims, TENANT)
    tokens.put(NIL_NETWORK, 7, TOKEN, claims, answer=told, ends_ns=ends_ns, now_ns=NOW_NS)


def test_nothing_is_known_at_first(tokens: VerifiedTokenCache) -> None:
    assert tokens.get(NIL_NETWORK, 7, TOKEN, NOW_NS) is None


def test_what_was_remembered_is_found_by_its_whole_name_only(
    tokens: VerifiedTokenCache,
) -> None:
    put(tokens)
    assert tokens.get(NIL_NETWORK, 7, TOKEN, NOW_NS) == CLAIMS
    assert tokens.get(OTHER_NETWORK, 7, TOKEN, NOW_NS) is None
    assert tokens.get(NIL_NETWORK, 8, TOKEN, NOW_NS) is None
    assert tokens.get(NIL_NETWORK, 2**63 - 1, TOKEN, NOW_NS) is None


@pytest.mark.parametrize("position", range(len(TOKEN)))
def test_a_token_that_differs_in_one_byte_is_another(position: int) -> None:
    put(SHARED)
    other = chr(ord(TOKEN[position]) ^ 1)
    changed = f"{TOKEN[:position]}{other}{TOKEN[position + 1 :]}"
    assert SHARED.get(NIL_NETWORK, 7, changed, NOW_NS) is None
    assert SHARED.get(NIL_NETWORK, 7, TOKEN, NOW_NS) == CLAIMS


@pytest.mark.parametrize("text", ["", TOKEN[:-1], f"{TOKEN} ", "\udc80", "é", "\x00"])
def test_any_text_can_be_asked_about(tokens: VerifiedTokenCache, text: str) -> None:
    put(tokens)
    assert tokens.get(NIL_NETWORK, 7, text, NOW_NS) is None


def test_the_generation_is_no_part_of_the_text(tokens: VerifiedTokenCache) -> None:
    put(tokens)
    assert tokens.get(NIL_NETWORK, 0, f"\x07{TOKEN}", NOW_NS) is None
    # 0x65 is the first letter of the token.
    assert tokens.get(NIL_NETWORK, 0x0765, TOKEN[1:], NOW_NS) is None


def test_a_proof_ends_at_the_instant_that_was_given(tokens: VerifiedTokenCache) -> None:
    put(tokens, ends_ns=NOW_NS + 5)
    assert tokens.get(NIL_NETWORK, 7, TOKEN, NOW_NS + 4) == CLAIMS
    assert tokens.get(NIL_NETWORK, 7, TOKEN, NOW_NS + 5) is None
    # A clock that is set back finds it again, as it finds the token good again.
    assert tokens.get(NIL_NETWORK, 7, TOKEN, NOW_NS - 3600 * S) == CLAIMS


@pytest.mark.parametrize("ends_ns", [None, 253_402_300_799 * S])
def test_a_proof_may_have_no_end_that_matters(
    tokens: VerifiedTokenCache, ends_ns: int | None
) -> None:
    put(tokens, ends_ns=ends_ns)
    assert tokens.get(NIL_NETWORK, 7, TOKEN, NOW_NS + 10**9 * S) == CLAIMS


@pytest.mark.parametrize("ends_ns", [NOW_NS, NOW_NS - 1, 0, -62_135_596_800 * S])
def test_what_has_ended_is_not_remembered(tokens: VerifiedTokenCache, ends_ns: int) -> None:
    put(tokens, ends_ns=ends_ns)
    assert tokens.get(NIL_NETWORK, 7, TOKEN, NOW_NS) is None


def test_a_token_that_says_too_much_is_not_remembered() -> None:
    tokens = SharedVerifiedTokenCache(shared_cache(), render)
    put(tokens, replace(CLAIMS, custom={"long": "x" * 4096}))
    assert tokens.get(NIL_NETWORK, 7, TOKEN, NOW_NS) is None
    put(tokens, replace(CLAIMS, custom={"long": "x" * 3000}))
    assert tokens.get(NIL_NETWORK, 7, TOKEN, NOW_NS) is not None


def test_how_a_token_is_told_gives_way_where_both_are_too_long() -> None:
    cache = shared_cache()
    tokens = SharedVerifiedTokenCache(cache, render)
    name = hashlib.sha256((7).to_bytes(8) + TOKEN.encode()).hexdigest()
    for length, told in ((1500, True), (3000, False)):
        claims = replace(CLAIMS, custom={"long": "x" * length})
        put(tokens, claims)
        payload = cache.get(NIL_NETWORK, KIND, name, now_ns=NOW_NS)
        assert payload is not None
        assert (render(token_verified(claims, TENANT)) in payload) is told
        assert tokens.get(NIL_NETWORK, 7, TOKEN, NOW_NS) == claims


def test_claims_as_deep_as_a_token_may_hold_them(tokens: VerifiedTokenCache) -> None:
    depth = MAX_JSON_DEPTH - 1
    nested = json_text.decode_object(b'{"a":' + b"[" * depth + b"]" * depth + b"}")
    put(tokens, replace(CLAIMS, custom=nested))
    found = tokens.get(NIL_NETWORK, 7, TOKEN, NOW_NS)
    assert found is not None
    assert found.custom == nested


def test_workers_that_share_a_cache_share_what_is_proved() -> None:
    memory = SharedMemory(SIZE_BYTES)
    memory.attach()
    one, other = (SharedVerifiedTokenCache(KeyCache(memory), render) for _ in range(2))
    put(one)
    assert other.get(NIL_NETWORK, 7, TOKEN, NOW_NS) == CLAIMS


def test_tokens_seen_once_push_out_no_keys_in_use() -> None:
    memory = SharedMemory(8 * SIZE_BYTES)
    assert memory.attach()
    cache = KeyCache(memory)
    tokens = SharedVerifiedTokenCache(cache, render)
    keys = [str(UUID(int=number, version=4)) for number in range(2_000)]

    def found(key_id: str) -> bool:
        return cache.get(NIL_NETWORK, 0, key_id, now_ns=NOW_NS) is not None

    for key_id in keys:
        lease = cache.lease(NIL_NETWORK, 0, key_id)
        answer, ends_ns = bytes(400), NOW_NS + 3600 * S
        cache.publish(lease, NIL_NETWORK, 0, key_id, answer, expires_at_ns=ends_ns, now_ns=NOW_NS)
        assert found(key_id)
    # Some three times what there is room for.
    told = token_verified(CLAIMS, TENANT)
    for number in range(40_000):
        tokens.put(
            NIL_NETWORK,
            7,
            f"{TOKEN}{number}",
            CLAIMS,
            answer=told,
            ends_ns=None,
            now_ns=NOW_NS,
        )
    # Who comes once may be taken for another who came before, but that is rare.
    assert sum(map(found, keys)) >= 0.99 * len(keys)


def stored(cache: KeyCache) -> tuple[str, bytes | None]:
    """The name of the entry, made without our code, and what lies there."""
    name = hashlib.sha256((7).to_bytes(8, "big") + TOKEN.encode()).hexdigest()
    return name, cache.get(NIL_NETWORK, KIND, name, now_ns=NOW_NS)


def test_the_name_is_a_digest_and_nothing_of_the_token_is_kept() -> None:
    cache = shared_cache()
    put(SharedVerifiedTokenCache(cache, render))
    _, payload = stored(cache)
    assert payload is not None
    assert all(part.encode() not in payload for part in TOKEN.split("."))


@pytest.mark.parametrize(
    "said", [b"", b"\xc1", b"\x80\x80", b"\x81\xa3jti\x01", b"\x81\xa3jti\xa1\xff"]
)
@pytest.mark.parametrize("packed", [True, False])
def test_what_cannot_be_read_is_not_known(said: bytes, packed: bool) -> None:
    cache = shared_cache()
    tokens = SharedVerifiedTokenCache(cache, render)
    put(tokens)
    name, _ = stored(cache)
    lease = cache.lease(NIL_NETWORK, KIND, name)
    payload = said
    if packed:
        payload = pack_answer(b"{}", said, generation=7, expires_at_ns=None, plain=True)
    cache.publish(lease, NIL_NETWORK, KIND, name, payload, expires_at_ns=NOW_NS + S, now_ns=NOW_NS)
    assert tokens.get(NIL_NETWORK, 7, TOKEN, NOW_NS) is None


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=3)
TUPLES = st.lists(TEXT, max_size=3).map(tuple)
SECONDS = st.none() | st.integers(-62_135_596_800, 253_402_300_799)


@given(
    st.builds(
        TokenClaims,
        **dict.fromkeys(("jti", "sub", "iss", "act", "nid", "vis", "tty", "akid"), TEXT),
        **dict.fromkeys(("scp", "acl", "aud"), TUPLES),
        **dict.fromkeys(("iat_s", "nbf_s", "exp_s"), SECONDS),
        meta=OBJECTS,
        custom=OBJECTS,
    )
)
def test_claims_come_back_as_they_were(claims: TokenClaims) -> None:
    put(SHARED, claims)
    found = SHARED.get(NIL_NETWORK, 7, TOKEN, NOW_NS)
    assert found == claims
    # Equal is not enough: 1 and 1.0 are, and so are members in another order.
    written = [
        json.dumps([getattr(each, field.name) for field in fields(TokenClaims)])
        for each in (found, claims)
    ]
    assert written[0] == written[1]
    assert found.metadata == claims.metadata
