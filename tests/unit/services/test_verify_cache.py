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
from tests.fakes.house import CALLER, DRAFT, House
from tests.fakes.tenants import TENANT, tenant

S = 1_000_000_000
OFF = tenant(cache_enabled=False)
OTHER_SECRET = SecretRing(Secret("another-secret-for-hmac-01234567"))
KINDS = ["issued", "imported"]


def make(house: House, kind: str, draft: KeyDraft = DRAFT) -> tuple[Key, str]:
    if kind == "issued":
        return house.issue(draft)
    key = house.services.imports.import_key(TENANT, replace(draft, raw_key="test-raw-key"))
    house.events.clear()
    return key, "test-raw-key"


def outcomes(house: House, credential: str, *tenants_: Tenant) -> list[str]:
    return [house.verified(credential, tenant=seen_by).cache.value for seen_by in tenants_]


@pytest.mark.parametrize("kind", KINDS)
def test_a_miss_fills_and_a_hit_spares_the_database(house: House, kind: str) -> None:
    _, credential = make(house, kind)
    first, second = house.verified(credential), house.verified(credential)
    assert (first.cache.value, second.cache.value) == ("MISS", "HIT")
    assert first.verification == second.verification
    assert house.keys.reads == 1


def test_nothing_is_read_or_written_while_the_cache_is_off(house: House) -> None:
    _, secret = house.issue()
    assert outcomes(house, secret, OFF, OFF) == ["SKIP", "SKIP"]
    assert house.cache.reads == house.cache.leases == []


def test_a_wrong_checksum_never_looks_into_the_cache(house: House) -> None:
    _, secret = house.issue()
    house.verified(secret)
    house.cache.reads.clear()
    assert outcomes(house, secret, tenant(hmac=OTHER_SECRET)) == ["SKIP"]
    assert house.cache.reads == []


def test_unknown_keys_are_misses(house: House) -> None:
    key, secret = house.issue()
    del house.keys.rows[key.ref]
    assert house.verified(secret).cache.value == "MISS"
    assert house.verified("never imported").cache.value == "MISS"
    assert house.verified("never imported", tenant=OFF).cache.value == "SKIP"


@pytest.mark.parametrize(
    "stricter",
    [tenant(max_ttl_ns=S), tenant(prefix="other", public_prefix=None)],
    ids=["age", "prefix"],
)
def test_age_and_prefix_hold_on_hits_too(house: House, stricter: Tenant) -> None:
    _, secret = house.issue()
    house.verified(secret)
    house.clock.advance(s=5)
    answer = house.verified(secret, tenant=stricter)
    assert (answer.verification.error, answer.cache.value) == (Code.NOT_FOUND, "MISS")


def test_the_noop_cache_misses_always(house: House) -> None:
    _, secret = house.issue()
    ports = replace(house.ports, cache=NullKeyCache(), proved=NullVerifiedTokenCache())
    service = VerifyService(ports)
    house.services = replace(house.services, verify=service)
    assert outcomes(house, secret, TENANT, TENANT, OFF) == ["MISS", "MISS", "SKIP"]


def test_an_address_is_judged_on_a_hit(house: House) -> None:
    _, secret = house.issue(replace(DRAFT, allowed_cidrs=("192.0.2.0/24",)))
    house.verified(secret)
    answer = house.verified(secret, caller=Caller("10.0.0.1"))
    assert (answer.verification.error, answer.cache.value) == (Code.IP_NOT_ALLOWED, "HIT")
    answer = house.verified(secret, audiences=("billing",))
    assert (answer.verification.error, answer.cache.value) == (Code.AUDIENCE_MISMATCH, "HIT")


# Directives


@pytest.mark.parametrize("kind", KINDS)
def test_no_cache_skips_the_read_and_still_writes(house: House, kind: str) -> None:
    key, credential = make(house, kind)
    assert house.verified(credential, directive=Directive.NO_CACHE).cache.value == "SKIP"
    assert house.cache.reads == []
    assert house.cache.published == [key.ref]
    assert house.verified(credential).cache.value == "HIT"


@pytest.mark.parametrize("kind", KINDS)
def test_no_store_skips_both(house: House, kind: str) -> None:
    _, credential = make(house, kind)
    assert house.verified(credential, directive=Directive.NO_STORE).cache.value == "SKIP"
    assert house.cache.reads == house.cache.leases == []
    assert house.verified(credential).cache.value == "MISS"


# What is published, and for how long


def refused_for_address(house: House, secret: str) -> None:
    house.verified(secret, caller=Caller("10.0.0.1"))


def refused_for_audience(house: House, secret: str) -> None:
    house.verified(secret, audiences=("billing",))


def refused_for_limit(house: House, secret: str) -> None:
    draft = next(iter(house.keys.rows.values()))
    house.limiter.calls.append((draft.network_id, draft.key_id))
    house.verified(secret)


@pytest.mark.parametrize("refused", [refused_for_address, refused_for_audience, refused_for_limit])
def test_only_what_passed_every_gate_is_published(
    house: House, refused: Callable[[House, str], None]
) -> None:
    draft = replace(DRAFT, allowed_cidrs=("192.0.2.0/24",), rate_limit=RateLimitDraft(1, S))
    _, secret = house.issue(draft)
    refused(house, secret)
    assert house.cache.leases
    assert house.cache.published == []


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
    house: House, cache_ttl_ns: int, life_ns: int | None, entry_ns: int | None
) -> None:
    key, secret = house.issue()
    now_ns = house.clock.now_ns()
    expires_at_ns = None if life_ns is None else now_ns + life_ns
    house.keys.put(replace(key, expires_at_ns=expires_at_ns))
    house.verified(secret, tenant=tenant(cache_ttl_ns=cache_ttl_ns))
    entry = house.cache.entries.get(key.ref)
    if entry_ns is None:
        assert entry is None
    else:
        assert entry is not None
        assert entry.expires_at_ns == now_ns + entry_ns


def test_a_stale_hit_falls_through_and_is_a_miss(house: House) -> None:
    key, secret = house.issue()
    house.verified(secret)
    entry = house.cache.entries[key.ref]
    told = replace(entry.answer.verification, expires_at_ns=house.clock.now_ns() - 1)
    expired = replace(entry.answer, verification=told)
    house.cache.entries[key.ref] = replace(entry, answer=expired)
    answer = house.verified(secret)
    assert (answer.verification.error, answer.cache.value) == (None, "MISS")
    assert house.keys.reads == 2
    assert house.verified(secret).cache.value == "HIT"


# Leases: a row that was read before a revocation is not published after it


def revoke(house: House, key: Key) -> None:
    house.services.revoke.revoke(TENANT, key.kind, key.key_id, RevokeDraft())


def rotate(house: House, key: Key) -> None:
    house.services.rotate.rotate(TENANT, key.key_id, KeyChange())


def update(house: House, key: Key) -> None:
    house.services.update.update(TENANT, key.kind, key.key_id, KeyChange(name="x"), None)


def delete(house: House, key: Key) -> None:
    house.services.delete.delete(TENANT, key.key_id)


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
    house: House, kind: str, write: Callable[[House, Key], None]
) -> None:
    key, credential = make(house, kind)
    house.keys.after_read = lambda: write(house, key)
    # It was read before the write: this answer may still be the old one.
    assert house.verdict(credential) is None
    assert house.cache.entries == {}
    after = house.verified(credential)
    assert after.cache.value == "MISS"
    assert (after.verification.error is None) is (write is update)


@pytest.mark.parametrize(("kind", "write"), WRITERS)
def test_the_same_in_a_batch(house: House, kind: str, write: Callable[[House, Key], None]) -> None:
    key, credential = make(house, kind)
    house.keys.after_read = lambda: write(house, key)
    assert house.batch(credential, credential)[0].is_valid
    assert house.cache.entries == {}


@pytest.mark.parametrize(("kind", "write"), WRITERS)
def test_a_write_evicts(house: House, kind: str, write: Callable[[House, Key], None]) -> None:
    key, credential = make(house, kind)
    house.verified(credential)
    assert key.ref in house.cache.entries
    write(house, key)
    assert house.cache.entries == {}


@pytest.mark.parametrize(("kind", "write"), WRITERS)
def test_while_a_write_is_under_way_nothing_is_published(
    house: House, kind: str, write: Callable[[House, Key], None]
) -> None:
    """A reader that comes between the start of the transaction and its end."""
    key, credential = make(house, kind)
    seen: list[str] = []

    def read_in_between() -> None:
        seen.append(house.verified(credential).cache.value)
        assert house.cache.holds[key.ref] == 1

    house.keys.before_commit = read_in_between
    write(house, key)
    assert seen == ["MISS"]
    assert house.cache.published == []
    assert not house.cache.holds[key.ref]


@pytest.mark.parametrize(("kind", "write"), WRITERS)
@pytest.mark.parametrize("trouble", [ServiceUnavailable(), GatewayTimeout(), InternalError("x")])
def test_a_write_that_ends_in_trouble_leaves_its_hold(
    house: House, kind: str, write: Callable[[House, Key], None], trouble: TalosError
) -> None:
    """Nobody knows whether its commit is still on the way."""
    key, credential = make(house, kind)
    house.verified(credential)
    house.keys.trouble = trouble
    with pytest.raises(type(trouble)):
        write(house, key)
    house.keys.trouble = None
    assert house.cache.holds[key.ref] == 1
    assert outcomes(house, credential, TENANT, TENANT) == ["MISS", "MISS"]


def refuse_revoked(house: House, key: Key) -> None:
    house.keys.put(replace(key, status=KeyStatus.REVOKED))
    with pytest.raises(Conflict):
        revoke(house, key)


def refuse_public(house: House, key: Key) -> None:
    house.keys.put(replace(key, visibility=KeyVisibility.PUBLIC))
    with pytest.raises(Forbidden):
        house.services.revoke.self_revoke(TENANT, SelfRevokeDraft("test-raw-key"))


def revoke_twice(house: House, key: Key) -> None:
    house.keys.put(replace(key, status=KeyStatus.REVOKED))
    house.services.revoke.self_revoke(TENANT, SelfRevokeDraft("test-raw-key"))


@pytest.mark.parametrize("refused", [refuse_revoked, refuse_public, revoke_twice])
def test_a_write_that_is_refused_lifts_its_hold(
    house: House, refused: Callable[[House, Key], None]
) -> None:
    key, _ = make(house, "imported")
    refused(house, key)
    assert not house.cache.holds[key.ref]


# Settings of another time


def test_an_answer_under_other_settings_is_a_miss(house: House) -> None:
    _, secret = house.issue()
    house.verified(secret)
    renamed = tenant(issuer="https://other.example.com", generation=2)
    answer = house.verified(secret, tenant=renamed)
    assert (answer.verification.issuer, answer.cache.value) == (
        "https://other.example.com",
        "MISS",
    )
    assert outcomes(house, secret, renamed, TENANT) == ["HIT", "MISS"]


# Last used (contract 12, 16 (4))

DAY = 86_400


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("in_batch", [False, True])
def test_the_first_use_of_a_day_marks_the_key_whatever_the_cache_holds(
    house: House, kind: str, in_batch: bool
) -> None:
    key, credential = make(house, kind)

    def use() -> int:
        if in_batch:
            assert house.batch(credential, tenant=lasting)[0].is_valid
        else:
            assert house.verdict(credential, tenant=lasting) is None
        return len(house.marks.marked)

    lasting = tenant(cache_ttl_ns=10 * DAY * S)
    house.keys.put(replace(key, expires_at_ns=None))
    midnight_ns = day_ends_ns(house.clock.now_ns())
    assert use() == 1
    house.keys.put(replace(house.row(key), last_used_at_ns=house.clock.now_ns()))
    house.clock.advance(ns=midnight_ns - 1 - house.clock.now_ns())
    assert use() == 1
    assert house.keys.reads == 1
    house.clock.advance(ns=1)
    assert use() == 2
    assert house.keys.reads == 2
    house.keys.put(replace(house.row(key), last_used_at_ns=house.clock.now_ns()))
    assert use() == 2
    assert house.keys.reads == 2


def test_who_is_refused_on_a_hit_has_used_a_key_that_is_marked(house: House) -> None:
    _, secret = house.issue(replace(DRAFT, allowed_cidrs=("192.0.2.0/24",)))
    house.verified(secret)
    assert house.verdict(secret, caller=Caller("10.0.0.1")) is Code.IP_NOT_ALLOWED
    assert len(house.marks.marked) == 1


# Behind the server's back


def test_a_refusal_by_the_database_evicts_what_the_cache_still_says(house: House) -> None:
    key, secret = house.issue()
    house.verified(secret)
    house.keys.put(replace(key, status=KeyStatus.REVOKED))
    assert house.verified(secret).cache.value == "HIT"
    assert house.verdict(secret, directive=Directive.NO_CACHE) is Code.REVOKED
    assert house.verdict(secret) is Code.REVOKED


@pytest.mark.parametrize("directive", [Directive.NO_CACHE, Directive.NO_STORE])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_for_a_row_that_is_gone(house: House, kind: str, directive: Directive) -> None:
    key, credential = make(house, kind)
    house.verified(credential)
    del house.keys.rows[key.ref]
    assert house.verdict(credential, directive=directive) is Code.NOT_FOUND
    assert house.verdict(credential) is Code.NOT_FOUND


def test_the_same_with_the_cache_switched_off_and_on_again(house: House) -> None:
    key, secret = house.issue()
    house.verified(secret)
    house.keys.put(replace(key, status=KeyStatus.REVOKED))
    assert house.verdict(secret, tenant=OFF) is Code.REVOKED
    assert house.verdict(secret) is Code.REVOKED


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_keeps_a_slower_reader_from_publishing(house: House, kind: str) -> None:
    key, credential = make(house, kind)

    def meanwhile() -> None:
        house.keys.put(replace(key, status=KeyStatus.REVOKED))
        assert house.verdict(credential) is Code.REVOKED

    house.keys.after_read = meanwhile
    assert house.verdict(credential) is None
    assert house.cache.entries == {}
    assert house.verdict(credential) is Code.REVOKED


@pytest.mark.parametrize("directive", Directive)
@pytest.mark.parametrize("seen_by", [TENANT, OFF], ids=["on", "off"])
def test_guessing_does_not_disturb_the_cache(
    house: House, directive: Directive, seen_by: Tenant
) -> None:
    for guess in range(20):
        house.verified(f"guess {guess}", tenant=seen_by, directive=directive)
    house.batch("guess", "another guess", tenant=seen_by, directive=directive)
    assert house.cache.evictions == []


# Other keys share what an eviction forgets. So nobody may repeat one at will.


@pytest.mark.parametrize("directive", Directive)
@pytest.mark.parametrize("seen_by", [TENANT, OFF], ids=["on", "off"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_the_holder_of_a_refused_key_does_not_disturb_the_cache(
    house: House, end: str, kind: str, seen_by: Tenant, directive: Directive
) -> None:
    key, credential = make(house, kind)
    if end == "revoked":
        house.keys.put(replace(key, status=KeyStatus.REVOKED))
    else:
        house.keys.put(replace(key, expires_at_ns=house.clock.now_ns() - 1))
    house.cache.evictions.clear()
    for _ in range(20):
        house.verified(credential, tenant=seen_by, directive=directive)
    house.batch(*[credential] * 20, tenant=seen_by, directive=directive)
    assert house.cache.evictions == [key.ref]


def test_every_change_of_a_refused_key_evicts_again(house: House) -> None:
    key, secret = house.issue()
    for step in range(1, 4):
        house.keys.put(
            replace(key, status=KeyStatus.REVOKED, updated_at_ns=key.updated_at_ns + step)
        )
        assert house.verdict(secret) is Code.REVOKED
    assert house.cache.evictions.count(key.ref) == 3


def test_a_refused_key_is_evicted_whenever_it_is_there_again(house: House) -> None:
    key, secret = house.issue()
    for _ in range(3):
        house.keys.put(replace(key, status=KeyStatus.REVOKED))
        assert house.verdict(secret, directive=Directive.NO_CACHE) is Code.REVOKED
        assert house.verdict(secret) is Code.REVOKED
        house.keys.put(key)
        assert house.verdict(secret) is None
        assert house.verified(secret).cache.value == "HIT"


def test_of_more_refused_keys_than_are_remembered_each_is_evicted(house: House) -> None:
    made_ = [house.issue() for _ in range(5)]
    for key, _ in made_:
        house.keys.put(replace(key, status=KeyStatus.REVOKED))
    refused = RefusedKeys(house.cache, room=3)
    house.cache.evictions.clear()
    for _ in range(2):
        for key, _ in made_:
            refused.evict(house.keys.rows[key.ref])
    assert house.cache.evictions == [key.ref for key, _ in made_] * 2
    refused.evict(house.keys.rows[made_[-1][0].ref])
    assert len(house.cache.evictions) == 10


# A cache.ttl that changes (contract 16 (42))


def test_a_shorter_life_holds_for_what_is_there_already(house: House) -> None:
    long, short, none = (tenant(cache_ttl_ns=ttl_ns) for ttl_ns in (300 * S, 10 * S, 0))
    _, secret = house.issue()
    assert outcomes(house, secret, long, short, none, short) == ["MISS", "HIT", "MISS", "HIT"]
    house.clock.advance(ns=10 * S - 1)
    assert outcomes(house, secret, short) == ["HIT"]
    house.clock.advance(ns=1)
    assert outcomes(house, secret, long, short, short) == ["HIT", "MISS", "HIT"]


def test_who_still_publishes_under_a_longer_life_does_not_bring_it_back(house: House) -> None:
    """A request that began before the edit, and publishes after the cache was emptied."""
    long, short = (tenant(cache_ttl_ns=ttl_ns) for ttl_ns in (300 * S, 10 * S))
    key, secret = house.issue()
    house.cache.evict(key.ref)
    assert outcomes(house, secret, long) == ["MISS"]
    house.clock.advance(ns=10 * S - 1)
    assert outcomes(house, secret, short) == ["HIT"]
    house.clock.advance(ns=1)
    assert outcomes(house, secret, short) == ["MISS"]


def test_the_parent_check_of_derive_reads_no_cache_and_fills_it(house: House) -> None:
    key, secret = house.issue()
    draft = DeriveDraft(secret)
    house.services.derive.derive(TENANT, draft, CALLER, Directive.DEFAULT)
    assert house.cache.reads == []
    assert house.cache.published == [key.ref]
    house.services.derive.derive(TENANT, draft, CALLER, Directive.NO_STORE)
    assert len(house.cache.published) == 1


def test_derived_tokens_are_never_cached(house: House) -> None:
    _, secret = house.issue()
    token = house.services.derive.derive(
        TENANT, DeriveDraft(secret), CALLER, Directive.NO_STORE
    ).token
    answer = house.verified(token)
    assert (answer.verification.error, answer.cache.value) == (None, "SKIP")
    assert house.cache.reads == house.cache.leases == []


def test_kinds_do_not_meet_in_the_cache(house: House) -> None:
    _, secret = house.issue()
    house.verified(secret)
    assert {kind for _, kind, _ in house.cache.entries} == {KeyKind.ISSUED}
