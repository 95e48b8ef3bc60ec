"""Updating keys (contract 4.4); what an update makes of its fields is tested with the masks."""

from dataclasses import replace

import pytest

from talos.domain.drafts import KeyChange, RateLimitDraft, RevokeDraft
from talos.domain.events import AuditEvent, EventName
from talos.domain.keys import NIL_NETWORK, Key, KeyKind, KeyStatus, Metadata
from talos.errors import ApiKeyNotFound, InvalidRequest, ServiceUnavailable, TalosError
from tests.support.fakes.harness import DRAFT, ServiceHarness
from tests.support.fakes.tenants import OTHER_NETWORK, TENANT, tenant

S = 1_000_000_000
TOO_LARGE = Metadata('{"a":"' + "x" * 65_536 + '"}')
KINDS = [KeyKind.ISSUED, KeyKind.IMPORTED]


def made(harness: ServiceHarness, kind: KeyKind) -> Key:
    if kind is KeyKind.ISSUED:
        return harness.issue()[0]
    key = harness.services.imports.import_key(TENANT, replace(DRAFT, raw_key="test-raw-key"))
    harness.events.clear()
    return key


def update(
    harness: ServiceHarness, key: Key, change: KeyChange, mask: tuple[str, ...] | None = None
) -> Key:
    return harness.services.update.update(TENANT, key.kind, key.key_id, change, mask)


@pytest.mark.parametrize("kind", KINDS)
def test_an_update(harness: ServiceHarness, kind: KeyKind) -> None:
    key = made(harness, kind)
    harness.clock.advance(s=5)
    changed = update(harness, key, KeyChange(name="new", scopes=("x",)), ("name",))
    assert changed == replace(key, name="new", updated_at_ns=harness.clock.now_ns())
    assert harness.row(key) == changed


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (KeyKind.ISSUED, EventName.ISSUED_UPDATED),
        (KeyKind.IMPORTED, EventName.IMPORTED_UPDATED),
    ],
)
def test_an_update_without_effect_is_still_an_update(
    harness: ServiceHarness, kind: KeyKind, name: EventName
) -> None:
    key = made(harness, kind)
    harness.clock.advance(s=5)
    assert update(harness, key, KeyChange()).updated_at_ns == harness.clock.now_ns()
    assert harness.cache.evictions == [key.ref] * 2
    assert harness.events.logged() == AuditEvent(
        name,
        NIL_NETWORK,
        {
            "APIKeyID": key.key_id,
            "ActorID": "user_1",
            "Expiry": "2025-07-15T15:06:40Z",
            "Visibility": "secret",
        },
    )


@pytest.mark.parametrize("kind", KINDS)
def test_revoked_and_expired_keys_can_be_updated(harness: ServiceHarness, kind: KeyKind) -> None:
    key = made(harness, kind)
    harness.services.revoke.revoke(TENANT, kind, key.key_id, RevokeDraft())
    assert update(harness, key, KeyChange(name="new")).status is KeyStatus.REVOKED
    harness.keys.put(replace(key, expires_at_ns=0))
    assert update(harness, key, KeyChange(name="new")).status is KeyStatus.EXPIRED
    assert harness.row(key).status is KeyStatus.ACTIVE


# Which refusal comes first


@pytest.mark.parametrize(
    ("key_id", "change", "mask", "error", "words"),
    [
        ("unknown", KeyChange(name="n" * 256), ("nonsense",), InvalidRequest, "name: "),
        ("unknown", KeyChange(), ("nonsense",), InvalidRequest, '"nonsense"'),
        ("unknown", KeyChange(metadata=TOO_LARGE), None, ApiKeyNotFound, "API key not found"),
        ("unknown", KeyChange(allowed_cidrs=("x",)), None, ApiKeyNotFound, "API key not found"),
        ("", KeyChange(), None, InvalidRequest, "key_id"),
        ("a\0b", KeyChange(), None, ApiKeyNotFound, "API key not found"),
        ("a\udc80", KeyChange(), None, ApiKeyNotFound, "API key not found"),
    ],
)
def test_the_order_of_checks(
    harness: ServiceHarness,
    key_id: str,
    change: KeyChange,
    mask: tuple[str, ...] | None,
    error: type[TalosError],
    words: str,
) -> None:
    with pytest.raises(error) as caught:
        harness.services.update.update(TENANT, KeyKind.ISSUED, key_id, change, mask)
    assert words in caught.value.message


def test_field_rules_hold_for_members_that_the_mask_leaves_out(harness: ServiceHarness) -> None:
    key = made(harness, KeyKind.ISSUED)
    with pytest.raises(InvalidRequest, match="rate_limit_policy"):
        update(harness, key, KeyChange(rate_limit=RateLimitDraft(1, 1)), ("name",))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (KeyChange(name="n", metadata=TOO_LARGE), "metadata"),
        (KeyChange(name="n", allowed_cidrs=("nonsense",)), "ip_restriction"),
    ],
)
def test_size_and_syntax_count_only_where_the_mask_covers_them(
    harness: ServiceHarness, change: KeyChange, field: str
) -> None:
    key = made(harness, KeyKind.ISSUED)
    for mask in (None, (field,), (field, "name")):
        with pytest.raises(InvalidRequest, match=field):
            update(harness, key, change, mask)
    assert harness.row(key) == key
    assert harness.events.events == []
    assert update(harness, key, change, ("name",)).name == "n"


def test_names_of_the_missing(harness: ServiceHarness) -> None:
    for kind, message in [
        (KeyKind.ISSUED, "API key not found"),
        (KeyKind.IMPORTED, "imported key not found"),
    ]:
        with pytest.raises(ApiKeyNotFound) as caught:
            harness.services.update.update(TENANT, kind, "unknown", KeyChange(), None)
        assert caught.value.message == message


def test_kinds_and_networks_do_not_meet(harness: ServiceHarness) -> None:
    key = made(harness, KeyKind.ISSUED)
    with pytest.raises(ApiKeyNotFound):
        harness.services.update.update(TENANT, KeyKind.IMPORTED, key.key_id, KeyChange(), None)
    elsewhere = tenant(network_id=OTHER_NETWORK)
    with pytest.raises(ApiKeyNotFound):
        harness.services.update.update(elsewhere, KeyKind.ISSUED, key.key_id, KeyChange(), None)


def test_the_next_verification_sees_the_new_list(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    assert harness.verdict(secret) is None
    update(harness, key, KeyChange(allowed_cidrs=("10.0.0.0/8",)))
    assert harness.verdict(secret) is not None


def test_an_outage_passes_through(harness: ServiceHarness) -> None:
    key = made(harness, KeyKind.ISSUED)
    harness.keys.trouble = ServiceUnavailable()
    with pytest.raises(ServiceUnavailable):
        update(harness, key, KeyChange())
