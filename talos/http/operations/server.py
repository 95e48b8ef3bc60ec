"""Operations about the server itself (contract 1.3)."""

from typing import Final

from talos.http import paths, wire
from talos.http.health import AliveResource, ReadyResource
from talos.http.operation import Audience, Operation, Tag
from talos.http.resources.about import ApiDescriptionResource, DocsPageResource, VersionResource

OPERATIONS: Final = (
    Operation(
        "getVersion",
        "get",
        paths.VERSION,
        VersionResource,
        Audience.EVERYONE,
        Tag.SERVER,
        "The running build, and a hash of its configuration.",
        "Answers any method.",
        response=wire.VersionResponse,
        errors=(),
        any_method=True,
    ),
    Operation(
        "isAlive",
        "get",
        paths.ALIVE,
        AliveResource,
        Audience.EVERYONE,
        Tag.SERVER,
        "The process is there.",
        "Answers any method.",
        response=wire.HealthResponse,
        errors=(),
        any_method=True,
    ),
    Operation(
        "isReady",
        "get",
        paths.READY,
        ReadyResource,
        Audience.EVERYONE,
        Tag.SERVER,
        "The database answers.",
        "Answers any method; 503 where the server could not do its work.",
        response=wire.HealthResponse,
        errors=(),
        any_method=True,
    ),
    Operation(
        "getApiDescription",
        "get",
        paths.DESCRIPTION,
        ApiDescriptionResource,
        Audience.EVERYONE,
        Tag.SERVER,
        "This document.",
        "Only of the operations that this server has.",
        errors=(),
        media_type="application/json",
    ),
    Operation(
        "getDocs",
        "get",
        paths.DOCS,
        DocsPageResource,
        Audience.ADMIN,
        Tag.ADMIN,
        "This document as a page.",
        "A page for people; it fetches nothing.",
        errors=(),
        media_type="text/html",
    ),
)
