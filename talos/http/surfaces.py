"""The surfaces: which operations a server has on its main port (contract 1.2)."""

import enum
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from talos.http import application
from talos.http.dependencies import HttpDependencies
from talos.http.operation import Audience
from talos.http.operations import OPERATIONS
from talos.http.published import published


class Surface(enum.Enum):
    """Which operations a server has."""

    ALL = "all"
    ADMIN = "admin"
    PUBLIC = "public"


_AUDIENCES: Final[Mapping[Surface, frozenset[Audience]]] = {
    Surface.ALL: frozenset(Audience),
    # Nothing for holders of keys.
    Surface.ADMIN: frozenset({Audience.ADMIN, Audience.EVERYONE}),
    # No way to any admin operation.
    Surface.PUBLIC: frozenset({Audience.HOLDERS, Audience.EVERYONE}),
}


def create_app(surface: Surface, deps: HttpDependencies) -> application.Application:
    """Build the application that serves ``surface`` on a main port."""
    chosen = [each for each in OPERATIONS if each.audience in _AUDIENCES[surface]]
    return application.create(replace(deps, description=published(chosen)), chosen)
