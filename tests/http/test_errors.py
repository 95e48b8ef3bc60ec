"""The table of errors and the envelope (contract 3)."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from talos import errors
from talos.errors import TalosError
from talos.http.errors import STATUSES, encode, envelope
from tests.http.surface import API_KEYS, IMPORTED, ISSUED, JWKS, Surface, assert_envelope
from tests.support.fakes.tenants import tenant

# Contract 3.2, less what nothing raises.
TABLE = """
bad_request                 400 INVALID_ARGUMENT
derived_token_not_revocable 400 INVALID_ARGUMENT
unauthorized                401 UNAUTHENTICATED
api_key_expired             401 UNAUTHENTICATED
api_key_quota_exceeded      402 PERMISSION_DENIED
forbidden                   403 PERMISSION_DENIED
not_found                   404 NOT_FOUND
api_key_not_found           404 NOT_FOUND
conflict                    409 ALREADY_EXISTS
api_key_exists              409 ALREADY_EXISTS
failed_precondition         409 FAILED_PRECONDITION
host_not_allowed            421 PERMISSION_DENIED
internal_server_error       500 INTERNAL
service_unavailable         503 UNAVAILABLE
gateway_timeout             504 DEADLINE_EXCEEDED
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()]
NEVER_ON_THE_WIRE = {errors.ConfigurationError, errors.SchemaBehind}


def _below(root: type[TalosError]) -> Iterator[type[TalosError]]:
    for child in root.__subclasses__():
        yield child
        yield from _below(child)


TREE = [error for error in _below(TalosError) if error.__module__ == errors.__name__]


@pytest.mark.parametrize(("reason", "http", "canonical"), ROWS)
def test_the_table_is_the_contracts(reason: str, http: str, canonical: str) -> None:
    assert STATUSES[reason] == (int(http), canonical)


def test_the_table_holds_nothing_else() -> None:
    assert STATUSES.keys() == {row[0] for row in ROWS}


@pytest.mark.parametrize("error", TREE)
def test_every_error_of_the_tree_has_an_answer(error: type[TalosError]) -> None:
    assert (error.reason in STATUSES) == (error not in NEVER_ON_THE_WIRE)
    if error in NEVER_ON_THE_WIRE:
        return
    told = envelope(error()).error
    assert told.message == error.default_message
    assert re.fullmatch("[A-Z][A-Z0-9_]*[A-Z0-9]", told.details[0].reason)
    assert envelope(error("text")).error.message == "text"
    assert encode(envelope(error("é<"))).endswith(b"}\n")


class TestWhatIsAnswered:
    @pytest.mark.parametrize("error", TREE)
    def test_an_error_of_the_tree(self, surface: Surface, error: type[TalosError]) -> None:
        surface.harness.keys.trouble = error("a short text")
        result = surface.send("GET", f"{ISSUED}/x")
        if error in NEVER_ON_THE_WIRE:
            told = assert_envelope(result, 500, "INTERNAL_SERVER_ERROR", "INTERNAL")
            assert told["message"] == "an internal error occurred"
            return
        status = STATUSES[error.reason]
        told = assert_envelope(result, status.http, error.reason.upper(), status.canonical)
        assert told["message"] == "a short text"

    @pytest.mark.parametrize("error", [RuntimeError("test-secret"), KeyError("test-secret")])
    def test_an_unclassified_one_tells_nothing(self, surface: Surface, error: Exception) -> None:
        surface.harness.keys.trouble = error  # type: ignore[assignment]
        told = assert_envelope(
            surface.send("POST", ISSUED, {"name": "n", "actor_id": "a"}),
            500,
            "INTERNAL_SERVER_ERROR",
            "INTERNAL",
        )
        assert told["message"] == "an internal error occurred"

    def test_no_header_of_the_answer_that_was_meant_is_left(self, surface: Surface) -> None:
        surface.harness.keys.trouble = errors.ServiceUnavailable()
        result = surface.send("GET", ISSUED)
        assert_envelope(result, 503)
        assert "location" not in result.headers

    def test_validation_names_every_field(self, surface: Surface) -> None:
        result = surface.send("POST", ISSUED, {"scopes": [""], "request_id": "x" * 37})
        message = assert_envelope(result, 400, "BAD_REQUEST", "INVALID_ARGUMENT")["message"]
        for field in ("name", "actor_id", "scopes[0]", "request_id"):
            assert f" - {field}: " in message

    def test_the_statuses_of_the_operations(self, surface: Surface) -> None:
        issued = surface.issue()
        key_id = issued["issued_api_key"]["key_id"]
        surface.import_key("sk_test_1")
        body = {"raw_key": "sk_test_1", "name": "n", "actor_id": "a"}
        assert_envelope(
            surface.send("POST", IMPORTED, body), 409, "API_KEY_EXISTS", "ALREADY_EXISTS"
        )
        body["raw_key"] = issued["secret"]
        assert_envelope(surface.send("POST", IMPORTED, body), 409, "CONFLICT", "ALREADY_EXISTS")
        token = self._derive(surface, issued["secret"], 200).json["token"]["token"]
        body["raw_key"] = token
        conflict = (409, "FAILED_PRECONDITION", "FAILED_PRECONDITION")
        assert_envelope(surface.send("POST", IMPORTED, body), *conflict)
        result = surface.send("POST", "/v2alpha1/apiKeys:selfRevoke", {"credential": token})
        assert_envelope(result, 400, "DERIVED_TOKEN_NOT_REVOCABLE", "INVALID_ARGUMENT")
        result = self._derive(surface, issued["secret"], 403, scopes=["more"])
        assert_envelope(result, 403, "FORBIDDEN", "PERMISSION_DENIED")
        assert surface.send("POST", f"{ISSUED}/{key_id}:revoke").status_code == 204
        assert_envelope(surface.send("POST", f"{ISSUED}/{key_id}:rotate"), *conflict)
        assert_envelope(
            self._derive(surface, "unknown", 401), 401, "UNAUTHORIZED", "UNAUTHENTICATED"
        )
        surface.configuration.tenant = tenant(api_keys_max=1)
        result = surface.send("POST", ISSUED, {"name": "n", "actor_id": "a"})
        assert_envelope(result, 402, "API_KEY_QUOTA_EXCEEDED", "PERMISSION_DENIED")

    def test_a_key_set_without_keys(self, surface: Surface) -> None:
        keys = type(surface.configuration.tenant.credentials.signing_keys)()
        surface.configuration.tenant = tenant(signing_keys=keys)
        told = assert_envelope(surface.send("GET", JWKS), 500, "INTERNAL_SERVER_ERROR", "INTERNAL")
        assert told["message"] == "list signing keys"

    @staticmethod
    def _derive(surface: Surface, credential: str, status: int, **members: Any) -> Any:
        result = surface.send("POST", f"{API_KEYS}:derive", {"credential": credential, **members})
        assert result.status_code == status, result.text
        return result
