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
        """Write the event, its network under the name ``ProjectID``.

        The request that caused it stands in the group, and under the names, of its own line.
        """
        fields = {
            "event": event.name.value,
            "attributes": {"ProjectID": event.network_id, **event.attributes},
            "http_request": {
                "request_id": event.requester.request_id,
                "client": event.requester.address,
            },
        }
        _log.info("audit event", extra={"fields": fields})
