"""The tables of the pages say what the code says."""

import ast
import json
import re
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from talos import errors
from talos.domain.events import EventName
from talos.domain.verification import VerificationErrorCode
from talos.errors import ApiKeyNotFound, TalosError
from talos.http import application
from talos.http.errors import STATUSES, encode, envelope
from talos.services import verification_steps
from talos.services.import_keys import BatchErrorCode
from talos.serving.process import listeners
from tests.architecture.pages import DOCS, ROOT, Page
from tests.support.layers import FLOORS

ARCHITECTURE = Page(DOCS / "architecture.md")
ERRORS = Page(DOCS / "errors.md")
ERROR_ROWS = ERRORS.table("Reason", "HTTP", "Status", "Error", "When")
DIFFERENCES = Page(DOCS / "compatibility.md").table("#", "Topic", "Here", "Why", "A client notices")
CITATION = re.compile(r"\b16(?:, | \(|\.)(\d{1,2})\b")


def below(root: type[TalosError]) -> Iterator[type[TalosError]]:
    for child in root.__subclasses__():
        yield child
        yield from below(child)


def test_errors_are_those_that_clients_can_see() -> None:
    told = [(row[0], int(row[1]), row[2]) for row in ERROR_ROWS]
    assert told == [
        (reason.upper(), status.http.value, status.canonical) for reason, status in STATUSES.items()
    ]


@pytest.mark.parametrize("row", ERROR_ROWS, ids=lambda row: row[0])
def test_an_error_is_told_with_its_class_and_cause(row: list[str]) -> None:
    reason, _, _, class_name, when = row
    assert getattr(errors, class_name).reason == reason.lower()
    assert when


def test_reasons_that_are_never_sent_are_never_sent() -> None:
    sentence = re.search(r"never sends: (.+?)\. ", ERRORS.prose, re.DOTALL)
    assert sentence is not None
    never = re.findall(r"`([A-Z_]+)`", sentence[1])
    assert len(never) == 10
    assert not {reason.lower() for reason in never} & STATUSES.keys()


def test_every_audit_event_has_its_row_with_attributes_that_are_emitted() -> None:
    rows = Page(DOCS / "protocol" / "running.md").table("Event", "When", "Attributes")
    named = {name for row in rows for name in re.findall(r"\w*APIKey\w+", row[0])}
    assert named == {event.value for event in EventName}
    source = ast.parse((ROOT / "talos" / "services" / "audit.py").read_text())
    texts = {node.value for node in ast.walk(source) if isinstance(node, ast.Constant)}
    attributes = {name for row in rows for name in re.findall(r"metadata\.\w+|[A-Z]\w+", row[2])}
    assert "APIKeyID" in attributes
    assert attributes <= texts


def test_the_envelope_is_the_one_that_is_sent() -> None:
    shown = json.loads(ERRORS.blocks[0])
    assert shown == json.loads(encode(envelope(ApiKeyNotFound())))


def test_every_verdict_is_told() -> None:
    rows = ERRORS.table("Code", "When", "What to do")
    assert sorted(row[0] for row in rows) == sorted(code.value for code in VerificationErrorCode)
    assert all(all(row) for row in rows)


def test_every_code_of_a_batch_import_is_told() -> None:
    rows = ERRORS.table("Code", "When")
    assert sorted(row[0] for row in rows) == sorted(code.value for code in BatchErrorCode)


def test_errors_that_end_a_start_are_told() -> None:
    rows = ERRORS.table("Error", "When", "What to do")
    told = {name for row in rows for name in row[0].split(", ")}
    ours = [error for error in below(TalosError) if error.__module__.startswith("talos.")]
    assert listeners.ListenError in ours
    never_sent = {error.__name__ for error in ours if error.reason not in STATUSES}
    assert never_sent <= told
    assert all(hasattr(errors, name) or hasattr(listeners, name) for name in told)


def test_low_level_refusals_are_told() -> None:
    used = {
        HTTPStatus[node.attr].value
        for path in (ROOT / "talos" / "serving").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "HTTPStatus"
    }
    assert {int(row[0]) for row in ERRORS.table("Status", "When")} == used


def test_the_documented_layers_are_those_of_the_imports() -> None:
    rows = ARCHITECTURE.table("Package", "Floor", "Knows", "Does not know")
    assert {row[0]: int(row[1]) for row in rows} == FLOORS


def test_the_gates_stand_in_the_order_of_the_code() -> None:
    gates = re.compile(r"\b(possession|check_(?:minting|state|address|audience))\b")
    assert verification_steps.__doc__ is not None
    stated = gates.findall(verification_steps.__doc__)
    told = [row[0] for row in ARCHITECTURE.table("Gate", "Asks", "Refusal")]
    assert gates.findall(" ".join(told)) == stated
    assert len(stated) == 5


def test_the_middleware_stands_in_the_order_of_the_code() -> None:
    tree = ast.parse((ROOT / "talos" / "http" / "application.py").read_text())
    module_of = {
        alias.name: node.module.removeprefix("talos.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }
    [wired] = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "middleware"
    ]
    assert isinstance(wired, ast.List)
    classes = [ast.unparse(call.func) for call in wired.elts if isinstance(call, ast.Call)]
    classes += [part.__name__ for part in application.INNER_MIDDLEWARE]
    told = [span for span in ARCHITECTURE.spans if span.startswith("http.middleware.")]
    assert told == [module_of[name] for name in classes]


def test_differences_are_numbered_and_explained() -> None:
    numbers = [int(row[0]) for row in DIFFERENCES]
    assert numbers == sorted(set(numbers))
    assert set(range(1, 38)) <= set(numbers) <= set(range(1, 49))
    for row in DIFFERENCES:
        assert all(row), f"row {row[0]} has an empty cell"


def test_differences_that_the_code_cites_are_in_the_table() -> None:
    cited = {
        int(number)
        for suffix in ("py", "pyi", "pyx", "pxi")
        for path in (ROOT / "talos").rglob(f"*.{suffix}")
        for line in path.read_text().splitlines()
        if "contract" in line.lower() or "(16" in line
        for number in CITATION.findall(line)
    }
    assert len(cited) > 15
    assert cited <= {int(row[0]) for row in DIFFERENCES}
