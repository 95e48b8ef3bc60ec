"""An application with keys, proofs and limits in shared memory, and the hot path over the same."""

import json
from dataclasses import replace
from mmap import mmap
from typing import Any

from talos import _core
from talos.adapters.cache.proved_tokens import KIND as TOKEN_KIND
from talos.adapters.cache.proved_tokens import SharedVerifiedTokenCache
from talos.adapters.cache.shared import KIND_NUMBERS, BodyFormat, SharedKeyCache
from talos.adapters.ratelimit.null import UnenforcedLimiter
from talos.adapters.ratelimit.shared import SharedRateLimiter
from talos.domain.keys import KeyKind
from talos.http import ready_body, surfaces
from talos.http.ready_head import ready_batch_head, ready_head, ready_token_head
from talos.services import hot_path
from talos.services.assembly import assemble
from talos.services.ports import RateLimiter
from talos.serving.http.ends import Ends
from talos.serving.http.exchange import exchange
from tests.core.test_recogniser import request
from tests.http.surface import Surface

ENDS = Ends(peer=("192.0.2.1", 1), server=("127.0.0.1", 4420))


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
        bodies = BodyFormat(ready_body.render, ready_body.read)
        self.cache = SharedKeyCache(memory, bodies, harness.clock)
        self.warm_limits = Limits() if counted else None
        self.hot_limits = self.warm_limits
        if counted and not together:
            self.hot_limits = Limits()
        limiter: RateLimiter = UnenforcedLimiter()
        if self.warm_limits is not None:
            limiter = SharedRateLimiter(self.warm_limits.table)
        ports = replace(
            harness.ports,
            cache=self.cache,
            limiter=limiter,
            proved=SharedVerifiedTokenCache(_core.KeyCache(memory), ready_body.render),
        )
        services = assemble(ports)
        self.app = surfaces.create_app(surfaces.Surface.ALL, replace(self.deps, services=services))
        self.hot = _core.HotPath(
            _core.KeyCache(memory),
            kind=KIND_NUMBERS[KeyKind.ISSUED],
            imported_kind=KIND_NUMBERS[KeyKind.IMPORTED],
            token_kind=TOKEN_KIND,
            token_head=ready_token_head(),
            limits=None if self.hot_limits is None else self.hot_limits.table,
            head=ready_head(),
            batch_head=ready_batch_head(),
        )
        self.configure()

    def configure(self, **changes: Any) -> None:
        """Change the tenant, for both."""
        self.configuration.tenant = replace(self.configuration.tenant, **changes)
        assert hot_path.configure(self.hot, self.configuration.tenant, self.configuration.http)

    def advance(self, by_ns: int) -> None:
        """Let time pass, on all clocks."""
        self.harness.clock.advance(ns=by_ns)
        for limits in (self.warm_limits, self.hot_limits):
            if limits is not None:
                limits.monotonic[0] += by_ns

    def by_application(self, data: bytes) -> bytes:
        """Return what the application answers to one request."""
        head, _, body = data.partition(b"\r\n\r\n")
        reply = exchange(self.app, head + b"\r\n\r\n", body, ENDS, must_close=lambda: False)
        assert reply.keep_alive
        return reply.data

    def by_hot_path(self, data: bytes) -> bytes | None:
        """Return what the hot path answers to it; None where it declines."""
        answer, end = self.hot.answer(data, now_ns=self.harness.clock.now_ns())
        assert end == (len(data) if answer else 0)
        return answer or None


def asking(credential: str, *lines: bytes) -> bytes:
    """Return a request to verify one credential."""
    return request(*lines, body=json.dumps({"credential": credential}).encode())
