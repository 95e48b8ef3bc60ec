"""Log lines on their way to a descriptor, through a bounded queue and a thread of each process.

Who logs never waits: a descriptor that takes nothing (a pipe that nobody reads, a disk that hangs)
fills the queue, and what finds no room is dropped and counted. The count is written as soon as
anything can be written again. Audit events (contract 11.3) have room of their own, so that no flood
of other lines pushes them out, and are counted apart.
"""

import logging
import os
import queue
import select
import signal
import threading
import time
import weakref
from typing import Final

AUDIT: Final = "talos.audit"

LINES_BYTES: Final = 1024 * 1024
"""How many bytes of lines may wait."""
AUDIT_BYTES: Final = 8 * 1024 * 1024
"""How many bytes of audit events may wait, beside them."""
FLUSH_S: Final = 1.0
"""How long the end of the process waits for a descriptor that takes nothing."""
_LINGER_S: Final = 0.005
"""Lines that come within this time of each other are written together."""
_WRITE_BYTES: Final = 4096
"""Of processes that share a pipe, writes up to this length (PIPE_BUF) are not torn apart."""
_DROPPED: Final = "log lines were dropped: they came faster than they could be written"

_Item = tuple[bytes, bool] | threading.Event


class LineQueueHandler(logging.Handler):
    """Formats a record where it is logged, and has a thread write the line.

    The thread starts with the first line, after a fork anew: what waits at a fork is the parent's
    to write. Safe to share between threads, and to be used by a signal handler.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        lines_bytes: int = LINES_BYTES,
        audit_bytes: int = AUDIT_BYTES,
        flush_s: float = FLUSH_S,
    ) -> None:
        """Write to ``descriptor``, which stays the caller's to close."""
        super().__init__()
        self._descriptor = descriptor
        self._room = (lines_bytes, audit_bytes)
        self._flush_s = flush_s
        self._begin()
        _handlers.add(self)

    def _begin(self) -> None:
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        # A signal handler may log while the thread that it interrupts does.
        self._count = threading.RLock()
        self._waiting = [0, 0]
        self._dropped = [0, 0]
        self._thread: threading.Thread | None = None
        self._stalled = False

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit a record, without the lock of the handler: there is nothing to guard."""
        kept = bool(self.filter(record))
        if kept:
            self.emit(record)
        return kept

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line of a record, or count it as dropped."""
        is_audit = record.name == AUDIT
        line = self._line(record)
        with self._count:
            if line is None or self._waiting[is_audit] + len(line) > self._room[is_audit]:
                self._dropped[is_audit] += 1
                return
            self._waiting[is_audit] += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_on, name="log", daemon=True)
                self._thread.start()
        self._queue.put((line, is_audit))

    def flush(self) -> None:
        """Wait until all that was logged so far is written, for ``flush_s`` at most.

        Once that was in vain nobody waits again: the end of a process has several flushes.
        """
        if self._thread is None or self._stalled:
            return
        written = threading.Event()
        self._queue.put(written)
        self._stalled = not written.wait(self._flush_s)

    def _line(self, record: logging.LogRecord) -> bytes | None:
        try:
            return f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        except Exception:
            # Only the readers of the log can be informed, and not of what was lost.
            return None

    def _write_on(self) -> None:
        # Signals are for the main thread, which sleeps until one wakes it.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            item = self._queue.get()
            if not isinstance(item, threading.Event) and not item[1]:
                time.sleep(_LINGER_S)
            self._write_all(item)

    def _write_all(self, item: _Item | None) -> None:
        """Write ``item`` and whatever waits behind it."""
        while item is not None:
            if isinstance(item, threading.Event):
                item.set()
                item = self._next()
                continue
            lines, sizes = [item[0]], [0, 0]
            sizes[item[1]] += len(item[0])
            while (item := self._next()) is not None and not isinstance(item, threading.Event):
                line, is_audit = item
                if sum(sizes) + len(line) > _WRITE_BYTES:
                    break
                lines.append(line)
                sizes[is_audit] += len(line)
            self._write(b"".join(lines))
            with self._count:
                self._waiting[False] -= sizes[False]
                self._waiting[True] -= sizes[True]
            self._tell_dropped()

    def _next(self) -> _Item | None:
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            return None

    def _tell_dropped(self) -> None:
        """Say what was dropped, now that something could be written."""
        with self._count:
            (lines, events), self._dropped = self._dropped, [0, 0]
        if lines or events:
            fields = {"dropped_lines": lines, "dropped_audit_events": events}
            line = self._line(
                logging.makeLogRecord(
                    {
                        "name": __name__,
                        "levelno": logging.ERROR if events else logging.WARNING,
                        "msg": _DROPPED,
                        "fields": fields,
                    }
                )
            )
            if line is not None:
                self._write(line)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                # Another process made the descriptor non-blocking: wait until it takes more.
                select.select([], [self._descriptor], [])
            except OSError:
                # Nobody is at the other end any more.
                return


_handlers: "weakref.WeakSet[LineQueueHandler]" = weakref.WeakSet()


def _begin_after_fork() -> None:
    for handler in list(_handlers):
        handler._begin()


os.register_at_fork(after_in_child=_begin_after_fork)
