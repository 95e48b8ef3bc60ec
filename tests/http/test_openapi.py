"""The API description is in step with what is served."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from html.parser import HTMLParser
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from talos.http import descriptions
from talos.http.fields import camel_case
from talos.http.openapi import document, render
from talos.http.operation import Operation
from talos.http.operations import OPERATIONS
from tests.http.surface import SURFACES, Surface
from tests.support.routes import ADMIN_ROUTES, COMMON_ROUTES, HAS, PUBLIC_ROUTES

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


def published(name: str) -> dict[str, Any]:
    result = Surface(name).send("GET", "/openapi.json")
    assert result.headers["content-type"] == "application/json"
    whole: dict[str, Any] = json.loads(result.text)
    return whole


def test_all_of_it_is_served_where_all_operations_are() -> None:
    assert Surface("all").send("GET", "/openapi.json").text == render()


@pytest.mark.parametrize("name", SURFACES)
def test_a_surface_publishes_what_it_serves_and_no_more(name: str) -> None:
    document = published(name)
    described = {
        (method.upper(), path.replace("{key_id}", KEY_ID))
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert described == {(method, path) for method, path, *_ in HAS[name]}
    used = {
        tag
        for methods in document["paths"].values()
        for op in methods.values()
        for tag in op["tags"]
    }
    assert {tag["name"] for tag in document["tags"]} == used
    for kind, bodies in document["components"].items():
        prefix = f"#/components/{kind}/"
        referred = {ref.removeprefix(prefix) for ref in _references(document) if prefix in ref}
        assert set(bodies) == referred
    if name == "public":
        assert "/admin" not in json.dumps(document)


def _text_of(node: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    yield where, node.get("description", "")


def texts() -> Iterator[tuple[str, str]]:
    """Everything that has to be described, by where it stands, with its text."""
    whole = document()
    yield from _text_of(whole["info"], "info")
    for tag in whole["tags"]:
        yield from _text_of(tag, tag["name"])
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            yield from _text_of(operation, where)
            yield where, operation["summary"]
            for parameter in operation.get("parameters", ()):
                yield from _text_of(parameter, f"{where} {parameter['name']}")
            for status, response in operation["responses"].items():
                if "$ref" not in response:
                    yield from _text_of(response, f"{where} {status}")
                for name, header in response.get("headers", {}).items():
                    yield from _text_of(header, f"{where} {status} {name}")
    for name, response in whole["components"]["responses"].items():
        yield from _text_of(response, name)
    for name, schema in whole["components"]["schemas"].items():
        yield from _text_of(schema, name)
        for member, kind in schema.get("properties", {}).items():
            yield from _text_of(kind, f"{name}.{member}")


def test_everything_is_described() -> None:
    assert [where for where, text in texts() if not text] == []


def test_no_text_describes_what_is_not_there() -> None:
    whole = document()
    schemas = whole["components"]["schemas"]
    assert set(descriptions.SCHEMAS) == set(schemas)
    members = {name: set(schema.get("properties", {})) for name, schema in schemas.items()}
    for name, texts_of in descriptions.MEMBERS.items():
        assert set(texts_of) <= members[name], name
    assert set(descriptions.COMMON) <= set().union(*members.values())


class TestThePage:
    @pytest.mark.parametrize("name", ["all", "admin"])
    def test_it_shows_what_the_surface_publishes(self, name: str) -> None:
        result = Surface(name).send("GET", "/v2alpha1/admin/docs")
        assert result.headers["content-type"] == "text/html; charset=utf-8"
        page = Page(result.text)
        document = published(name)
        operations = {
            op["operationId"] for methods in document["paths"].values() for op in methods.values()
        }
        assert page.ids == operations | set(document["components"]["schemas"])
        for methods in document["paths"].values():
            for operation in methods.values():
                assert escape(operation["description"]) in result.text
        for schema in document["components"]["schemas"].values():
            for member, kind in schema.get("properties", {}).items():
                assert f"<code>{member}</code>" in result.text
                assert escape(kind["description"]) in result.text

    def test_its_links_lead_somewhere(self, surface: Surface) -> None:
        page = Page(surface.send("GET", "/v2alpha1/admin/docs").text)
        assert page.links
        assert {link.removeprefix("#") for link in page.links if link[0] == "#"} <= page.ids
        assert {link for link in page.links if link[0] != "#"} == {"/openapi.json"}

    def test_it_fetches_nothing(self, surface: Surface) -> None:
        result = surface.send("GET", "/v2alpha1/admin/docs")
        page = Page(result.text)
        assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "form"})
        assert "url(" not in result.text
        assert "@import" not in result.text

    def test_a_link_of_another_site_may_lead_to_it(self, surface: Surface) -> None:
        """The rule on pages of other sites lets a navigation pass (contract 16 (38))."""
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert surface.send("GET", "/v2alpha1/admin/docs", headers=headers).status_code == 200

    def test_the_public_surface_has_none(self) -> None:
        assert Surface("public").send("GET", "/v2alpha1/admin/docs").status_code == 404


class Page(HTMLParser):
    """The tags, ids and links of a page whose tags are closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "br"):
            self._open.append(tag)
        for name, value in attrs:
            if name == "id":
                assert value not in self.ids
                self.ids.add(str(value))
            if name in ("href", "src"):
                self.links.add(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


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
