"""The request as resources see it: its tenant, its caller, and what it allows the cache to do."""

import logging
import time
from typing import Final

import falcon

from talos.domain.addresses import Caller
from talos.domain.verification import CacheDirective
from talos.services.tenant import HttpSettings, Tenant, TenantDirectory

LOGGER: Final = logging.getLogger("talos.http")

_FORWARDED_FOR: Final = "CLIENT_IP_SOURCE_X_FORWARDED_FOR"
_PEER_SOURCES: Final = ("CLIENT_IP_SOURCE_UNSPECIFIED", "CLIENT_IP_SOURCE_REMOTE_ADDR")
_ADDRESS_HEADERS: Final = {
    "CLIENT_IP_SOURCE_CF_CONNECTING_IP": "HTTP_CF_CONNECTING_IP",
    "CLIENT_IP_SOURCE_X_REAL_IP": "HTTP_X_REAL_IP",
    "CLIENT_IP_SOURCE_TRUE_CLIENT_IP": "HTTP_TRUE_CLIENT_IP",
}


class RequestContext(falcon.Context):
    """What the middleware finds out about a request, for whoever comes after it.

    ``directory`` is the one snapshot of the configuration that the request lives by; ``settings``
    and ``tenant`` are of it. ``tenant`` is set for every path but those of health.
    """

    directory: TenantDirectory
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
    """Return where the request came from, by the configured source (contract 6.6).

    A source that this version does not know counts as the TCP peer, with a warning.
    """
    environ = req.env
    peer: str = environ.get("REMOTE_ADDR") or ""
    source = req.context.settings.client_ip_source
    if source in _PEER_SOURCES:
        return Caller(peer)
    if source == _FORWARDED_FOR:
        return Caller.from_forwarded_for(peer, environ.get("HTTP_X_FORWARDED_FOR"))
    variable = _ADDRESS_HEADERS.get(source)
    if variable is None:
        LOGGER.warning("serve.http.client_ip_source is not known; the TCP peer is used")
        return Caller(peer)
    return Caller(peer, environ.get(variable))


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
    """Return the ``Host`` header as it stands, empty where there is none."""
    return req.env.get("HTTP_HOST", "")  # type: ignore[no-any-return]


def forwarded_host(req: Request) -> str:
    """Return ``X-Forwarded-Host`` as it stands; whether it counts is the directory's decision."""
    return req.env.get("HTTP_X_FORWARDED_HOST", "")  # type: ignore[no-any-return]
