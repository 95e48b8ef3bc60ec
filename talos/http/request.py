"""The request as resources see it: its tenant, its caller, and what it allows the cache to do."""

import logging
import time
from typing import Any, Final

import falcon

from talos.domain.addresses import UNIX_PEER, Caller, caller_address
from talos.domain.events import Requester
from talos.domain.verification import CacheDirective
from talos.http import redaction
from talos.services.tenant import PEER_SOURCES, HttpSettings, Tenant, TenantDirectory

LOGGER: Final = logging.getLogger("talos.http")

ALL_LINES: Final = "talos.all_lines"
"""A variable of the environ: headers that were sent on several lines, of which the header's own
variable holds the first, by that variable's name, joined with commas. Servers that join all lines
anyway need not set it.
"""

_FORWARDED_FOR: Final = "CLIENT_IP_SOURCE_X_FORWARDED_FOR"
_ADDRESS_HEADERS: Final = {
    "CLIENT_IP_SOURCE_CF_CONNECTING_IP": "HTTP_CF_CONNECTING_IP",
    "CLIENT_IP_SOURCE_X_REAL_IP": "HTTP_X_REAL_IP",
    "CLIENT_IP_SOURCE_TRUE_CLIENT_IP": "HTTP_TRUE_CLIENT_IP",
}


class RequestContext(falcon.Context):
    """What the middleware finds out about a request, for what runs after it.

    ``directory`` is the one snapshot of the configuration that the request lives by; ``settings``
    and ``tenant`` are of it. ``tenant`` is set for every path but those of health. ``error``
    is what the log says of the error that refuses the request, ``verdict`` what it says of a
    verification.

    No exception is kept here: its traceback refers to the request, and the two, with the body,
    would stay in memory until the garbage collector comes, which is seldom.
    """

    directory: TenantDirectory
    error: dict[str, Any] | None = None
    verdict: dict[str, object] | None = None
    request_id: str
    settings: HttpSettings
    started_ns: int
    tenant: Tenant

    def __init__(self) -> None:
        """Start the request's stopwatch; ``started_ns`` is monotonic."""
        self.started_ns = time.perf_counter_ns()


class Request(falcon.Request):
    """A request whose context is typed."""

    context_type = RequestContext
    context: RequestContext


def caller(req: Request) -> Caller:
    """Return where the request came from, by the configured source (contract 6.6 and 16 (41)).

    A source that this version does not know counts as the TCP peer, with a warning.
    """
    peer = _peer(req)
    source = req.context.settings.client_ip_source
    if source in PEER_SOURCES:
        return Caller(peer)
    proxies = req.context.settings.trusted_proxies
    if source == _FORWARDED_FOR:
        if proxies:
            return proxies.caller_forwarded_for(peer, _all_lines(req, "HTTP_X_FORWARDED_FOR"))
        return Caller.from_forwarded_for(peer, req.env.get("HTTP_X_FORWARDED_FOR"))
    variable = _ADDRESS_HEADERS.get(source)
    if variable is None:
        LOGGER.warning("serve.http.client_ip_source is not known; the TCP peer is used")
        return Caller(peer)
    if proxies:
        return proxies.caller(peer, _all_lines(req, variable))
    return Caller(peer, req.env.get(variable))


def client_address(req: Request) -> str:
    """Return the address that address lists are held against, for logs and events.

    It is the peer's where it cannot be told: such a request is refused by every address list. A
    peer on a Unix socket is called that, although it counts as loopback.
    """
    seen = caller(req)
    if seen.header is None and seen.peer == UNIX_PEER:
        return UNIX_PEER
    address = caller_address(seen)
    return seen.peer if address is None else str(address)


def requester(req: Request) -> Requester:
    """Return what the log and audit events say of whose request this is."""
    return Requester(
        redaction.text(req.context.request_id),
        client_address(req),
        user_agent=redaction.text(req.env.get("HTTP_USER_AGENT", "")),
    )


def cache_directive(req: Request) -> CacheDirective:
    """Read ``Cache-Control`` and ``Pragma`` (contract 6.8)."""
    environ = req.env
    header: str | None = environ.get("HTTP_CACHE_CONTROL")
    if header:
        names = {item.partition("=")[0].strip().lower() for item in header.split(",")}
        if "no-store" in names:
            return CacheDirective.NO_STORE
        if "no-cache" in names:
            return CacheDirective.NO_CACHE
    if environ.get("HTTP_PRAGMA", "").strip().lower() == "no-cache":
        return CacheDirective.NO_CACHE
    return CacheDirective.DEFAULT


def host(req: Request) -> str:
    """Return the host that the request is for, as it stands, empty where there is none.

    That is ``X-Forwarded-Host`` where the request has one that counts, else ``Host`` (contract 9).
    """
    return forwarded_host(req) or req.env.get("HTTP_HOST", "")


def forwarded_host(req: Request) -> str:
    """Return ``X-Forwarded-Host`` as it stands, empty where it is absent or does not count.

    It counts with ``serve.http.trust_forwarded_host``, and where proxies are listed only from one
    of them (contract 16 (41)). Then several lines are one list, which names no host.
    """
    settings = req.context.settings
    if not settings.trust_forwarded_host:
        return ""
    if not settings.trusted_proxies:
        return req.env.get("HTTP_X_FORWARDED_HOST", "")  # type: ignore[no-any-return]
    if not settings.trusted_proxies.trust_peer(_peer(req)):
        return ""
    return _all_lines(req, "HTTP_X_FORWARDED_HOST") or ""


def _peer(req: Request) -> str:
    return req.env.get("REMOTE_ADDR") or ""


def _all_lines(req: Request, variable: str) -> str | None:
    """Return a header with all of its lines, joined with commas."""
    repeated = req.env.get(ALL_LINES)
    if repeated and variable in repeated:
        return str(repeated[variable])
    return req.env.get(variable)
