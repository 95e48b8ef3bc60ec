"""Usage: help, mistakes, exit codes, and what is imported for what."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from talos.bootstrap import build_info
from talos.cli.app import app
from talos.cli.command import Group
from tests.support.cli import Run
from tests.support.commands import COMMANDS
from tests.unit.cli.fake_server import FakeServer

GROUPS = [path for path, command in COMMANDS.items() if isinstance(command, Group)]


@pytest.mark.parametrize("path", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help_with_examples(talos: Run, path: str, flag: str) -> None:
    result = talos(*path.split()[1:], flag)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: {path}")
    assert "\nExamples:\n  " in result.stdout
    assert "\nGlobal options:\n" in result.stdout


@pytest.mark.parametrize("path", COMMANDS)
def test_every_flag_and_argument_is_explained(path: str) -> None:
    context = click.Context(COMMANDS[path])
    for parameter in COMMANDS[path].get_params(context):
        assert getattr(parameter, "help", None), f"{path}: {parameter.name}"


@pytest.mark.parametrize("path", COMMANDS)
def test_examples_name_real_commands_and_flags(path: str) -> None:
    command = COMMANDS[path]
    for example in command.examples:  # type: ignore[attr-defined]
        words = example.split("talos ", 1)[1].split()
        while words and words[0].startswith("-"):
            del words[:2]
        named: click.Command = app
        while isinstance(named, Group) and words and not words[0].startswith("-"):
            inner = named.get_command(click.Context(named), words[0].rstrip(')"'))
            if inner is None:
                break
            named = inner
            del words[0]
        assert named is not app, example
        known = {
            spelling
            for parameter in named.get_params(click.Context(named))
            for spelling in (*parameter.opts, *parameter.secondary_opts)
        } | {"-"}
        for word in words:
            if word in ("|", "||", ">", "<", "--"):
                break
            if word.startswith("-"):
                assert word in known, f"{example}: {word}"


@pytest.mark.parametrize("path", [path for path in GROUPS if path not in ("talos", "talos serve")])
def test_a_group_alone_is_a_usage_error_that_shows_its_help(talos: Run, path: str) -> None:
    result = talos(*path.split()[1:])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Usage: {path}")


def test_the_program_alone_shows_its_help(talos: Run) -> None:
    result = talos()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: talos")


@pytest.mark.parametrize("path", GROUPS)
def test_an_unknown_subcommand_is_an_error(talos: Run, path: str) -> None:
    result = talos(*path.split()[1:], "zzz", "--flag")
    assert (result.exit_code, result.stdout) == (1, "")
    said, blank, usage, hint = result.stderr.splitlines()
    assert said == f'unknown command "zzz" for "{path}"'
    assert blank == ""
    assert usage.startswith(f"Usage: {path} ")
    assert hint == f'See "{path} --help".'


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("kyes", "did you mean keys?"),
        ("keys revok", "did you mean revoke"),
        ("keys issued rotat k1", "did you mean rotate?"),
        ("keys imported batchimport", "did you mean batch-import"),
        ("jwk generate rsaa", "did you mean rsa?"),
        ("migrate stauts", "did you mean status?"),
        ("serve pubic", "did you mean public?"),
        ("config validat", "did you mean validate?"),
    ],
)
def test_a_mistyped_subcommand_comes_with_a_suggestion(talos: Run, line: str, hint: str) -> None:
    result = talos(*line.split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert hint in result.stderr


def test_a_misplaced_credential_is_not_repeated(server: FakeServer, ask: Run) -> None:
    for line in (
        "keys ory_ak_testsecret",
        "keys verify one ory_ak_testsecret",
        "keys issued get k1 ory_ak_testsecret",
        "jwk get ory_ak_testsecret",
        "ory_ak_testsecret",
    ):
        result = ask(*line.split())
        assert result.exit_code == 1
        assert "testsecret" not in result.output
    assert server.requests == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("keys verify a b", '"talos keys verify" takes 1 argument, 2 were given'),
        ("keys issued list a", '"talos keys issued list" takes no arguments, 1 were given'),
        ("jwk generate eddsa x", '"talos jwk generate eddsa" takes no arguments, 1 were given'),
        ("migrate status x y", '"talos migrate status" takes no arguments, 2 were given'),
        ("completion bash zsh", '"talos completion" takes 1 argument, 2 were given'),
    ],
)
def test_an_argument_too_many_is_an_error(talos: Run, line: str, said: str) -> None:
    result = talos(*line.split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[0] == said


@pytest.mark.parametrize(
    "line",
    ["keys verify", "keys verify c --no-cahce", "--endpont x", "keys issue n --actor", "keys -e"],
)
def test_usage_errors_are_a_bare_line_with_the_usage_below_and_exit_code_1(
    talos: Run, line: str
) -> None:
    result = talos(*line.split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert not result.stderr.startswith(("Error", "Usage"))
    first, blank, *usage = result.stderr.splitlines()
    assert (bool(first), blank) == (True, "")
    assert usage[0].startswith("Usage: talos")
    assert usage[-1].endswith('--help".')


def test_a_mistyped_flag_comes_with_a_suggestion(talos: Run) -> None:
    assert "--no-cache" in talos("keys", "verify", "c", "--no-cahce").stderr


def test_the_version_is_one_line(talos: Run) -> None:
    for flag in ("-v", "--version"):
        result = talos(flag)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.startswith("talos version ")
        assert "(commit: " in result.stdout
        assert ", built: " in result.stdout
        assert result.stdout.count("\n") == 1


def test_the_version_is_that_of_the_server(talos: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALOS_BUILD_COMMIT", "abc")
    monkeypatch.setenv("TALOS_BUILD_TIME", "2026-01-02T03:04:05Z")
    build = build_info()
    assert talos("-v").stdout == (
        f"talos version {build.version} (commit: abc, built: 2026-01-02T03:04:05Z)\n"
    )
    assert (build.commit, build.build_time) == ("abc", "2026-01-02T03:04:05Z")


def test_an_interrupt_is_exit_code_1(talos: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("talos.cli.client.Client.send", interrupt)
    result = talos("keys", "self-revoke", "c1")
    assert result.exit_code == 1
    assert result.stderr.endswith("interrupted\n")


def in_a_process(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", *args], capture_output=True, text=True, check=False
    )


def test_the_module_runs_as_a_program() -> None:
    result = in_a_process("-m", "talos", "keys", "verfy")
    assert (result.returncode, result.stdout) == (1, "")
    said = 'unknown command "verfy" for "talos keys"; did you mean verify?'
    assert result.stderr.splitlines()[0] == said


def test_a_command_of_subgroups_is_suggested_with_them() -> None:
    result = in_a_process("-m", "talos", "keys", "list")
    said = 'unknown command "list" for "talos keys"; did you mean "issued list" or "imported list"?'
    assert result.stderr.splitlines()[0] == said


HEAVY = {"sqlalchemy", "alembic", "falcon", "gunicorn", "jsonschema", "rich", "yaml", "joserfc",
         "cryptography", "structlog", "msgspec"}  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["serve", "--help"], {}),
        (["serve", "public", "--help"], {}),
        ([], {"_TALOS_COMPLETE": "bash_complete", "COMP_WORDS": "talos serve ", "COMP_CWORD": "2"}),
    ],
)
def test_help_and_completion_of_serve_import_no_server(
    arguments: list[str], environment: dict[str, str]
) -> None:
    program = (
        "import json, os, sys\n"
        "arguments, environment = json.loads(sys.argv[1])\n"
        "os.environ.update(environment)\n"
        "from talos.cli.app import app\n"
        "try:\n"
        "    app.main(arguments, prog_name='talos')\n"
        "finally:\n"
        "    print(json.dumps(sorted(sys.modules)))\n"
    )
    result = in_a_process("-c", program, json.dumps([arguments, environment]))
    assert "public" in result.stdout
    loaded = {name.split(".")[0] for name in json.loads(result.stdout.splitlines()[-1])}
    assert loaded.isdisjoint(HEAVY)


def test_verifying_a_key_imports_no_server() -> None:
    """What makes starting slow stays out of a client command."""
    program = (
        "import json, sys\n"
        "from talos.cli.app import app\n"
        "try:\n"
        "    app.main(['-e', 'http://127.0.0.1:1', 'keys', 'verify', 'c1'], prog_name='talos')\n"
        "finally:\n"
        "    print(json.dumps(sorted(sys.modules)))\n"
    )
    result = in_a_process("-c", program)
    assert "Connection refused" in result.stderr
    loaded = {name.split(".")[0] for name in json.loads(result.stdout)}
    assert "urllib3" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_a_closed_pipe_is_no_traceback() -> None:
    """As in ``talos --help | head -1``: nobody reads any more, which nobody is told about."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "talos", "--help"],
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(write_end)
    assert (result.returncode, result.stderr) == (1, "")


def test_a_full_disk_is_said() -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "talos", "jwk", "generate", "eddsa"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 1
    assert result.stderr == "cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("path", COMMANDS)
def test_help_is_a_command_too(talos: Run, path: str) -> None:
    words = path.split()[1:]
    result = talos("help", *words)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == talos(*words, "--help").stdout


def test_help_of_what_is_not_there(talos: Run) -> None:
    assert "did you mean issue" in talos("help", "keys", "isue").stderr
    assert talos("help", "keys", "isue").exit_code == 1
    assert "has no subcommands" in talos("help", "keys", "issue", "x").stderr
    assert talos("help", "keys", "create").stdout == talos("keys", "issue", "--help").stdout
