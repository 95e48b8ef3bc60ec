"""Writes down which keys were used, a batch at a time and off the request's path (contract 12)."""

import logging
import threading
import time
from collections import deque
from typing import Final, TypeAlias

from talos.domain.keys import Key, KeyKind
from talos.domain.units import NS_PER_S
from talos.errors import TalosError
from talos.services.ports import KeyRepository

_NS_PER_DAY: Final = 86_400 * NS_PER_S
FLUSH_TIMEOUT_S: Final = 10.0
"""How long the writing of everything queued may take (contract 12)."""

_Owner: TypeAlias = tuple[str, KeyKind]
_Uses: TypeAlias = dict[str, int]
_logger = logging.getLogger(__name__)


class BatchedLastUsed:
    """Implements ``LastUsedMarks`` with a bounded collection and threads that write it.

    Ids are collected by network and kind, each with the time of its latest use. A collection that
    has grown to ``flush_size`` different ids is due at once, all of them every
    ``flush_interval_ns``; whatever is due goes to the next thread that is free. Only then is a
    thread woken, so that a mark costs its request next to nothing. While ``queue_size`` ids wait,
    marks are dropped; a failed write is logged and not repeated: the next verification marks again.

    Threads start with the first mark, so an object made before a fork serves after it.
    """

    def __init__(
        self,
        repository: KeyRepository,
        *,
        queue_size: int,
        flush_size: int,
        flush_interval_ns: int,
        num_workers: int,
    ) -> None:
        """Keep the settings ``last_used.*`` (contract 8.3); nothing is started yet."""
        self._repository = repository
        self._queue_size = queue_size
        self._flush_size = flush_size
        self._flush_interval_s = flush_interval_ns / NS_PER_S
        self._num_workers = num_workers
        self._threads: list[threading.Thread] = []
        # Guards all that follows.
        self._changed = threading.Condition()
        self._collected: dict[_Owner, _Uses] = {}
        self._due: deque[tuple[_Owner, _Uses]] = deque()
        self._waiting = 0
        """Ids that are collected or due."""
        self._flush_at_s = 0.0
        self._closed = False

    def mark(self, key: Key, now_ns: int) -> None:
        """See ``LastUsedMarks.mark``. Marks after ``close`` are dropped."""
        used_at_ns = key.last_used_at_ns
        if used_at_ns is not None and used_at_ns // _NS_PER_DAY == now_ns // _NS_PER_DAY:
            return
        owner = (key.network_id, key.kind)
        with self._changed:
            if self._closed:
                return
            uses = self._collected.get(owner, {})
            if key.key_id in uses:
                uses[key.key_id] = max(uses[key.key_id], now_ns)
                return
            if self._waiting >= self._queue_size:
                return
            if not self._threads:
                self._start()
            uses = self._collected.setdefault(owner, uses)
            uses[key.key_id] = now_ns
            self._waiting += 1
            if len(uses) >= self._flush_size:
                self._due.append((owner, self._collected.pop(owner)))
                self._changed.notify()

    def close(self, timeout_s: float = FLUSH_TIMEOUT_S) -> None:
        """Write what is collected and end the threads; return when that is done, or takes long."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        deadline_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            _logger.warning("last_used times not written: the database takes too long")

    def _start(self) -> None:
        self._flush_at_s = time.monotonic() + self._flush_interval_s
        threads = [
            threading.Thread(target=self._work, name=f"last-used-{number}", daemon=True)
            for number in range(self._num_workers)
        ]
        for thread in threads:
            thread.start()
        self._threads = threads

    def _work(self) -> None:
        while (batch := self._next_due()) is not None:
            (network_id, kind), uses = batch
            self._flush(network_id, kind, uses)

    def _next_due(self) -> tuple[_Owner, _Uses] | None:
        """Wait for ids to write; None when there will be no more."""
        with self._changed:
            while True:
                now_s = time.monotonic()
                if self._closed or now_s >= self._flush_at_s:
                    self._due.extend(self._collected.items())
                    self._collected.clear()
                    self._flush_at_s = now_s + self._flush_interval_s
                    self._changed.notify_all()
                if self._due:
                    batch = self._due.popleft()
                    self._waiting -= len(batch[1])
                    return batch
                if self._closed:
                    return None
                self._changed.wait(self._flush_at_s - now_s)

    def _flush(self, network_id: str, kind: KeyKind, uses: _Uses) -> None:
        try:
            self._repository.mark_used(network_id, kind, uses)
        except TalosError as error:
            _logger.warning("%d last_used times not written: %s", len(uses), error.message)
        except Exception:
            # A thread that ended would leave its share of the queue unwritten for ever.
            _logger.exception("%d last_used times not written", len(uses))
