"""What the fast path answers is what the application answers, header for header."""

import json
import re
from typing import Any

import pytest

from talos import _core
from talos.serving.http.endpoints import Endpoints
from talos.serving.http.exchange import exchange
from tests.http.surface import Surface
from tests.support.fakes.directories import configure
from tests.support.fakes.tenants import TENANT
from tests.support.key_samples import LINES, MEMBERS
from tests.support.verify_requests import BATCH_START, CLIENTS, request

ENDPOINTS = Endpoints(peer=("192.0.2.1", 1), server=("127.0.0.1", 4420))
CHANGING = re.compile(rb"\r\n(Date|X-Request-Id): [^\r]*")


def split(data: bytes) -> tuple[bytes, bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    return head, body


def slow(surface: Surface, data: bytes) -> bytes:
    head, body = split(data)
    reply = exchange(surface.app, head + b"\r\n\r\n", body, ENDPOINTS, must_close=lambda: False)
    assert reply.keep_alive
    return reply.data


def stocked(surface: Surface, *keys: dict[str, Any]) -> _core.FastPath:
    """Return a fast path over what the application says of ``keys``."""
    memory = _core.SharedMemory(2 << 20)
    memory.attach()
    cache = _core.KeyCache(memory)
    fast = _core.FastPath(
        cache,
        kind=0,
    )
    settings = TENANT.credentials
    configure(fast, TENANT)
    now_ns = surface.harness.clock.now_ns()
    for key in keys:
        body = b'{"credential":"%b"}' % key["secret"].encode()
        # The first call fills the application's own cache: what it says from there is what counts.
        slow(surface, request(body=body))
        rendered = split(slow(surface, request(body=body)))[1]
        key_id = key["issued_api_key"]["key_id"]
        cache.publish(
            cache.lease(TENANT.network_id, 0, key_id),
            TENANT.network_id,
            0,
            key_id,
            _core.pack_answer(
                rendered, b"", generation=settings.generation, expires_at_ns=None, plain=True
            ),
            expires_at_ns=now_ns + 10**12,
            now_ns=now_ns,
        )
    return fast


@pytest.mark.parametrize("members", MEMBERS, ids=str)
def test_fast_path_answers_are_those_of_the_application(members: dict[str, object]) -> None:
    surface = Surface()
    issued = surface.issue(**members)
    fast = stocked(surface, issued)
    now_ns = surface.harness.clock.now_ns()
    body = b'{"credential":"%b"}' % issued["secret"].encode()
    requests = [request(*lines, body=body) for lines in LINES]
    requests += [
        re.sub(rb"Content-Length: \d+\r\n\r\n.*", b"", data)
        + b"Content-Length: %d\r\n\r\n" % len(body)
        + body
        for data in CLIENTS
    ]
    for data in requests:
        by_fast_path, end = fast.answer(data, now_ns=now_ns)
        by_application = slow(surface, data)
        assert end == len(data)
        assert CHANGING.sub(rb"\r\n\1:", by_fast_path) == CHANGING.sub(rb"\r\n\1:", by_application)
        if b"client's" in data:
            echoed = b"X-Request-Id: an id of the client's\r\n"
            assert echoed in by_fast_path
            assert echoed in by_application


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_fast_path_batches_are_those_of_the_application(separators: tuple[str, str]) -> None:
    surface = Surface()
    keys = [surface.issue(**members) for members in MEMBERS]
    fast = stocked(surface, *keys)
    now_ns = surface.harness.clock.now_ns()
    items = [{"credential": key["secret"]} for key in (*keys, *reversed(keys))]
    for count in (1, 2, len(items)):
        members = {"requests": items[:count]}
        body = json.dumps(members, separators=separators).encode()
        for lines in LINES:
            data = request(*lines, start=BATCH_START, body=body)
            by_fast_path, end = fast.answer(data, now_ns=now_ns)
            by_application = slow(surface, data)
            assert end == len(data)
            assert CHANGING.sub(rb"\r\n\1:", by_fast_path) == CHANGING.sub(
                rb"\r\n\1:", by_application
            )
