"""Every error that Talos raises on purpose, in one tree.

::

    TalosError
    ├── InvalidRequest              400  bad_request
    │   └── DerivedTokenNotRevocable     derived_token_not_revocable
    ├── Unauthorized                401  unauthorized
    │   └── ApiKeyExpired                api_key_expired
    ├── QuotaExceeded               402  api_key_quota_exceeded
    ├── Forbidden                   403  forbidden
    ├── NotFound                    404  not_found
    │   └── ApiKeyNotFound               api_key_not_found
    ├── Conflict                    409  conflict
    │   └── ApiKeyExists                 api_key_exists
    ├── FailedPrecondition          409  failed_precondition
    ├── HostNotAllowed              421  host_not_allowed
    ├── InternalError               500  internal_server_error
    ├── ServiceUnavailable          503  service_unavailable
    ├── GatewayTimeout              504  gateway_timeout
    ├── ConfigurationError               (start and reload only, never on the wire)
    └── SchemaBehind                     (start only)

An error carries a stable ``reason`` (contract 3.2). What a reason means in HTTP is the business of
``talos.http.errors``, which holds the one table from reason to status code.

The message of an error is sent to the client as it is: it never holds a credential, a secret, a
driver's text or a query. The cause belongs in ``__cause__``, which only the log sees.
"""

from collections.abc import Sequence
from typing import ClassVar


class TalosError(Exception):
    """Base of the tree. Contract 3."""

    reason: ClassVar[str] = "internal_server_error"
    default_message: ClassVar[str] = "an internal error occurred"

    def __init__(self, message: str | None = None) -> None:
        """Keep ``message``, or the default text of the class where it is absent or empty."""
        self.message = message or self.default_message
        super().__init__(self.message)


class InvalidRequest(TalosError):
    """The request is malformed, or breaks a field rule."""

    reason = "bad_request"
    default_message = "the request is malformed or invalid"


class DerivedTokenNotRevocable(InvalidRequest):
    """A derived token was presented for revocation; only its lifetime ends it."""

    reason = "derived_token_not_revocable"
    default_message = "derived tokens cannot be revoked"


class Unauthorized(TalosError):
    """The presented credential does not authorise the operation."""

    reason = "unauthorized"
    default_message = "the request is not authorised"


class ApiKeyExpired(Unauthorized):
    """The presented key is past its expiry."""

    reason = "api_key_expired"
    default_message = "The API key has expired."


class QuotaExceeded(TalosError):
    """The plan's number of keys is reached."""

    reason = "api_key_quota_exceeded"
    default_message = "the API key quota of this project is reached"


class Forbidden(TalosError):
    """The credential is known, and may not do this; or a page of another site asks for it."""

    reason = "forbidden"
    default_message = "the operation is forbidden"


class NotFound(TalosError):
    """No such route, tenant or resource."""

    reason = "not_found"
    default_message = "Not Found"


class ApiKeyNotFound(NotFound):
    """No such key in this network."""

    reason = "api_key_not_found"
    default_message = "API key not found"


class Conflict(TalosError):
    """The state of the resource forbids the change."""

    reason = "conflict"
    default_message = "the request conflicts with the current state"


class ApiKeyExists(Conflict):
    """A key with this identity is there already."""

    reason = "api_key_exists"
    default_message = "the API key exists already"


class FailedPrecondition(TalosError):
    """The resource is not in the state that the operation needs."""

    reason = "failed_precondition"
    default_message = "a precondition of the operation is not met"


class HostNotAllowed(TalosError):
    """The request came under a host that ``serve.http.allowed_hosts`` does not name."""

    reason = "host_not_allowed"
    default_message = "the host of the request is not one of serve.http.allowed_hosts"


class InternalError(TalosError):
    """A known internal failure; the message is a short text such as ``create API key``."""


class ServiceUnavailable(TalosError):
    """The database cannot be reached."""

    reason = "service_unavailable"
    default_message = "database connection failed"


class GatewayTimeout(TalosError):
    """The database did not answer in time."""

    reason = "gateway_timeout"
    default_message = "database operation timed out"


class ConfigurationError(TalosError):
    """The configuration cannot be used. ``faults`` has one line per fault, secrets never echoed.

    Contract 8.2 and 16 (27).
    """

    reason = "configuration"
    default_message = "the configuration is invalid"

    def __init__(self, message: str | None = None, faults: Sequence[str] = ()) -> None:
        """Keep the faults beside the heading ``message``."""
        super().__init__(message)
        self.faults = tuple(faults)


class SchemaBehind(TalosError):
    """The database lacks migrations that this version needs. Contract 16 (2)."""

    reason = "schema_behind"
    default_message = "the database schema is behind; run `talos migrate up`"
