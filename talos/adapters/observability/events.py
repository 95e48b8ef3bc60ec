"""Audit events as log records (contract 11.3)."""

import logging

from talos.adapters.observability.line_queue import AUDIT
from talos.domain.events import AuditEvent

_log = logging.getLogger(AUDIT)


class LogEventEmitter:
    """Implements ``services.ports.EventEmitter``: one record for each event.

    Its level is INFO, and ``log.level`` does not suppress it.
    """

    def emit(self, event: AuditEvent) -> None:
        """Write the event, its network under the name ``ProjectID``."""
        attributes = {"ProjectID": event.network_id, **event.attributes}
        _log.info(
            "audit event", extra={"fields": {"event": event.name.value, "attributes": attributes}}
        )
