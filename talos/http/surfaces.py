"""The surfaces: which operations a server has on its main port (contract 1.2). One table."""

import enum
from collections.abc import Callable
from typing import Final

from talos.http import application
from talos.http.dependencies import HttpDependencies
from talos.http.published import add_admin_description, add_description, add_public_description
from talos.http.routes import (
    App,
    add_admin_routes,
    add_common_routes,
    add_self_service_routes,
)


class Surface(enum.Enum):
    """Which operations a server has."""

    ALL = "all"
    ADMIN = "admin"
    PUBLIC = "public"


_ROUTES: Final[dict[Surface, tuple[Callable[[App, HttpDependencies], None], ...]]] = {
    Surface.ALL: (add_admin_routes, add_self_service_routes, add_common_routes, add_description),
    # Nothing for holders of keys.
    Surface.ADMIN: (add_admin_routes, add_common_routes, add_admin_description),
    # No way to any admin operation.
    Surface.PUBLIC: (add_self_service_routes, add_common_routes, add_public_description),
}


def create_app(surface: Surface, deps: HttpDependencies) -> application.Application:
    """Build the application that serves ``surface`` on a main port."""
    return application.create(deps, *_ROUTES[surface])
