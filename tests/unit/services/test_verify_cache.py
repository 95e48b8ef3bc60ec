"""Verify and the cache: outcomes, directives, lifetimes, leases, evictions (contract 6.8, 16)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from talos.adapters.cache.null import NullKeyCache, NullVerifiedTokenCache
from talos.credentials.secrets import Secret, SecretRing
from talos.domain.addresses import Caller
from talos.domain.drafts import (
    DeriveDraft,
    KeyChange,
    KeyDraft,
    RateLimitDraft,
    RevokeDraft,
    SelfRevokeDraft,
)
from talos.domain.keys import Key, KeyKind, KeyStatus, KeyVisibility
from talos.domain.timestamps import day_ends_ns
from talos.domain.verification import CacheDirective as Directive
from talos.domain.verification import VerificationErrorCode as Code
from talos.errors import (
    Conflict,
    Forbidden,
    GatewayTimeout,
    InternalError,
    ServiceUnavailable,
    TalosError,
)
from talos.services.refused import RefusedKeys
from talos.services.tenant import Tenant
from talos.services.verify import VerifyService
from tests.support.fakes.harness import CALLER, DRAFT, ServiceHarness
from tests.support.fakes.tenants import TENANT, tenant

S = 1_000_000_000
OFF = tenant(cache_enabled=False)
OTHER_SECRET = SecretRing(Secret("another-secret-for-hmac-01234567"))
KINDS = ["issued", "imported"]


def make(harness: ServiceHarness, kind: str, draft: KeyDraft = DRAFT) -> tuple[Key, str]:
    if kind == "issued":
        return harness.issue(draft)
    key = harness.services.imports.import_key(TENANT, replace(draft, raw_key="test-raw-key"))
    harness.events.clear()
    return key, "test-raw-key"


def outcomes(harness: ServiceHarness, credential: str, *tenants_: Tenant) -> list[str]:
    return [harness.verified(credential, tenant=seen_by).cache.value for seen_by in tenants_]


@pytest.mark.parametrize("kind", KINDS)
def test_a_miss_fills_and_a_hit_spares_the_database(harness: ServiceHarness, kind: str) -> None:
    _, credential = make(harness, kind)
    first, second = harness.verified(credential), harness.verified(credential)
    assert (first.cache.value, second.cache.value) == ("MISS", "HIT")
    assert first.verification == second.verification
    assert harness.keys.reads == 1


def test_nothing_is_read_or_written_while_the_cache_is_off(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    assert outcomes(harness, secret, OFF, OFF) == ["SKIP", "SKIP"]
    assert harness.cache.reads == harness.cache.leases == []


def test_a_wrong_checksum_never_looks_into_the_cache(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    harness.verified(secret)
    harness.cache.reads.clear()
    assert outcomes(harness, secret, tenant(hmac=OTHER_SECRET)) == ["SKIP"]
    assert harness.cache.reads == []


def test_unknown_keys_are_misses(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    del harness.keys.rows[key.ref]
    assert harness.verified(secret).cache.value == "MISS"
    assert harness.verified("never imported").cache.value == "MISS"
    assert harness.verified("never imported", tenant=OFF).cache.value == "SKIP"


@pytest.mark.parametrize(
    "stricter",
    [tenant(max_ttl_ns=S), tenant(prefix="other", public_prefix=None)],
    ids=["age", "prefix"],
)
def test_age_and_prefix_hold_on_hits_too(harness: ServiceHarness, stricter: Tenant) -> None:
    _, secret = harness.issue()
    harness.verified(secret)
    harness.clock.advance(s=5)
    answer = harness.verified(secret, tenant=stricter)
    assert (answer.verification.error, answer.cache.value) == (Code.NOT_FOUND, "MISS")


def test_the_noop_cache_misses_always(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    ports = replace(harness.ports, cache=NullKeyCache(), verified_tokens=NullVerifiedTokenCache())
    service = VerifyService(ports)
    harness.services = replace(harness.services, verify=service)
    assert outcomes(harness, secret, TENANT, TENANT, OFF) == ["MISS", "MISS", "SKIP"]


def test_an_address_is_judged_on_a_hit(harness: ServiceHarness) -> None:
    _, secret = harness.issue(replace(DRAFT, allowed_cidrs=("192.0.2.0/24",)))
    harness.verified(secret)
    answer = harness.verified(secret, caller=Caller("10.0.0.1"))
    assert (answer.verification.error, answer.cache.value) == (Code.IP_NOT_ALLOWED, "HIT")
    answer = harness.verified(secret, audiences=("billing",))
    assert (answer.verification.error, answer.cache.value) == (Code.AUDIENCE_MISMATCH, "HIT")


# Directives


@pytest.mark.parametrize("kind", KINDS)
def test_no_cache_skips_the_read_and_still_writes(harness: ServiceHarness, kind: str) -> None:
    key, credential = make(harness, kind)
    assert harness.verified(credential, directive=Directive.NO_CACHE).cache.value == "SKIP"
    assert harness.cache.reads == []
    assert harness.cache.published == [key.ref]
    assert harness.verified(credential).cache.value == "HIT"


@pytest.mark.parametrize("kind", KINDS)
def test_no_store_skips_both(harness: ServiceHarness, kind: str) -> None:
    _, credential = make(harness, kind)
    assert harness.verified(credential, directive=Directive.NO_STORE).cache.value == "SKIP"
    assert harness.cache.reads == harness.cache.leases == []
    assert harness.verified(credential).cache.value == "MISS"


# What is published, and for how long


def refused_for_address(harness: ServiceHarness, secret: str) -> None:
    harness.verified(secret, caller=Caller("10.0.0.1"))


def refused_for_audience(harness: ServiceHarness, secret: str) -> None:
    harness.verified(secret, audiences=("billing",))


def refused_for_limit(harness: ServiceHarness, secret: str) -> None:
    draft = next(iter(harness.keys.rows.values()))
    harness.limiter.calls.append((draft.network_id, draft.key_id))
    harness.verified(secret)


@pytest.mark.parametrize("refused", [refused_for_address, refused_for_audience, refused_for_limit])
def test_only_what_passed_every_gate_is_published(
    harness: ServiceHarness, refused: Callable[[ServiceHarness, str], None]
) -> None:
    draft = replace(DRAFT, allowed_cidrs=("192.0.2.0/24",), rate_limit=RateLimitDraft(1, S))
    _, secret = harness.issue(draft)
    refused(harness, secret)
    assert harness.cache.leases
    assert harness.cache.published == []


@pytest.mark.parametrize(
    ("cache_ttl_ns", "life_ns", "entry_ns"),
    [
        (300 * S, 3_600 * S, 300 * S),
        (300 * S, 60 * S, 60 * S),
        (300 * S, S, S),
        (300 * S, S - 1, None),
        (0, 3_600 * S, None),
        (-1, 3_600 * S, None),
        (300 * S, None, 300 * S),
    ],
)
def test_an_entry_lives_no_longer_than_its_key(
    harness: ServiceHarness, cache_ttl_ns: int, life_ns: int | None, entry_ns: int | None
) -> None:
    key, secret = harness.issue()
    now_ns = harness.clock.now_ns()
    expires_at_ns = None if life_ns is None else now_ns + life_ns
    harness.keys.put(replace(key, expires_at_ns=expires_at_ns))
    harness.verified(secret, tenant=tenant(cache_ttl_ns=cache_ttl_ns))
    entry = harness.cache.entries.get(key.ref)
    if entry_ns is None:
        assert entry is None
    else:
        assert entry is not None
        assert entry.expires_at_ns == now_ns + entry_ns


def test_a_stale_hit_falls_through_and_is_a_miss(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    harness.verified(secret)
    entry = harness.cache.entries[key.ref]
    told = replace(entry.answer.verification, expires_at_ns=harness.clock.now_ns() - 1)
    expired = replace(entry.answer, verification=told)
    harness.cache.entries[key.ref] = replace(entry, answer=expired)
    answer = harness.verified(secret)
    assert (answer.verification.error, answer.cache.value) == (None, "MISS")
    assert harness.keys.reads == 2
    assert harness.verified(secret).cache.value == "HIT"


# Leases: a row that was read before a revocation is not published after it


def revoke(harness: ServiceHarness, key: Key) -> None:
    harness.services.revoke.revoke(TENANT, key.kind, key.key_id, RevokeDraft())


def rotate(harness: ServiceHarness, key: Key) -> None:
    harness.services.rotate.rotate(TENANT, key.key_id, KeyChange())


def update(harness: ServiceHarness, key: Key) -> None:
    harness.services.update.update(TENANT, key.kind, key.key_id, KeyChange(name="x"), None)


def delete(harness: ServiceHarness, key: Key) -> None:
    harness.services.delete.delete(TENANT, key.key_id)


WRITERS = [
    ("issued", revoke),
    ("issued", rotate),
    ("issued", update),
    ("imported", revoke),
    ("imported", update),
    ("imported", delete),
]


@pytest.mark.parametrize(("kind", "write"), WRITERS)
def test_a_slow_reader_cannot_publish_what_a_writer_took_back(
    harness: ServiceHarness, kind: str, write: Callable[[ServiceHarness, Key], None]
) -> None:
    key, credential = make(harness, kind)
    harness.keys.after_read = lambda: write(harness, key)
    # It was read before the write: this answer may still be the old one.
    assert harness.verdict(credential) is None
    assert harness.cache.entries == {}
    after = harness.verified(credential)
    assert after.cache.value == "MISS"
    assert (after.verification.error is None) is (write is update)


@pytest.mark.parametrize(("kind", "write"), WRITERS)
def test_the_same_in_a_batch(
    harness: ServiceHarness, kind: str, write: Callable[[ServiceHarness, Key], None]
) -> None:
    key, credential = make(harness, kind)
    harness.keys.after_read = lambda: write(harness, key)
    assert harness.batch(credential, credential)[0].is_valid
    assert harness.cache.entries == {}


@pytest.mark.parametrize(("kind", "write"), WRITERS)
def test_a_write_evicts(
    harness: ServiceHarness, kind: str, write: Callable[[ServiceHarness, Key], None]
) -> None:
    key, credential = make(harness, kind)
    harness.verified(credential)
    assert key.ref in harness.cache.entries
    write(harness, key)
    assert harness.cache.entries == {}


@pytest.mark.parametrize(("kind", "write"), WRITERS)
def test_while_a_write_is_under_way_nothing_is_published(
    harness: ServiceHarness, kind: str, write: Callable[[ServiceHarness, Key], None]
) -> None:
    """A reader that comes between the start of the transaction and its end."""
    key, credential = make(harness, kind)
    seen: list[str] = []

    def read_in_between() -> None:
        seen.append(harness.verified(credential).cache.value)
        assert harness.cache.holds[key.ref] == 1

    harness.keys.before_commit = read_in_between
    write(harness, key)
    assert seen == ["MISS"]
    assert harness.cache.published == []
    assert not harness.cache.holds[key.ref]


@pytest.mark.parametrize(("kind", "write"), WRITERS)
@pytest.mark.parametrize("trouble", [ServiceUnavailable(), GatewayTimeout(), InternalError("x")])
def test_a_write_that_ends_in_trouble_leaves_its_hold(
    harness: ServiceHarness,
    kind: str,
    write: Callable[[ServiceHarness, Key], None],
    trouble: TalosError,
) -> None:
    """Nobody knows whether its commit is still on the way."""
    key, credential = make(harness, kind)
    harness.verified(credential)
    harness.keys.trouble = trouble
    with pytest.raises(type(trouble)):
        write(harness, key)
    harness.keys.trouble = None
    assert harness.cache.holds[key.ref] == 1
    assert outcomes(harness, credential, TENANT, TENANT) == ["MISS", "MISS"]


def refuse_revoked(harness: ServiceHarness, key: Key) -> None:
    harness.keys.put(replace(key, status=KeyStatus.REVOKED))
    with pytest.raises(Conflict):
        revoke(harness, key)


def refuse_public(harness: ServiceHarness, key: Key) -> None:
    harness.keys.put(replace(key, visibility=KeyVisibility.PUBLIC))
    with pytest.raises(Forbidden):
        harness.services.revoke.self_revoke(TENANT, SelfRevokeDraft("test-raw-key"))


def revoke_twice(harness: ServiceHarness, key: Key) -> None:
    harness.keys.put(replace(key, status=KeyStatus.REVOKED))
    harness.services.revoke.self_revoke(TENANT, SelfRevokeDraft("test-raw-key"))


@pytest.mark.parametrize("refused", [refuse_revoked, refuse_public, revoke_twice])
def test_a_write_that_is_refused_lifts_its_hold(
    harness: ServiceHarness, refused: Callable[[ServiceHarness, Key], None]
) -> None:
    key, _ = make(harness, "imported")
    refused(harness, key)
    assert not harness.cache.holds[key.ref]


# Settings of another time


def test_an_answer_under_other_settings_is_a_miss(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    harness.verified(secret)
    renamed = tenant(issuer="https://other.example.com", generation=2)
    answer = harness.verified(secret, tenant=renamed)
    assert (answer.verification.issuer, answer.cache.value) == (
        "https://other.example.com",
        "MISS",
    )
    assert outcomes(harness, secret, renamed, TENANT) == ["HIT", "MISS"]


# Last used (contract 12, 16 (4))

DAY = 86_400


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("in_batch", [False, True])
def test_the_first_use_of_a_day_marks_the_key_whatever_the_cache_holds(
    harness: ServiceHarness, kind: str, in_batch: bool
) -> None:
    key, credential = make(harness, kind)

    def use() -> int:
        if in_batch:
            assert harness.batch(credential, tenant=lasting)[0].is_valid
        else:
            assert harness.verdict(credential, tenant=lasting) is None
        return len(harness.marks.marked)

    lasting = tenant(cache_ttl_ns=10 * DAY * S)
    harness.keys.put(replace(key, expires_at_ns=None))
    midnight_ns = day_ends_ns(harness.clock.now_ns())
    assert use() == 1
    harness.keys.put(replace(harness.row(key), last_used_at_ns=harness.clock.now_ns()))
    harness.clock.advance(ns=midnight_ns - 1 - harness.clock.now_ns())
    assert use() == 1
    assert harness.keys.reads == 1
    harness.clock.advance(ns=1)
    assert use() == 2
    assert harness.keys.reads == 2
    harness.keys.put(replace(harness.row(key), last_used_at_ns=harness.clock.now_ns()))
    assert use() == 2
    assert harness.keys.reads == 2


def test_who_is_refused_on_a_hit_has_used_a_key_that_is_marked(harness: ServiceHarness) -> None:
    _, secret = harness.issue(replace(DRAFT, allowed_cidrs=("192.0.2.0/24",)))
    harness.verified(secret)
    assert harness.verdict(secret, caller=Caller("10.0.0.1")) is Code.IP_NOT_ALLOWED
    assert len(harness.marks.marked) == 1


# Behind the server's back


def test_a_refusal_by_the_database_evicts_what_the_cache_still_says(
    harness: ServiceHarness,
) -> None:
    key, secret = harness.issue()
    harness.verified(secret)
    harness.keys.put(replace(key, status=KeyStatus.REVOKED))
    assert harness.verified(secret).cache.value == "HIT"
    assert harness.verdict(secret, directive=Directive.NO_CACHE) is Code.REVOKED
    assert harness.verdict(secret) is Code.REVOKED


@pytest.mark.parametrize("directive", [Directive.NO_CACHE, Directive.NO_STORE])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_for_a_row_that_is_gone(
    harness: ServiceHarness, kind: str, directive: Directive
) -> None:
    key, credential = make(harness, kind)
    harness.verified(credential)
    del harness.keys.rows[key.ref]
    assert harness.verdict(credential, directive=directive) is Code.NOT_FOUND
    assert harness.verdict(credential) is Code.NOT_FOUND


def test_the_same_with_the_cache_switched_off_and_on_again(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    harness.verified(secret)
    harness.keys.put(replace(key, status=KeyStatus.REVOKED))
    assert harness.verdict(secret, tenant=OFF) is Code.REVOKED
    assert harness.verdict(secret) is Code.REVOKED


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_keeps_a_slower_reader_from_publishing(
    harness: ServiceHarness, kind: str
) -> None:
    key, credential = make(harness, kind)

    def meanwhile() -> None:
        harness.keys.put(replace(key, status=KeyStatus.REVOKED))
        assert harness.verdict(credential) is Code.REVOKED

    harness.keys.after_read = meanwhile
    assert harness.verdict(credential) is None
    assert harness.cache.entries == {}
    assert harness.verdict(credential) is Code.REVOKED


@pytest.mark.parametrize("directive", Directive)
@pytest.mark.parametrize("seen_by", [TENANT, OFF], ids=["on", "off"])
def test_guessing_does_not_disturb_the_cache(
    harness: ServiceHarness, directive: Directive, seen_by: Tenant
) -> None:
    for guess in range(20):
        harness.verified(f"guess {guess}", tenant=seen_by, directive=directive)
    harness.batch("guess", "another guess", tenant=seen_by, directive=directive)
    assert harness.cache.evictions == []


# Other keys share what an eviction forgets. So nobody may repeat one at will.


@pytest.mark.parametrize("directive", Directive)
@pytest.mark.parametrize("seen_by", [TENANT, OFF], ids=["on", "off"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_the_holder_of_a_refused_key_does_not_disturb_the_cache(
    harness: ServiceHarness, end: str, kind: str, seen_by: Tenant, directive: Directive
) -> None:
    key, credential = make(harness, kind)
    if end == "revoked":
        harness.keys.put(replace(key, status=KeyStatus.REVOKED))
    else:
        harness.keys.put(replace(key, expires_at_ns=harness.clock.now_ns() - 1))
    harness.cache.evictions.clear()
    for _ in range(20):
        harness.verified(credential, tenant=seen_by, directive=directive)
    harness.batch(*[credential] * 20, tenant=seen_by, directive=directive)
    assert harness.cache.evictions == [key.ref]


def test_every_change_of_a_refused_key_evicts_again(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    for step in range(1, 4):
        harness.keys.put(
            replace(key, status=KeyStatus.REVOKED, updated_at_ns=key.updated_at_ns + step)
        )
        assert harness.verdict(secret) is Code.REVOKED
    assert harness.cache.evictions.count(key.ref) == 3


def test_a_refused_key_is_evicted_whenever_it_is_there_again(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    for _ in range(3):
        harness.keys.put(replace(key, status=KeyStatus.REVOKED))
        assert harness.verdict(secret, directive=Directive.NO_CACHE) is Code.REVOKED
        assert harness.verdict(secret) is Code.REVOKED
        harness.keys.put(key)
        assert harness.verdict(secret) is None
        assert harness.verified(secret).cache.value == "HIT"


def test_of_more_refused_keys_than_are_remembered_each_is_evicted(harness: ServiceHarness) -> None:
    made_ = [harness.issue() for _ in range(5)]
    for key, _ in made_:
        harness.keys.put(replace(key, status=KeyStatus.REVOKED))
    refused = RefusedKeys(harness.cache, room=3)
    harness.cache.evictions.clear()
    for _ in range(2):
        for key, _ in made_:
            refused.evict(harness.keys.rows[key.ref])
    assert harness.cache.evictions == [key.ref for key, _ in made_] * 2
    refused.evict(harness.keys.rows[made_[-1][0].ref])
    assert len(harness.cache.evictions) == 10


# A cache.ttl that changes (contract 16 (42))


def test_a_shorter_life_holds_for_what_is_there_already(harness: ServiceHarness) -> None:
    long, short, none = (tenant(cache_ttl_ns=ttl_ns) for ttl_ns in (300 * S, 10 * S, 0))
    _, secret = harness.issue()
    assert outcomes(harness, secret, long, short, none, short) == ["MISS", "HIT", "MISS", "HIT"]
    harness.clock.advance(ns=10 * S - 1)
    assert outcomes(harness, secret, short) == ["HIT"]
    harness.clock.advance(ns=1)
    assert outcomes(harness, secret, long, short, short) == ["HIT", "MISS", "HIT"]


def test_who_still_publishes_under_a_longer_life_does_not_bring_it_back(
    harness: ServiceHarness,
) -> None:
    """A request that began before the edit, and publishes after the cache was emptied."""
    long, short = (tenant(cache_ttl_ns=ttl_ns) for ttl_ns in (300 * S, 10 * S))
    key, secret = harness.issue()
    harness.cache.evict(key.ref)
    assert outcomes(harness, secret, long) == ["MISS"]
    harness.clock.advance(ns=10 * S - 1)
    assert outcomes(harness, secret, short) == ["HIT"]
    harness.clock.advance(ns=1)
    assert outcomes(harness, secret, short) == ["MISS"]


def test_the_parent_check_of_derive_reads_no_cache_and_fills_it(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    draft = DeriveDraft(secret)
    harness.services.derive.derive(TENANT, draft, CALLER, Directive.DEFAULT)
    assert harness.cache.reads == []
    assert harness.cache.published == [key.ref]
    harness.services.derive.derive(TENANT, draft, CALLER, Directive.NO_STORE)
    assert len(harness.cache.published) == 1


def test_derived_tokens_are_never_cached(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    token = harness.services.derive.derive(
        TENANT, DeriveDraft(secret), CALLER, Directive.NO_STORE
    ).token
    answer = harness.verified(token)
    assert (answer.verification.error, answer.cache.value) == (None, "SKIP")
    assert harness.cache.reads == harness.cache.leases == []


def test_kinds_do_not_meet_in_the_cache(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    harness.verified(secret)
    assert {kind for _, kind, _ in harness.cache.entries} == {KeyKind.ISSUED}
