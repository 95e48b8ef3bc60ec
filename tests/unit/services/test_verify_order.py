"""Which refusal wins when several apply: the first in the order of contract 6.2 and 6.3."""

from dataclasses import dataclass, replace
from itertools import combinations

import pytest

from talos.credentials.secrets import Secret, SecretRing
from talos.domain.addresses import Caller
from talos.domain.drafts import KeyDraft, RateLimitDraft
from talos.domain.keys import Key, KeyKind, KeyStatus
from talos.domain.verification import VerificationErrorCode as Code
from talos.services.tenant import Tenant
from tests.support.fakes.harness import CALLER, ServiceHarness
from tests.support.fakes.tenants import TENANT, tenant

S = 1_000_000_000
DRAFT = KeyDraft(name="n", actor_id="a", rate_limit=RateLimitDraft(1, 60 * S))
NOT_FOUND = (Code.NOT_FOUND, "API key not found")


@dataclass
class World:
    """A key, its credential, and everything that can be wrong around it."""

    harness: ServiceHarness
    key: Key
    credential: str
    tenant: Tenant = TENANT
    caller: Caller = CALLER
    audiences: tuple[str, ...] = ()

    def change_row(self, **changes: object) -> None:
        row = self.harness.keys.rows.get(self.key.ref)
        if row is not None:
            self.harness.keys.put(replace(row, **changes))  # type: ignore[arg-type]


def wrong_checksum(world: World) -> None:
    world.tenant = tenant(world.tenant, hmac=SecretRing(Secret("another-secret-for-hmac-01234567")))


def too_old(world: World) -> None:
    world.tenant = tenant(world.tenant, max_ttl_ns=S)
    world.harness.clock.advance(s=5)


def from_the_future(world: World) -> None:
    world.harness.clock.advance(s=-601)


def wrong_prefix(world: World) -> None:
    world.tenant = tenant(world.tenant, prefix="other", public_prefix=None)


def no_row(world: World) -> None:
    world.harness.keys.rows.pop(world.key.ref, None)


def revoked(world: World) -> None:
    world.change_row(status=KeyStatus.REVOKED)


def expired(world: World) -> None:
    world.change_row(expires_at_ns=world.harness.clock.now_ns() - 10**12)


def stored_as_expired(world: World) -> None:
    world.change_row(status=KeyStatus.EXPIRED)


def address_outside(world: World) -> None:
    world.change_row(allowed_cidrs=("10.0.0.0/8",))


def audience_expected(world: World) -> None:
    world.audiences = ("billing",)


def limit_used_up(world: World) -> None:
    world.harness.limiter.calls.append((world.key.network_id, world.key.key_id))


REVOKED = (Code.REVOKED, "The API key has been revoked.")
EXPIRED = (Code.EXPIRED, "The API key has expired.")
FAULTS = [
    (wrong_checksum, NOT_FOUND),
    (too_old, NOT_FOUND),
    (wrong_prefix, NOT_FOUND),
    (no_row, NOT_FOUND),
    (revoked, REVOKED),
    (expired, EXPIRED),
    (address_outside, (Code.IP_NOT_ALLOWED, "The request IP is not allowed for this API key.")),
    (audience_expected, (Code.AUDIENCE_MISMATCH, "The credential names no expected audience.")),
    (limit_used_up, (Code.RATE_LIMITED, "rate limit exceeded")),
]
FAULTS_OF_IMPORTED = FAULTS[3:]


def issued_world() -> World:
    harness = ServiceHarness()
    return World(harness, *harness.issue(DRAFT))


def imported_world() -> World:
    harness = ServiceHarness()
    raw_key = "test-raw-key-of-another-vendor"
    key = harness.services.imports.import_key(TENANT, replace(DRAFT, raw_key=raw_key))
    harness.events.clear()
    return World(harness, key, raw_key)


def verdict(world: World) -> tuple[Code | None, str]:
    answer = world.harness.verified(
        world.credential, tenant=world.tenant, caller=world.caller, audiences=world.audiences
    )
    return answer.verification.error, answer.verification.message


@pytest.mark.parametrize("make", [issued_world, imported_world])
def test_without_a_fault_the_key_is_valid(make: object) -> None:
    world = make()  # type: ignore[operator]
    assert verdict(world) == (None, "")
    assert world.harness.limiter.calls == [(world.key.network_id, world.key.key_id)]


@pytest.mark.parametrize("size", range(1, len(FAULTS) + 1))
def test_the_first_fault_of_an_issued_key_decides(size: int) -> None:
    for faults in combinations(FAULTS, size):
        world = issued_world()
        assert world.key.kind is KeyKind.ISSUED
        for break_it, _ in faults:
            break_it(world)
        calls = list(world.harness.limiter.calls)
        assert verdict(world) == faults[0][1], [fault[0].__name__ for fault in faults]
        only_limited = faults[0][0] is limit_used_up
        assert (world.harness.limiter.calls == calls) is not only_limited


@pytest.mark.parametrize("size", range(1, len(FAULTS_OF_IMPORTED) + 1))
def test_the_first_fault_of_an_imported_key_decides(size: int) -> None:
    for faults in combinations(FAULTS_OF_IMPORTED, size):
        world = imported_world()
        assert world.key.kind is KeyKind.IMPORTED
        for break_it, _ in faults:
            break_it(world)
        assert verdict(world) == faults[0][1], [fault[0].__name__ for fault in faults]


def test_checksum_age_and_prefix_do_not_touch_imported_keys() -> None:
    world = imported_world()
    for break_it in (wrong_checksum, too_old, wrong_prefix):
        break_it(world)
    assert verdict(world) == (None, "")


def test_a_key_from_the_future_is_unknown() -> None:
    world = issued_world()
    from_the_future(world)
    assert verdict(world) == NOT_FOUND


def test_a_row_that_is_stored_as_expired_is_expired() -> None:
    world = issued_world()
    stored_as_expired(world)
    assert verdict(world) == EXPIRED


def test_a_row_without_a_status_is_unknown_even_when_expired() -> None:
    world = issued_world()
    world.change_row(status=KeyStatus.UNSPECIFIED)
    expired(world)
    assert verdict(world) == NOT_FOUND


def test_the_instant_of_expiry_is_alive_and_the_next_is_not() -> None:
    world = issued_world()
    world.change_row(expires_at_ns=world.harness.clock.now_ns())
    assert verdict(world) == (None, "")
    world.harness.clock.advance(ns=1)
    assert verdict(world) == EXPIRED


def test_a_row_without_an_expiry_never_expires() -> None:
    world = issued_world()
    world.change_row(expires_at_ns=None)
    world.tenant = tenant(max_ttl_ns=0)
    world.harness.clock.advance(s=10**9)
    assert verdict(world) == (None, "")
