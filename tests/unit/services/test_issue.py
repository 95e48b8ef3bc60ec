"""Issuing keys (contract 4.1, 16 (16), 16 (23))."""

from dataclasses import replace

import pytest

from talos import _core
from talos.domain.addresses import Caller
from talos.domain.drafts import KeyChange, KeyDraft, RateLimitDraft, RevokeDraft
from talos.domain.events import AuditEvent, EventName
from talos.domain.keys import (
    NIL_NETWORK,
    NO_METADATA,
    Key,
    KeyKind,
    KeyStatus,
    KeyVisibility,
    Metadata,
    RateLimitPolicy,
)
from talos.errors import GatewayTimeout, InvalidRequest, QuotaExceeded, ServiceUnavailable
from tests.support.fakes.clock import START_NS
from tests.support.fakes.harness import DRAFT, ServiceHarness
from tests.support.fakes.tenants import OTHER_NETWORK, TENANT, tenant

S = 1_000_000_000
DAY_NS = 86_400 * S


def test_a_key_and_its_secret(harness: ServiceHarness) -> None:
    draft = KeyDraft(
        name="a key",
        actor_id="user_1",
        scopes=("b", "a", "b"),
        ttl_ns=3_600 * S,
        metadata=Metadata('{"z":1,"a":2}'),
        rate_limit=RateLimitDraft(5, 60 * S, "requests"),
        allowed_cidrs=("10.1.2.3/08",),
        request_id="r-1",
    )
    issued = harness.services.issue.issue(TENANT, draft)
    parsed = _core.parse_issued_key(issued.secret)
    assert parsed is not None
    assert issued.key == Key(
        kind=KeyKind.ISSUED,
        network_id=NIL_NETWORK,
        key_id=parsed.key_id,
        name="a key",
        actor_id="user_1",
        scopes=("b", "a", "b"),
        metadata=Metadata('{"z":1,"a":2}'),
        status=KeyStatus.ACTIVE,
        visibility=KeyVisibility.SECRET,
        created_at_ns=START_NS,
        updated_at_ns=START_NS,
        expires_at_ns=START_NS + 3_600 * S,
        rate_limit=RateLimitPolicy(5, 60),
        allowed_cidrs=("10.1.2.3/08",),
        request_id="r-1",
        token_prefix="ory_ak",
    )
    assert parsed.prefix == "ory_ak"
    assert parsed.timestamp_s == START_NS // S
    assert harness.row(issued.key) == issued.key
    assert harness.verdict(issued.secret, caller=Caller("10.0.0.1")) is None
    assert issued.secret not in repr(issued)


def test_the_least_a_draft_can_hold(harness: ServiceHarness) -> None:
    key, secret = harness.issue(KeyDraft(name="n", actor_id="a"))
    assert key.metadata == NO_METADATA
    assert key.request_id is None
    assert key.expires_at_ns == START_NS + 30 * DAY_NS
    assert harness.verdict(secret) is None


@pytest.mark.parametrize(
    ("visibility", "stored", "prefix"),
    [
        (0, KeyVisibility.SECRET, "ory_ak"),
        (1, KeyVisibility.SECRET, "ory_ak"),
        (2, KeyVisibility.PUBLIC, "pk_test"),
    ],
)
def test_the_prefix_follows_the_visibility(
    harness: ServiceHarness, visibility: int, stored: KeyVisibility, prefix: str
) -> None:
    key, secret = harness.issue(replace(DRAFT, visibility=visibility))
    assert (key.visibility, key.token_prefix) == (stored, prefix)
    assert secret.startswith(f"{prefix}_v1_")


def test_equal_drafts_make_different_keys(harness: ServiceHarness) -> None:
    assert harness.issue()[0].key_id != harness.issue()[0].key_id


def test_the_event(harness: ServiceHarness) -> None:
    key = harness.services.issue.issue(TENANT, replace(DRAFT, visibility=2)).key
    assert harness.events.logged() == AuditEvent(
        EventName.ISSUED_CREATED,
        NIL_NETWORK,
        {
            "APIKeyID": key.key_id,
            "APIKeyPrefix": "pk_test",
            "ActorID": "user_1",
            "Expiry": "2025-07-15T15:06:40Z",
            "Visibility": "public",
        },
    )


# Lifetimes


@pytest.mark.parametrize(
    ("ttl_ns", "default_ns", "max_ns", "life_ns"),
    [
        (S, None, 0, S),
        (None, DAY_NS, 0, DAY_NS),
        (DAY_NS, None, DAY_NS, DAY_NS),
        (2 * DAY_NS, DAY_NS, 0, 2 * DAY_NS),
        (None, S // 2, 0, S // 2),
        (None, 2**63 - 1, 0, 2**63 - 1 - START_NS),
    ],
)
def test_lifetimes(
    harness: ServiceHarness, ttl_ns: int | None, default_ns: int | None, max_ns: int, life_ns: int
) -> None:
    configured = tenant(default_ttl_ns=default_ns, max_ttl_ns=max_ns)
    key, _ = harness.issue(replace(DRAFT, ttl_ns=ttl_ns), configured)
    assert key.expires_at_ns == START_NS + life_ns


@pytest.mark.parametrize(
    ("ttl_ns", "default_ns", "max_ns", "words"),
    [
        (None, None, 0, ["ttl must be greater than 0"]),
        (None, 0, 0, ["ttl must be greater than 0"]),
        (0, DAY_NS, 0, ["ttl must be greater than 0"]),
        (DAY_NS + 1, None, DAY_NS, ["ttl", "24h0m0.000000001s", "24h0m0s"]),
        (None, 2 * DAY_NS, DAY_NS, ["ttl", "48h0m0s", "24h0m0s"]),
    ],
)
def test_lifetimes_that_are_refused(
    harness: ServiceHarness,
    ttl_ns: int | None,
    default_ns: int | None,
    max_ns: int,
    words: list[str],
) -> None:
    configured = tenant(default_ttl_ns=default_ns, max_ttl_ns=max_ns)
    with pytest.raises(InvalidRequest) as caught:
        harness.issue(replace(DRAFT, ttl_ns=ttl_ns), configured)
    assert all(word in caught.value.message for word in words)
    assert harness.keys.rows == {}


# The order of checks: each call breaks one check and all that follow it


def test_field_rules_come_before_the_lifetime(harness: ServiceHarness) -> None:
    with pytest.raises(InvalidRequest, match="name"):
        harness.issue(replace(DRAFT, name=""), tenant(default_ttl_ns=None))


def test_the_lifetime_comes_before_the_quota(harness: ServiceHarness) -> None:
    full = tenant(api_keys_max=1, default_ttl_ns=None)
    harness.issue(replace(DRAFT, ttl_ns=S), full)
    with pytest.raises(InvalidRequest, match="ttl"):
        harness.issue(DRAFT, full)


def test_public_keys_need_a_public_prefix(harness: ServiceHarness) -> None:
    with pytest.raises(InvalidRequest, match=r"credentials\.api_keys\.prefix\.public_current"):
        harness.issue(replace(DRAFT, visibility=2), tenant(public_prefix=None))
    assert harness.keys.rows == {}


def test_the_quota_comes_before_the_public_prefix(harness: ServiceHarness) -> None:
    full = tenant(api_keys_max=1, public_prefix=None)
    public = replace(DRAFT, visibility=2)
    with pytest.raises(InvalidRequest):
        harness.issue(public, full)
    harness.issue(replace(DRAFT, ttl_ns=S), full)
    with pytest.raises(QuotaExceeded):
        harness.issue(public, full)
    harness.clock.advance(s=2)
    with pytest.raises(InvalidRequest):
        harness.issue(public, full)


# Quota


def test_the_quota_counts_keys_that_can_still_verify(harness: ServiceHarness) -> None:
    capped = tenant(api_keys_max=2)
    first, _ = harness.issue(DRAFT, capped)
    harness.services.imports.import_key(capped, replace(DRAFT, raw_key="k"))
    with pytest.raises(QuotaExceeded):
        harness.issue(DRAFT, capped)
    harness.services.revoke.revoke(capped, KeyKind.ISSUED, first.key_id, RevokeDraft())
    harness.issue(replace(DRAFT, ttl_ns=S), capped)
    with pytest.raises(QuotaExceeded):
        harness.issue(DRAFT, capped)
    harness.clock.advance(s=2)
    harness.issue(DRAFT, capped)


def test_the_quota_is_one_of_the_network(harness: ServiceHarness) -> None:
    capped = tenant(api_keys_max=1)
    harness.issue(DRAFT, capped)
    harness.issue(DRAFT, tenant(capped, network_id=OTHER_NETWORK))


# Replays

REPLAYED = replace(DRAFT, request_id="r-1")


def test_a_replay_returns_the_stored_key_without_a_secret(harness: ServiceHarness) -> None:
    key, _ = harness.issue(REPLAYED)
    harness.clock.advance(s=5)
    again = harness.services.issue.issue(TENANT, replace(REPLAYED, name="another"))
    assert (again.key, again.secret) == (key, "")
    assert harness.events.events == []
    assert len(harness.keys.rows) == 1


def test_a_replay_at_the_cap_returns_the_stored_key(harness: ServiceHarness) -> None:
    capped = tenant(api_keys_max=1)
    key, _ = harness.issue(REPLAYED, capped)
    assert harness.services.issue.issue(capped, REPLAYED).key == key


def test_a_replay_still_has_to_keep_the_rules(harness: ServiceHarness) -> None:
    harness.issue(REPLAYED)
    with pytest.raises(InvalidRequest):
        harness.issue(replace(REPLAYED, name=""))


def test_a_replay_shows_the_present_state(harness: ServiceHarness) -> None:
    key, _ = harness.issue(replace(REPLAYED, ttl_ns=S))
    harness.clock.advance(s=2)
    assert harness.services.issue.issue(TENANT, REPLAYED).key.status is KeyStatus.EXPIRED
    harness.services.rotate.rotate(TENANT, key.key_id, KeyChange())
    again = harness.services.issue.issue(TENANT, REPLAYED).key
    assert (again.key_id, again.status) == (key.key_id, KeyStatus.REVOKED)


def test_request_ids_are_of_one_kind_and_network(harness: ServiceHarness) -> None:
    harness.issue(REPLAYED)
    harness.issue(REPLAYED, tenant(network_id=OTHER_NETWORK))
    harness.services.imports.import_key(TENANT, replace(REPLAYED, raw_key="k"))
    assert len(harness.keys.rows) == 3


def test_an_empty_request_id_is_none(harness: ServiceHarness) -> None:
    harness.issue()
    harness.issue()
    assert len(harness.keys.rows) == 2


@pytest.mark.parametrize("trouble", [ServiceUnavailable, GatewayTimeout])
def test_an_outage_passes_through(
    harness: ServiceHarness, trouble: type[ServiceUnavailable]
) -> None:
    harness.keys.trouble = trouble()
    with pytest.raises(trouble):
        harness.issue()
    assert harness.events.events == []
