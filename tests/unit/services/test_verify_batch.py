"""Batch verify (contract 4.15, 6.1, 16 (4), 16 (29))."""

from dataclasses import replace

import pytest

from talos.credentials.secrets import Secret, SecretRing
from talos.domain.addresses import Caller
from talos.domain.drafts import DeriveDraft, RateLimitDraft, VerifyDraft
from talos.domain.keys import KeyStatus
from talos.domain.verification import CacheDirective
from talos.domain.verification import VerificationErrorCode as Code
from talos.errors import (
    GatewayTimeout,
    InternalError,
    InvalidRequest,
    ServiceUnavailable,
    TalosError,
)
from tests.support.fakes.harness import CALLER, DRAFT, ServiceHarness
from tests.support.fakes.tenants import TENANT, tenant

S = 1_000_000_000


def import_key(harness: ServiceHarness, raw_key: str = "test-raw-key") -> str:
    harness.services.imports.import_key(TENANT, replace(DRAFT, raw_key=raw_key))
    harness.events.clear()
    return raw_key


def token(harness: ServiceHarness, credential: str) -> str:
    draft = DeriveDraft(credential)
    made = harness.services.derive.derive(TENANT, draft, CALLER, CacheDirective.NO_STORE)
    harness.events.clear()
    return made.token


@pytest.mark.parametrize("count", [0, 101])
def test_the_number_of_items(harness: ServiceHarness, count: int) -> None:
    with pytest.raises(InvalidRequest):
        harness.batch(*["k"] * count)


def test_a_hundred_items_pass(harness: ServiceHarness) -> None:
    assert len(harness.batch(*["k"] * 100)) == 100


@pytest.mark.parametrize("bad", ["", "k" * 8_193])
def test_one_empty_or_long_credential_fails_the_call(harness: ServiceHarness, bad: str) -> None:
    _, secret = harness.issue()
    with pytest.raises(InvalidRequest, match=r"requests\[1\]\.credential"):
        harness.batch(secret, bad)
    assert harness.marks.asked == []


def test_results_keep_their_places(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    revoked, revoked_secret = harness.issue()
    harness.keys.put(replace(revoked, status=KeyStatus.REVOKED))
    raw_key = import_key(harness)
    derived = token(harness, secret)
    reads = harness.keys.reads
    answers = harness.batch(raw_key, "unknown", secret, revoked_secret, derived, secret)
    assert [answer.error for answer in answers] == [
        None,
        Code.NOT_FOUND,
        None,
        Code.REVOKED,
        None,
        None,
    ]
    assert answers[2].key_id == answers[5].key_id == key.key_id
    assert harness.keys.reads == reads + 2


def test_single_and_batch_agree(harness: ServiceHarness) -> None:
    _, secret = harness.issue(replace(DRAFT, allowed_cidrs=("192.0.2.0/24",)))
    for credential in (secret, import_key(harness), token(harness, secret), "unknown"):
        assert harness.batch(credential)[0] == harness.verified(credential).verification


def test_each_item_has_its_own_audiences(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    drafts = [VerifyDraft(secret), VerifyDraft(secret, ("billing",))]
    answers = harness.services.verify.verify_batch(TENANT, drafts, CALLER, CacheDirective.DEFAULT)
    assert [answer.error for answer in answers] == [None, Code.AUDIENCE_MISMATCH]


def test_limits_are_consumed_in_order(harness: ServiceHarness) -> None:
    _, secret = harness.issue(replace(DRAFT, rate_limit=RateLimitDraft(2, 60 * S)))
    answers = harness.batch(secret, secret, secret, "unknown")
    assert [answer.error for answer in answers] == [None, None, Code.RATE_LIMITED, Code.NOT_FOUND]
    states = [answer.limit_state for answer in answers[:3]]
    assert [state.remaining for state in states if state is not None] == [1, 0, 0]


# The cache


def test_a_batch_reads_and_fills_the_cache(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    raw_key = import_key(harness)
    harness.verified(secret)
    reads = harness.keys.reads
    harness.batch(secret, raw_key)
    assert harness.keys.reads == reads + 1
    harness.batch(secret, raw_key)
    assert harness.keys.reads == reads + 1


@pytest.mark.parametrize(
    ("directive", "published"), [(CacheDirective.NO_CACHE, 1), (CacheDirective.NO_STORE, 0)]
)
def test_directives(harness: ServiceHarness, directive: CacheDirective, published: int) -> None:
    _, secret = harness.issue()
    harness.batch(secret, directive=directive)
    assert harness.cache.reads == []
    assert len(harness.cache.published) == published


# Marks of use


def test_issued_and_imported_keys_are_marked(harness: ServiceHarness) -> None:
    key, secret = harness.issue()
    harness.batch(secret, import_key(harness))
    assert len(harness.marks.marked) == 2
    assert harness.marks.marked[0] == key.key_id


def test_in_a_batch_a_refused_address_is_no_use(harness: ServiceHarness) -> None:
    _, secret = harness.issue(replace(DRAFT, allowed_cidrs=("10.0.0.0/8",)))
    assert harness.batch(secret)[0].error is Code.IP_NOT_ALLOWED
    assert harness.marks.asked == []
    assert harness.batch(secret, caller=Caller("10.0.0.1"))[0].is_valid
    assert len(harness.marks.asked) == 1


# Trouble


def test_a_row_that_cannot_be_read_fails_its_own_item(harness: ServiceHarness) -> None:
    _, good = harness.issue()
    bad, bad_secret = harness.issue()
    harness.keys.broken.add(bad.key_id)
    answers = harness.batch(good, bad_secret, good)
    assert [answer.error for answer in answers] == [None, Code.INTERNAL, None]


def test_rows_that_cannot_be_read_leave_one_line(
    harness: ServiceHarness, caplog: pytest.LogCaptureFixture
) -> None:
    bad, secret = harness.issue()
    harness.keys.broken.add(bad.key_id)
    harness.batch(harness.issue()[1], *[secret] * 99)
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert record.fields["items"] == 99  # type: ignore[attr-defined]
    assert record.exc_info


@pytest.mark.parametrize(
    ("kind", "message"),
    [("issued", "batch fetch issued keys"), ("imported", "batch fetch imported keys")],
)
def test_a_shared_read_that_fails_fails_the_call(
    harness: ServiceHarness, kind: str, message: str
) -> None:
    credential = harness.issue()[1] if kind == "issued" else import_key(harness)
    harness.keys.trouble = InternalError("list keys")
    with pytest.raises(InternalError) as caught:
        harness.batch(credential)
    assert caught.value.message == message


@pytest.mark.parametrize("trouble", [ServiceUnavailable(), GatewayTimeout()])
def test_an_outage_is_an_outage(harness: ServiceHarness, trouble: TalosError) -> None:
    _, secret = harness.issue()
    harness.keys.trouble = trouble
    with pytest.raises(type(trouble)):
        harness.batch(secret)


def test_without_keys_no_database_is_asked(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    derived = token(harness, secret)
    harness.keys.trouble = ServiceUnavailable()
    other = tenant(hmac=SecretRing(Secret("another-secret-for-hmac-01234567")))
    assert harness.batch(derived)[0].is_valid
    assert harness.batch(secret, tenant=other)[0].error is Code.NOT_FOUND
