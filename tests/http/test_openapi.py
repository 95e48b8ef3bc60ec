"""The API description is in step with what is served."""

import json
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from talos.http.fields import camel_case
from talos.http.openapi import document, render
from talos.http.operations import OPERATIONS, Operation
from tests.http.surface import SURFACES, Surface
from tests.http.test_routes import ADMIN_ROUTES, COMMON_ROUTES, PUBLIC_ROUTES

KEY_ID = "00000000-0000-0000-0000-000000000007"
URI = "urn:talos:openapi"
REGISTRY: Any = Registry().with_resource(
    URI, Resource(contents=document(), specification=DRAFT202012)
)


def validate(instance: Any, name: str) -> None:
    schema = {"$ref": f"{URI}#/components/schemas/{name}"}
    Draft202012Validator(schema, registry=REGISTRY).validate(instance)


def test_the_file_is_what_the_tables_say() -> None:
    text = resources.files("talos.http").joinpath("openapi.json").read_text()
    assert text == render(), "run: python -m talos.http.openapi > talos/http/openapi.json"


@pytest.mark.parametrize("name", SURFACES)
def test_it_is_served_as_it_is(name: str) -> None:
    result = Surface(name).send("GET", "/openapi.json")
    assert result.text == render()
    assert result.headers["content-type"] == "application/json"


def test_every_route_is_described_and_every_description_is_a_route() -> None:
    described = {(op.method.upper(), op.path.replace("{key_id}", KEY_ID)) for op in OPERATIONS}
    routes = (*ADMIN_ROUTES, *PUBLIC_ROUTES, *COMMON_ROUTES)
    assert described == {(method, path) for method, path, *_ in routes}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_an_operation_is_routed(surface: Surface, operation: Operation) -> None:
    path = operation.path.replace("{key_id}", "a-key")
    result = surface.send(operation.method.upper(), path, b"{")
    if result.status_code == 404:
        assert result.json["error"]["details"][0]["reason"] == "API_KEY_NOT_FOUND"
    assert (
        str(result.status_code)
        in document()["paths"][operation.path][operation.method]["responses"]
    )


def test_ids_of_operations_are_unique() -> None:
    assert len({op.id for op in OPERATIONS}) == len(OPERATIONS)


def test_every_reference_leads_somewhere() -> None:
    whole = document()
    for reference in _references(whole):
        node: Any = whole
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
    for kind in ("schemas", "responses"):
        used = {ref.rpartition("/")[2] for ref in _references(whole) if f"/{kind}/" in ref}
        assert used == set(whole["components"][kind])


def test_request_members_are_those_that_are_read(surface: Surface) -> None:
    schemas = document()["components"]["schemas"]
    for operation in OPERATIONS:
        if operation.request is None:
            continue
        properties = schemas[str(operation.request.name)]["properties"]
        assert list(properties) == [member.name for member in operation.request.members]
        assert all(camel_case(name) for name in properties)


class TestAnswersKeepTheirSchemas:
    def test_of_success(self, surface: Surface) -> None:
        full = {
            "name": "n",
            "actor_id": "a",
            "scopes": ["s"],
            "metadata": {"a": 1},
            "rate_limit_policy": {"quota": "5", "window": "60s"},
            "ip_restriction": {"allowed_cidrs": ["0.0.0.0/0"]},
        }
        admin = "/v2alpha1/admin"
        issued = surface.send("POST", f"{admin}/issuedApiKeys", full).json
        key_id, secret = issued["issued_api_key"]["key_id"], issued["secret"]
        imported = surface.send("POST", f"{admin}/importedApiKeys", full | {"raw_key": "k"}).json
        answers: dict[str, Any] = {}

        def ask(operation_id: str, body: Any = None, key: str = "") -> None:
            (operation,) = [op for op in OPERATIONS if op.id == operation_id]
            path = operation.path.replace("{key_id}", key)
            result = surface.send(operation.method.upper(), path, body)
            assert result.status_code == operation.success, result.text
            answers[operation_id] = result.json
            assert operation.response is not None
            validate(result.json, operation.response.__name__)
            assert {name.lower() for name in operation.headers} >= (
                set(result.headers) & {"location", "ory-talos-cache", "ratelimit", "retry-after"}
            )

        validate(issued, "IssueApiKeyResponse")
        validate(imported, "ImportedApiKey")
        ask("adminListIssuedApiKeys")
        ask("adminListImportedApiKeys")
        ask("adminGetIssuedApiKey", key=key_id)
        ask("adminUpdateIssuedApiKey", {"name": "x"}, key_id)
        ask("adminGetImportedApiKey", key=imported["key_id"])
        ask("adminUpdateImportedApiKey", {"metadata": {}}, imported["key_id"])
        ask("adminVerifyApiKey", {"credential": secret})
        ask("adminVerifyApiKey", {"credential": "unknown"})
        ask("adminBatchVerifyApiKeys", {"requests": [{"credential": secret}, {"credential": "x"}]})
        ask("adminDeriveToken", {"credential": secret})
        items = {"requests": [full | {"raw_key": "k2"}, full | {"raw_key": "k"}]}
        ask("adminBatchCreateImportedApiKeys", items)
        ask("adminRotateIssuedApiKey", None, key_id)
        ask("revokeApiKey", {"credential": answers["adminRotateIssuedApiKey"]["secret"]})
        for operation_id in ("getJwks", "getVersion", "isAlive", "isReady"):
            ask(operation_id)

    def test_of_failure(self, surface: Surface) -> None:
        surface.database.trouble = RuntimeError("down")
        validate(surface.send("GET", "/health/ready").json, "NotReady")
        validate(surface.send("GET", "/nothing").json, "ErrorEnvelope")


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(_references, node.values()))
    if isinstance(node, list):
        return set().union(*map(_references, node))
    return set()


def test_it_is_plain_json() -> None:
    assert json.loads(render())["openapi"] == "3.1.0"
