"""Which failed verifications are told, and how often (contract 11.3)."""

import logging
from dataclasses import replace

import pytest

from talos.credentials.secrets import Secret, SecretRing
from talos.domain.drafts import DeriveDraft, RateLimitDraft
from talos.domain.events import AuditEvent, EventName
from talos.domain.keys import NIL_NETWORK, KeyStatus
from talos.domain.verification import CacheDirective
from talos.errors import ServiceUnavailable, TalosError
from tests.fakes.house import CALLER, DRAFT, House
from tests.fakes.tenants import OTHER_NETWORK, TENANT, tenant

S = 1_000_000_000
OTHER_SECRET = tenant(hmac=SecretRing(Secret("another-secret-for-hmac-01234567")))


def test_a_success_says_nothing(house: House) -> None:
    _, secret = house.issue()
    house.verified(secret)
    house.batch(secret)
    assert house.events.events == []


def test_a_failure_names_its_reason_and_no_key(house: House) -> None:
    key, secret = house.issue()
    house.keys.put(replace(key, status=KeyStatus.REVOKED))
    house.verified(secret)
    assert house.events.only() == AuditEvent(
        EventName.VERIFICATION_FAILED,
        NIL_NETWORK,
        {
            "Reason": "The API key has been revoked.",
            "metadata.credential_type": "issued",
        },
    )


@pytest.mark.parametrize(
    ("credential", "type_"),
    [
        ("unknown", "imported"),
        ("eyJh.eyJh.eyJh", "derived_jwt"),
        ("mc_v1_AAAA", "derived_macaroon"),
    ],
)
def test_the_type_is_that_of_the_shape(house: House, credential: str, type_: str) -> None:
    house.verified(credential)
    assert house.events.only().attributes["metadata.credential_type"] == type_


def test_trouble_is_told_too(house: House) -> None:
    house.keys.trouble = ServiceUnavailable()
    house.verified("unknown")
    assert house.events.only().attributes["Reason"] == "database error"


def test_over_the_limit_is_no_failure(house: House) -> None:
    _, secret = house.issue(replace(DRAFT, rate_limit=RateLimitDraft(1, 60 * S)))
    for _ in range(3):
        house.verified(secret)
        house.batch(secret)
    assert house.events.events == []


def test_a_batch_is_silent_about_checksum_age_and_prefix(house: House) -> None:
    _, secret = house.issue()
    house.batch(secret, tenant=OTHER_SECRET)
    house.batch(secret, tenant=tenant(prefix="other", public_prefix=None))
    house.clock.advance(s=5)
    house.batch(secret, tenant=tenant(max_ttl_ns=S))
    assert house.events.events == []


def test_a_batch_tells_of_the_rest(house: House) -> None:
    revoked, revoked_secret = house.issue()
    house.keys.put(replace(revoked, status=KeyStatus.REVOKED))
    expired, expired_secret = house.issue()
    house.keys.put(replace(expired, expires_at_ns=0))
    _, elsewhere_secret = house.issue(replace(DRAFT, allowed_cidrs=("10.0.0.0/8",)))
    house.batch("unknown", revoked_secret, expired_secret, elsewhere_secret, "eyJh.eyJh.eyJh")
    assert [event.attributes["Reason"] for event in house.events.events] == [
        "API key not found",
        "The API key has been revoked.",
        "The API key has expired.",
        "The request IP is not allowed for this API key.",
        "Signature verification failed.",
    ]


def test_ten_events_in_a_window(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "talos")
    for _ in range(15):
        house.verified("unknown")
        house.clock.advance(s=1)
    assert len(house.events.events) == 10
    withheld = [record for record in caplog.records if "withheld" in record.message]
    assert len(withheld) == 5


def test_a_window_begins_with_its_first_event(house: House) -> None:
    house.clock.advance(s=30)
    for _ in range(12):
        house.verified("unknown")
    house.clock.advance(s=60, ns=-1)
    house.verified("unknown")
    assert len(house.events.events) == 10
    house.clock.advance(ns=1)
    for _ in range(12):
        house.verified("unknown")
    assert len(house.events.events) == 20


def test_a_clock_that_is_set_back_does_not_silence(house: House) -> None:
    for _ in range(12):
        house.verified("unknown")
    house.clock.advance(s=-3_600)
    house.verified("unknown")
    assert len(house.events.events) == 11


def test_every_network_has_a_budget(house: House) -> None:
    for _ in range(12):
        house.verified("unknown")
        house.verified("unknown", tenant=tenant(network_id=OTHER_NETWORK))
    assert [event.network_id for event in house.events.events].count(OTHER_NETWORK) == 10
    assert len(house.events.events) == 20


def test_derive_has_a_budget_of_its_own(house: House) -> None:
    for _ in range(12):
        house.verified("unknown")
        with pytest.raises(TalosError):
            house.services.derive.derive(
                TENANT, DeriveDraft("unknown"), CALLER, CacheDirective.DEFAULT
            )
    assert len(house.events.events) == 20
