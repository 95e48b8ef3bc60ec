"""What the server tells about itself: its version, and the description of its API (1.3)."""

from importlib import resources
from typing import Final

import falcon

from talos.http.dependencies import BuildInfo
from talos.http.request import Request, host
from talos.http.responses import ok
from talos.http.wire import VersionResponse

_DESCRIPTION: Final = resources.files("talos.http").joinpath("openapi.json")


class Version:
    """``/version``, for any method."""

    def __init__(self, build: BuildInfo) -> None:
        """Tell of ``build``."""
        self._build = build

    def show(self, req: Request, resp: falcon.Response) -> None:
        """Answer with the build and the hash of the effective configuration."""
        build = self._build
        config_hash = req.context.directory.config_hash(host(req))
        ok(resp, VersionResponse(build.version, build.commit, build.build_time, config_hash))


class DescriptionResource:
    """``/openapi.json``."""

    def __init__(self) -> None:
        """Read the description once."""
        self._description = _DESCRIPTION.read_bytes()

    def on_get(self, _req: Request, resp: falcon.Response) -> None:
        """Send the description as it is checked in."""
        resp.data = self._description
