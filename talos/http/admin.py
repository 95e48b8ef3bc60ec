"""The admin surface: every operation of administrators, and nothing for holders of keys."""

from talos.http import application
from talos.http.dependencies import HttpDependencies
from talos.http.published import add_admin_description
from talos.http.routes import add_admin_routes, add_common_routes


def create_app(deps: HttpDependencies) -> application.Application:
    """Build the application that ``talos serve admin`` serves on its main port (contract 1.2)."""
    return application.create(deps, add_admin_routes, add_common_routes, add_admin_description)
