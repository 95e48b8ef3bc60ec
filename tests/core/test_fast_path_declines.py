"""Each request that the fast path leaves to the parser is counted once, under its reason."""

import uuid
from collections.abc import Callable

import pytest

from talos import _core
from tests.core.strategies import CURRENT
from tests.support.fast_path import MADE_S, NOW_NS, Host, S, asking
from tests.support.fast_path_batches import BatchHost
from tests.support.fast_path_batches import batch as batch_of
from tests.support.fast_path_connection import Pair
from tests.support.verify_requests import request

REASONS = [name for name in _core.FAST_PATH_COUNTERS if name.startswith("declined_")]


def counts(host: Host) -> dict[str, int]:
    """What is not zero."""
    first, read = _core.FIRST_FAST_PATH_COUNTER, host.memory.counters.read
    found = {name: read(first + place) for place, name in enumerate(_core.FAST_PATH_COUNTERS)}
    return {name: number for name, number in found.items() if number}


def off(host: Host) -> bytes:
    host.fast_path.disable()
    return asking(host.key())


def operation(_host: Host) -> bytes:
    return b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n"


def header(host: Host) -> bytes:
    return asking(host.key(), b"Cache-Control: no-store")


def body(host: Host) -> bytes:
    return request(body=b'{"credential":"%b","more":1}' % host.key().encode())


def other_host(host: Host) -> bytes:
    host.configure(allows_host=lambda _name: False)
    return asking(host.key())


def batch(_host: Host) -> bytes:
    return batch_of("x")


def imported(_host: Host) -> bytes:
    return asking("a-key-from-elsewhere")


def token(_host: Host) -> bytes:
    return asking("mc_v1_abc")


def forged(host: Host) -> bytes:
    return asking(host.key(secret=b"a-secret-of-a-stranger-0123456789"))


def missed(host: Host) -> bytes:
    key = host.key()
    host.evict(key)
    return asking(key)


def addresses(host: Host) -> bytes:
    return asking(host.key(plain=False))


def other_settings(host: Host) -> bytes:
    return asking(host.key(generation=2))


def expired(host: Host) -> bytes:
    return asking(host.key(expires_at_ns=NOW_NS - 1))


def old(host: Host) -> bytes:
    host.configure(max_age_ns=S)
    return asking(host.key(published_at_ns=NOW_NS - S))


CASES = [
    (off, "off"),
    (operation, "operation"),
    (header, "form"),
    (body, "form"),
    (other_host, "host"),
    (batch, "kind"),
    (imported, "kind"),
    (token, "kind"),
    (forged, "credential"),
    (missed, "miss"),
    (addresses, "gates"),
    (other_settings, "stale"),
    (expired, "stale"),
    (old, "stale"),
]


@pytest.mark.parametrize(("ask", "reason"), CASES, ids=lambda case: getattr(case, "__name__", case))
def test_a_decline_is_counted_by_its_reason(ask: Callable[[Host], bytes], reason: str) -> None:
    host = Host()
    data = ask(host)
    for times in (1, 2):
        assert host.fast_path.answer(data, now_ns=NOW_NS) == (b"", 0)
        assert counts(host) == {f"declined_{reason}": times}


def test_what_is_answered_is_no_decline_and_what_follows_is_counted_once() -> None:
    host = Host()
    good = asking(host.key())
    host.fast_path.answer(good * 3, now_ns=NOW_NS)
    assert counts(host) == {"single": 3}
    _, end = host.fast_path.answer(good + operation(host) + good, now_ns=NOW_NS)
    assert end == len(good)
    assert counts(host) == {"single": 4, "declined_operation": 1}


@pytest.mark.parametrize("missing", [1, 10, 60, 200])
def test_what_is_not_all_there_is_no_decline(missing: int) -> None:
    host = Host()
    whole = asking(host.key())
    assert host.fast_path.answer(whole[:-missing], now_ns=NOW_NS) == (b"", 0)
    assert counts(host) == {}
    assert host.fast_path.answer(whole, now_ns=NOW_NS)[1] == len(whole)


def test_a_request_that_a_connection_looks_at_twice_is_counted_once() -> None:
    """Once as it is read, and once more before the parser has it."""
    pair = Pair()
    data = operation(pair.host)
    pair.connection.read(pair.request() + data)
    assert counts(pair.host) == {"single": 1}
    assert pair.connection.left == data
    assert pair.connection.answer_by_fast_path(data) == 0
    assert counts(pair.host) == {"single": 1, "declined_operation": 1}
    assert pair.connection.answer_by_fast_path(b"") == 0
    assert counts(pair.host) == {"single": 1, "declined_operation": 1}
    pair.close()


def test_a_limit_in_a_batch_and_an_item_that_is_not_plain_are_told_apart() -> None:
    host = BatchHost()
    body = b'{"is_valid":true,"rate_limit_policy":{"quota":"5","window":"60s"},"visibility":"X"}'
    limited = _core.pack_answer(
        body, b"", generation=1, expires_at_ns=None, plain=True, limit=(5, 60)
    )
    key_id = str(uuid.uuid4())
    host.publish(key_id, limited)
    key = _core.mint_issued_key("ory_ak", MADE_S, key_id, CURRENT)
    assert host.results(host.key(), key) is None
    assert counts(host) == {"declined_limit": 1}
    assert host.results(host.key(), "\\u0041") is None
    assert counts(host) == {"declined_limit": 1, "declined_form": 1}
    assert host.results(host.key()) is not None
    assert counts(host)["batch"] == 1


def test_every_reason_has_a_test() -> None:
    tested = {f"declined_{reason}" for _, reason in CASES} | {"declined_limit"}
    assert tested == set(REASONS)
