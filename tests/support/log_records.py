"""What was logged, record by record."""

import logging
import queue
from typing import Any

LOST = "longer verify"
"""What warnings say of values that an edit took away, such as the issuer: most tests edit that."""


class Records(logging.Handler):
    """The records of ``talos.config``, in order; waiting for one is waiting for a condition.

    Warnings about values that an edit took away are kept apart, in ``lost``.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._queue: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        self.lost: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if LOST in record.getMessage():
            self.lost.append(record.getMessage())
        else:
            self._queue.put(record)

    def next(self) -> tuple[str, str, dict[str, Any]]:
        """Wait for a record: its level, its message, its fields."""
        record = self._queue.get(timeout=30)
        return record.levelname, record.getMessage(), getattr(record, "fields", {})

    def none(self) -> bool:
        """Whether every record has been taken."""
        return self._queue.empty()
