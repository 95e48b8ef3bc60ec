"""The fast path answers a batch where it can answer for every item of it, or leaves it whole."""

import json
import re
import uuid
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos import _core
from tests.core.strategies import CURRENT, STRANGE, quick
from tests.support.fast_path import COUNTER, MADE_S, NOW_NS, Host, S, asking, started
from tests.support.fast_path_batches import BATCH_HEAD, BatchHost, batch
from tests.support.verify_requests import BATCH_START, request

BATCH_COUNTER = COUNTER + 1


@pytest.fixture
def host() -> BatchHost:
    return BatchHost()


@pytest.fixture(scope="module")
def shared() -> BatchHost:
    """One host for the properties, which change no setting."""
    return BatchHost()


def numbered(host: Host, count: int) -> list[str]:
    return [host.key(body=b'{"number":%d}' % number) for number in range(count)]


def test_an_answer_is_a_head_and_the_bodies_that_were_published(host: BatchHost) -> None:
    keys = numbered(host, 3)
    answer, _ = host.fast_path.answer(batch(*keys, lines=(b"X-Request-Id: an id",)), now_ns=NOW_NS)
    date = formatdate(NOW_NS // S, usegmt=True).encode()
    body = b'{"results":[{"number":0},{"number":1},{"number":2}]}'
    assert answer == started(date) + BATCH_HEAD[0] + b"52" + BATCH_HEAD[1] + body


@pytest.mark.parametrize("count", [1, 2, 99, 100])
def test_results_stand_in_the_order_of_the_requests(host: BatchHost, count: int) -> None:
    keys = numbered(host, count)
    assert host.results(*reversed(keys)) == [{"number": n} for n in reversed(range(count))]


def test_a_key_may_be_asked_for_again(host: BatchHost) -> None:
    first, second = numbered(host, 2)
    results = host.results(first, second, first, first)
    assert results == [{"number": n} for n in (0, 1, 0, 0)]


@pytest.mark.parametrize("count", [0, 101])
def test_batches_of_other_sizes_are_declined(host: BatchHost, count: int) -> None:
    assert host.results(*(numbered(host, 1) * count)) is None


@pytest.mark.parametrize("place", [0, 1, 49, 98, 99])
@pytest.mark.parametrize(
    "other",
    [
        "",
        "an_imported_key",
        _core.mint_issued_key("ory_ak", MADE_S, str(uuid.uuid4()), CURRENT),
    ],
    ids=["empty", "imported", "unknown"],
)
def test_one_item_that_is_not_ready_leaves_all(host: BatchHost, place: int, other: str) -> None:
    keys = numbered(host, 99)
    assert host.results(*keys) is not None
    assert host.results(*keys[:place], other, *keys[place:]) is None


def test_every_item_is_judged_as_if_it_came_alone(host: BatchHost) -> None:
    good = host.key()
    for bad in (
        host.key(secret=STRANGE),
        host.key(prefix="unknown"),
        host.key(made_s=MADE_S + 10**6),
        host.key(expires_at_ns=NOW_NS - 1),
        host.key(entry_ends_ns=NOW_NS),
        host.key(generation=2),
        host.key(plain=False),
    ):
        assert host.results(good, bad) is None
        assert host.results(bad, good) is None
    host.evict(good)
    assert host.results(good) is None


def test_the_longest_batch_of_the_longest_answers_fits(host: BatchHost) -> None:
    memory = _core.SharedMemory(16 << 20)
    host = BatchHost(memory)
    body = b'{"text":"' + b"a" * (4096 - 32 - 4 - 11) + b'"}'
    keys = [host.key(body=body) for _ in range(100)]
    assert host.results(*keys) == [json.loads(body)] * 100


def test_what_does_not_fit_behind_other_answers_is_left_for_the_next_call(host: BatchHost) -> None:
    key = host.key(body=b'{"text":"' + b"a" * 4000 + b'"}')
    one = batch(*[key] * 40)
    data = asking(key) + one * 4
    whole = host.fast_path.answer(asking(key), now_ns=NOW_NS)[0]
    answered, start, calls = b"", 0, 0
    while start < len(data):
        answer, end = host.fast_path.answer(data, start, now_ns=NOW_NS)
        assert end > start
        answered, start, calls = answered + answer, end, calls + 1
    assert calls == 2
    assert answered.startswith(whole[: whole.index(b"X-Request-Id")])
    assert answered.count(b"\r\nB: c\r\n") == 4
    assert len(re.findall(rb'\{"text":"a{4000}"\}', answered)) == 161


def test_batches_and_single_requests_are_answered_in_order(host: BatchHost) -> None:
    keys = numbered(host, 3)
    data = asking(keys[2]) + batch(*keys) + asking(keys[0]) + batch(keys[1])
    answer, end = host.fast_path.answer(data, now_ns=NOW_NS)
    assert end == len(data)
    assert re.findall(rb'"number":(\d)', answer) == [b"2", b"0", b"1", b"2", b"0", b"1"]


def test_requests_are_counted_by_their_kind(host: BatchHost) -> None:
    keys = numbered(host, 3)
    host.fast_path.answer(asking(keys[0]) + batch(*keys) + batch(*keys), now_ns=NOW_NS)
    assert host.memory.counters.read(COUNTER) == 1
    assert host.memory.counters.read(BATCH_COUNTER) == 2


def test_without_a_head_for_them_batches_are_declined() -> None:
    host = Host()
    assert host.fast_path.answer(batch(host.key()), now_ns=NOW_NS) == (b"", 0)


@quick
@given(position=st.integers(0, 10**4), byte=st.integers(0, 255))
def test_no_edit_of_a_credential_is_answered(shared: BatchHost, position: int, byte: int) -> None:
    keys = [shared.key().encode() for _ in range(3)]
    items = b",".join(b'{"credential":"%b"}' % key for key in keys)
    position %= len(items)
    edited = items[:position] + bytes([byte]) + items[position + 1 :]
    data = request(start=BATCH_START, body=b'{"requests":[%b]}' % edited)
    answer, _ = shared.fast_path.answer(data, now_ns=NOW_NS)
    assert bool(answer) is (edited == items)
