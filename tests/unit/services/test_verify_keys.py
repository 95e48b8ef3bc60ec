"""What verify answers for keys, apart from the order of its gates (contract 6.1-6.3, 6.6, 12)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from talos.credentials.secrets import Retired, Secret, SecretRing
from talos.domain.addresses import Caller
from talos.domain.drafts import KeyDraft, RateLimitDraft, VerifyDraft
from talos.domain.keys import Key, KeyRef, KeyVisibility, Metadata, RateLimitPolicy
from talos.domain.keys import KeyStatus as Status
from talos.domain.verification import CacheDirective, CredentialType, Verification
from talos.domain.verification import VerificationErrorCode as Code
from talos.errors import (
    GatewayTimeout,
    InternalError,
    InvalidRequest,
    ServiceUnavailable,
    TalosError,
)
from tests.support.fakes.harness import CALLER, DRAFT, ServiceHarness
from tests.support.fakes.tenants import OTHER_NETWORK, SETTINGS, TENANT, tenant

S = 1_000_000_000
DAY_S = 86_400


def test_a_valid_key_is_described(harness: ServiceHarness) -> None:
    draft = replace(
        DRAFT,
        metadata=Metadata('{"plan":"pro"}'),
        rate_limit=RateLimitDraft(5, 60 * S),
        allowed_cidrs=("192.0.2.0/24",),
        visibility=KeyVisibility.PUBLIC,
    )
    key, secret = harness.issue(draft)
    answer = harness.verified(secret, tenant=tenant(rate_limit_enabled=False))
    assert answer.type is CredentialType.ISSUED
    assert answer.verification == Verification(
        error=None,
        key_id=key.key_id,
        actor_id="user_1",
        issuer=SETTINGS.issuer,
        scopes=("read", "write"),
        expires_at_ns=key.expires_at_ns,
        metadata=Metadata('{"plan":"pro"}'),
        visibility=KeyVisibility.PUBLIC,
        status=Status.ACTIVE,
        rate_limit=RateLimitPolicy(5, 60),
        restricted=True,
    )


def test_empty_metadata_is_absent(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    assert harness.verified(secret).verification.metadata is None


def test_a_failed_verification_shows_nothing_of_the_key(harness: ServiceHarness) -> None:
    key, secret = harness.issue(replace(DRAFT, allowed_cidrs=("10.0.0.0/8",)))
    answer = harness.verified(secret).verification
    assert answer == Verification(error=Code.IP_NOT_ALLOWED, message=answer.message)
    harness.keys.put(replace(key, status=Status.REVOKED))
    answer = harness.verified(secret).verification
    assert answer == Verification(error=Code.REVOKED, message=answer.message)


@pytest.mark.parametrize("credential", ["", "k" * 8_193, "ü" * 4_097])
def test_an_empty_or_long_credential_is_a_bad_request(
    harness: ServiceHarness, credential: str
) -> None:
    with pytest.raises(InvalidRequest, match="credential"):
        harness.verified(credential)


@pytest.mark.parametrize(
    "credential", ["k", "ory_ak_v1_", "eyJhbGciOiJub25lIn0.e30", "x" * 8_192, "a\0b", " "]
)
def test_any_other_text_is_not_found(harness: ServiceHarness, credential: str) -> None:
    answer = harness.verified(credential)
    assert answer.verification.error is Code.NOT_FOUND
    assert answer.type is CredentialType.IMPORTED


def test_a_key_of_another_network_is_not_found(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    raw = harness.services.imports.import_key(TENANT, replace(DRAFT, raw_key="test-raw-key"))
    assert raw.network_id == TENANT.network_id
    elsewhere = tenant(network_id=OTHER_NETWORK)
    assert harness.verdict(secret, tenant=elsewhere) is Code.NOT_FOUND
    assert harness.verdict("test-raw-key", tenant=elsewhere) is Code.NOT_FOUND
    assert harness.verdict(secret) is harness.verdict("test-raw-key") is None


def test_a_retired_secret_proves_until_it_expires(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    current = Secret("new-secret-for-hmac-0123456789abcdef")
    until_ns = harness.clock.now_ns() + S
    ring = SecretRing(current, (Retired(SETTINGS.hmac.current, until_ns),))
    rotated = tenant(hmac=ring)
    assert harness.verdict(secret, tenant=rotated) is None
    harness.clock.advance(s=1)
    assert harness.verdict(secret, tenant=rotated) is Code.NOT_FOUND


def test_a_retired_prefix_is_accepted(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    assert harness.verdict(secret, tenant=tenant(prefix="next")) is Code.NOT_FOUND
    retired = tenant(prefix="next", prefixes_retired=("ory_ak",))
    assert harness.verdict(secret, tenant=retired) is None


# Addresses (6.6)


@pytest.mark.parametrize(
    ("caller", "error", "message"),
    [
        (Caller("10.0.0.1"), None, ""),
        (Caller("::ffff:10.0.0.1"), None, ""),
        (Caller("192.0.2.1", "10.0.0.1"), None, ""),
        (Caller("10.0.0.1", "192.0.2.1"), Code.IP_NOT_ALLOWED, "is not allowed"),
        (Caller("10.0.0.1", "10.0.0.1:443"), Code.IP_NOT_ALLOWED, "unable to determine client IP"),
        (Caller("", None), Code.IP_NOT_ALLOWED, "unable to determine client IP"),
        (Caller("2001:db8::1"), Code.IP_NOT_ALLOWED, "is not allowed"),
    ],
)
def test_the_allowlist(
    harness: ServiceHarness, caller: Caller, error: Code | None, message: str
) -> None:
    _, secret = harness.issue(replace(DRAFT, allowed_cidrs=("10.0.0.0/8",)))
    answer = harness.verified(secret, caller=caller).verification
    assert answer.error is error
    assert message in answer.message


def test_without_an_allowlist_nobody_is_asked_for_an_address(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    assert harness.verdict(secret, caller=Caller("", "nonsense")) is None


def test_an_allowlist_that_cannot_be_read_is_an_internal_fault(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    harness.keys.put(replace(key, allowed_cidrs=("nonsense", "192.0.2.0/24")))
    answer = harness.verified(secret).verification
    assert (answer.error, answer.message) == (Code.INTERNAL, "invalid CIDR configuration")


# Rate limits (6.7)

LIMITED = KeyDraft(name="n", actor_id="a", rate_limit=RateLimitDraft(2, 60 * S))


def test_an_admitted_call_tells_what_is_left(harness: ServiceHarness) -> None:
    _, secret = harness.issue(LIMITED)
    state = harness.verified(secret).verification.limit_state
    assert state is not None
    assert (state.allowed, state.remaining) == (True, 1)


def test_over_the_limit_every_field_stays(harness: ServiceHarness) -> None:
    key, secret = harness.issue(LIMITED)
    good = harness.verified(secret).verification
    harness.verified(secret)
    answer = harness.verified(secret).verification
    assert not answer.is_valid
    assert (answer.error, answer.message) == (Code.RATE_LIMITED, "rate limit exceeded")
    assert answer.limit_state is not None
    assert answer.limit_state.remaining == 0
    assert replace(answer, error=None, message="", limit_state=good.limit_state) == good
    assert answer.key_id == key.key_id


def test_without_enforcement_the_policy_is_shown_and_nothing_counted(
    harness: ServiceHarness,
) -> None:
    _, secret = harness.issue(LIMITED)
    for _ in range(5):
        answer = harness.verified(secret, tenant=tenant(rate_limit_enabled=False)).verification
        assert answer.is_valid
        assert answer.rate_limit == RateLimitPolicy(2, 60)
        assert answer.limit_state is None
    assert harness.limiter.calls == []


def test_a_limiter_that_fails_lets_the_call_through(harness: ServiceHarness) -> None:
    _, secret = harness.issue(LIMITED)
    harness.limiter.failing = True
    for _ in range(5):
        answer = harness.verified(secret).verification
        assert answer.is_valid
        assert answer.limit_state is None


def test_the_time_of_recovery_counts_from_the_decision(
    harness: ServiceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from the beginning of a call that waited for the database."""
    _, secret = harness.issue(LIMITED)
    get = harness.keys.get

    def get_slowly(ref: KeyRef) -> Key | None:
        harness.clock.advance(s=5)
        return get(ref)

    monkeypatch.setattr(harness.keys, "get", get_slowly)
    state = harness.verified(secret).verification.limit_state
    assert state is not None
    assert state.reset_at_ns == harness.clock.now_ns() + 60 * S


def test_hits_consume_the_limit_too(harness: ServiceHarness) -> None:
    _, secret = harness.issue(LIMITED)
    outcomes = [harness.verified(secret) for _ in range(3)]
    assert [outcome.cache.value for outcome in outcomes] == ["MISS", "HIT", "HIT"]
    assert [outcome.verification.error for outcome in outcomes] == [None, None, Code.RATE_LIMITED]


# Trouble (6.1, 16 (19))


@pytest.mark.parametrize(
    "trouble", [ServiceUnavailable(), GatewayTimeout(), InternalError("row is broken")]
)
@pytest.mark.parametrize("make", ["issued", "imported"])
def test_trouble_with_the_database_is_internal(
    harness: ServiceHarness, trouble: TalosError, make: str
) -> None:
    credential = harness.issue()[1] if make == "issued" else "test-raw-key"
    harness.keys.trouble = trouble
    answer = harness.verified(credential).verification
    assert answer == Verification(error=Code.INTERNAL, message="database error")


def test_a_hit_needs_no_database(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    harness.verified(secret)
    harness.keys.trouble = ServiceUnavailable()
    assert harness.verdict(secret) is None


# Marks of use (12, 16 (4))


def test_a_success_marks_the_key(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    harness.verified(secret)
    assert harness.marks.marked == [key.key_id]


def test_the_row_remembers_the_day(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    harness.keys.put(replace(key, last_used_at_ns=harness.clock.now_ns()))
    harness.verified(secret, directive=CacheDirective.NO_STORE)
    assert harness.marks.marked == []
    harness.keys.put(replace(key, last_used_at_ns=harness.clock.now_ns() + DAY_S * S))
    harness.verified(secret, directive=CacheDirective.NO_STORE)
    assert harness.marks.marked == [key.key_id]


def test_refusals_for_address_audience_and_limit_count_as_use(harness: ServiceHarness) -> None:
    key, secret = harness.issue(replace(LIMITED, allowed_cidrs=("10.0.0.0/8",)))
    harness.verified(secret)
    assert harness.marks.marked == [key.key_id]
    harness.verified(secret, caller=Caller("10.0.0.1"), audiences=("billing",))
    assert harness.marks.marked == [key.key_id] * 2


def test_refusals_of_steps_1_to_6_do_not_count(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    other_secret = SecretRing(Secret("another-secret-for-hmac-01234567"))
    harness.verified(secret, tenant=tenant(hmac=other_secret))
    harness.verified(secret, tenant=tenant(max_ttl_ns=1, clock_skew_ns=0))
    harness.verified("unknown")
    harness.keys.put(replace(key, status=Status.REVOKED))
    harness.verified(secret)
    harness.keys.put(replace(key, expires_at_ns=0))
    harness.verified(secret)
    assert harness.marks.asked == []


def test_one_message_for_every_unknown_key(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    ring = SecretRing(Secret("another-secret-for-hmac-01234567"))
    answers = {
        harness.verified(credential, tenant=seen_by).verification
        for credential, seen_by in [
            (secret, tenant(hmac=ring)),
            (secret, tenant(prefix="other", public_prefix=None)),
            (secret, tenant(network_id=OTHER_NETWORK)),
            ("unknown", TENANT),
        ]
    }
    harness.clock.advance(s=5)
    answers.add(harness.verified(secret, tenant=tenant(max_ttl_ns=S)).verification)
    assert answers == {Verification(error=Code.NOT_FOUND, message="API key not found")}


def test_the_draft_names_the_audiences(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    draft = VerifyDraft(secret, ("billing",))
    answer = harness.services.verify.verify(TENANT, draft, CALLER, CacheDirective.DEFAULT)
    assert answer.verification.error is Code.AUDIENCE_MISMATCH


@pytest.mark.parametrize("in_batch", [False, True])
def test_a_key_that_expires_while_the_database_takes_its_time(
    harness: ServiceHarness, monkeypatch: pytest.MonkeyPatch, in_batch: bool
) -> None:
    _, secret = harness.issue(replace(DRAFT, ttl_ns=5 * S))
    for name in ("get", "get_many"):
        read = getattr(harness.keys, name)

        def slowly(*arguments: object, read: Callable[..., object] = read) -> object:
            harness.clock.advance(s=6)
            return read(*arguments)

        monkeypatch.setattr(harness.keys, name, slowly)
    if in_batch:
        [verification] = harness.services.verify.verify_batch(
            TENANT, [VerifyDraft(secret)], CALLER, CacheDirective.DEFAULT
        )
    else:
        verification = harness.verified(secret).verification
    assert verification.error is Code.EXPIRED
