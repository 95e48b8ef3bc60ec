"""The description of the API, made from the very tables and structs that serve it.

``python -m talos.http.openapi`` prints ``talos/http/openapi.json``, which is checked in and served
at ``/openapi.json``. Tests hold the file to this module, and this module to the routes.
"""

import json
import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from msgspec import Struct

from talos.domain.masks import MUTABLE_FIELDS
from talos.domain.rules import MAX_PAGE_SIZE
from talos.http import descriptions, messages, paths
from talos.http.errors import ErrorEnvelope
from talos.http.fields import Message
from talos.http.health import NotReady
from talos.http.operation import TAGS, Operation, Tag
from talos.http.operations import OPERATIONS

_SCHEMA: Final = "#/components/schemas/{name}"
_RESPONSE: Final = "#/components/responses/{name}"

_EVERYWHERE: Final = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
"""Errors that every operation can meet: no such tenant or resource, a host that is not allowed, and
trouble of our own.
"""

_QUERY_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "page_size": {"type": "integer", "minimum": 0, "maximum": MAX_PAGE_SIZE},
    "page_token": {"type": "string"},
    "filter": {"type": "string", "examples": ['actor_id="user_123" AND status=KEY_STATUS_ACTIVE']},
    "update_mask": {"type": "string", "examples": [",".join(MUTABLE_FIELDS)]},
}


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    described: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        described.setdefault(operation.path, {})[operation.method] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Talos",
            "summary": "API keys, and the short-lived tokens derived from them",
            "description": descriptions.API,
            "version": "v2alpha1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": described,
        "components": {"schemas": _schemas(), "responses": _shared_responses()},
    }


def render() -> str:
    """Return the text of ``openapi.json``."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _described(operation: Operation) -> dict[str, Any]:
    description: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.tag],
        "responses": _responses(operation),
    }
    parameters = [_parameter(name, "query", _QUERY_SCHEMAS[name]) for name in operation.query]
    if operation.has_key_id:
        parameters.insert(0, _parameter("key_id", "path", {"type": "string", "minLength": 1}))
    if parameters:
        description["parameters"] = parameters
    if operation.request is not None:
        description["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": {"schema": operation.request.schema}},
        }
    return description


def _parameter(name: str, place: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "description": descriptions.PARAMETERS[name],
        "required": place == "path",
        "schema": schema,
    }


def _responses(operation: Operation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": operation.success.phrase}
    if operation.response is not None:
        success["content"] = _content(operation.response)
    elif operation.media_type is not None:
        kind = "object" if operation.media_type == "application/json" else "string"
        success["content"] = {operation.media_type: {"schema": {"type": kind}}}
    if operation.headers:
        success["headers"] = {name: _header(name) for name in operation.headers}
    responses = {str(operation.success.value): success}
    errors = {*operation.errors, *_EVERYWHERE}
    if operation.tag is Tag.ADMIN:
        # Pages of other sites are kept out.
        errors.add(HTTPStatus.FORBIDDEN)
    if operation.has_key_id:
        # An id such as `..` makes a path with dot segments.
        errors.add(HTTPStatus.TEMPORARY_REDIRECT)
    for status in sorted(errors):
        responses[str(status.value)] = {"$ref": _RESPONSE.format(name=_name(status))}
    if operation.path == paths.READY:
        unready = HTTPStatus.SERVICE_UNAVAILABLE
        responses[str(unready.value)] = {
            "description": descriptions.STATUSES[unready],
            "content": _content(NotReady),
        }
    return responses


def _shared_responses() -> dict[str, Any]:
    raised = (status for op in OPERATIONS for status in op.errors)
    statuses = {HTTPStatus.FORBIDDEN, *_EVERYWHERE, *raised}
    shared = {
        _name(status): {
            "description": descriptions.STATUSES[status],
            "content": _content(ErrorEnvelope),
        }
        for status in sorted(statuses)
    }
    redirect = HTTPStatus.TEMPORARY_REDIRECT
    shared[_name(redirect)] = {
        "description": descriptions.STATUSES[redirect],
        "headers": {"Location": {"description": "The clean path.", "schema": {"type": "string"}}},
    }
    return shared


def _content(body: type[Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _SCHEMA.format(name=body.__name__)}}}


def _header(name: str) -> dict[str, Any]:
    return {"description": descriptions.HEADERS[name], "schema": {"type": "string"}}


def _name(status: HTTPStatus) -> str:
    return status.phrase.replace(" ", "")


def _schemas() -> dict[str, Any]:
    bodies = {op.response for op in OPERATIONS if op.response is not None}
    _, schemas = msgspec.json.schema_components(
        [ErrorEnvelope, NotReady, *bodies], ref_template=_SCHEMA
    )
    for message in _messages():
        schemas[str(message.name)] = message.definition()
    return {name: _in_words(name, schemas[name]) for name in sorted(schemas)}


def _in_words(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with what it and its members mean."""
    described = {**schema, "description": descriptions.SCHEMAS[name]}
    own = descriptions.MEMBERS.get(name, {})
    if "properties" in schema:
        described["properties"] = {
            member: {**kind, "description": own.get(member) or descriptions.COMMON[member]}
            for member, kind in schema["properties"].items()
        }
    return described


def _messages() -> list[Message[Any]]:
    """Every request message that has a name, the nested ones included."""
    bodies = [op.request for op in OPERATIONS if op.request is not None]
    return [*bodies, messages.RATE_LIMIT, messages.IP_RESTRICTION]


if __name__ == "__main__":
    sys.stdout.write(render())
