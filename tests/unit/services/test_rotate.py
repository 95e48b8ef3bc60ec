"""Rotating keys (contract 4.5, 16 (10), 16 (16), 16 (18))."""

from dataclasses import replace

import pytest

from talos import _core
from talos.domain.drafts import KeyChange, KeyDraft, RateLimitDraft, RevokeDraft
from talos.domain.events import AuditEvent, EventName
from talos.domain.keys import (
    NIL_NETWORK,
    NO_METADATA,
    KeyKind,
    KeyStatus,
    KeyVisibility,
    Metadata,
    RateLimitPolicy,
    RevocationReason,
)
from talos.domain.verification import VerificationErrorCode as Code
from talos.errors import (
    ApiKeyNotFound,
    FailedPrecondition,
    InvalidRequest,
    ServiceUnavailable,
    TalosError,
)
from talos.services.rotate import RotatedKey
from tests.support.fakes.clock import START_NS
from tests.support.fakes.harness import DRAFT, ServiceHarness
from tests.support.fakes.tenants import TENANT, tenant

S = 1_000_000_000
DAY_NS = 86_400 * S
FULL = KeyDraft(
    name="old",
    actor_id="user_1",
    scopes=("old",),
    metadata=Metadata('{"old":1}'),
    rate_limit=RateLimitDraft(1, S),
    allowed_cidrs=("192.0.2.0/24",),
    request_id="r-1",
)
NO_PUBLIC = tenant(public_prefix=None)


def rotate(harness: ServiceHarness, key_id: str, change: KeyChange | None = None) -> RotatedKey:
    harness.clock.advance(s=5)
    return harness.services.rotate.rotate(TENANT, key_id, change or KeyChange())


def test_a_successor_inherits_everything_but_its_identity(harness: ServiceHarness) -> None:
    old, old_secret = harness.issue(FULL)
    harness.keys.put(replace(old, last_used_at_ns=START_NS))
    rotated = rotate(harness, old.key_id)
    parsed = _core.parse_issued_key(rotated.secret)
    assert parsed is not None
    now_ns = harness.clock.now_ns()
    assert rotated.key == replace(
        old,
        key_id=parsed.key_id,
        created_at_ns=now_ns,
        updated_at_ns=now_ns,
        last_used_at_ns=None,
        request_id=None,
    )
    assert rotated.key.key_id != old.key_id
    assert parsed.timestamp_s == now_ns // S
    assert harness.row(rotated.key) == rotated.key
    assert harness.verdict(rotated.secret) is None
    assert harness.verdict(old_secret) is Code.REVOKED
    assert rotated.secret not in repr(rotated)


def test_the_old_key_in_the_response_and_in_the_store(harness: ServiceHarness) -> None:
    old, _ = harness.issue(FULL)
    rotated = rotate(harness, old.key_id)
    now_ns = harness.clock.now_ns()
    kept_until_ns = now_ns + 30 * DAY_NS
    assert rotated.old == replace(old, status=KeyStatus.REVOKED, expires_at_ns=kept_until_ns)
    assert harness.row(old) == replace(
        rotated.old,
        revocation_reason=RevocationReason.SUPERSEDED,
        revocation_description="rotated: replaced by new key",
        updated_at_ns=now_ns,
    )
    assert harness.row(old).updated_at_ns == rotated.key.created_at_ns


def test_an_expiry_beyond_thirty_days_is_kept(harness: ServiceHarness) -> None:
    old, _ = harness.issue(replace(FULL, ttl_ns=90 * DAY_NS))
    assert rotate(harness, old.key_id).old.expires_at_ns == old.expires_at_ns


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (KeyChange(name="new"), {"name": "new"}),
        (KeyChange(name=""), {"name": ""}),
        (KeyChange(scopes=("new",)), {"scopes": ("new",)}),
        (KeyChange(scopes=()), {"scopes": ()}),
        (KeyChange(metadata=Metadata('{"new":1}')), {"metadata": Metadata('{"new":1}')}),
        (KeyChange(metadata=NO_METADATA), {"metadata": NO_METADATA}),
        (KeyChange(rate_limit=RateLimitDraft(5, 60 * S)), {"rate_limit": RateLimitPolicy(5, 60)}),
        (KeyChange(allowed_cidrs=("10.0.0.0/8",)), {"allowed_cidrs": ("10.0.0.0/8",)}),
        (KeyChange(allowed_cidrs=()), {"allowed_cidrs": ()}),
        (KeyChange(visibility=0), {}),
        (KeyChange(visibility=1), {}),
        (
            KeyChange(visibility=2),
            {"visibility": KeyVisibility.PUBLIC, "token_prefix": "pk_test"},
        ),
    ],
)
def test_what_is_present_overrides(
    harness: ServiceHarness, change: KeyChange, expected: dict[str, object]
) -> None:
    old, _ = harness.issue(FULL)
    new = rotate(harness, old.key_id, change).key
    for field in ("name", "scopes", "metadata", "rate_limit", "allowed_cidrs", "visibility"):
        assert getattr(new, field) == expected.get(field, getattr(old, field)), field
    assert new.token_prefix == expected.get("token_prefix", "ory_ak")
    assert (new.actor_id, new.expires_at_ns) == (old.actor_id, old.expires_at_ns)


def test_a_public_key_stays_public_under_the_current_prefix(harness: ServiceHarness) -> None:
    old, _ = harness.issue(replace(DRAFT, visibility=2))
    moved = tenant(public_prefix="pk_next", public_prefixes_retired=("pk_test",))
    rotated = harness.services.rotate.rotate(moved, old.key_id, KeyChange())
    assert rotated.key.token_prefix == "pk_next"
    assert rotated.secret.startswith("pk_next_v1_")


def test_an_expired_key_rotates_into_an_expired_one(harness: ServiceHarness) -> None:
    old, _ = harness.issue(replace(DRAFT, ttl_ns=S))
    rotated = rotate(harness, old.key_id)
    assert rotated.key.status is KeyStatus.EXPIRED
    assert rotated.key.expires_at_ns == old.expires_at_ns
    assert harness.row(rotated.key).status is KeyStatus.ACTIVE
    assert harness.verdict(rotated.secret) is Code.EXPIRED


def test_the_quota_is_not_checked(harness: ServiceHarness) -> None:
    old, _ = harness.issue()
    harness.issue()
    harness.services.rotate.rotate(tenant(api_keys_max=1), old.key_id, KeyChange())


def test_the_event(harness: ServiceHarness) -> None:
    old, _ = harness.issue()
    rotated = rotate(harness, old.key_id)
    assert harness.events.logged() == AuditEvent(
        EventName.ISSUED_ROTATED,
        NIL_NETWORK,
        {
            "APIKeyID": rotated.key.key_id,
            "APIKeyPrefix": "ory_ak",
            "Operation": "rotate",
            "ActorID": "user_1",
            "Expiry": "2025-07-15T15:06:40Z",
            "Visibility": "secret",
            "metadata.old_key_id": old.key_id,
            "metadata.old_expires_at": "2025-07-15T15:06:40Z",
        },
    )


# Which refusal comes first: each case breaks its check and those that follow

BROKEN = KeyChange(visibility=2, allowed_cidrs=("nonsense",))


@pytest.mark.parametrize(
    ("state", "change", "error", "words"),
    [
        ("missing", replace(BROKEN, name="n" * 256), InvalidRequest, "name"),
        ("missing", replace(BROKEN, visibility=9), InvalidRequest, "visibility"),
        (
            "missing",
            replace(BROKEN, metadata=Metadata('"' + "x" * 65_536 + '"')),
            InvalidRequest,
            "metadata size",
        ),
        ("missing", BROKEN, ApiKeyNotFound, "API key not found"),
        ("revoked", BROKEN, FailedPrecondition, "cannot rotate a non-active key"),
        ("active", BROKEN, InvalidRequest, "public_current"),
        ("active", replace(BROKEN, visibility=0), InvalidRequest, "allowed_cidrs[0]"),
    ],
)
def test_the_order_of_checks(
    harness: ServiceHarness, state: str, change: KeyChange, error: type[TalosError], words: str
) -> None:
    key, _ = harness.issue()
    if state == "missing":
        harness.keys.rows.clear()
    elif state == "revoked":
        harness.services.revoke.revoke(TENANT, key.kind, key.key_id, RevokeDraft())
    harness.events.clear()
    rows = dict(harness.keys.rows)
    with pytest.raises(error) as caught:
        harness.services.rotate.rotate(NO_PUBLIC, key.key_id, change)
    assert words in caught.value.message
    assert harness.keys.rows == rows
    assert harness.events.events == []


def test_a_second_rotation_finds_a_revoked_key(harness: ServiceHarness) -> None:
    key, _ = harness.issue()
    rotate(harness, key.key_id)
    with pytest.raises(FailedPrecondition):
        rotate(harness, key.key_id)
    assert len(harness.keys.rows) == 2


@pytest.mark.parametrize(
    ("key_id", "error"), [("", InvalidRequest), ("a\0b", ApiKeyNotFound), ("x", ApiKeyNotFound)]
)
def test_ids_that_no_row_has(harness: ServiceHarness, key_id: str, error: type[TalosError]) -> None:
    with pytest.raises(error):
        rotate(harness, key_id)


def test_imported_keys_do_not_rotate(harness: ServiceHarness) -> None:
    key = harness.services.imports.import_key(TENANT, replace(DRAFT, raw_key="test-raw-key"))
    assert key.kind is KeyKind.IMPORTED
    with pytest.raises(ApiKeyNotFound):
        rotate(harness, key.key_id)


def test_an_outage_passes_through(harness: ServiceHarness) -> None:
    key, _ = harness.issue()
    harness.keys.trouble = ServiceUnavailable()
    with pytest.raises(ServiceUnavailable):
        rotate(harness, key.key_id)
