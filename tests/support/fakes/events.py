"""An emitter that keeps what it was told."""

from dataclasses import replace

from talos.domain.events import AuditEvent, EventName


class RecordingEvents:
    """Implements ``services.ports.EventEmitter``."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def emit(self, event: AuditEvent) -> None:
        self.events.append(event)

    @property
    def names(self) -> list[EventName]:
        return [event.name for event in self.events]

    def only(self) -> AuditEvent:
        """The one event there is."""
        assert len(self.events) == 1, self.names
        return self.events[0]

    def logged(self) -> AuditEvent:
        """The one event as the log has it, without what only the event log stores."""
        return replace(self.only(), key=None, actor_id="", changed=(), time_ns=0)

    def clear(self) -> None:
        self.events.clear()
