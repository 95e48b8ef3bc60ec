"""An application with keys, tokens and limits in shared memory, and the fast path over the same."""

import json
from dataclasses import replace
from mmap import mmap
from typing import Any

from talos import _core
from talos.adapters.cache.shared import KIND_NUMBERS, BodyFormat, SharedKeyCache
from talos.adapters.cache.verified_tokens import KIND as TOKEN_KIND
from talos.adapters.cache.verified_tokens import SharedVerifiedTokenCache
from talos.adapters.ratelimit.null import UnenforcedLimiter
from talos.adapters.ratelimit.shared import SharedRateLimiter
from talos.domain.keys import KeyKind
from talos.http import cached_body, surfaces
from talos.services.assembly import assemble
from talos.services.ports import RateLimiter
from talos.serving.http.endpoints import Endpoints
from talos.serving.http.exchange import exchange
from tests.http.surface import Surface
from tests.support.fakes.directories import configure
from tests.support.verify_requests import request

ENDPOINTS = Endpoints(peer=("192.0.2.1", 1), server=("127.0.0.1", 4420))


class Limits:
    """Counts of calls, on a clock that stands still."""

    def __init__(self, size_bytes: int = 1 << 16) -> None:
        self.monotonic = memoryview(mmap(-1, 8)).cast("B").cast("Q")
        self.monotonic[0] = 5_000_000_000
        self.table = _core.RateLimits(size_bytes, clock=self.monotonic)


class HotSurface(Surface):
    """Both ways of answering a verification, on one clock.

    Each has counts of its own, so that the one answers as if the other had not been asked, unless
    they are to be ``together``, as they are in a server.
    """

    def __init__(self, *, counted: bool = True, together: bool = False) -> None:
        super().__init__()
        harness = self.harness
        memory = _core.SharedMemory(2 << 20)
        assert memory.attach()
        bodies = BodyFormat(cached_body.render, cached_body.read)
        self.cache = SharedKeyCache(memory, bodies, harness.clock)
        self.warm_limits = Limits() if counted else None
        self.fast_path_limits = self.warm_limits
        if counted and not together:
            self.fast_path_limits = Limits()
        limiter: RateLimiter = UnenforcedLimiter()
        if self.warm_limits is not None:
            limiter = SharedRateLimiter(self.warm_limits.table)
        ports = replace(
            harness.ports,
            cache=self.cache,
            limiter=limiter,
            verified_tokens=SharedVerifiedTokenCache(_core.KeyCache(memory), cached_body.render),
        )
        services = assemble(ports)
        self.app = surfaces.create_app(surfaces.Surface.ALL, replace(self.deps, services=services))
        self.fast_path = _core.FastPath(
            _core.KeyCache(memory),
            kind=KIND_NUMBERS[KeyKind.ISSUED],
            imported_kind=KIND_NUMBERS[KeyKind.IMPORTED],
            token_kind=TOKEN_KIND,
            limits=None if self.fast_path_limits is None else self.fast_path_limits.table,
        )
        self.configure()

    def configure(self, **changes: Any) -> None:
        """Change the tenant, for both."""
        self.configuration.tenant = replace(self.configuration.tenant, **changes)
        configure(self.fast_path, self.configuration.tenant, self.configuration.http)

    def advance(self, by_ns: int) -> None:
        """Let time pass, on all clocks."""
        self.harness.clock.advance(ns=by_ns)
        for limits in (self.warm_limits, self.fast_path_limits):
            if limits is not None:
                limits.monotonic[0] += by_ns

    def by_application(self, data: bytes) -> bytes:
        """Return what the application answers to one request."""
        head, _, body = data.partition(b"\r\n\r\n")
        reply = exchange(self.app, head + b"\r\n\r\n", body, ENDPOINTS, must_close=lambda: False)
        assert reply.keep_alive
        return reply.data

    def by_fast_path(self, data: bytes) -> bytes | None:
        """Return what the fast path answers to it; None where it declines."""
        answer, end = self.fast_path.answer(data, now_ns=self.harness.clock.now_ns())
        assert end == (len(data) if answer else 0)
        return answer or None


def asking(credential: str, *lines: bytes) -> bytes:
    """Return a request to verify one credential."""
    return request(*lines, body=json.dumps({"credential": credential}).encode())
