"""Importing keys, one by one and in batches (contract 4.7, 4.8)."""

from dataclasses import replace

import pytest

from talos.credentials.imported import imported_key_id
from talos.domain.drafts import DeriveDraft, KeyDraft, RateLimitDraft, RevokeDraft
from talos.domain.events import AuditEvent, EventName
from talos.domain.keys import NIL_NETWORK, KeyKind, KeyStatus, KeyVisibility, Metadata
from talos.domain.verification import CacheDirective
from talos.domain.verification import VerificationErrorCode as VerifyCode
from talos.errors import (
    ApiKeyExists,
    Conflict,
    FailedPrecondition,
    InvalidRequest,
    QuotaExceeded,
    ServiceUnavailable,
    TalosError,
)
from talos.services.import_keys import BatchErrorCode as Code
from talos.services.import_keys import BatchImport
from tests.support.fakes.clock import START_NS
from tests.support.fakes.harness import CALLER, ServiceHarness
from tests.support.fakes.harness import DRAFT as ISSUE_DRAFT
from tests.support.fakes.tenants import OTHER_NETWORK, TENANT, tenant

S = 1_000_000_000
DAY_NS = 86_400 * S
DRAFT = replace(ISSUE_DRAFT, raw_key="test-raw-key")


def draft(raw_key: str, **changes: object) -> KeyDraft:
    return replace(DRAFT, raw_key=raw_key, **changes)  # type: ignore[arg-type]


def issued_shape(harness: ServiceHarness) -> str:
    return harness.issue()[1]


def derived_shapes(harness: ServiceHarness) -> list[str]:
    _, secret = harness.issue()
    tokens = [
        harness.services.derive.derive(
            TENANT, DeriveDraft(secret, algorithm=algorithm), CALLER, CacheDirective.DEFAULT
        ).token
        for algorithm in (1, 2)
    ]
    harness.events.clear()
    return [*tokens, "eyJh.eyJh.eyJh", "mc_v1_anything"]


# One by one


def test_an_import(harness: ServiceHarness) -> None:
    key = harness.services.imports.import_key(TENANT, replace(DRAFT, visibility=2))
    assert key.kind is KeyKind.IMPORTED
    assert key.key_id == imported_key_id(NIL_NETWORK, "test-raw-key")
    assert key.visibility is KeyVisibility.PUBLIC
    assert key.token_prefix is None
    assert key.expires_at_ns == START_NS + 30 * DAY_NS
    assert "test-raw-key" not in repr(harness.keys.rows)
    assert harness.verdict("test-raw-key") is None


@pytest.mark.parametrize("raw_key", [" k ", "k\n", "K", "cafe\u0301", "caf\u00e9"])
def test_a_raw_key_is_taken_as_it_is(harness: ServiceHarness, raw_key: str) -> None:
    harness.services.imports.import_key(TENANT, draft(raw_key))
    assert harness.verdict(raw_key) is None
    for other in (" k ", "k", "k\n", "K", "cafe\u0301", "caf\u00e9"):
        if other != raw_key:
            assert harness.verdict(other) is VerifyCode.NOT_FOUND


def test_a_public_import_needs_no_prefix(harness: ServiceHarness) -> None:
    harness.services.imports.import_key(tenant(public_prefix=None), replace(DRAFT, visibility=2))


def test_the_event(harness: ServiceHarness) -> None:
    key = harness.services.imports.import_key(TENANT, DRAFT)
    assert harness.events.logged() == AuditEvent(
        EventName.IMPORTED_CREATED,
        NIL_NETWORK,
        {
            "APIKeyID": key.key_id,
            "ActorID": "user_1",
            "Expiry": "2025-07-15T15:06:40Z",
            "Visibility": "secret",
        },
    )


def test_shapes_that_would_verify_as_something_else(harness: ServiceHarness) -> None:
    with pytest.raises(Conflict, match="issued api key pattern"):
        harness.services.imports.import_key(TENANT, draft(issued_shape(harness)))
    for shape in derived_shapes(harness):
        with pytest.raises(FailedPrecondition, match="derived token pattern"):
            harness.services.imports.import_key(TENANT, draft(shape))


def test_a_shape_whose_identifier_does_not_decode_is_importable(harness: ServiceHarness) -> None:
    raw_key = "ory_ak_v1_" + "2" * 30 + "_" + "2" * 44
    harness.services.imports.import_key(TENANT, draft(raw_key))
    assert harness.verdict(raw_key) is None


def test_a_duplicate(harness: ServiceHarness) -> None:
    key = harness.services.imports.import_key(TENANT, DRAFT)
    harness.services.revoke.revoke(TENANT, key.kind, key.key_id, RevokeDraft())
    harness.events.clear()
    with pytest.raises(ApiKeyExists) as caught:
        harness.services.imports.import_key(TENANT, replace(DRAFT, request_id="r-2"))
    assert caught.value.message == "key already imported (duplicate detected)"
    assert harness.events.events == []
    harness.services.delete.delete(TENANT, key.key_id)
    harness.services.imports.import_key(TENANT, DRAFT)


def test_a_replay_wins_over_a_duplicate(harness: ServiceHarness) -> None:
    first = harness.services.imports.import_key(TENANT, draft("one", request_id="r-1"))
    harness.services.imports.import_key(TENANT, draft("two"))
    harness.events.clear()
    for raw_key in ("one", "two", "three"):
        again = harness.services.imports.import_key(TENANT, draft(raw_key, request_id="r-1"))
        assert again == first
    assert harness.events.events == []
    capped = tenant(api_keys_max=1)
    assert harness.services.imports.import_key(capped, draft("one", request_id="r-1")) == first


def test_at_the_cap_a_duplicate_is_over_quota(harness: ServiceHarness) -> None:
    capped = tenant(api_keys_max=1)
    harness.services.imports.import_key(capped, DRAFT)
    with pytest.raises(QuotaExceeded):
        harness.services.imports.import_key(capped, DRAFT)


def test_deleting_frees_the_request_id(harness: ServiceHarness) -> None:
    key = harness.services.imports.import_key(TENANT, draft("one", request_id="r-1"))
    harness.services.delete.delete(TENANT, key.key_id)
    other = harness.services.imports.import_key(TENANT, draft("two", request_id="r-1"))
    assert other.key_id != key.key_id


def test_networks_import_the_same_key(harness: ServiceHarness) -> None:
    here = harness.services.imports.import_key(TENANT, DRAFT)
    there = harness.services.imports.import_key(tenant(network_id=OTHER_NETWORK), DRAFT)
    assert here.key_id != there.key_id


def test_the_order_of_checks(harness: ServiceHarness) -> None:
    no_default = tenant(default_ttl_ns=None, api_keys_max=1)
    shape = issued_shape(harness)
    steps: list[tuple[KeyDraft, type[TalosError], str]] = [
        (draft(shape, name=""), InvalidRequest, "name"),
        (draft(shape), InvalidRequest, "ttl"),
        (draft(shape, ttl_ns=S), Conflict, "issued api key pattern"),
        (draft("k", ttl_ns=S), QuotaExceeded, "quota"),
    ]
    for bad, error, word in steps:
        with pytest.raises(error, match=word):
            harness.services.imports.import_key(no_default, bad)


# Batches


def batch(harness: ServiceHarness, *drafts: KeyDraft, capped: int = 0) -> BatchImport:
    return harness.services.imports.import_batch(tenant(api_keys_max=capped), drafts)


def codes(result: BatchImport) -> list[Code | None]:
    assert [item.index for item in result.items] == list(range(len(result.items)))
    assert all((item.key is None) is bool(item.message) for item in result.items)
    return [item.code for item in result.items]


def test_no_items_and_too_many(harness: ServiceHarness) -> None:
    with pytest.raises(InvalidRequest) as caught:
        batch(harness)
    assert caught.value.message == "keys must contain at least one item"
    with pytest.raises(InvalidRequest) as caught:
        batch(harness, *[DRAFT] * 1_001)
    assert caught.value.message == "maximum 1000 keys per batch"
    assert harness.keys.rows == {}


def test_a_thousand_items(harness: ServiceHarness) -> None:
    result = batch(harness, *[draft(f"k{number}") for number in range(1_000)])
    assert (result.success_count, result.failure_count) == (1_000, 0)


def test_every_kind_of_failure_in_one_batch(harness: ServiceHarness) -> None:
    harness.services.imports.import_key(TENANT, draft("there"))
    shape = issued_shape(harness)
    result = batch(
        harness,
        draft("good"),
        draft("bad", name=""),
        draft("bad", ttl_ns=0),
        draft("bad", metadata=Metadata('"' + "x" * 65_536 + '"')),
        draft("bad", allowed_cidrs=("nonsense",)),
        draft("bad", rate_limit=RateLimitDraft(1, 1)),
        draft("bad", request_id="r" * 37),
        draft("bad", visibility=7),
        draft(""),
        draft(shape),
        draft("mc_v1_x"),
        draft("good"),
        draft("there"),
        draft("there"),
        draft("bad"),
    )
    assert codes(result) == [
        None,
        *[Code.INVALID_ARGUMENT] * 8,
        *[Code.FAILED_PRECONDITION] * 2,
        *[Code.ALREADY_EXISTS] * 3,
        None,
    ]
    assert "issued api key pattern" in result.items[9].message
    assert "derived token pattern" in result.items[10].message
    messages = [item.message for item in result.items[11:14]]
    assert messages == [
        "key already imported (duplicate detected at index 0)",
        "key already imported (duplicate detected)",
        "key already imported (duplicate detected at index 12)",
    ]
    assert (result.success_count, result.failure_count) == (2, 13)


def test_a_lifetime_that_the_tenant_does_not_allow_fails_its_item(harness: ServiceHarness) -> None:
    no_default = tenant(default_ttl_ns=None)
    drafts = [draft("a"), draft("b", ttl_ns=S)]
    result = harness.services.imports.import_batch(no_default, drafts)
    assert codes(result) == [Code.INVALID_ARGUMENT, None]


def test_headroom_goes_to_the_first(harness: ServiceHarness) -> None:
    harness.services.imports.import_key(TENANT, draft("there"))
    result = batch(
        harness,
        draft("there"),
        draft("", name=""),
        draft("a"),
        draft("a"),
        draft("b"),
        draft("c"),
        capped=3,
    )
    assert codes(result) == [
        Code.ALREADY_EXISTS,
        Code.INVALID_ARGUMENT,
        None,
        Code.ALREADY_EXISTS,
        Code.RESOURCE_EXHAUSTED,
        Code.RESOURCE_EXHAUSTED,
    ]


def test_request_ids_of_items_are_ignored(harness: ServiceHarness) -> None:
    harness.services.imports.import_key(TENANT, draft("there", request_id="r-1"))
    result = batch(harness, draft("a", request_id="r-1"), draft("b", request_id="r-1"))
    assert codes(result) == [None, None]
    assert all(item.key is not None and item.key.request_id is None for item in result.items)


def test_events_of_a_batch(harness: ServiceHarness) -> None:
    result = batch(harness, draft("a"), draft("", actor_id="user_2"))
    assert harness.events.names == [EventName.IMPORTED_CREATED, EventName.IMPORT_FAILED]
    assert harness.events.events[1].attributes == {
        "KeyType": "imported",
        "Reason": result.items[1].message,
        "ActorID": "user_2",
        "metadata.index": "1",
        "metadata.error_code": "BATCH_CREATE_IMPORTED_API_KEYS_ERROR_INVALID_ARGUMENT",
    }


INVALID = draft("k", name="")
SHAPE = draft("mc_v1_x")
THERE = draft("there")


@pytest.mark.parametrize(
    ("items", "error", "words"),
    [
        ([THERE], ApiKeyExists, "already exist"),
        ([INVALID], InvalidRequest, "failed validation"),
        ([SHAPE], FailedPrecondition, "precondition"),
        ([INVALID, INVALID, THERE], InvalidRequest, "failed validation"),
        ([INVALID, THERE], ApiKeyExists, "already exist"),
        ([SHAPE, INVALID], InvalidRequest, "failed validation"),
        ([SHAPE, SHAPE, INVALID, THERE], FailedPrecondition, "precondition"),
    ],
)
def test_when_all_fail_the_most_frequent_cause_speaks(
    harness: ServiceHarness, items: list[KeyDraft], error: type[TalosError], words: str
) -> None:
    harness.services.imports.import_key(TENANT, THERE)
    harness.events.clear()
    with pytest.raises(error) as caught:
        batch(harness, *items)
    assert type(caught.value) is error
    assert words in caught.value.message
    assert harness.events.names == [EventName.IMPORT_FAILED] * len(items)


@pytest.mark.parametrize(
    ("items", "error"),
    [
        ([draft("a"), draft("b")], QuotaExceeded),
        ([draft("a"), SHAPE], FailedPrecondition),
        ([draft("a"), INVALID], InvalidRequest),
    ],
)
def test_quota_among_the_causes(
    harness: ServiceHarness, items: list[KeyDraft], error: type[TalosError]
) -> None:
    harness.services.imports.import_key(TENANT, THERE)
    with pytest.raises(error):
        batch(harness, *items, capped=1)
    with pytest.raises(QuotaExceeded, match="quota"):
        batch(harness, draft("a"), capped=1)


def test_an_outage_passes_through(harness: ServiceHarness) -> None:
    harness.keys.trouble = ServiceUnavailable()
    with pytest.raises(ServiceUnavailable):
        harness.services.imports.import_key(TENANT, DRAFT)
    with pytest.raises(ServiceUnavailable):
        batch(harness, DRAFT)
    assert harness.events.events == []


def test_an_imported_key_that_expired_is_shown_as_expired_on_replay(
    harness: ServiceHarness,
) -> None:
    harness.services.imports.import_key(TENANT, replace(DRAFT, ttl_ns=S, request_id="r-1"))
    harness.clock.advance(s=2)
    again = harness.services.imports.import_key(TENANT, replace(DRAFT, request_id="r-1"))
    assert again.status is KeyStatus.EXPIRED
