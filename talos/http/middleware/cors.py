"""Cross-origin resource sharing, off by default and read at every request (contract 2.2, 8.3).

A preflight is answered for any path, known or not. What is refused is answered without the
``Access-Control-*`` headers: saying no is the browser's work.
"""

import re
from functools import lru_cache
from typing import Final

import falcon

from talos.http.request import Request
from talos.services.tenant import HttpSettings

_ANY: Final = "*"
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_RUN: Final = r"[^/\x00-\x20\x7f]*"
_PREFLIGHT_VARY: Final = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


class Cors:
    """Answers preflights, and marks the answers to other requests."""

    @staticmethod
    def fast_path_obstacle(_settings: HttpSettings) -> str | None:
        """The fast path declines what has ``Origin``; else it sends ``headers_without_origin``."""
        return None

    def process_request(self, req: Request, resp: falcon.Response) -> None:
        """Answer a preflight; on any other request set what the browser needs to see."""
        settings = req.context.settings
        if not settings.cors_enabled:
            return
        environ = req.env
        origin: str = environ.get("HTTP_ORIGIN", "")
        method: str = environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD", "")
        if is_preflight(req):
            resp.set_header("Vary", _PREFLIGHT_VARY)
            headers: str = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
            if _allows_preflight(settings, origin, method, headers):
                _allow_origin(resp, settings, origin)
                _allow_preflight(resp, settings, method, headers)
            resp.status = falcon.HTTP_204
            resp.complete = True
            return
        resp.set_headers(headers_without_origin(settings))
        if allows_origin(settings, origin) and _allows_method(settings, req.method):
            _allow_origin(resp, settings, origin)
            if settings.cors_exposed_headers:
                exposed = ", ".join(settings.cors_exposed_headers)
                resp.set_header("Access-Control-Expose-Headers", exposed)


def headers_without_origin(settings: HttpSettings) -> tuple[tuple[str, str], ...]:
    """Return the headers that every answer but those to preflights has, whatever its origin."""
    return (("Vary", "Origin"),) if settings.cors_enabled else ()


def is_preflight(req: Request) -> bool:
    """Return whether a browser asks by this request whether it may send another."""
    return req.method == "OPTIONS" and bool(req.env.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD"))


def _allows_preflight(settings: HttpSettings, origin: str, method: str, headers: str) -> bool:
    return (
        allows_origin(settings, origin)
        and _allows_method(settings, method)
        and _allows_headers(settings, headers)
    )


def allows_origin(settings: HttpSettings, origin: str) -> bool:
    """Return whether an origin is on the list; whether CORS is on at all is not asked."""
    return bool(origin) and any(
        allowed == _ANY or _origin_pattern(allowed).fullmatch(origin)
        for allowed in settings.cors_allowed_origins
    )


def _allows_method(settings: HttpSettings, method: str) -> bool:
    return method == "OPTIONS" or method in settings.cors_allowed_methods


def _allows_headers(settings: HttpSettings, headers: str) -> bool:
    """Match in the form in which browsers send the list: lower case, sorted, without blanks."""
    if not headers:
        return True
    names = headers.split(",")
    if names != sorted(set(names)) or not all(map(_NAME.fullmatch, names)):
        return False
    allowed = settings.cors_allowed_headers
    return _ANY in allowed or set(names) <= {name.lower() for name in allowed}


def _allow_origin(resp: falcon.Response, settings: HttpSettings, origin: str) -> None:
    if _ANY in settings.cors_allowed_origins:
        # Credentials never go with the wildcard (contract 16, 25).
        resp.set_header("Access-Control-Allow-Origin", _ANY)
        return
    resp.set_header("Access-Control-Allow-Origin", origin)
    if settings.cors_allow_credentials:
        resp.set_header("Access-Control-Allow-Credentials", "true")


def _allow_preflight(
    resp: falcon.Response, settings: HttpSettings, method: str, headers: str
) -> None:
    resp.set_header("Access-Control-Allow-Methods", method)
    if headers:
        resp.set_header("Access-Control-Allow-Headers", headers)
    if settings.cors_max_age_s > 0:
        resp.set_header("Access-Control-Max-Age", str(settings.cors_max_age_s))


@lru_cache(maxsize=256)
def _origin_pattern(allowed: str) -> re.Pattern[str]:
    """Return what matches an allowed origin; its ``*`` stands for any run of characters.

    An origin has no path, so there is no slash among them, and none that a header cannot hold.
    """
    before, wildcard, after = allowed.partition(_ANY)
    run = _RUN if wildcard else ""
    return re.compile(re.escape(before) + run + re.escape(after), re.IGNORECASE)
