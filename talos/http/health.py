"""Liveness and readiness, on the main port and on the metrics port (contract 1.3)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import falcon
import msgspec
from msgspec import Struct

from talos.errors import GatewayTimeout, InternalError, ServiceUnavailable, TalosError
from talos.http import paths
from talos.http.dependencies import HttpDependencies
from talos.http.errors import ErrorStatus, encode, envelope
from talos.http.request import LOGGER
from talos.http.wire import HealthResponse

CONTENT_TYPE: Final = "application/json; charset=utf-8"

_TURN_TIMEOUT_S: Final = 0.5
"""How long a check waits for the one before it; a ping that is answered takes far less."""

_OK: Final = msgspec.json.encode(HealthResponse("ok"))


class NotReady(Struct, frozen=True):
    """Body of a failed readiness check: the envelope, and the failed checks by name."""

    error: ErrorStatus
    errors: dict[str, str]


_STOPPING: Final = NotReady(
    envelope(ServiceUnavailable("the server is about to stop")).error,
    {"server": "the server is about to stop"},
)


def is_health_path(path: str) -> bool:
    """Return whether a path is one of the two."""
    return path in (paths.ALIVE, paths.READY)


class AliveResource:
    """``/health/alive``."""

    def __init__(self, _deps: HttpDependencies) -> None:
        """Ask nobody."""

    def on_any(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Answer that the process is there."""
        resp.content_type = CONTENT_TYPE
        resp.data = _OK


class ReadyResource:
    """``/health/ready``."""

    def __init__(self, deps: HttpDependencies, *, reveals_cause: bool = True) -> None:
        """Ask the database; ``reveals_cause`` says whether clients may see what is wrong."""
        self._database = deps.database
        self._ending = deps.ending
        self._reveals_cause = reveals_cause
        self._pinging = threading.Lock()

    def on_any(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Answer whether the database does, and whether the server goes on."""
        resp.content_type = CONTENT_TYPE
        if self._ending():
            resp.status = HTTPStatus.SERVICE_UNAVAILABLE
            resp.data = encode(_STOPPING)
            return
        try:
            with self._turn():
                self._database.ping()
        except Exception as error:
            # Whatever it is, the load balancer must hear that this server is not ready.
            LOGGER.warning("the database check of /health/ready failed", exc_info=error)
            resp.status = HTTPStatus.SERVICE_UNAVAILABLE
            resp.data = encode(self._not_ready(error))
        else:
            resp.data = _OK

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Ping one by one: a silent database must not hold a thread for every probe that comes.

        Raises ``GatewayTimeout`` where the ping before this one is still unanswered.
        """
        if not self._pinging.acquire(timeout=_TURN_TIMEOUT_S):
            raise GatewayTimeout
        try:
            yield
        finally:
            self._pinging.release()

    def _not_ready(self, error: Exception) -> NotReady:
        text = "the database check failed; its details are hidden on this port"
        if self._reveals_cause:
            # Only an error of our own has a text that is fit to be seen.
            cause = error if isinstance(error, TalosError) else InternalError()
            text = f"database ping failed: {cause.message}"
        return NotReady(envelope(ServiceUnavailable(text)).error, {"database": text})
