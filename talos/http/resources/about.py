"""What the server shows of itself and its API (contract 1.3)."""

import json

import falcon

from talos.http.dependencies import HttpDependencies
from talos.http.docs_page import render
from talos.http.request import Request, host
from talos.http.responses import ok
from talos.http.wire import VersionResponse


class VersionResource:
    """``/version``."""

    def __init__(self, deps: HttpDependencies) -> None:
        """Answer with the running build."""
        self._build = deps.build

    def on_any(self, req: Request, resp: falcon.Response) -> None:
        """Answer with the build and the hash of the effective configuration."""
        build = self._build
        config_hash = req.context.directory.config_hash(host(req))
        ok(resp, VersionResponse(build.version, build.commit, build.build_time, config_hash))


class ApiDescriptionResource:
    """``/openapi.json``, for programs."""

    def __init__(self, deps: HttpDependencies) -> None:
        """Publish the document of the surface."""
        self._data = (json.dumps(deps.description, indent=2, ensure_ascii=False) + "\n").encode()

    def on_get(self, _req: Request, resp: falcon.Response) -> None:
        """Send it."""
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._data


class DocsPageResource:
    """``/docs``: the same for people.

    The page is made when the application is, so that it needs no script and fetches nothing.
    """

    def __init__(self, deps: HttpDependencies) -> None:
        """Publish the page of the surface."""
        self._data = render(deps.description).encode()

    def on_get(self, _req: Request, resp: falcon.Response) -> None:
        """Send it."""
        resp.content_type = "text/html; charset=utf-8"
        resp.data = self._data
