"""Last-used marks that are written down at once."""

from talos.domain.keys import Key
from talos.domain.timestamps import utc_day


class RecordingMarks:
    """Implements ``services.ports.LastUsedMarks``; ``marked`` holds the ids, in order."""

    def __init__(self) -> None:
        self.marked: list[str] = []
        self.asked: list[str] = []

    def mark(self, key: Key, now_ns: int) -> None:
        self.asked.append(key.key_id)
        if key.last_used_at_ns is None or utc_day(key.last_used_at_ns) != utc_day(now_ns):
            self.marked.append(key.key_id)
