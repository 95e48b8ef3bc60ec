"""U+0000 in what is stored: refused by name, on every path that writes (contract 16 (35))."""

from typing import Any

import pytest

from tests.http.surface import IMPORTED, ISSUED, Surface, assert_envelope

KEY = {"raw_key": "k", "name": "n", "actor_id": "a"}
STORED: list[tuple[str, Any]] = [
    ("name", "a\0"),
    ("actor_id", "\0a"),
    ("request_id", "a\0b"),
    ("scopes", ["a", "\0"]),
    ("metadata", {"a": "\0"}),
    ("metadata", {"a\0": 1}),
    ("metadata", {"a": [{"b": ["\\\0"]}]}),
    ("ip_restriction", {"allowed_cidrs": ["10.0.0.0/8\0"]}),
]


def named(result: Any, field: str) -> None:
    assert field in assert_envelope(result, 400, "BAD_REQUEST")["message"]


@pytest.mark.parametrize(("field", "value"), STORED)
def test_in_a_new_key(surface: Surface, field: str, value: Any) -> None:
    body = KEY | {field: value}
    named(surface.send("POST", ISSUED, body), field)
    named(surface.send("POST", IMPORTED, body), field)
    assert not surface.harness.keys.rows


@pytest.mark.parametrize(("field", "value"), [*STORED, ("raw_key", "k\0")])
def test_in_an_item_of_a_batch_it_fails_the_item(surface: Surface, field: str, value: Any) -> None:
    body = {"requests": [KEY | {field: value}, KEY | {"raw_key": "other"}]}
    result = surface.send("POST", f"{IMPORTED}:batchCreate", body)
    assert result.status_code == 200
    failed, done = result.json["results"]
    assert failed["error_code"].endswith("_INVALID_ARGUMENT")
    assert field in failed["error_message"]
    assert done["imported_api_key"] is not None


@pytest.mark.parametrize(
    ("field", "value"), [row for row in STORED if row[0] not in ("actor_id", "request_id")]
)
def test_in_a_change(surface: Surface, field: str, value: Any) -> None:
    path = f"{ISSUED}/{surface.issue()['issued_api_key']['key_id']}"
    before = dict(surface.harness.keys.rows)
    named(surface.send("PATCH", path, {field: value}), field)
    named(surface.send("PATCH", f"{path}?update_mask={field}", {field: value}), field)
    named(surface.send("POST", f"{path}:rotate", {field: value}), field)
    assert surface.harness.keys.rows == before


def test_in_a_description(surface: Surface) -> None:
    path = f"{ISSUED}/{surface.issue()['issued_api_key']['key_id']}:revoke"
    body = {"reason": "REVOCATION_REASON_PRIVILEGE_WITHDRAWN", "description": "a\0"}
    named(surface.send("POST", path, body), "description")


def test_the_letters_of_the_escape_are_text_like_any_other(surface: Surface) -> None:
    metadata = {"a": "\\u0000", "\\\\u0000": "\\\\\\u0000"}
    assert surface.issue(metadata=metadata)["issued_api_key"]["metadata"] == metadata
