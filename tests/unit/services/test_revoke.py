"""Revoking keys, by an administrator and by their holder (contract 4.6, 4.11, 4.12)."""

from contextlib import suppress
from dataclasses import replace

import pytest

from talos.credentials.secrets import Secret, SecretRing
from talos.domain.drafts import DeriveDraft, RevokeDraft, SelfRevokeDraft
from talos.domain.events import AuditEvent, EventName
from talos.domain.keys import NIL_NETWORK, Key, KeyKind, KeyStatus, RevocationReason
from talos.domain.verification import CacheDirective
from talos.domain.verification import VerificationErrorCode as Code
from talos.errors import (
    ApiKeyExpired,
    ApiKeyNotFound,
    Conflict,
    DerivedTokenNotRevocable,
    Forbidden,
    GatewayTimeout,
    InternalError,
    InvalidRequest,
    ServiceUnavailable,
    TalosError,
)
from talos.services.tenant import Tenant
from tests.support.fakes.harness import CALLER, DRAFT, ServiceHarness
from tests.support.fakes.tenants import OTHER_NETWORK, TENANT, tenant

S = 1_000_000_000
DAY_NS = 86_400 * S
KINDS = [KeyKind.ISSUED, KeyKind.IMPORTED]
WITHDRAWN = RevokeDraft(RevocationReason.PRIVILEGE_WITHDRAWN, "left the company")


def made(harness: ServiceHarness, kind: KeyKind, **changes: object) -> tuple[Key, str]:
    draft = replace(DRAFT, **changes)  # type: ignore[arg-type]
    if kind is KeyKind.ISSUED:
        return harness.issue(draft)
    key = harness.services.imports.import_key(TENANT, replace(draft, raw_key="test-raw-key"))
    harness.events.clear()
    return key, "test-raw-key"


def revoke(harness: ServiceHarness, key: Key, draft: RevokeDraft | None = None) -> None:
    harness.services.revoke.revoke(TENANT, key.kind, key.key_id, draft or RevokeDraft())


def self_revoke(
    harness: ServiceHarness, credential: str, reason: int = 0, by: Tenant = TENANT
) -> None:
    harness.services.revoke.self_revoke(by, SelfRevokeDraft(credential, reason))


# By an administrator


@pytest.mark.parametrize("kind", KINDS)
def test_a_revocation(harness: ServiceHarness, kind: KeyKind) -> None:
    key, credential = made(harness, kind)
    assert harness.verdict(credential) is None
    harness.clock.advance(s=5)
    revoke(harness, key, WITHDRAWN)
    now_ns = harness.clock.now_ns()
    assert harness.row(key) == replace(
        key,
        status=KeyStatus.REVOKED,
        revocation_reason=RevocationReason.PRIVILEGE_WITHDRAWN,
        revocation_description="left the company",
        expires_at_ns=now_ns + 30 * DAY_NS,
        updated_at_ns=now_ns,
    )
    assert harness.verdict(credential) is Code.REVOKED


@pytest.mark.parametrize(
    ("life_ns", "kept_ns"),
    [(S, 30 * DAY_NS), (30 * DAY_NS - 1, 30 * DAY_NS), (90 * DAY_NS, 90 * DAY_NS), (None, None)],
)
def test_how_long_a_revoked_key_is_kept(
    harness: ServiceHarness, life_ns: int | None, kept_ns: int | None
) -> None:
    key, _ = made(harness, KeyKind.ISSUED)
    now_ns = harness.clock.now_ns()
    harness.keys.put(replace(key, expires_at_ns=None if life_ns is None else now_ns + life_ns))
    revoke(harness, key)
    assert harness.row(key).expires_at_ns == (None if kept_ns is None else now_ns + kept_ns)


def test_an_expired_key_can_be_revoked(harness: ServiceHarness) -> None:
    key, secret = made(harness, KeyKind.ISSUED, ttl_ns=S)
    harness.clock.advance(s=5)
    revoke(harness, key)
    assert harness.verdict(secret) is Code.REVOKED


@pytest.mark.parametrize(
    ("draft", "reason", "description"),
    [
        (RevokeDraft(), RevocationReason.UNSPECIFIED, None),
        (RevokeDraft(1), RevocationReason.KEY_COMPROMISE, None),
        (RevokeDraft(4), RevocationReason.PRIVILEGE_WITHDRAWN, None),
        (RevokeDraft(4, "ü" * 500), RevocationReason.PRIVILEGE_WITHDRAWN, "ü" * 500),
    ],
)
def test_reasons(
    harness: ServiceHarness, draft: RevokeDraft, reason: RevocationReason, description: str | None
) -> None:
    key, _ = made(harness, KeyKind.ISSUED)
    revoke(harness, key, draft)
    row = harness.row(key)
    assert (row.revocation_reason, row.revocation_description) == (reason, description)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("state", "draft", "error", "words"),
    [
        ("missing", RevokeDraft(1, "why"), InvalidRequest, "PRIVILEGE_WITHDRAWN"),
        ("missing", RevokeDraft(4, "d" * 501), InvalidRequest, "description"),
        ("missing", RevokeDraft(9), InvalidRequest, "reason"),
        ("missing", RevokeDraft(), ApiKeyNotFound, "key not found"),
        ("revoked", RevokeDraft(), Conflict, "key is already revoked"),
    ],
)
def test_the_order_of_checks(
    harness: ServiceHarness,
    kind: KeyKind,
    state: str,
    draft: RevokeDraft,
    error: type[TalosError],
    words: str,
) -> None:
    key, _ = made(harness, kind)
    revoke(harness, key, WITHDRAWN)
    before = harness.row(key)
    if state == "missing":
        harness.keys.rows.clear()
    harness.events.clear()
    harness.clock.advance(s=5)
    with pytest.raises(error) as caught:
        revoke(harness, key, draft)
    assert type(caught.value) is error
    assert words in caught.value.message
    assert harness.events.events == []
    if state == "revoked":
        assert harness.row(key) == before


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (KeyKind.ISSUED, EventName.ISSUED_REVOKED),
        (KeyKind.IMPORTED, EventName.IMPORTED_REVOKED),
    ],
)
@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (RevokeDraft(), {}),
        (RevokeDraft(1), {"Reason": "REVOCATION_REASON_KEY_COMPROMISE"}),
    ],
)
def test_the_event(
    harness: ServiceHarness,
    kind: KeyKind,
    name: EventName,
    draft: RevokeDraft,
    reason: dict[str, str],
) -> None:
    key, _ = made(harness, kind, ttl_ns=DAY_NS)
    revoke(harness, key, draft)
    about = {
        "APIKeyID": key.key_id,
        "ActorID": "user_1",
        "Expiry": "2025-06-16T15:06:40Z",
        "Visibility": "secret",
    }
    assert harness.events.logged() == AuditEvent(name, NIL_NETWORK, about | reason)


@pytest.mark.parametrize(
    ("key_id", "error"), [("", InvalidRequest), ("a\0b", ApiKeyNotFound), ("x:y", ApiKeyNotFound)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_ids_that_no_row_has(
    harness: ServiceHarness, kind: KeyKind, key_id: str, error: type[TalosError]
) -> None:
    with pytest.raises(error):
        harness.services.revoke.revoke(TENANT, kind, key_id, RevokeDraft())
    with pytest.raises(error):
        harness.services.revoke.revoke_any(TENANT, key_id, RevokeDraft())


@pytest.mark.parametrize("kind", KINDS)
def test_either_kind_by_one_route(harness: ServiceHarness, kind: KeyKind) -> None:
    key, _ = made(harness, kind)
    harness.services.revoke.revoke_any(TENANT, key.key_id, WITHDRAWN)
    assert harness.row(key).revocation_reason is RevocationReason.PRIVILEGE_WITHDRAWN
    with pytest.raises(Conflict):
        harness.services.revoke.revoke_any(TENANT, key.key_id, WITHDRAWN)
    with pytest.raises(InvalidRequest):
        harness.services.revoke.revoke_any(TENANT, key.key_id, RevokeDraft(0, "why"))


@pytest.mark.parametrize("trouble", [ServiceUnavailable(), GatewayTimeout(), InternalError("x")])
def test_an_outage_passes_through(harness: ServiceHarness, trouble: TalosError) -> None:
    key, secret = made(harness, KeyKind.ISSUED)
    harness.keys.trouble = trouble
    with pytest.raises(type(trouble)):
        revoke(harness, key)
    with pytest.raises(type(trouble)):
        harness.services.revoke.revoke_any(TENANT, key.key_id, RevokeDraft())
    with pytest.raises(type(trouble)):
        self_revoke(harness, secret)


# By the holder


@pytest.mark.parametrize("kind", KINDS)
def test_a_holder_revokes(harness: ServiceHarness, kind: KeyKind) -> None:
    key, credential = made(harness, kind, allowed_cidrs=("10.0.0.0/8",))
    harness.clock.advance(s=5)
    self_revoke(harness, credential, RevocationReason.KEY_COMPROMISE)
    now_ns = harness.clock.now_ns()
    assert harness.row(key) == replace(
        key,
        status=KeyStatus.REVOKED,
        revocation_reason=RevocationReason.KEY_COMPROMISE,
        expires_at_ns=now_ns + 30 * DAY_NS,
        updated_at_ns=now_ns,
    )
    assert harness.verdict(credential) is Code.REVOKED


@pytest.mark.parametrize(
    ("kind", "name", "prefix"),
    [
        (KeyKind.ISSUED, EventName.ISSUED_REVOKED, {}),
        (KeyKind.IMPORTED, EventName.IMPORTED_REVOKED, {"APIKeyPrefix": "imported"}),
    ],
)
def test_the_event_of_a_holder(
    harness: ServiceHarness, kind: KeyKind, name: EventName, prefix: dict[str, str]
) -> None:
    key, credential = made(harness, kind)
    self_revoke(harness, credential, RevocationReason.SUPERSEDED)
    assert harness.events.logged() == AuditEvent(
        name,
        NIL_NETWORK,
        {
            "APIKeyID": key.key_id,
            "Reason": "REVOCATION_REASON_SUPERSEDED",
            "metadata.initiated_by": "self",
            **prefix,
        },
    )


@pytest.mark.parametrize("kind", KINDS)
def test_revoking_twice_changes_nothing(harness: ServiceHarness, kind: KeyKind) -> None:
    key, credential = made(harness, kind)
    revoke(harness, key, WITHDRAWN)
    before = harness.row(key)
    harness.events.clear()
    self_revoke(harness, credential, RevocationReason.KEY_COMPROMISE)
    assert harness.row(key) == before
    assert harness.events.events == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_expired_key_cannot_be_revoked_by_its_holder(
    harness: ServiceHarness, kind: KeyKind
) -> None:
    key, credential = made(harness, kind, ttl_ns=S, visibility=2)
    harness.clock.advance(s=5)
    with pytest.raises(ApiKeyExpired):
        self_revoke(harness, credential)
    assert harness.row(key).status is KeyStatus.ACTIVE


@pytest.mark.parametrize("kind", KINDS)
def test_a_public_key_cannot_be_revoked_by_its_holder(
    harness: ServiceHarness, kind: KeyKind
) -> None:
    key, credential = made(harness, kind, visibility=2)
    with pytest.raises(Forbidden):
        self_revoke(harness, credential)
    assert harness.row(key) == key
    revoke(harness, key)
    self_revoke(harness, credential)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["revoked", "expired", "public"])
def test_who_holds_what_cannot_be_revoked_does_not_disturb_the_cache(
    harness: ServiceHarness, kind: KeyKind, end: str
) -> None:
    """Anybody may hold a public key, and ask for this without end."""
    key, credential = made(harness, kind, ttl_ns=S, visibility=2)
    if end == "revoked":
        revoke(harness, key)
    elif end == "expired":
        harness.clock.advance(s=5)
    harness.cache.evictions.clear()
    for _ in range(5):
        with suppress(ApiKeyExpired, Forbidden):
            self_revoke(harness, credential)
    assert harness.cache.evictions == []


def test_revoking_again_evicts_what_was_revoked_behind_the_servers_back(
    harness: ServiceHarness,
) -> None:
    key, secret = made(harness, KeyKind.ISSUED)
    harness.verified(secret)
    harness.keys.put(replace(key, status=KeyStatus.REVOKED))
    assert harness.verified(secret).cache.value == "HIT"
    self_revoke(harness, secret)
    assert not harness.verified(secret).verification.is_valid


def test_a_credential_that_proves_nothing(harness: ServiceHarness) -> None:
    key, secret = made(harness, KeyKind.ISSUED)
    wrong = tenant(hmac=SecretRing(Secret("another-secret-for-hmac-01234567")))
    for seen_by in (
        wrong,
        tenant(prefix="other", public_prefix=None),
        tenant(network_id=OTHER_NETWORK),
    ):
        with pytest.raises(ApiKeyNotFound):
            self_revoke(harness, secret, by=seen_by)
    harness.clock.advance(s=5)
    with pytest.raises(ApiKeyNotFound):
        self_revoke(harness, secret, by=tenant(max_ttl_ns=S))
    with pytest.raises(ApiKeyNotFound):
        self_revoke(harness, "unknown")
    with pytest.raises(ApiKeyNotFound):
        self_revoke(harness, key.key_id)
    assert harness.row(key) == key
    # Guessing disturbs no cache.
    assert harness.cache.evictions == []


@pytest.mark.parametrize("algorithm", [1, 2])
def test_derived_tokens_cannot_be_revoked(harness: ServiceHarness, algorithm: int) -> None:
    _, secret = made(harness, KeyKind.ISSUED)
    token = harness.services.derive.derive(
        TENANT, DeriveDraft(secret, algorithm=algorithm), CALLER, CacheDirective.DEFAULT
    ).token
    with pytest.raises(DerivedTokenNotRevocable):
        self_revoke(harness, token)
    with pytest.raises(DerivedTokenNotRevocable):
        self_revoke(harness, token[:-5])


@pytest.mark.parametrize(
    ("credential", "reason", "words"),
    [
        ("", 0, "credential"),
        ("k" * 8_193, 0, "credential"),
        ("eyJh.eyJh.eyJh", 4, "PRIVILEGE_WITHDRAWN"),
        ("eyJh.eyJh.eyJh", 7, "reason"),
    ],
)
def test_field_rules_come_first(
    harness: ServiceHarness, credential: str, reason: int, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        self_revoke(harness, credential, reason)
    assert type(caught.value) is InvalidRequest


def test_somebody_else_may_be_faster(harness: ServiceHarness) -> None:
    key, secret = made(harness, KeyKind.ISSUED)
    harness.keys.after_read = lambda: revoke(harness, key, WITHDRAWN)
    self_revoke(harness, secret, RevocationReason.KEY_COMPROMISE)
    assert harness.row(key).revocation_reason is RevocationReason.PRIVILEGE_WITHDRAWN
