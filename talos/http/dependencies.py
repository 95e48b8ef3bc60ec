"""What the applications are handed by bootstrap: collaborators, never configuration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from talos.services.assembly import Services
from talos.services.ports import Clock, Database
from talos.services.tenant import DirectorySource


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """What ``/version`` shows of the running build (contract 1.3)."""

    version: str
    commit: str
    build_time: str


@dataclass(frozen=True, slots=True)
class HttpDependencies:
    """Everything that the resources and the middleware work with.

    ``clock`` decides which keys are shown as expired and what ``Retry-After`` counts from.
    """

    services: Services
    directories: DirectorySource
    database: Database
    build: BuildInfo
    clock: Clock
    ending: Callable[[], bool] = lambda: False
    """Whether the server is about to stop: then it is not ready, whatever else is well."""
    on_answered: Callable[[int], None] = lambda _duration_ns: None
    """Called with the nanoseconds that each request of the main port took to answer."""
    description: Mapping[str, Any] = field(default_factory=dict)
    """The OpenAPI document of what the surface serves; the surface itself puts it here."""
