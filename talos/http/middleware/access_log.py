"""One log line for every request of a main port, and one before it for every error (11.4).

Records go to the standard library's logger ``talos.http``. What a line says beyond its message
stands in ``extra={"fields": {...}}``: a mapping of JSON values, groups being nested mappings, as
``record.fields`` for the formatter to print. Durations are integer nanoseconds. An error of the
server's own making carries its exception in ``exc_info``; whether the traceback is printed, and
that it goes into the ``error`` group as ``stacktrace``, is the formatter's business.
"""

import logging
import time
from http import HTTPStatus
from typing import Any, Final

import falcon

from talos.errors import TalosError
from talos.http import redaction
from talos.http.errors import STATUSES, envelope
from talos.http.health import is_health_path
from talos.http.request import LOGGER, Request, host
from talos.http.target import escaped_path
from talos.services.tenant import DirectorySource

_HEADER_PREFIX: Final = "HTTP_"
_BARE_HEADERS: Final = ("CONTENT_TYPE", "CONTENT_LENGTH")


class AccessLog:
    """Outermost: takes the request's snapshot of the configuration, and logs when all is done."""

    def __init__(self, directories: DirectorySource) -> None:
        """Read ``directories`` once a request."""
        self._directories = directories

    def process_request(self, req: Request, _resp: falcon.Response) -> None:
        """Fix the configuration that the request lives by."""
        req.context.directory = directory = self._directories.current()
        req.context.settings = directory.http

    def process_response(
        self, req: Request, resp: falcon.Response, _resource: object, _succeeded: bool
    ) -> None:
        """Log the request."""
        status = resp.status_code
        level = _request_level(status)
        if not LOGGER.isEnabledFor(level):
            return
        if req.context.settings.exclude_health_from_log and is_health_path(req.path):
            return
        fields = {
            "status": status,
            "bytes": 0 if req.method == "HEAD" else len(resp.data or b""),
            "duration": time.perf_counter_ns() - req.context.started_ns,
            "http_request": http_request(req),
        }
        LOGGER.log(level, "HTTP request completed", extra={"fields": fields})


def log_error(req: Request, error: TalosError, cause: BaseException | None) -> None:
    """Log an error that is about to be answered; a ``talos.http.errors.ErrorLog``."""
    status = STATUSES[error.reason].http
    level = logging.ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
    if not LOGGER.isEnabledFor(level):
        return
    details = envelope(error).error.details
    fields = {
        "error": {
            "message": error.default_message,
            "id": error.reason,
            "code": status.value,
            "status": status.phrase,
            "reason": redaction.text(error.message),
            "details": [{"reason": detail.reason, "domain": detail.domain} for detail in details],
        },
        "http_request": http_request(req),
        "http_response": {"status_code": status.value},
    }
    LOGGER.log(
        level,
        "An error occurred while handling a request",
        extra={"fields": fields},
        exc_info=cause,
    )


def http_request(req: Request) -> dict[str, Any]:
    """Return the ``http_request`` group: no query string, no body, no credential."""
    environ = req.env
    return {
        "remote": environ.get("REMOTE_ADDR", ""),
        "method": req.method,
        "path": redaction.path(escaped_path(environ)),
        "scheme": environ.get("wsgi.url_scheme", ""),
        "host": redaction.text(host(req)),
        "request_id": redaction.text(getattr(req.context, "request_id", "")),
        "cf_ray_id": redaction.text(environ.get("HTTP_CF_RAY", "")),
        "headers": {
            name: redaction.header(name, value) for name, value in _headers(environ).items()
        },
    }


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    headers = {
        variable.removeprefix(_HEADER_PREFIX).replace("_", "-").lower(): value
        for variable, value in environ.items()
        if variable.startswith(_HEADER_PREFIX)
    }
    for variable in _BARE_HEADERS:
        if environ.get(variable):
            headers[variable.replace("_", "-").lower()] = environ[variable]
    return headers


def _request_level(status: int) -> int:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return logging.ERROR
    return logging.WARNING if status >= HTTPStatus.BAD_REQUEST else logging.INFO
