"""The headers that every answer of a main port carries (contract 2.2, 14.16)."""

from typing import Final

import falcon

from talos.http.request import Request
from talos.services.tenant import HttpSettings

SECURITY_HEADERS: Final = (
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
    (
        "Content-Security-Policy",
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'",
    ),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Permissions-Policy", "geolocation=(), microphone=(), camera=()"),
)


class SecurityHeaders:
    """Sets them before anything else can fail."""

    @staticmethod
    def fast_path_obstacle(_settings: HttpSettings) -> str | None:
        """Answers of the fast path have the same headers."""
        return None

    def process_request(self, _req: Request, resp: falcon.Response) -> None:
        """Set the headers."""
        resp.set_headers(SECURITY_HEADERS)
