"""Paths with doubled slashes or dot segments are sent to their clean spelling (contract 2.1)."""

from html import escape

import falcon

from talos.errors import NotFound
from talos.http.request import Request
from talos.http.target import clean_path, location
from talos.services.tenant import HttpSettings


class CleanPath:
    """Redirects before routing, so that exactly one spelling of a path is ever served."""

    @staticmethod
    def fast_path_obstacle(_settings: HttpSettings) -> str | None:
        """The fast path knows clean paths alone."""
        return None

    def process_request(self, req: Request, resp: falcon.Response) -> None:
        """Answer 307 to a path that is not clean, whatever the method.

        Raises ``NotFound`` for a target that is no path, such as ``*``.
        """
        path: str = req.env["PATH_INFO"] or "/"
        if not path.startswith("/"):
            raise NotFound
        cleaned = clean_path(path)
        if cleaned == path:
            return
        target = location(cleaned, req.query_string)
        resp.status = falcon.HTTP_307
        resp.set_header("Location", target)
        if req.method == "GET":
            resp.content_type = "text/html; charset=utf-8"
            resp.data = f'<a href="{escape(target)}">Temporary Redirect</a>.\n\n'.encode()
        resp.complete = True
