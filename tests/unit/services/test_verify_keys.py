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
from tests.fakes.house import CALLER, DRAFT, House
from tests.fakes.tenants import OTHER_NETWORK, SETTINGS, TENANT, tenant

S = 1_000_000_000
DAY_S = 86_400


def test_a_valid_key_is_described(house: House) -> None:
    draft = replace(
        DRAFT,
        metadata=Metadata('{"plan":"pro"}'),
        rate_limit=RateLimitDraft(5, 60 * S),
        allowed_cidrs=("192.0.2.0/24",),
        visibility=KeyVisibility.PUBLIC,
    )
    key, secret = house.issue(draft)
    answer = house.verified(secret, tenant=tenant(rate_limit_enabled=False))
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


def test_empty_metadata_is_absent(house: House) -> None:
    _, secret = house.issue()
    assert house.verified(secret).verification.metadata is None


def test_a_failed_verification_shows_nothing_of_the_key(house: House) -> None:
    key, secret = house.issue(replace(DRAFT, allowed_cidrs=("10.0.0.0/8",)))
    answer = house.verified(secret).verification
    assert answer == Verification(error=Code.IP_NOT_ALLOWED, message=answer.message)
    house.keys.put(replace(key, status=Status.REVOKED))
    answer = house.verified(secret).verification
    assert answer == Verification(error=Code.REVOKED, message=answer.message)


@pytest.mark.parametrize("credential", ["", "k" * 8_193, "ü" * 4_097])
def test_an_empty_or_long_credential_is_a_bad_request(house: House, credential: str) -> None:
    with pytest.raises(InvalidRequest, match="credential"):
        house.verified(credential)


@pytest.mark.parametrize(
    "credential", ["k", "ory_ak_v1_", "eyJhbGciOiJub25lIn0.e30", "x" * 8_192, "a\0b", " "]
)
def test_any_other_text_is_not_found(house: House, credential: str) -> None:
    answer = house.verified(credential)
    assert answer.verification.error is Code.NOT_FOUND
    assert answer.type is CredentialType.IMPORTED


def test_a_key_of_another_network_is_not_found(house: House) -> None:
    _, secret = house.issue()
    raw = house.services.imports.import_key(TENANT, replace(DRAFT, raw_key="test-raw-key"))
    assert raw.network_id == TENANT.network_id
    elsewhere = tenant(network_id=OTHER_NETWORK)
    assert house.verdict(secret, tenant=elsewhere) is Code.NOT_FOUND
    assert house.verdict("test-raw-key", tenant=elsewhere) is Code.NOT_FOUND
    assert house.verdict(secret) is house.verdict("test-raw-key") is None


def test_a_retired_secret_proves_until_it_expires(house: House) -> None:
    _, secret = house.issue()
    current = Secret("new-secret-for-hmac-0123456789abcdef")
    until_ns = house.clock.now_ns() + S
    ring = SecretRing(current, (Retired(SETTINGS.hmac.current, until_ns),))
    rotated = tenant(hmac=ring)
    assert house.verdict(secret, tenant=rotated) is None
    house.clock.advance(s=1)
    assert house.verdict(secret, tenant=rotated) is Code.NOT_FOUND


def test_a_retired_prefix_is_accepted(house: House) -> None:
    _, secret = house.issue()
    assert house.verdict(secret, tenant=tenant(prefix="next")) is Code.NOT_FOUND
    retired = tenant(prefix="next", prefixes_retired=("ory_ak",))
    assert house.verdict(secret, tenant=retired) is None


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
def test_the_allowlist(house: House, caller: Caller, error: Code | None, message: str) -> None:
    _, secret = house.issue(replace(DRAFT, allowed_cidrs=("10.0.0.0/8",)))
    answer = house.verified(secret, caller=caller).verification
    assert answer.error is error
    assert message in answer.message


def test_without_an_allowlist_nobody_is_asked_for_an_address(house: House) -> None:
    _, secret = house.issue()
    assert house.verdict(secret, caller=Caller("", "nonsense")) is None


def test_an_allowlist_that_cannot_be_read_is_an_internal_fault(house: House) -> None:
    key, secret = house.issue()
    house.keys.put(replace(key, allowed_cidrs=("nonsense", "192.0.2.0/24")))
    answer = house.verified(secret).verification
    assert (answer.error, answer.message) == (Code.INTERNAL, "invalid CIDR configuration")


# Rate limits (6.7)

LIMITED = KeyDraft(name="n", actor_id="a", rate_limit=RateLimitDraft(2, 60 * S))


def test_an_admitted_call_tells_what_is_left(house: House) -> None:
    _, secret = house.issue(LIMITED)
    state = house.verified(secret).verification.limit_state
    assert state is not None
    assert (state.allowed, state.remaining) == (True, 1)


def test_over_the_limit_every_field_stays(house: House) -> None:
    key, secret = house.issue(LIMITED)
    good = house.verified(secret).verification
    house.verified(secret)
    answer = house.verified(secret).verification
    assert not answer.is_valid
    assert (answer.error, answer.message) == (Code.RATE_LIMITED, "rate limit exceeded")
    assert answer.limit_state is not None
    assert answer.limit_state.remaining == 0
    assert replace(answer, error=None, message="", limit_state=good.limit_state) == good
    assert answer.key_id == key.key_id


def test_without_enforcement_the_policy_is_shown_and_nothing_counted(house: House) -> None:
    _, secret = house.issue(LIMITED)
    for _ in range(5):
        answer = house.verified(secret, tenant=tenant(rate_limit_enabled=False)).verification
        assert answer.is_valid
        assert answer.rate_limit == RateLimitPolicy(2, 60)
        assert answer.limit_state is None
    assert house.limiter.calls == []


def test_a_limiter_that_fails_lets_the_call_through(house: House) -> None:
    _, secret = house.issue(LIMITED)
    house.limiter.failing = True
    for _ in range(5):
        answer = house.verified(secret).verification
        assert answer.is_valid
        assert answer.limit_state is None


def test_the_time_of_recovery_counts_from_the_decision(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from the beginning of a call that waited for the database."""
    _, secret = house.issue(LIMITED)
    get = house.keys.get

    def get_slowly(ref: KeyRef) -> Key | None:
        house.clock.advance(s=5)
        return get(ref)

    monkeypatch.setattr(house.keys, "get", get_slowly)
    state = house.verified(secret).verification.limit_state
    assert state is not None
    assert state.reset_at_ns == house.clock.now_ns() + 60 * S


def test_hits_consume_the_limit_too(house: House) -> None:
    _, secret = house.issue(LIMITED)
    outcomes = [house.verified(secret) for _ in range(3)]
    assert [outcome.cache.value for outcome in outcomes] == ["MISS", "HIT", "HIT"]
    assert [outcome.verification.error for outcome in outcomes] == [None, None, Code.RATE_LIMITED]


# Trouble (6.1, 16 (19))


@pytest.mark.parametrize(
    "trouble", [ServiceUnavailable(), GatewayTimeout(), InternalError("row is broken")]
)
@pytest.mark.parametrize("make", ["issued", "imported"])
def test_trouble_with_the_database_is_internal(
    house: House, trouble: TalosError, make: str
) -> None:
    credential = house.issue()[1] if make == "issued" else "test-raw-key"
    house.keys.trouble = trouble
    answer = house.verified(credential).verification
    assert answer == Verification(error=Code.INTERNAL, message="database error")


def test_a_hit_needs_no_database(house: House) -> None:
    _, secret = house.issue()
    house.verified(secret)
    house.keys.trouble = ServiceUnavailable()
    assert house.verdict(secret) is None


# Marks of use (12, 16 (4))


def test_a_success_marks_the_key(house: House) -> None:
    key, secret = house.issue()
    house.verified(secret)
    assert house.marks.marked == [key.key_id]


def test_the_row_remembers_the_day(house: House) -> None:
    key, secret = house.issue()
    house.keys.put(replace(key, last_used_at_ns=house.clock.now_ns()))
    house.verified(secret, directive=CacheDirective.NO_STORE)
    assert house.marks.marked == []
    house.keys.put(replace(key, last_used_at_ns=house.clock.now_ns() + DAY_S * S))
    house.verified(secret, directive=CacheDirective.NO_STORE)
    assert house.marks.marked == [key.key_id]


def test_refusals_for_address_audience_and_limit_count_as_use(house: House) -> None:
    key, secret = house.issue(replace(LIMITED, allowed_cidrs=("10.0.0.0/8",)))
    house.verified(secret)
    assert house.marks.marked == [key.key_id]
    house.verified(secret, caller=Caller("10.0.0.1"), audiences=("billing",))
    assert house.marks.marked == [key.key_id] * 2


def test_refusals_of_steps_1_to_6_do_not_count(house: House) -> None:
    key, secret = house.issue()
    other_secret = SecretRing(Secret("another-secret-for-hmac-01234567"))
    house.verified(secret, tenant=tenant(hmac=other_secret))
    house.verified(secret, tenant=tenant(max_ttl_ns=1, clock_skew_ns=0))
    house.verified("unknown")
    house.keys.put(replace(key, status=Status.REVOKED))
    house.verified(secret)
    house.keys.put(replace(key, expires_at_ns=0))
    house.verified(secret)
    assert house.marks.asked == []


def test_one_message_for_every_unknown_key(house: House) -> None:
    _, secret = house.issue()
    ring = SecretRing(Secret("another-secret-for-hmac-01234567"))
    answers = {
        house.verified(credential, tenant=seen_by).verification
        for credential, seen_by in [
            (secret, tenant(hmac=ring)),
            (secret, tenant(prefix="other", public_prefix=None)),
            (secret, tenant(network_id=OTHER_NETWORK)),
            ("unknown", TENANT),
        ]
    }
    house.clock.advance(s=5)
    answers.add(house.verified(secret, tenant=tenant(max_ttl_ns=S)).verification)
    assert answers == {Verification(error=Code.NOT_FOUND, message="API key not found")}


def test_the_draft_names_the_audiences(house: House) -> None:
    _, secret = house.issue()
    draft = VerifyDraft(secret, ("billing",))
    answer = house.services.verify.verify(TENANT, draft, CALLER, CacheDirective.DEFAULT)
    assert answer.verification.error is Code.AUDIENCE_MISMATCH


@pytest.mark.parametrize("in_batch", [False, True])
def test_a_key_that_expires_while_the_database_takes_its_time(
    house: House, monkeypatch: pytest.MonkeyPatch, in_batch: bool
) -> None:
    _, secret = house.issue(replace(DRAFT, ttl_ns=5 * S))
    for name in ("get", "get_many"):
        read = getattr(house.keys, name)

        def slowly(*arguments: object, read: Callable[..., object] = read) -> object:
            house.clock.advance(s=6)
            return read(*arguments)

        monkeypatch.setattr(house.keys, name, slowly)
    if in_batch:
        [verification] = house.services.verify.verify_batch(
            TENANT, [VerifyDraft(secret)], CALLER, CacheDirective.DEFAULT
        )
    else:
        verification = house.verified(secret).verification
    assert verification.error is Code.EXPIRED
