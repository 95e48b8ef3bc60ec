"""The one table from an error's reason to its HTTP answer, and the envelope around it (contract 3).

A reason that is not in the table never reaches a client: like any exception that nobody raised on
purpose it becomes a 500 that tells nothing, and is logged with its traceback.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Protocol

import falcon
import msgspec
from msgspec import Struct, field

from talos.errors import InternalError, NotFound, TalosError
from talos.http.request import Request


class WireStatus(NamedTuple):
    """What a reason is answered with: the HTTP status, and the canonical name of the gRPC code."""

    http: HTTPStatus
    canonical: str


STATUSES: Final[Mapping[str, WireStatus]] = {
    "bad_request": WireStatus(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT"),
    "derived_token_not_revocable": WireStatus(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT"),
    "unauthorized": WireStatus(HTTPStatus.UNAUTHORIZED, "UNAUTHENTICATED"),
    "api_key_expired": WireStatus(HTTPStatus.UNAUTHORIZED, "UNAUTHENTICATED"),
    "api_key_quota_exceeded": WireStatus(HTTPStatus.PAYMENT_REQUIRED, "PERMISSION_DENIED"),
    "forbidden": WireStatus(HTTPStatus.FORBIDDEN, "PERMISSION_DENIED"),
    "not_found": WireStatus(HTTPStatus.NOT_FOUND, "NOT_FOUND"),
    "api_key_not_found": WireStatus(HTTPStatus.NOT_FOUND, "NOT_FOUND"),
    "conflict": WireStatus(HTTPStatus.CONFLICT, "ALREADY_EXISTS"),
    "api_key_exists": WireStatus(HTTPStatus.CONFLICT, "ALREADY_EXISTS"),
    "failed_precondition": WireStatus(HTTPStatus.CONFLICT, "FAILED_PRECONDITION"),
    "host_not_allowed": WireStatus(HTTPStatus.MISDIRECTED_REQUEST, "PERMISSION_DENIED"),
    "internal_server_error": WireStatus(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL"),
    "service_unavailable": WireStatus(HTTPStatus.SERVICE_UNAVAILABLE, "UNAVAILABLE"),
    "gateway_timeout": WireStatus(HTTPStatus.GATEWAY_TIMEOUT, "DEADLINE_EXCEEDED"),
}


class ErrorInfo(Struct, frozen=True, kw_only=True):
    """The one entry of ``details``."""

    type_url: str = field(name="@type", default="type.googleapis.com/google.rpc.ErrorInfo")
    reason: str
    domain: str = "www.ory.com/talos"


class ErrorStatus(Struct, frozen=True):
    """The error itself."""

    code: int
    message: str
    status: str
    details: tuple[ErrorInfo, ...]


class ErrorEnvelope(Struct, frozen=True):
    """Body of every answer that is not a success."""

    error: ErrorStatus


class ErrorLog(Protocol):
    """Writes the line that stands before the request's own (contract 11.4)."""

    def __call__(self, req: Request, error: TalosError, cause: BaseException | None) -> None:
        """Log ``error``; ``cause`` is the exception whose traceback belongs to it, if any."""
        ...


def envelope(error: TalosError) -> ErrorEnvelope:
    """Return the body for ``error``."""
    status = STATUSES[error.reason]
    return ErrorEnvelope(
        ErrorStatus(
            code=status.http.value,
            message=error.message,
            status=status.canonical,
            details=(ErrorInfo(reason=error.reason.upper()),),
        )
    )


def encode(body: Struct) -> bytes:
    """Print a body of an error: error bodies end with a newline."""
    return msgspec.json.encode(body) + b"\n"


class ErrorHandlers:
    """Answers whatever the resources and the middleware raise, and Falcon itself."""

    def __init__(self, log: ErrorLog) -> None:
        """Log every error with ``log``."""
        self._log = log

    def register(self, app: "falcon.App[Request, falcon.Response]") -> None:
        """Take over all of the application's error handling."""
        app.add_error_handler(Exception, self.on_unexpected)
        app.add_error_handler(falcon.HTTPError, self.on_falcon_error)
        app.add_error_handler(TalosError, self.on_talos_error)

    def on_talos_error(
        self, req: Request, resp: falcon.Response, error: TalosError, _params: dict[str, Any]
    ) -> None:
        """Answer an error of the tree."""
        if error.reason not in STATUSES:
            return self.on_unexpected(req, resp, error, _params)
        self._answer(req, resp, error, error if _is_server_fault(error) else None)
        return None

    def on_falcon_error(
        self, req: Request, resp: falcon.Response, error: falcon.HTTPError, _params: dict[str, Any]
    ) -> None:
        """Answer a path or method that Falcon's router does not know: both are 404 (1.2)."""
        is_method = isinstance(error, falcon.HTTPMethodNotAllowed | falcon.HTTPBadRequest)
        self._answer(req, resp, NotFound("Method Not Allowed" if is_method else None), None)

    def on_unexpected(
        self, req: Request, resp: falcon.Response, error: Exception, _params: dict[str, Any]
    ) -> None:
        """Answer what nobody raised on purpose."""
        self._answer(req, resp, InternalError(), error)

    def _answer(
        self, req: Request, resp: falcon.Response, error: TalosError, cause: BaseException | None
    ) -> None:
        self._log(req, error, cause)
        resp.status = STATUSES[error.reason].http
        resp.content_type = falcon.MEDIA_JSON
        resp.text = None
        resp.data = encode(envelope(error))


def _is_server_fault(error: TalosError) -> bool:
    return STATUSES[error.reason].http >= HTTPStatus.INTERNAL_SERVER_ERROR
