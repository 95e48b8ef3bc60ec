"""The pool of connections: what was opened is kept while it is used, and closed some time later.

SQLAlchemy's own pool closes what is above its size at once when it is returned. Under a load that
goes up and down that means a new connection for every peak, each as expensive as dozens of reads.
"""

import threading
from collections import deque
from typing import Final, cast

from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool
from sqlalchemy.util.queue import Empty

_STEP_S: Final = 1.0
_STEPS: Final = 5
"""What stayed idle at so many steps in a row is closed."""


class LastInPool(QueuePool):
    """A pool that hands out the connection used last, so that the others stay idle.

    It is to be made without an overflow: nothing is closed on return.
    """

    def close_idle(self, count: int) -> None:
        """Close up to ``count`` connections that nobody uses."""
        # As the pool itself closes what does not fit on return.
        for _ in range(count):
            try:
                entry = self._pool.get(block=False)
            except Empty:
                break
            try:
                entry.close()
            finally:
                self._dec_overflow()


class IdleConnections:
    """Closes the connections of an engine above ``keep`` that nobody needed for some seconds."""

    def __init__(self, engine: Engine, keep: int, *, step_s: float = _STEP_S) -> None:
        """Look at the pool of ``engine`` every ``step_s``, from ``start`` until ``stop``."""
        self._engine = engine
        self._keep = keep
        self._step_s = step_s
        self._seen: deque[int] = deque(maxlen=_STEPS)
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="talos-idle-connections", daemon=True
        )

    def start(self) -> None:
        """Begin. To be called after the fork."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; what is idle then is for the engine's ``dispose`` to close."""
        self._stopped.set()

    def look(self) -> None:
        """Take note of how many are idle, and close what was surplus for long enough."""
        pool = cast("LastInPool", self._engine.pool)
        self._seen.append(pool.checkedin())
        surplus = min(self._seen) - self._keep
        if surplus > 0 and len(self._seen) == _STEPS:
            pool.close_idle(surplus)
            self._seen.clear()

    def _run(self) -> None:
        while not self._stopped.wait(self._step_s):
            try:
                self.look()
            except SQLAlchemyError:
                # A connection that cannot be closed in order is closed by its server.
                continue
