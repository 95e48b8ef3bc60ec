"""Which failed verifications are told, and how often (contract 11.3)."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from talos.credentials.secrets import Secret, SecretRing
from talos.domain.drafts import DeriveDraft, RateLimitDraft, VerifyDraft
from talos.domain.events import AuditEvent, EventName, Requester
from talos.domain.keys import NIL_NETWORK, KeyStatus, TokenAlgorithm
from talos.domain.verification import CacheDirective
from talos.errors import ServiceUnavailable, TalosError
from tests.support.fakes.harness import CALLER, DRAFT, ServiceHarness
from tests.support.fakes.tenants import OTHER_NETWORK, TENANT, tenant

S = 1_000_000_000
OTHER_SECRET = tenant(hmac=SecretRing(Secret("another-secret-for-hmac-01234567")))


def test_a_success_says_nothing(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    harness.verified(secret)
    harness.batch(secret)
    assert harness.events.events == []


REQUESTER = Requester("request-1", "192.0.2.1")


def test_a_failure_names_its_reason_the_key_and_who_asked(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    harness.keys.put(replace(key, status=KeyStatus.REVOKED))
    verified = harness.services.verify.verify(
        TENANT, VerifyDraft(secret), CALLER, CacheDirective.DEFAULT, REQUESTER
    )
    assert verified.key_id == key.key_id
    assert verified.verification.key_id == ""
    assert harness.events.logged() == AuditEvent(
        EventName.VERIFICATION_FAILED,
        NIL_NETWORK,
        {
            "APIKeyID": key.key_id,
            "Reason": "The API key has been revoked.",
            "metadata.credential_type": "issued",
        },
        REQUESTER,
    )


def named(harness: ServiceHarness, credential: str, **options: Any) -> str:
    """The key that the log and the event of a failed verification name."""
    harness.events.clear()
    verified = harness.verified(credential, **options)
    assert not verified.verification.is_valid
    event = harness.events.only()
    assert event.attributes.get("APIKeyID", "") == verified.key_id
    return verified.key_id


def test_a_key_is_named_if_the_credential_has_proved_to_know_it(harness: ServiceHarness) -> None:
    elsewhere = replace(DRAFT, allowed_cidrs=("10.0.0.0/8",))
    key, secret = harness.issue(elsewhere)
    # From the database, from the cache, and before either is asked.
    assert named(harness, secret) == key.key_id
    assert named(harness, secret) == key.key_id
    harness.clock.advance(s=5)
    assert named(harness, secret, tenant=tenant(max_ttl_ns=S)) == key.key_id
    del harness.keys.rows[key.ref]
    no_cache = CacheDirective.NO_CACHE
    assert named(harness, secret, directive=no_cache) == key.key_id
    # The checksum is not ours: whoever asks knows no key.
    assert named(harness, secret, tenant=OTHER_SECRET) == ""
    assert named(harness, "of another system") == ""
    imported = harness.services.imports.import_key(
        TENANT, replace(elsewhere, raw_key="of another system")
    )
    assert named(harness, "of another system") == imported.key_id


@pytest.mark.parametrize("algorithm", list(TokenAlgorithm))
def test_a_token_names_its_parent_once_its_signature_is_good(
    harness: ServiceHarness, algorithm: TokenAlgorithm
) -> None:
    key, secret = harness.issue()
    draft = DeriveDraft(secret, algorithm=algorithm, ttl_ns=60 * S)
    token = harness.services.derive.derive(TENANT, draft, CALLER, CacheDirective.DEFAULT).token
    assert named(harness, token, audiences=("a",)) == key.key_id
    harness.clock.advance(s=3_600)
    assert named(harness, token) == key.key_id
    assert named(harness, token, tenant=replace(TENANT, network_id=OTHER_NETWORK)) == ""
    assert named(harness, token[:-2] + "xx") == ""


def test_a_failed_derivation_names_the_parent_and_who_asked(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    harness.keys.put(replace(key, status=KeyStatus.REVOKED))
    with pytest.raises(TalosError):
        harness.services.derive.derive(
            TENANT, DeriveDraft(secret), CALLER, CacheDirective.DEFAULT, REQUESTER
        )
    event = harness.events.only()
    assert event.attributes["APIKeyID"] == key.key_id
    assert event.requester == REQUESTER


def test_the_next_event_counts_what_was_suppressed(harness: ServiceHarness) -> None:
    for _ in range(17):
        harness.verified("unknown")
    harness.clock.advance(s=60)
    harness.verified("unknown")
    harness.verified("unknown")
    counts = [event.attributes.get("metadata.suppressed") for event in harness.events.events]
    assert counts == [None] * 10 + ["7", None]


@pytest.mark.parametrize(
    ("credential", "type_"),
    [
        ("unknown", "imported"),
        ("eyJh.eyJh.eyJh", "derived_jwt"),
        ("mc_v1_AAAA", "derived_macaroon"),
    ],
)
def test_the_type_is_that_of_the_shape(
    harness: ServiceHarness, credential: str, type_: str
) -> None:
    harness.verified(credential)
    assert harness.events.only().attributes["metadata.credential_type"] == type_


def test_trouble_is_told_too(harness: ServiceHarness) -> None:
    harness.keys.trouble = ServiceUnavailable()
    harness.verified("unknown")
    assert harness.events.only().attributes["Reason"] == "database error"


def test_over_the_limit_is_no_failure(harness: ServiceHarness) -> None:
    _, secret = harness.issue(replace(DRAFT, rate_limit=RateLimitDraft(1, 60 * S)))
    for _ in range(3):
        harness.verified(secret)
        harness.batch(secret)
    assert harness.events.events == []


def test_a_batch_is_silent_about_checksum_age_and_prefix(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    harness.batch(secret, tenant=OTHER_SECRET)
    harness.batch(secret, tenant=tenant(prefix="other", public_prefix=None))
    harness.clock.advance(s=5)
    harness.batch(secret, tenant=tenant(max_ttl_ns=S))
    assert harness.events.events == []


def test_a_batch_tells_of_the_rest(harness: ServiceHarness) -> None:
    revoked, revoked_secret = harness.issue()
    harness.keys.put(replace(revoked, status=KeyStatus.REVOKED))
    expired, expired_secret = harness.issue()
    harness.keys.put(replace(expired, expires_at_ns=0))
    _, elsewhere_secret = harness.issue(replace(DRAFT, allowed_cidrs=("10.0.0.0/8",)))
    harness.batch("unknown", revoked_secret, expired_secret, elsewhere_secret, "eyJh.eyJh.eyJh")
    assert [event.attributes["Reason"] for event in harness.events.events] == [
        "API key not found",
        "The API key has been revoked.",
        "The API key has expired.",
        "The request IP is not allowed for this API key.",
        "Signature verification failed.",
    ]


def test_ten_events_in_a_window(harness: ServiceHarness, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "talos")
    for _ in range(15):
        harness.verified("unknown")
        harness.clock.advance(s=1)
    assert len(harness.events.events) == 10
    withheld = [record for record in caplog.records if "withheld" in record.message]
    assert len(withheld) == 5


def test_a_window_begins_with_its_first_event(harness: ServiceHarness) -> None:
    harness.clock.advance(s=30)
    for _ in range(12):
        harness.verified("unknown")
    harness.clock.advance(s=60, ns=-1)
    harness.verified("unknown")
    assert len(harness.events.events) == 10
    harness.clock.advance(ns=1)
    for _ in range(12):
        harness.verified("unknown")
    assert len(harness.events.events) == 20


def test_a_clock_that_is_set_back_does_not_silence(harness: ServiceHarness) -> None:
    for _ in range(12):
        harness.verified("unknown")
    harness.clock.advance(s=-3_600)
    harness.verified("unknown")
    assert len(harness.events.events) == 11


def test_every_network_has_a_budget(harness: ServiceHarness) -> None:
    for _ in range(12):
        harness.verified("unknown")
        harness.verified("unknown", tenant=tenant(network_id=OTHER_NETWORK))
    assert [event.network_id for event in harness.events.events].count(OTHER_NETWORK) == 10
    assert len(harness.events.events) == 20


def test_derive_has_a_budget_of_its_own(harness: ServiceHarness) -> None:
    for _ in range(12):
        harness.verified("unknown")
        with pytest.raises(TalosError):
            harness.services.derive.derive(
                TENANT, DeriveDraft("unknown"), CALLER, CacheDirective.DEFAULT
            )
    assert len(harness.events.events) == 20
