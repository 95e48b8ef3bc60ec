"""Both surfaces on one port."""

from talos.http import application
from talos.http.dependencies import HttpDependencies
from talos.http.published import add_description
from talos.http.routes import add_admin_routes, add_common_routes, add_self_service_routes


def create_app(deps: HttpDependencies) -> application.Application:
    """Build the application that ``talos serve`` serves on its main port (contract 1.2)."""
    return application.create(
        deps, add_admin_routes, add_self_service_routes, add_common_routes, add_description
    )
