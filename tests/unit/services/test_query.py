"""Reading keys, one by one and in pages (contract 4.2, 4.3, 4.9, 7, 16 (9))."""

import uuid
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talos.domain.drafts import ListQuery, RevokeDraft
from talos.domain.keys import Key, KeyKind, KeyRef, KeyStatus
from talos.errors import ApiKeyNotFound, InvalidRequest, ServiceUnavailable, TalosError
from talos.services.query import KeyPage
from tests.support.fakes.harness import DRAFT, ServiceHarness
from tests.support.fakes.tenants import OTHER_NETWORK, TENANT, tenant

S = 1_000_000_000


def stock(harness: ServiceHarness, count: int, **changes: object) -> list[Key]:
    key, _ = harness.issue()
    del harness.keys.rows[key.ref]
    made = [replace(key, key_id=str(uuid.UUID(int=n)), **changes) for n in range(count)]  # type: ignore[arg-type]
    for row in made:
        harness.keys.put(row)
    return sorted(made, key=lambda row: row.key_id, reverse=True)


def page(harness: ServiceHarness, size: int = 0, token: str = "", filter_: str = "") -> KeyPage:
    query = ListQuery(page_size=size, page_token=token, filter=filter_)
    return harness.services.query.list(TENANT, KeyKind.ISSUED, query)


def walk(harness: ServiceHarness, size: int, filter_: str = "") -> list[list[str]]:
    pages, token = [], ""
    while True:
        found = page(harness, size, token, filter_)
        pages.append([key.key_id for key in found.keys])
        token = found.next_page_token
        if not token:
            return pages


# One by one


@pytest.mark.parametrize("kind", list(KeyKind))
def test_get(harness: ServiceHarness, kind: KeyKind) -> None:
    if kind is KeyKind.ISSUED:
        key, _ = harness.issue()
    else:
        key = harness.services.imports.import_key(TENANT, replace(DRAFT, raw_key="test-raw-key"))
    get = harness.services.query.get
    assert get(TENANT, kind, key.key_id) == key
    harness.keys.put(replace(key, expires_at_ns=harness.clock.now_ns() - 1))
    assert get(TENANT, kind, key.key_id).status is KeyStatus.EXPIRED
    harness.services.revoke.revoke(TENANT, kind, key.key_id, RevokeDraft())
    harness.keys.put(replace(harness.row(key), expires_at_ns=0))
    assert get(TENANT, kind, key.key_id).status is KeyStatus.REVOKED


@pytest.mark.parametrize(
    ("key_id", "error"),
    [
        ("", InvalidRequest),
        ("x", ApiKeyNotFound),
        ("a\0b", ApiKeyNotFound),
        ("a\udc80", ApiKeyNotFound),
        ("x" * 10_000, ApiKeyNotFound),
    ],
)
def test_ids_that_no_row_has(harness: ServiceHarness, key_id: str, error: type[TalosError]) -> None:
    for kind in KeyKind:
        with pytest.raises(error):
            harness.services.query.get(TENANT, kind, key_id)


def test_the_missing_by_kind(harness: ServiceHarness) -> None:
    key, _ = harness.issue()
    for kind, network, message in [
        (KeyKind.IMPORTED, TENANT.network_id, "imported key not found"),
        (KeyKind.ISSUED, OTHER_NETWORK, "API key not found"),
    ]:
        with pytest.raises(ApiKeyNotFound) as caught:
            harness.services.query.get(tenant(network_id=network), kind, key.key_id)
        assert caught.value.message == message


# Pages


def test_nothing(harness: ServiceHarness) -> None:
    assert page(harness) == KeyPage((), "")


@pytest.mark.parametrize(
    ("count", "size", "pages"),
    [(50, 0, [50]), (51, 0, [50, 1]), (4, 2, [2, 2]), (5, 2, [2, 2, 1]), (3, 1_000, [3])],
)
def test_pages(harness: ServiceHarness, count: int, size: int, pages: list[int]) -> None:
    keys = stock(harness, count)
    found = walk(harness, size)
    assert [len(ids) for ids in found] == pages
    assert [key_id for ids in found for key_id in ids] == [key.key_id for key in keys]


@settings(max_examples=50)
@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)), st.integers(1, 7), st.data())
def test_no_row_that_stays_is_skipped_or_repeated(
    staying: set[int], coming: set[int], size: int, data: st.DataObject
) -> None:
    harness = ServiceHarness()
    template, _ = harness.issue()
    harness.keys.rows.clear()

    def put(numbers: set[int]) -> set[str]:
        ids = {str(uuid.UUID(int=number)) for number in numbers}
        for key_id in ids:
            harness.keys.put(replace(template, key_id=key_id))
        return ids

    stays = put(staying)
    seen: list[str] = []
    token = ""
    while True:
        found = page(harness, size, token)
        seen += [key.key_id for key in found.keys]
        token = found.next_page_token
        if not token:
            break
        # Others come and go meanwhile.
        if data.draw(st.booleans()):
            put(coming)
        elif data.draw(st.booleans()):
            for key_id in put(coming) - stays:
                del harness.keys.rows[KeyRef(TENANT.network_id, KeyKind.ISSUED, key_id)]
    assert len(seen) == len(set(seen))
    assert stays <= set(seen)
    assert seen == sorted(seen, reverse=True)


def test_the_row_of_a_token_may_be_gone(harness: ServiceHarness) -> None:
    keys = stock(harness, 4)
    first = page(harness, 2)
    harness.keys.rows.pop(keys[1].ref)
    assert [key.key_id for key in page(harness, 2, first.next_page_token).keys] == [
        keys[2].key_id,
        keys[3].key_id,
    ]


def test_a_token_binds_neither_size_nor_filter_nor_list(harness: ServiceHarness) -> None:
    stock(harness, 4)
    token = page(harness, 2).next_page_token
    assert len(page(harness, 1, token, "status=KEY_STATUS_ACTIVE").keys) == 1
    query = ListQuery(page_token=token)
    assert harness.services.query.list(TENANT, KeyKind.IMPORTED, query) == KeyPage((), "")


# Filters agree with what is shown


def test_the_status_filter_is_that_of_what_is_shown(harness: ServiceHarness) -> None:
    now_ns = harness.clock.now_ns()
    active, alive_now, expired, revoked, both = stock(harness, 5)
    harness.keys.put(replace(alive_now, expires_at_ns=now_ns))
    harness.keys.put(replace(expired, expires_at_ns=now_ns - 1))
    harness.keys.put(replace(revoked, status=KeyStatus.REVOKED))
    harness.keys.put(replace(both, status=KeyStatus.REVOKED, expires_at_ns=0))
    for status, keys in [
        (KeyStatus.ACTIVE, [active, alive_now]),
        (KeyStatus.EXPIRED, [expired]),
        (KeyStatus.REVOKED, [revoked, both]),
    ]:
        found = page(harness, filter_=f"status=KEY_STATUS_{status.name}").keys
        assert [key.key_id for key in found] == [key.key_id for key in keys]
        assert {key.status for key in found} == {status}


def test_the_actor_filter(harness: ServiceHarness) -> None:
    mine, _ = harness.issue(replace(DRAFT, actor_id="me AND you"))
    harness.issue()
    found = page(harness, filter_='actor_id="me AND you"').keys
    assert [key.key_id for key in found] == [mine.key_id]
    both = page(harness, filter_='status=KEY_STATUS_REVOKED AND actor_id="me AND you"')
    assert both.keys == ()


# Which refusal comes first


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (ListQuery(1_001, "nonsense", "nonsense"), "page_size"),
        (ListQuery(-1, "nonsense", "nonsense"), "page_size"),
        (ListQuery(0, "nonsense", "nonsense"), "filter"),
        (ListQuery(0, "nonsense"), "invalid page token"),
    ],
)
def test_the_order_of_checks(harness: ServiceHarness, query: ListQuery, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        harness.services.query.list(TENANT, KeyKind.ISSUED, query)


def test_an_outage_passes_through(harness: ServiceHarness) -> None:
    harness.keys.trouble = ServiceUnavailable()
    with pytest.raises(ServiceUnavailable):
        page(harness)
    with pytest.raises(ServiceUnavailable):
        harness.services.query.get(TENANT, KeyKind.ISSUED, "x")
