"""Audit events as log records (contract 11.3)."""

import logging

from talos.domain.events import AuditEvent

_log = logging.getLogger("talos.audit")


class LogEventEmitter:
    """Implements ``services.ports.EventEmitter``: one record at level INFO for each event."""

    def emit(self, event: AuditEvent) -> None:
        """Write the event, its network under the name ``ProjectID``."""
        attributes = {"ProjectID": event.network_id, **event.attributes}
        _log.info(
            "audit event", extra={"fields": {"event": event.name.value, "attributes": attributes}}
        )
