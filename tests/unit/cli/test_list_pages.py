"""``list --all``: every page, once."""

import json

import pytest

from tests.support.cli import Run
from tests.unit.cli.answers import key
from tests.unit.cli.fake_server import FakeServer


def page(token: str, *ids: str) -> dict[str, object]:
    return {"issued_api_keys": [key(key_id=name) for name in ids], "next_page_token": token}


def test_all_pages_are_one_answer(server: FakeServer, ask: Run) -> None:
    pages = [page("t-1", "a", "b"), page("t-2"), page("", "c")]
    for answer in pages * 2:
        server.answer(answer)
    quiet = ask("keys", "issued", "list", "--all", "--actor", "a", "-q")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "a\nb\nc\n", "")
    shown = json.loads(ask("keys", "issued", "list", "--all", "--format", "json").stdout)
    assert [entry["key_id"] for entry in shown["issued_api_keys"]] == ["a", "b", "c"]
    assert shown["next_page_token"] == ""
    filtered = "&filter=actor_id%3D%22a%22"
    path = "/v2alpha1/admin/issuedApiKeys"
    assert sorted(server.requests[1].target.partition("?")[2].split("&")) == [
        "filter=actor_id%3D%22a%22",
        "page_size=250",
        "page_token=t-1",
    ]
    assert server.requests[0].target == f"{path}?page_size=250{filtered}"


def test_all_goes_on_from_a_token(server: FakeServer, ask: Run) -> None:
    server.answer(page("", "c"))
    assert ask("keys", "issued", "list", "--all", "--page-token", "t-2", "--page-size", "2", "-q")
    assert sorted(server.only.target.partition("?")[2].split("&")) == [
        "page_size=2",
        "page_token=t-2",
    ]


@pytest.mark.parametrize("tokens", [["t", "t"], ["t", "u", "t"]])
def test_a_server_that_goes_round_in_circles(
    server: FakeServer, ask: Run, tokens: list[str]
) -> None:
    for token in tokens:
        server.answer(page(token, "a"))
    result = ask("keys", "issued", "list", "--all")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: list issued API keys: the server repeats a page token\n"


def test_a_page_that_fails_fails_the_list(server: FakeServer, ask: Run) -> None:
    server.answer(page("t", "a"))
    server.refuse(503, "down")
    result = ask("keys", "issued", "list", "--all", "-q")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: list issued API keys: down\n"
