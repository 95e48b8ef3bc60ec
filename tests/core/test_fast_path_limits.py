"""A key's rate limit on the fast path: the last gate, and what it adds to the published answer."""

import json
import struct
import uuid
from mmap import mmap
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from talos import _core
from talos.credentials.imported import imported_key_id
from talos.domain.timestamps import rfc3339
from tests.core.strategies import CURRENT, STRANGE, quick
from tests.support.fast_path import HEAD, MADE_S, NOW_NS, S, asking

NETWORK: Final = uuid.UUID("550e8400-e29b-41d4-a716-446655440000")
IMPORTED = 1
LONGEST_WINDOW_S = 9_223_372_036
LARGEST_QUOTA = 2**63 - 1
BODY = (
    b'{"is_valid":true,"key_id":"x","metadata":null,"rate_limit_policy":{"quota":"?"},'
    b'"visibility":"KEY_VISIBILITY_SECRET","audiences":[]}'
)


class Host:
    """A fast path that counts calls on a clock of its own."""

    def __init__(self, *, counted: bool = True) -> None:
        self.memory = _core.SharedMemory(2 << 20)
        assert self.memory.attach()
        self.cache = _core.KeyCache(self.memory)
        self.monotonic = memoryview(mmap(-1, 8)).cast("B").cast("Q")
        self.limits = _core.RateLimits(1 << 16, clock=self.monotonic) if counted else None
        self.fast_path = _core.FastPath(
            self.cache,
            kind=0,
            imported_kind=IMPORTED,
            limits=self.limits,
        )
        settings = _core.FastPathNetwork(
            network=NETWORK.bytes,
            secrets=[(CURRENT, None)],
            prefixes=(b"ory_ak",),
            macaroons=(b"mc_v1_",),
            max_ttl_ns=0,
            max_age_ns=2**62,
            skew_ns=300 * S,
            generation=1,
            limits_enabled=True,
        )
        self.fast_path.configure(lambda _host: settings, head=HEAD)

    def publish(
        self,
        kind: int,
        key_id: str,
        limit: tuple[int, int] | None,
        *,
        body: bytes = BODY,
        plain: bool = True,
        expires_at_ns: int | None = None,
    ) -> None:
        payload = _core.pack_answer(
            body, b"tail", generation=1, expires_at_ns=expires_at_ns, plain=plain, limit=limit
        )
        self.keep(kind, key_id, payload)

    def keep(self, kind: int, key_id: str, payload: bytes) -> None:
        name = (str(NETWORK), kind, key_id)
        outcome = self.cache.publish(
            self.cache.lease(*name), *name, payload, expires_at_ns=2**63 - 1, now_ns=0
        )
        assert outcome == _core.PUBLISH_DONE

    def imported(self, raw_key: str, quota: int, window_s: int) -> str:
        self.publish(IMPORTED, imported_key_id(str(NETWORK), raw_key), (quota, window_s))
        return raw_key

    def ask(self, credential: str, now_ns: int = NOW_NS) -> dict[str, object] | None:
        """The body of the answer; None where the fast path declines."""
        answer, _ = self.fast_path.answer(asking(credential), now_ns=now_ns)
        if not answer:
            return None
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"\r\nContent-Length: %d\r\n" % len(body) in head
        told: dict[str, object] = json.loads(body)
        return told


@pytest.fixture
def host() -> Host:
    return Host()


@quick
@given(now_ns=st.integers(0, 2**63 - 2), window_s=st.integers(1, LONGEST_WINDOW_S))
@example(now_ns=0, window_s=1)
@example(now_ns=951_782_399_999_999_999, window_s=1)  # the end of 29 February 2000
@example(now_ns=4_107_542_399 * S, window_s=1)  # there is none in 2100
@example(now_ns=1_735_689_599_999_000_000, window_s=1)
@example(now_ns=1_735_689_599_999_999_000, window_s=1)
@example(now_ns=2**63 - 2, window_s=LONGEST_WINDOW_S)
def test_instants_are_printed_as_everywhere(now_ns: int, window_s: int) -> None:
    host = Host()
    told = host.ask(host.imported("key", 1, window_s), now_ns)
    assert told is not None
    assert told["rate_limit_reset_time"] == rfc3339(now_ns + window_s * S)


@quick
@given(quota=st.integers(1, LARGEST_QUOTA), window_s=st.integers(1, LONGEST_WINDOW_S))
@example(quota=LARGEST_QUOTA, window_s=LONGEST_WINDOW_S)
@example(quota=LARGEST_QUOTA, window_s=1)
def test_policies_of_every_size_are_counted(quota: int, window_s: int) -> None:
    host, other = Host(), _core.RateLimits(1 << 16)
    told = host.ask(host.imported("key", quota, window_s))
    expected = other.admit("any", "any", quota, window_s)
    assert told is not None
    assert expected is not None
    assert told["rate_limit_remaining"] == str(expected[1])
    assert told["rate_limit_reset_time"] == rfc3339(NOW_NS + expected[2])


def test_calls_are_counted_under_the_names_that_others_have_for_the_key(host: Host) -> None:
    assert host.limits is not None
    key_id = str(uuid.uuid4())
    issued = _core.mint_issued_key("ory_ak", MADE_S, key_id, CURRENT)
    host.publish(0, key_id, (10, 60))
    raw_key = host.imported("a raw key", 10, 60)
    for credential, name in ((issued, key_id), (raw_key, imported_key_id(str(NETWORK), raw_key))):
        assert host.limits.admit(str(NETWORK), name, 10, 60) == (True, 9, 6 * S)
        told = host.ask(credential)
        assert told is not None
        assert told["rate_limit_remaining"] == "8"


def test_what_an_earlier_gate_declines_costs_nothing(host: Host) -> None:
    assert host.limits is not None
    key_id = str(uuid.uuid4())
    for options in ({"plain": False}, {"expires_at_ns": NOW_NS - 1}):
        host.publish(0, key_id, (1, 60), **options)  # type: ignore[arg-type]
        assert host.ask(_core.mint_issued_key("ory_ak", MADE_S, key_id, CURRENT)) is None
    host.publish(0, key_id, (1, 60))
    assert host.ask(_core.mint_issued_key("ory_ak", MADE_S, key_id, STRANGE)) is None
    assert host.ask(_core.mint_issued_key("old", MADE_S, key_id, CURRENT)) is None
    assert host.limits.admit(str(NETWORK), key_id, 1, 60) == (True, 0, 60 * S)


@pytest.mark.parametrize("limit", [(0, 60), (-1, 60), (2**63, 60), (1, 0), (1, 2**34), (2**80, 1)])
def test_a_policy_that_is_none_is_declined(host: Host, limit: tuple[int, int]) -> None:
    key_id = imported_key_id(str(NETWORK), "key")
    host.publish(IMPORTED, key_id, limit)
    assert host.ask("key") is None
    host.publish(IMPORTED, key_id, (1, 1))
    assert host.ask("key") is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        BODY.replace(b"true", b"false"),
        BODY.replace(b"visibility", b"other"),
        BODY.replace(b"rate_limit_policy", b"other"),
        b"[" + BODY,
        b'{"is_valid":true,"visibility":"","rate_limit_policy":{"x":1}}',
    ],
)
def test_a_limit_has_to_find_its_place_in_the_body(host: Host, body: bytes) -> None:
    host.publish(IMPORTED, imported_key_id(str(NETWORK), "key"), (1, 60), body=body)
    assert host.ask("key") is None


@pytest.mark.parametrize(
    ("place", "word"),
    [
        (4, 0),
        (4, 2**63),
        (5, 0),
        (5, LONGEST_WINDOW_S + 1),
        (6, 0),
        (6, 16 << 32 | 90),
        (6, 91 << 32 | 90),
        (6, 90 << 32 | len(BODY) + 1),
        (6, 2**64 - 1),
    ],
)
def test_numbers_beyond_their_bounds_are_declined(host: Host, place: int, word: int) -> None:
    packed = _core.pack_answer(
        BODY, b"", generation=1, expires_at_ns=None, plain=True, limit=(1, 60)
    )
    words = list(struct.unpack_from("<7Q", packed))
    key_id = imported_key_id(str(NETWORK), "key")
    host.keep(IMPORTED, key_id, packed)
    assert host.ask("key") is not None
    words[place] = word
    host.keep(IMPORTED, key_id, struct.pack("<7Q", *words) + BODY)
    assert host.ask("key") is None


@quick
@given(raw_key=st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1))
def test_an_imported_key_is_found_by_its_hash(raw_key: str) -> None:
    host = Host(counted=False)
    host.imported(raw_key, 1, 1)
    plain = not {'"', "\\"} & set(raw_key)
    data = asking(raw_key)
    assert (host.fast_path.answer(data, now_ns=NOW_NS)[1] == len(data)) is plain


def test_without_a_kind_for_them_imported_keys_are_declined(host: Host) -> None:
    fast = _core.FastPath(host.cache, kind=0)
    settings = _core.FastPathNetwork(
        network=NETWORK.bytes,
        secrets=[],
        prefixes=(),
        macaroons=(),
        max_ttl_ns=0,
        max_age_ns=2**62,
        skew_ns=0,
        generation=1,
    )
    fast.configure(lambda _host: settings, head=HEAD)
    host.publish(IMPORTED, imported_key_id(str(NETWORK), "key"), None)
    assert host.ask("key") is not None
    assert fast.answer(asking("key"), now_ns=NOW_NS) == (b"", 0)


@quick
@given(
    body=st.binary(max_size=80).map(lambda middle: BODY[:17] + middle + BODY[17:]),
    tail=st.binary(max_size=80),
    limit=st.tuples(st.integers(-1, 2**64), st.integers(-1, 2**40)),
)
def test_what_is_packed_with_a_limit_can_be_unpacked(
    body: bytes, tail: bytes, limit: tuple[int, int]
) -> None:
    payload = _core.pack_answer(
        body, tail, generation=1, expires_at_ns=None, plain=True, limit=limit
    )
    assert _core.unpack_answer(payload) == (body, tail)
