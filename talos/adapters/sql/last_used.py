"""Writes down which keys were used, a batch at a time and off the request's path (contract 12)."""

import logging
import queue
import threading
import time
from typing import Final

from talos.domain.durations import NS_PER_S
from talos.domain.keys import Key, KeyKind
from talos.errors import TalosError
from talos.services.ports import Clock, KeyRepository

_NS_PER_DAY: Final = 86_400 * NS_PER_S
FLUSH_TIMEOUT_S: Final = 10.0
"""How long the writing of everything queued may take (contract 12)."""

_Mark = tuple[str, KeyKind, str]
_logger = logging.getLogger(__name__)


class BatchedLastUsed:
    """Implements ``LastUsedMarks`` with a bounded queue and threads that empty it.

    A thread collects the ids of each network and kind; it writes a collection that has grown to
    ``flush_size`` different ids, and all it has every ``flush_interval_ns``. The time written is
    that of the writing. A full queue drops marks, a failed write is logged and not repeated: the
    next verification marks again.

    Threads start with the first mark, so an object made before a fork serves after it.
    """

    def __init__(
        self,
        repository: KeyRepository,
        clock: Clock,
        *,
        queue_size: int,
        flush_size: int,
        flush_interval_ns: int,
        num_workers: int,
    ) -> None:
        """Keep the settings ``last_used.*`` (contract 8.3); nothing is started yet."""
        self._repository = repository
        self._clock = clock
        self._flush_size = flush_size
        self._flush_interval_s = flush_interval_ns / NS_PER_S
        self._num_workers = num_workers
        # None, once for each thread, asks it to write what it has and to end.
        self._queue: queue.Queue[_Mark | None] = queue.Queue(queue_size)
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()
        self._closed = False

    def mark(self, key: Key, now_ns: int) -> None:
        """See ``LastUsedMarks.mark``. Marks after ``close`` are dropped."""
        used_at_ns = key.last_used_at_ns
        if used_at_ns is not None and used_at_ns // _NS_PER_DAY == now_ns // _NS_PER_DAY:
            return
        if not self._threads:
            self._start()
        if self._closed:
            return
        try:
            self._queue.put_nowait((key.network_id, key.kind, key.key_id))
        except queue.Full:
            return

    def close(self, timeout_s: float = FLUSH_TIMEOUT_S) -> None:
        """Write what is queued and end the threads; return when that is done, or takes too long."""
        with self._starting:
            self._closed = True
        deadline_s = time.monotonic() + timeout_s
        try:
            for _ in self._threads:
                self._queue.put(None, timeout=max(0.0, deadline_s - time.monotonic()))
            for thread in self._threads:
                thread.join(max(0.0, deadline_s - time.monotonic()))
            late = any(thread.is_alive() for thread in self._threads)
        except queue.Full:
            late = True
        if late:
            _logger.warning("last_used times not written: the database takes too long")

    def _start(self) -> None:
        with self._starting:
            if self._threads or self._closed:
                return
            threads = [
                threading.Thread(target=self._work, name=f"last-used-{number}", daemon=True)
                for number in range(self._num_workers)
            ]
            for thread in threads:
                thread.start()
            self._threads = threads

    def _work(self) -> None:
        collected: dict[tuple[str, KeyKind], set[str]] = {}
        next_flush_s = time.monotonic() + self._flush_interval_s
        while True:
            wait_s = next_flush_s - time.monotonic()
            if wait_s <= 0:
                self._flush_all(collected)
                next_flush_s = time.monotonic() + self._flush_interval_s
                continue
            try:
                mark = self._queue.get(timeout=wait_s)
            except queue.Empty:
                continue
            if mark is None:
                self._flush_all(collected)
                return
            network_id, kind, key_id = mark
            key_ids = collected.setdefault((network_id, kind), set())
            key_ids.add(key_id)
            if len(key_ids) >= self._flush_size:
                self._flush(network_id, kind, collected.pop((network_id, kind)))

    def _flush_all(self, collected: dict[tuple[str, KeyKind], set[str]]) -> None:
        for (network_id, kind), key_ids in collected.items():
            self._flush(network_id, kind, key_ids)
        collected.clear()

    def _flush(self, network_id: str, kind: KeyKind, key_ids: set[str]) -> None:
        try:
            self._repository.mark_used(network_id, kind, key_ids, self._clock.now_ns())
        except TalosError as error:
            _logger.warning("%d last_used times not written: %s", len(key_ids), error.message)
        except Exception:
            # A thread that ended would leave its share of the queue unwritten for ever.
            _logger.exception("%d last_used times not written", len(key_ids))
