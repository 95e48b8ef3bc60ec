"""Deleting imported keys (contract 4.10)."""

from dataclasses import replace

import pytest

from talos.domain.drafts import RevokeDraft
from talos.domain.events import AuditEvent, EventName
from talos.domain.keys import NIL_NETWORK, Key
from talos.domain.verification import VerificationErrorCode as Code
from talos.errors import ApiKeyNotFound, InvalidRequest, ServiceUnavailable, TalosError
from tests.support.fakes.harness import DRAFT, ServiceHarness
from tests.support.fakes.tenants import OTHER_NETWORK, TENANT, tenant


def imported(harness: ServiceHarness) -> Key:
    key = harness.services.imports.import_key(TENANT, replace(DRAFT, raw_key="test-raw-key"))
    harness.events.clear()
    return key


@pytest.mark.parametrize("revoked", [False, True])
def test_a_deleted_key_is_gone_whatever_it_was(harness: ServiceHarness, revoked: bool) -> None:
    key = imported(harness)
    assert harness.verdict("test-raw-key") is None
    if revoked:
        harness.services.revoke.revoke(TENANT, key.kind, key.key_id, RevokeDraft())
    harness.services.delete.delete(TENANT, key.key_id)
    assert harness.keys.rows == {}
    assert harness.verdict("test-raw-key") is Code.NOT_FOUND
    with pytest.raises(ApiKeyNotFound, match="imported key not found"):
        harness.services.delete.delete(TENANT, key.key_id)


def test_the_event(harness: ServiceHarness) -> None:
    key = imported(harness)
    harness.services.delete.delete(TENANT, key.key_id)
    assert harness.events.logged() == AuditEvent(
        EventName.IMPORTED_DELETED,
        NIL_NETWORK,
        {
            "APIKeyID": key.key_id,
            "ActorID": "user_1",
            "Expiry": "2025-07-15T15:06:40Z",
            "Visibility": "secret",
        },
    )


@pytest.mark.parametrize(
    ("key_id", "error"), [("", InvalidRequest), ("a\0b", ApiKeyNotFound), ("x", ApiKeyNotFound)]
)
def test_ids_that_no_row_has(harness: ServiceHarness, key_id: str, error: type[TalosError]) -> None:
    with pytest.raises(error):
        harness.services.delete.delete(TENANT, key_id)


def test_issued_keys_and_other_networks_are_out_of_reach(harness: ServiceHarness) -> None:
    issued, _ = harness.issue()
    key = imported(harness)
    with pytest.raises(ApiKeyNotFound):
        harness.services.delete.delete(TENANT, issued.key_id)
    with pytest.raises(ApiKeyNotFound):
        harness.services.delete.delete(tenant(network_id=OTHER_NETWORK), key.key_id)
    assert len(harness.keys.rows) == 2


def test_an_outage_passes_through(harness: ServiceHarness) -> None:
    key = imported(harness)
    harness.keys.trouble = ServiceUnavailable()
    with pytest.raises(ServiceUnavailable):
        harness.services.delete.delete(TENANT, key.key_id)
