"""What the server tells about itself (contract 1.3)."""

import falcon

from talos.http.dependencies import BuildInfo
from talos.http.request import Request, host
from talos.http.responses import ok
from talos.http.wire import VersionResponse


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
