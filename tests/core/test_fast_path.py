"""The fast path answers what was published, to who holds the key, and nothing else."""

import pickle
import re
import uuid
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos import _core
from tests.core.strategies import CURRENT, RETIRED, STRANGE, quick
from tests.support.fast_path import (
    COUNTER,
    HEAD,
    HEADS,
    ISSUED,
    MADE_S,
    NETWORK,
    NOW_NS,
    Host,
    S,
    asking,
    started,
)
from tests.support.verify_requests import START, request

UUID4 = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture(scope="module")
def shared() -> Host:
    """One host for the properties, which publish nothing and change no setting."""
    return Host()


def test_an_answer_is_the_head_and_the_body_that_was_published(host: Host) -> None:
    body = b'{"is_valid":true,"key_id":"x"}'
    data = asking(host.key(body=body), b"X-Request-Id: an id")
    answer, end = host.fast_path.answer(data, now_ns=NOW_NS)
    date = formatdate(NOW_NS // S, usegmt=True).encode()
    assert answer == started(date) + HEAD[0] + b"30" + HEAD[1] + body
    assert end == len(data)


OLD_START = START.replace(b"1.1", b"1.0")


@pytest.mark.parametrize(
    ("start", "lines", "version", "connection"),
    [
        (START, (b"Connection: close",), b"1.1", b"close"),
        (START, (b"Connection: keep-alive",), b"1.1", b"keep-alive"),
        (START, (b"Connection: keep-alive", b"connection: CLOSE"), b"1.1", b"close"),
        (OLD_START, (), b"1.0", b"close"),
        (OLD_START, (b"Connection: close",), b"1.0", b"close"),
        (OLD_START, (b"Connection: Keep-Alive",), b"1.0", b"keep-alive"),
        (OLD_START, (b"Connection: keep-alive", b"Connection: close"), b"1.0", b"close"),
    ],
)
def test_the_last_answer_of_a_connection_says_so(
    host: Host, start: bytes, lines: tuple[bytes, ...], version: bytes, connection: bytes
) -> None:
    body = b'{"credential":"%b"}' % host.key().encode()
    data = request(*lines, b"X-Request-Id: an id", start=start, body=body)
    answer, end = host.fast_path.answer(data + data, now_ns=NOW_NS)
    date = formatdate(NOW_NS // S, usegmt=True).encode()
    one = started(date, version, connection) + HEAD[0] + b"17" + HEAD[1] + b'{"is_valid":true}'
    # What comes behind a request that is the last of its connection is not answered.
    times = 1 if connection == b"close" else 2
    assert answer == one * times
    assert end == len(data) * times


def test_a_forwarded_host_is_declined_only_where_it_counts(host: Host) -> None:
    data = asking(host.key(), b"X-Forwarded-Host: other.example")
    assert host.fast_path.answer(data, now_ns=NOW_NS)[1] == len(data)
    host.heads = {**HEADS, "reads_forwarded_host": True}
    host.configure()
    assert host.fast_path.answer(data, now_ns=NOW_NS) == (b"", 0)
    plain = asking(host.key())
    assert host.fast_path.answer(plain, now_ns=NOW_NS)[1] == len(plain)


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ((b"a" * 1025 + b"\r\nContent-Length: ", b""), "too long"),
        ((b"a" * 1000 + b"\r\nContent-Length: ", b"b" * 30), "too long"),
        ((b"\r\nA: b", b"\r\n\r\n"), "other headers"),
    ],
)
def test_a_head_that_does_not_fit_is_an_error_and_disables(
    host: Host, head: tuple[bytes, bytes], says: str
) -> None:
    data = asking(host.key())
    for name in ("head", "token_head", "batch_head"):
        host.heads = {**HEADS, name: head}
        with pytest.raises(ValueError, match=says):
            host.configure()
        assert host.fast_path.answer(data, now_ns=NOW_NS) == (b"", 0)


def test_request_ids_are_fresh_version_4_uuids(host: Host) -> None:
    data = asking(host.key())
    ids = set()
    for _ in range(600):
        answer, _ = host.fast_path.answer(data, now_ns=NOW_NS)
        found = re.search(rb"X-Request-Id: ([^\r]*)\r\n", answer)
        assert found is not None
        assert UUID4.fullmatch(found[1])
        ids.add(found[1])
    assert len(ids) == 600


def test_the_date_follows_the_clock(host: Host) -> None:
    data = asking(host.key())
    for second in (0, 1, 1, 5, 3, 86_400):
        now_ns = NOW_NS + (second - 7200) * S
        host.configure(skew_ns=600 * S, secrets=((CURRENT, None),))
        if second == 86_400:
            now_ns = NOW_NS + 60 * S
        answer, _ = host.fast_path.answer(data, now_ns=max(now_ns, MADE_S * S))
        date = formatdate(max(now_ns, MADE_S * S) // S, usegmt=True).encode()
        assert b"Date: " + date + b"\r\n" in answer


def test_pipelined_requests_are_answered_in_order(host: Host) -> None:
    keys = [host.key(body=b'{"number":%d}' % number) for number in range(3)]
    unknown = _core.mint_issued_key("ory_ak", MADE_S, str(uuid.uuid4()), CURRENT)
    known = b"".join(map(asking, keys))
    answer, end = host.fast_path.answer(known + asking(unknown) + asking(keys[0]), now_ns=NOW_NS)
    assert re.findall(rb'\{"number":(\d)\}', answer) == [b"0", b"1", b"2"]
    assert end == len(known)


def test_one_call_answers_as_much_as_it_has_room_for(host: Host) -> None:
    body = b'{"text":"' + b"a" * 3900 + b'"}'
    one = asking(host.key(body=body))
    data = one * 40
    answered, start = 0, 0
    while start < len(data):
        answer, end = host.fast_path.answer(data, start, now_ns=NOW_NS)
        assert end > start
        assert answer.count(body) == (end - start) // len(one)
        answered += answer.count(body)
        start = end
    assert answered == 40


def test_answers_are_counted(host: Host) -> None:
    data = asking(host.key())
    host.fast_path.answer(data * 3, now_ns=NOW_NS)
    host.fast_path.answer(b"GET / HTTP/1.1\r\n\r\n", now_ns=NOW_NS)
    assert host.memory.counters.read(COUNTER) == 3


def test_an_evicted_key_is_not_answered_for(host: Host) -> None:
    key = host.key()
    assert host.answers(key)
    host.evict(key)
    assert not host.answers(key)


def test_an_entry_that_has_ended_is_not_answered_from(host: Host) -> None:
    key = host.key(entry_ends_ns=NOW_NS + 5)
    assert host.answers(key, NOW_NS + 4)
    assert not host.answers(key, NOW_NS + 5)


def test_a_key_is_alive_at_the_very_instant_of_its_expiry(host: Host) -> None:
    key = host.key(expires_at_ns=NOW_NS + 5)
    assert host.answers(key, NOW_NS + 5)
    assert not host.answers(key, NOW_NS + 6)


def test_an_expiry_beyond_the_clock_is_none(host: Host) -> None:
    assert host.answers(host.key(expires_at_ns=2**70))


def test_a_key_with_further_gates_is_declined(host: Host) -> None:
    assert not host.answers(host.key(plain=False))


def test_an_answer_of_other_settings_is_declined(host: Host) -> None:
    key = host.key(generation=1)
    host.configure(generation=2)
    assert not host.answers(key)
    assert host.answers(host.key(generation=2))


@pytest.mark.parametrize("age_ns", [-S, 0, 1, 5 * S, 60 * S])
@pytest.mark.parametrize("max_age_ns", [-1, 0, 1, 5 * S, 5 * S + 1, 2**63 - 1])
def test_an_answer_is_told_for_as_long_as_is_configured_now(
    host: Host, age_ns: int, max_age_ns: int
) -> None:
    """However long that was when it was published (contract 16 (42))."""
    key = host.key(published_at_ns=NOW_NS - age_ns)
    host.configure(max_age_ns=max_age_ns)
    assert host.answers(key) is (max_age_ns > 0 and age_ns < max_age_ns)


@pytest.mark.parametrize("published_at_ns", [-1, -(2**63)])
def test_an_answer_from_before_all_time_is_declined(host: Host, published_at_ns: int) -> None:
    assert not host.answers(host.key(published_at_ns=published_at_ns))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0" * 24,
        b"\xff" * 64,
        _core.pack_answer(b"body", b"", generation=1, expires_at_ns=None, plain=True)[:-1],
    ],
)
def test_a_payload_of_another_layout_is_declined(host: Host, payload: bytes) -> None:
    key_id = str(uuid.uuid4())
    host.publish(key_id, payload)
    assert not host.answers(_core.mint_issued_key("ory_ak", MADE_S, key_id, CURRENT))


def test_a_key_of_another_network_is_not_found(host: Host) -> None:
    key = host.key()
    host.configure(network=uuid.UUID(int=1).bytes)
    assert not host.answers(key)


def test_a_secret_of_someone_else_proves_nothing(host: Host) -> None:
    assert not host.answers(host.key(secret=STRANGE))


def test_a_retired_secret_counts_until_its_end(host: Host) -> None:
    key = host.key(secret=RETIRED)
    assert host.answers(key, NOW_NS + S - 1)
    assert not host.answers(key, NOW_NS + S)
    host.configure(secrets=((CURRENT, None),))
    assert not host.answers(key)


def test_a_retired_secret_without_an_end_counts_always(host: Host) -> None:
    host.configure(secrets=((CURRENT, None), (RETIRED, None)))
    assert host.answers(host.key(secret=RETIRED))


MANY = tuple((b"secret number %d" % n, NOW_NS + n * S if n % 3 == 1 else None) for n in range(256))


@pytest.fixture(scope="module")
def rotated() -> tuple[Host, list[tuple[str, int | None]]]:
    """A host that accepts many secrets, and keys of a few days with the ends of their secrets."""
    host = Host()
    host.configure(secrets=MANY)
    keys: list[tuple[str, int | None]] = [
        (host.key(secret=secret, made_s=MADE_S - day * 86_400), ends)
        for day in range(3)
        for secret, ends in MANY[day::37]
    ]
    return host, [*keys, *((host.key(secret=STRANGE), 0) for _ in range(3))]


@quick
@given(asked=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 300)), max_size=40))
def test_what_was_accepted_before_does_not_change_what_is_accepted(
    rotated: tuple[Host, list[tuple[str, int | None]]], asked: list[tuple[int, int]]
) -> None:
    host, keys = rotated
    for number, later_s in asked:
        key, ends = keys[number % len(keys)]
        now_ns = NOW_NS + later_s * S
        assert host.answers(key, now_ns) is (ends is None or now_ns < ends)


def test_only_accepted_prefixes_are_answered_for(host: Host) -> None:
    key = host.key(prefix="old")
    assert host.answers(key)
    host.configure(prefixes=(b"ory_ak", b"ol", b"old_"))
    assert not host.answers(key)


def test_what_is_routed_elsewhere_is_declined(host: Host) -> None:
    host.configure(prefixes=(b"mc",))
    assert not host.answers(host.key(prefix="mc"))


@pytest.mark.parametrize("max_ttl_ns", [1, S // 2, S, 90 * S])
def test_a_key_older_than_the_limit_is_declined(host: Host, max_ttl_ns: int) -> None:
    key = host.key()
    host.configure(max_ttl_ns=max_ttl_ns, secrets=((CURRENT, None),))
    assert host.answers(key, MADE_S * S + max_ttl_ns)
    assert not host.answers(key, MADE_S * S + max_ttl_ns + 1)


@pytest.mark.parametrize(("skew_ns", "counted_ns"), [(0, 0), (5, 5), (S, S), (3600 * S, 600 * S)])
def test_a_key_from_the_future_is_declined(host: Host, skew_ns: int, counted_ns: int) -> None:
    key = host.key()
    host.configure(skew_ns=skew_ns)
    assert host.answers(key, MADE_S * S - counted_ns)
    assert not host.answers(key, MADE_S * S - counted_ns - 1)


@pytest.mark.parametrize("made_s", [-1, -(2**63), 2**63 - 1, 2**33 + 2**31])
def test_an_impossible_age_is_declined(host: Host, made_s: int) -> None:
    key = host.key(made_s=made_s)
    assert not host.answers(key)
    assert not host.answers(key, 2**63 - 1)
    assert not host.answers(key, -1)


def test_a_disabled_path_declines(host: Host) -> None:
    key = host.key()
    host.fast_path.disable()
    assert not host.answers(key)
    host.configure()
    assert host.answers(key)


def test_it_starts_disabled(host: Host) -> None:
    data = asking(host.key())
    fast = _core.FastPath(host.cache, kind=ISSUED)
    assert fast.answer(data, now_ns=NOW_NS) == (b"", 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"secrets": tuple((b"%d" % number, None) for number in range(257))},
        {"prefixes": tuple(b"p%d" % number for number in range(65))},
    ],
)
def test_too_many_settings_are_an_error(host: Host, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="too many"):
        host.configure(**settings)


def test_a_network_that_is_no_uuid_is_an_error(host: Host) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        host.configure(network=b"short")


def test_a_network_does_not_change(host: Host) -> None:
    arguments: dict[str, Any] = {
        "network": NETWORK.bytes,
        "secrets": [(CURRENT, None)],
        "prefixes": (b"ory_ak",),
        "macaroons": (),
        "max_ttl_ns": 0,
        "skew_ns": 0,
        "max_age_ns": 1,
        "generation": 1,
    }
    network = _core.FastPathNetwork(**arguments)
    with pytest.raises(ValueError, match="made already"):
        network.__init__(**arguments)  # type: ignore[misc]
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(network)


@pytest.mark.parametrize("line", [b"Cache-Control: no-cache", b"Connection: x", b"X: a\x00"])
def test_what_the_recogniser_leaves_is_left(host: Host, line: bytes) -> None:
    assert host.fast_path.answer(asking(host.key(), line), now_ns=NOW_NS) == (b"", 0)


@pytest.mark.parametrize("start", [-1, 10**6])
def test_a_start_outside_is_an_error(host: Host, start: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        host.fast_path.answer(b"data", start, now_ns=NOW_NS)


def test_it_cannot_be_pickled(host: Host) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(host.fast_path)


@quick
@given(
    body=st.binary(max_size=80),
    tail=st.binary(max_size=80),
    plain=st.booleans(),
    expires_at_ns=st.none() | st.integers(0, 2**70),
)
def test_what_is_packed_can_be_unpacked(
    body: bytes, tail: bytes, plain: bool, expires_at_ns: int | None
) -> None:
    payload = _core.pack_answer(
        body, tail, generation=2**63 - 1, expires_at_ns=expires_at_ns, plain=plain
    )
    assert len(payload) == 32 + len(body) + len(tail)
    assert _core.unpack_answer(payload) == (body, tail)


@quick
@given(payload=st.binary(max_size=64))
def test_any_payload_can_be_looked_at(payload: bytes) -> None:
    unpacked = _core.unpack_answer(payload)
    assert unpacked is None or payload.endswith(b"".join(unpacked))


@quick
@given(position=st.integers(0, 400), byte=st.integers(0, 255), made_s=st.integers(0, 2**40))
def test_no_edit_of_a_credential_is_answered(
    shared: Host, position: int, byte: int, made_s: int
) -> None:
    key = shared.key(made_s=min(made_s, MADE_S)).encode()
    position %= len(key)
    edited = key[:position] + bytes([byte]) + key[position + 1 :]
    answer, _ = shared.fast_path.answer(
        request(body=b'{"credential":"%b"}' % edited), now_ns=NOW_NS
    )
    assert bool(answer) is (edited == key)
