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
from tests.fakes.house import CALLER, DRAFT, House
from tests.fakes.tenants import TENANT, tenant

S = 1_000_000_000


def import_key(house: House, raw_key: str = "test-raw-key") -> str:
    house.services.imports.import_key(TENANT, replace(DRAFT, raw_key=raw_key))
    house.events.clear()
    return raw_key


def token(house: House, credential: str) -> str:
    draft = DeriveDraft(credential)
    made = house.services.derive.derive(TENANT, draft, CALLER, CacheDirective.NO_STORE)
    house.events.clear()
    return made.token


@pytest.mark.parametrize("count", [0, 101])
def test_the_number_of_items(house: House, count: int) -> None:
    with pytest.raises(InvalidRequest):
        house.batch(*["k"] * count)


def test_a_hundred_items_pass(house: House) -> None:
    assert len(house.batch(*["k"] * 100)) == 100


@pytest.mark.parametrize("bad", ["", "k" * 8_193])
def test_one_empty_or_long_credential_fails_the_call(house: House, bad: str) -> None:
    _, secret = house.issue()
    with pytest.raises(InvalidRequest, match=r"requests\[1\]\.credential"):
        house.batch(secret, bad)
    assert house.marks.asked == []


def test_results_keep_their_places(house: House) -> None:
    key, secret = house.issue()
    revoked, revoked_secret = house.issue()
    house.keys.put(replace(revoked, status=KeyStatus.REVOKED))
    raw_key = import_key(house)
    derived = token(house, secret)
    reads = house.keys.reads
    answers = house.batch(raw_key, "unknown", secret, revoked_secret, derived, secret)
    assert [answer.error for answer in answers] == [
        None,
        Code.NOT_FOUND,
        None,
        Code.REVOKED,
        None,
        None,
    ]
    assert answers[2].key_id == answers[5].key_id == key.key_id
    assert house.keys.reads == reads + 2


def test_single_and_batch_agree(house: House) -> None:
    _, secret = house.issue(replace(DRAFT, allowed_cidrs=("192.0.2.0/24",)))
    for credential in (secret, import_key(house), token(house, secret), "unknown"):
        assert house.batch(credential)[0] == house.verified(credential).verification


def test_each_item_has_its_own_audiences(house: House) -> None:
    _, secret = house.issue()
    drafts = [VerifyDraft(secret), VerifyDraft(secret, ("billing",))]
    answers = house.services.verify.verify_batch(TENANT, drafts, CALLER, CacheDirective.DEFAULT)
    assert [answer.error for answer in answers] == [None, Code.AUDIENCE_MISMATCH]


def test_limits_are_consumed_in_order(house: House) -> None:
    _, secret = house.issue(replace(DRAFT, rate_limit=RateLimitDraft(2, 60 * S)))
    answers = house.batch(secret, secret, secret, "unknown")
    assert [answer.error for answer in answers] == [None, None, Code.RATE_LIMITED, Code.NOT_FOUND]
    states = [answer.limit_state for answer in answers[:3]]
    assert [state.remaining for state in states if state is not None] == [1, 0, 0]


# The cache


def test_a_batch_reads_and_fills_the_cache(house: House) -> None:
    _, secret = house.issue()
    raw_key = import_key(house)
    house.verified(secret)
    reads = house.keys.reads
    house.batch(secret, raw_key)
    assert house.keys.reads == reads + 1
    house.batch(secret, raw_key)
    assert house.keys.reads == reads + 1


@pytest.mark.parametrize(
    ("directive", "published"), [(CacheDirective.NO_CACHE, 1), (CacheDirective.NO_STORE, 0)]
)
def test_directives(house: House, directive: CacheDirective, published: int) -> None:
    _, secret = house.issue()
    house.batch(secret, directive=directive)
    assert house.cache.reads == []
    assert len(house.cache.published) == published


# Marks of use


def test_issued_and_imported_keys_are_marked(house: House) -> None:
    key, secret = house.issue()
    house.batch(secret, import_key(house))
    assert len(house.marks.marked) == 2
    assert house.marks.marked[0] == key.key_id


def test_in_a_batch_a_refused_address_is_no_use(house: House) -> None:
    _, secret = house.issue(replace(DRAFT, allowed_cidrs=("10.0.0.0/8",)))
    assert house.batch(secret)[0].error is Code.IP_NOT_ALLOWED
    assert house.marks.asked == []
    assert house.batch(secret, caller=Caller("10.0.0.1"))[0].is_valid
    assert len(house.marks.asked) == 1


# Trouble


def test_a_row_that_cannot_be_read_fails_its_own_item(house: House) -> None:
    _, good = house.issue()
    bad, bad_secret = house.issue()
    house.keys.broken.add(bad.key_id)
    answers = house.batch(good, bad_secret, good)
    assert [answer.error for answer in answers] == [None, Code.INTERNAL, None]


def test_rows_that_cannot_be_read_leave_one_line(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    bad, secret = house.issue()
    house.keys.broken.add(bad.key_id)
    house.batch(house.issue()[1], *[secret] * 99)
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert record.fields["items"] == 99  # type: ignore[attr-defined]
    assert record.exc_info


@pytest.mark.parametrize(
    ("kind", "message"),
    [("issued", "batch fetch issued keys"), ("imported", "batch fetch imported keys")],
)
def test_a_shared_read_that_fails_fails_the_call(house: House, kind: str, message: str) -> None:
    credential = house.issue()[1] if kind == "issued" else import_key(house)
    house.keys.trouble = InternalError("list keys")
    with pytest.raises(InternalError) as caught:
        house.batch(credential)
    assert caught.value.message == message


@pytest.mark.parametrize("trouble", [ServiceUnavailable(), GatewayTimeout()])
def test_an_outage_is_an_outage(house: House, trouble: TalosError) -> None:
    _, secret = house.issue()
    house.keys.trouble = trouble
    with pytest.raises(type(trouble)):
        house.batch(secret)


def test_without_keys_no_database_is_asked(house: House) -> None:
    _, secret = house.issue()
    derived = token(house, secret)
    house.keys.trouble = ServiceUnavailable()
    other = tenant(hmac=SecretRing(Secret("another-secret-for-hmac-01234567")))
    assert house.batch(derived)[0].is_valid
    assert house.batch(secret, tenant=other)[0].error is Code.NOT_FOUND
