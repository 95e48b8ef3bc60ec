import json

import pytest

from talos.cli.output import OutputFormat, render
from talos.cli.table import align
from talos.cli.text import many_lines, one_line
from tests.support.cli import Run
from tests.unit.cli.answers import KEY_ID, key
from tests.unit.cli.fake_server import FakeServer

ROW = (
    f"KEY ID\t\t{KEY_ID}\t\n"
    "NAME\t\tbilling\t\t\t\t\t\n"
    "ACTOR ID\tuser:1\t\t\t\t\t\n"
    "STATUS\t\tKEY_STATUS_ACTIVE\t\t\t\n"
    "SCOPES\t\tread, write\t\t\t\t\n"
)
COMPACT = (
    '{"actor_id":"user:1","create_time":"2026-01-01T00:00:00Z",'
    '"expire_time":"2026-01-02T00:00:00Z","key_id":"' + KEY_ID + '","name":"billing",'
    '"scopes":["read","write"],"status":"KEY_STATUS_ACTIVE",'
    '"visibility":"KEY_VISIBILITY_SECRET"}\n'
)
YAML = f"""actor_id: user:1
create_time: '2026-01-01T00:00:00Z'
expire_time: '2026-01-02T00:00:00Z'
key_id: {KEY_ID}
name: billing
scopes:
- read
- write
status: KEY_STATUS_ACTIVE
visibility: KEY_VISIBILITY_SECRET
"""
PRETTY = json.dumps(json.loads(COMPACT), indent=2) + "\n"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], ROW),
        (["--format", "table"], ROW),
        (["--format", "default"], ROW),
        (["--format", "json"], COMPACT),
        (["--format", "json-pretty"], PRETTY),
        (["--format", "yaml"], YAML),
        (["--format", "jsonpath=name"], '"billing"\n'),
        (["--format", "jsonpath=scopes.1"], '"write"\n'),
        (["--format", "jsonpath=scopes"], '[\n  "read",\n  "write"\n]\n'),
        (["--format", "jsonpath=nothing.here"], "null\n"),
        (["--format", "jsonpath=scopes.7"], "null\n"),
        (["--format", "jsonpath="], PRETTY),
        (["--format", "jsonpointer=/scopes/0"], '"read"\n'),
        (["--format", "jsonpointer="], PRETTY),
        (["--format", "quiet"], KEY_ID + "\n"),
        (["-q"], KEY_ID + "\n"),
        (["--quiet", "--format", "json"], KEY_ID + "\n"),
    ],
)
def test_one_record_in_every_format(
    server: FakeServer, ask: Run, flags: list[str], expected: str
) -> None:
    server.answer(key())
    result = ask("keys", "issued", "get", KEY_ID, *flags)
    assert (result.stdout, result.stderr, result.exit_code) == (expected, "", 0)


def test_a_pointer_that_finds_nothing_says_so_and_fails(server: FakeServer, ask: Run) -> None:
    server.answer(key())
    result = ask("keys", "issued", "get", KEY_ID, "--format", "jsonpointer=/metadata")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "--format jsonpointer=/metadata: nothing is there\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "JSON",
        "xml",
        "Table",
        "jsonpath",
        "jsonpointer",
        "jsonpointer=name",
        "json=",
        "jsonpointer=/~2",
    ],
)
def test_an_unknown_format_is_refused_before_any_call(
    server: FakeServer, ask: Run, text: str
) -> None:
    result = ask("keys", "issued", "get", KEY_ID, "--format", text)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Invalid value for '--format'")
    assert server.requests == []


def test_the_last_of_several_global_flags_counts(server: FakeServer, talos: Run) -> None:
    server.answer(key())
    nowhere = "http://127.0.0.1:1"
    result = talos(
        *("-e", nowhere, "keys", "--format", "yaml", "-e", nowhere, "issued"),
        *("--format", "table", "get", KEY_ID, "-e", server.url, "--format", "jsonpath=name"),
    )
    assert result.stdout == '"billing"\n'


def test_names_cannot_break_a_table_or_command_the_terminal(server: FakeServer, ask: Run) -> None:
    server.answer(key(name="a\x1b[2Jb\nc\td\u202e\ud800é", scopes=[]))
    result = ask("keys", "issued", "get", KEY_ID)
    assert "\x1b" not in result.stdout
    assert "NAME\t\ta\\u001b[2Jb\\u000ac\\u0009d\\u202e\\ud800é\t" in result.stdout
    server.answer(key(name="a\x9bb\ud800é\u2028"))
    result = ask("keys", "issued", "get", KEY_ID, "--format", "json")
    assert '"name":"a\\u009bb\\ud800é\\u2028"' in result.stdout
    assert json.loads(result.stdout)["name"] == "a\x9bb\ud800é\u2028"


def test_metadata_keeps_its_nulls_and_its_digits() -> None:
    answer = {"metadata": {"a": None, "n": 9007199254740993}, "b": None, "l": [{"c": None}]}
    shown = render(answer, OutputFormat.parse("json"))
    assert shown == '{"l":[{}],"metadata":{"a":null,"n":9007199254740993}}\n'


def test_a_dot_in_a_member_name_is_escaped() -> None:
    answer = {"metadata": {"a.b": {"c": 1}}}
    assert render(answer, OutputFormat.parse(r"jsonpath=metadata.a\.b.c")) == "1\n"
    assert render(answer, OutputFormat.parse("jsonpointer=/metadata/a.b/c")) == "1\n"


def test_a_pointer_escapes_slashes_and_tildes() -> None:
    assert render({"a/b~": 1}, OutputFormat.parse("jsonpointer=/a~1b~0")) == "1\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # As printed by Go's text/tabwriter with (minwidth 0, tabwidth 8, padding 1, '\t').
        (
            [["KEY ID", "NAME", "A"], ["1234567", "äöü", ""], ["12345678", "", "z" * 18]],
            "KEY ID\t\tNAME\tA\t\t\t\n1234567\t\täöü\t\t\t\t\n12345678\t\t" + "z" * 18 + "\t\n",
        ),
        ([["A", "B"]], "A\tB\t\n"),
        ([["ID", "1234567"], ["Deleted", "true"]], "ID\t1234567\t\nDeleted\ttrue\t\n"),
    ],
)
def test_tables_are_laid_out_as_gos_tabwriter_does(lines: list[list[str]], expected: str) -> None:
    assert align(lines) == expected


def test_lines_for_people_keep_their_ends() -> None:
    assert many_lines("a\n\tb\r\x07") == "a\n\tb\\u000d\\u0007"
    assert one_line("a\n\tb") == "a\\u000a\\u0009b"
