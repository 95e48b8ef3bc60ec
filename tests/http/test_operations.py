"""An operation is one entry of a table, and a responder of its resource."""

import inspect
from collections import Counter
from dataclasses import replace
from typing import Any

import falcon
import pytest

from talos.http import application
from talos.http.dependencies import HttpDependencies
from talos.http.operation import Audience, Operation, Tag
from talos.http.operations import OPERATIONS
from talos.http.verbs import VERBS
from tests.http.surface import Surface, assert_envelope, send


class Things:
    """A resource that nobody knows but the entries below."""

    def __init__(self, deps: HttpDependencies) -> None:
        self._build = deps.build

    def on_get(self, _req: falcon.Request, resp: falcon.Response, key_id: str) -> None:
        resp.text = f"{key_id} of {self._build.version}"

    def on_post_melt(self, _req: falcon.Request, resp: falcon.Response, key_id: str) -> None:
        resp.text = f"{key_id} is no more"

    def on_any(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.text = req.method


SHOW = Operation(
    "getThing",
    "get",
    "/things/{key_id}",
    Things,
    Audience.EVERYONE,
    Tag.SERVER,
    "Show a thing.",
    "There may be none.",
)
MELT = replace(SHOW, id="meltThing", method="post", path="/things/{key_id}:melt")
ANY = replace(SHOW, id="things", path="/things", any_method=True)


def app(surface: Surface, *operations: Operation) -> Any:
    return application.create(surface.deps, operations)


def test_an_entry_and_its_resource_are_all_that_routes_need(surface: Surface) -> None:
    with_things = app(surface, SHOW, MELT, ANY)
    assert send(with_things, "GET", "/things/7").text == "7 of 1.2.3"
    assert send(with_things, "POST", "/things/7:melt").text == "7 is no more"
    assert send(with_things, "PUT", "/things").text == "PUT"
    for target in ("/things/7", "/things/:melt", "/things/7:smelt"):
        assert_envelope(send(with_things, "POST", target), 404, "NOT_FOUND")


def test_a_responder_without_an_entry_is_not_served(surface: Surface) -> None:
    without = app(surface, SHOW)
    assert send(without, "GET", "/things/7").status_code == 200
    assert_envelope(send(without, "POST", "/things/7:melt"), 404, "NOT_FOUND")
    assert_envelope(send(without, "GET", "/things"), 404, "NOT_FOUND")


def test_an_entry_without_its_responder_is_refused(surface: Surface) -> None:
    with pytest.raises(AttributeError, match="on_patch"):
        app(surface, SHOW, replace(SHOW, id="changeThing", method="patch"))


def test_every_responder_has_its_entry() -> None:
    declared: dict[Any, set[str]] = {}
    for operation in OPERATIONS:
        declared.setdefault(operation.resource, set()).add(operation.responder)
    assert declared == {
        resource: {
            name
            for name, _ in inspect.getmembers(resource, inspect.isfunction)
            if name.startswith("on_")
        }
        for resource in declared
    }


def test_no_two_entries_are_for_the_same_request() -> None:
    asked = Counter((operation.method, operation.path) for operation in OPERATIONS)
    assert max(asked.values()) == 1


def test_the_verbs_that_may_be_logged_are_those_of_the_table() -> None:
    assert {operation.verb for operation in OPERATIONS} - {""} == VERBS


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_what_is_for_administrators_is_below_their_prefix(operation: Operation) -> None:
    """It is what pages of other sites are kept from by."""
    assert (operation.audience is Audience.ADMIN) is operation.path.startswith("/v2alpha1/admin/")
