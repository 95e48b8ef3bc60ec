"""Both surfaces on one port."""

import falcon

from talos.http import application
from talos.http.dependencies import HttpDependencies
from talos.http.request import Request
from talos.http.routes import add_admin_routes, add_common_routes, add_self_service_routes


def create_app(deps: HttpDependencies) -> falcon.App[Request, falcon.Response]:
    """Build the application that ``talos serve`` serves on its main port (contract 1.2)."""
    return application.create(deps, add_admin_routes, add_self_service_routes, add_common_routes)
