"""The log line of every request of a main port (contract 11.4, 16 (33)).

A request that is refused has its error in the same line. Only an error of the server's own making
has a line before that, which carries its exception in ``exc_info``.

Records go to the standard library's logger ``talos.http``. What a line says beyond its message
stands in ``extra={"fields": {...}}``: a mapping of JSON values, groups being nested mappings, as
``record.fields`` for the formatter to print. Durations are integer nanoseconds. Whether a traceback
is printed, into the ``error`` group as ``stacktrace``, is the formatter's business.
"""

import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import falcon

from talos.errors import TalosError
from talos.http import redaction
from talos.http.errors import STATUSES, envelope
from talos.http.health import is_health_path
from talos.http.operations import OPERATIONS
from talos.http.request import LOGGER, Request, client_address, host
from talos.services.tenant import DirectorySource, HttpSettings

_COMPLETED: Final = "HTTP request completed"
_FAILED: Final = "An error occurred while handling a request"
_WORDS: Final = frozenset(
    segment
    for operation in OPERATIONS
    for segment in operation.path.split("/")
    if "{" not in segment
)
"""What paths of the API consist of, ids and their verbs apart."""


class AccessLog:
    """Outermost: takes the request's snapshot of the configuration, and logs when all is done."""

    @staticmethod
    def fast_path_obstacle(_settings: HttpSettings) -> str | None:
        """No request that the fast path answers has a line (ADR 9)."""
        return None

    def __init__(
        self,
        directories: DirectorySource,
        on_answered: Callable[[int], None] = lambda _duration_ns: None,
    ) -> None:
        """Read ``directories`` once a request; call ``on_answered`` with the ns that it took."""
        self._directories = directories
        self._on_answered = on_answered

    def process_request(self, req: Request, _resp: falcon.Response) -> None:
        """Fix the configuration that the request lives by."""
        req.context.directory = directory = self._directories.current()
        req.context.settings = directory.http

    def process_response(
        self, req: Request, resp: falcon.Response, _resource: object, _succeeded: bool
    ) -> None:
        """Log the request."""
        context, status = req.context, resp.status_code
        duration_ns = time.perf_counter_ns() - context.started_ns
        self._on_answered(duration_ns)
        level = _request_level(status)
        if not LOGGER.isEnabledFor(level):
            return
        if context.settings.exclude_health_from_log and is_health_path(req.path):
            return
        fields: dict[str, Any] = {
            "status": status,
            "bytes": 0 if req.method == "HEAD" else len(resp.data or b""),
            "duration": duration_ns,
        }
        if context.verdict is not None:
            fields["verification"] = context.verdict
        error = context.error
        fields["http_request"] = _http_request(req, error)
        if error is not None:
            fields["error"] = error
        LOGGER.log(level, _COMPLETED, extra={"fields": fields})


def log_error(req: Request, error: TalosError, cause: BaseException | None) -> None:
    """Log an error that is about to be answered, or leave it to the line of the request.

    A ``talos.http.errors.ErrorLog``.
    """
    status = STATUSES[error.reason].http
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        if LOGGER.isEnabledFor(logging.WARNING):
            req.context.error = _error_group(error)
        return
    if not LOGGER.isEnabledFor(logging.ERROR):
        return
    group = _error_group(error)
    fields = {
        "error": group,
        "http_request": _http_request(req, group),
        "http_response": {"status_code": status.value},
    }
    LOGGER.error(_FAILED, extra={"fields": fields}, exc_info=cause)


def _http_request(req: Request, error: dict[str, Any] | None) -> dict[str, Any]:
    """Return the ``http_request`` group: no query string, no body, no credential.

    What the caller sent, the reason of ``error`` included, is cut to what one line may hold.
    """
    environ = req.env
    path: str = environ["PATH_INFO"]
    headers = redaction.headers(environ)
    own = {
        "path": redaction.path(path, req.uri_template, _WORDS),
        "request_id": redaction.text(getattr(req.context, "request_id", "")),
        "host": redaction.text(host(req)),
        "cf_ray_id": redaction.text(environ.get("HTTP_CF_RAY", "")),
    }
    reasons = {} if error is None else {"reason": error["reason"]}
    redaction.within(len(path) + sum(map(len, headers.values())), own, reasons, headers)
    if error is not None:
        error |= reasons
    return {
        "remote": environ.get("REMOTE_ADDR", ""),
        "client": client_address(req),
        "method": req.method,
        "scheme": environ.get("wsgi.url_scheme", ""),
        **own,
        "headers": headers,
    }


def _error_group(error: TalosError) -> dict[str, Any]:
    status = STATUSES[error.reason].http
    details = envelope(error).error.details
    return {
        "message": error.default_message,
        "id": error.reason,
        "code": status.value,
        "status": status.phrase,
        "reason": redaction.text(error.message),
        "details": [{"reason": detail.reason, "domain": detail.domain} for detail in details],
    }


def _request_level(status: int) -> int:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return logging.ERROR
    return logging.WARNING if status >= HTTPStatus.BAD_REQUEST else logging.INFO
