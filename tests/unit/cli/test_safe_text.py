"""What names and servers say is shown so that neither a terminal nor an eye is misled."""

import json
import sys
import unicodedata
from collections.abc import Callable

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from talos.cli.output import OutputFormat, render
from talos.cli.text import is_safe, many_lines, one_line
from tests.support.cli import Run
from tests.unit.cli.answers import key
from tests.unit.cli.fake_server import FakeServer

UNSAFE_CATEGORIES = {"Cc", "Cf", "Zl", "Zp", "Cs"}
UNSAFE = [
    chr(number)
    for number in range(sys.maxunicode + 1)
    if unicodedata.category(chr(number)) in UNSAFE_CATEGORIES and chr(number) not in "\n\t"
]
HOSTILE = "a\x1b[2Jb\u202ec\u200dd\x85e\u2028f\U000e0041g\ud800h\u061ci\ufeffj\x7fk"
FORMATS = ["json", "json-pretty", "yaml", "jsonpath=name", "jsonpointer=/name"]
TEXTS = st.text(
    st.sampled_from(UNSAFE) | st.sampled_from("é\"\\'\n\t: -#&*!|>%@`[]{},?") | st.characters()
)


def holds_unsafe(text: str) -> bool:
    return any(unicodedata.category(c) in UNSAFE_CATEGORIES for c in text if c not in "\n\t")


def test_every_character_of_the_categories_is_escaped() -> None:
    shown = many_lines("".join(UNSAFE))
    assert shown.isascii()
    assert shown.isprintable()
    assert [character for character in UNSAFE if is_safe(character)] == []
    assert one_line("\n\t\u202e\U000e0001é") == "\\u000a\\u0009\\u202e\\U000e0001é"


@pytest.mark.parametrize("form", FORMATS)
def test_no_format_shows_them_and_all_read_back(server: FakeServer, ask: Run, form: str) -> None:
    server.answer(key(name=HOSTILE, metadata={HOSTILE: HOSTILE}))
    result = ask("keys", "issued", "get", "k1", "--format", form)
    assert not holds_unsafe(result.stdout)
    read: Callable[[str], object] = yaml.safe_load if form == "yaml" else json.loads
    shown = read(result.stdout)
    assert (shown["name"] if isinstance(shown, dict) else shown) == HOSTILE
    if isinstance(shown, dict):
        assert shown["metadata"] == {HOSTILE: HOSTILE}


@given(name=TEXTS, value=TEXTS)
def test_text_of_any_kind_reads_back(name: str, value: str) -> None:
    data = {"metadata": {name: [value, {value: name}]}}
    for form, read in (("yaml", yaml.safe_load), ("json", json.loads)):
        shown = render(data, OutputFormat.parse(form))
        assert not holds_unsafe(shown)
        assert read(shown) == data


def test_tables_and_messages(server: FakeServer, ask: Run) -> None:
    server.answer({"issued_api_keys": [key(name=HOSTILE)], "next_page_token": HOSTILE})
    listed = ask("keys", "issued", "list")
    assert not holds_unsafe(listed.output)
    assert listed.stdout.count("\n") == 2
    server.refuse(400, HOSTILE)
    assert not holds_unsafe(ask("keys", "issued", "get", "k1").stderr)
    server.answer(status=302, headers={"Location": "/\xad\x85\x9b"})
    assert not holds_unsafe(ask("keys", "issued", "get", "k1").stderr)
    assert not holds_unsafe(ask("keys", "issued", "get", "k1", HOSTILE).stderr)
    assert not holds_unsafe(ask("keys", "imported", "batch-import", "--file", "\u202e").stderr)


@pytest.mark.parametrize("form", ["json", "json-pretty", "yaml"])
def test_the_deepest_metadata_of_a_server_is_shown(server: FakeServer, ask: Run, form: str) -> None:
    """A secret that came with it must not be lost to an error of the output."""
    metadata: object = 1
    for _ in range(250):
        metadata = {"a": [metadata]} if isinstance(metadata, int) else {"a": metadata}
    answer = {"issued_api_key": key(metadata=metadata), "secret": "test-secret"}
    server.answer(answer, 201)
    result = ask("keys", "issue", "n", "--actor", "a", "--format", form)
    assert result.exit_code == 0
    assert "test-secret" in result.stdout


@pytest.mark.parametrize("form", ["table", "json", "yaml", "jsonpath=name"])
def test_an_answer_that_nests_without_end_is_an_error(
    server: FakeServer, ask: Run, form: str
) -> None:
    for depth in (600, 900, 5_000, 100_000):
        for left, right in ((b'{"a":', b"}"), (b"[", b"]")):
            nested = left * depth + b"1" + right * depth
            server.answer(b'{"key_id":"k","metadata":{"x":' + nested + b'},"b":' + nested + b"}")
            result = ask("keys", "issued", "get", "k1", "--format", form)
            assert result.exit_code in (0, 1)
            assert result.stdout or result.stderr
