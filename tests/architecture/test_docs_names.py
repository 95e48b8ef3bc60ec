"""What the pages name exists: modules, functions, files, settings, variables, commands, targets."""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from talos.cli.app import app
from talos.config import schema
from tests.architecture.pages import PAGES, ROOT, Page

PACKAGES = {
    path.stem if path.suffix else path.name
    for path in (ROOT / "talos").iterdir()
    if path.suffix in ("", ".py", ".pyx") and not path.name.startswith("__")
}
SECTIONS = {path.partition(".")[0] for path in schema.settings()}
FOLDERS = ("talos", "tests", "bench", "docs", ".ci")

DOTTED = re.compile(r"([a-z_]\w*(?:\.\w+)+)(?:\(\)|\.\*|: .*)?")
FILE = re.compile(r"(?:\.?[\w-]+/)+[\w.*-]*")
FILE_IN_BLOCK = re.compile(r"\b(?:talos|tests)/[\w/]+\.(?:py|pyi|pyx|pxi|md|sh)\b")
SUFFIXES = {"db", "json", "md", "pem", "py", "pyx", "service", "socket", "toml", "txt", "yaml"}
MAKE = re.compile(r"^(?:\$ )?make ([a-z-]+)")
VARIABLE = re.compile(r"\bTALOS_[A-Z0-9_]*[A-Z0-9]\b")
VALUED_OPTIONS = {"-e", "--endpoint", "--config"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def lines(page: Page) -> Iterator[str]:
    """Everything of a page that is set as code, a line at a time."""
    yield from page.spans
    for block in page.blocks:
        yield from (line.strip() for line in block.splitlines())


@cache
def is_code(name: str) -> bool:
    """Whether ``name``, with or without ``talos.``, is a module or something in one."""
    parts = name.removeprefix("talos.").split(".")
    for length in range(len(parts), 0, -1):
        module_name = ".".join(("talos", *parts[:length]))
        try:
            if find_spec(module_name) is None:
                continue
        except ModuleNotFoundError:
            continue
        found: object = importlib.import_module(module_name)
        for attribute in parts[length:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


def is_setting(name: str) -> bool:
    """Whether ``name`` is a setting or a section of settings."""
    return name in schema.settings() or name in schema.sections()


@each_page
def test_modules_functions_and_settings(page: Page) -> None:
    missing = []
    for span in page.spans:
        match = DOTTED.fullmatch(span)
        if match is None or match[1].rpartition(".")[2] in SUFFIXES:
            continue
        ours = match[1].partition(".")[0] in {"talos", *PACKAGES, *SECTIONS}
        if ours and not (is_code(match[1]) or is_setting(match[1])):
            missing.append(span)
    assert not missing


@each_page
def test_files(page: Page) -> None:
    named = [span for span in page.spans if FILE.fullmatch(span) and span.startswith(FOLDERS)]
    named += [path for block in page.blocks for path in FILE_IN_BLOCK.findall(block)]
    assert not [path for path in named if not any(ROOT.glob(path.rstrip("/")))]


@each_page
def test_make_targets(page: Page) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {match[1] for line in lines(page) if (match := MAKE.match(line))}
    assert named <= targets


@each_page
def test_environment_variables(page: Page) -> None:
    settings = {setting.variable for setting in schema.settings().values()}
    settings |= {f"{each.variable}_FILE" for each in schema.settings().values() if each.secret}
    named = set(VARIABLE.findall(page.text)) - settings
    # A list's element, such as ..._URLS_0, or a whole section.
    named = {name for name in named if not _is_part_of_a_setting(name, settings)}
    assert {name for name in named if name not in read_somewhere()} == set()


def _is_part_of_a_setting(name: str, settings: set[str]) -> bool:
    return re.sub(r"_\d+(_[A-Z_]+)?$", "", name) in settings or any(
        variable.startswith(f"{name}_") for variable in settings
    )


@cache
def read_somewhere() -> frozenset[str]:
    """Every such name in what is no page: code, tests, the Makefile, the container files."""
    files = [ROOT / "Makefile", ROOT / "Dockerfile", ROOT / "docker-compose.yml", ROOT / ".ci/run"]
    files += [path for folder in ("talos", "tests", "bench") for path in _sources(ROOT / folder)]
    return frozenset(
        name for path in files if path.is_file() for name in VARIABLE.findall(path.read_text())
    )


def _sources(folder: Path) -> Iterator[Path]:
    yield from folder.rglob("*.py")
    yield from folder.rglob("*.sh")


@each_page
def test_commands(page: Page) -> None:
    unknown = []
    for line in lines(page):
        words = line.removeprefix("$ ").split()
        if words[:1] == ["talos"] and not _is_known(app, words[1:]):
            unknown.append(line)
    assert not unknown


def _is_known(command: click.Command, words: list[str]) -> bool:
    """Walk down the groups that ``words`` lead through; what follows a command is its own."""
    context = click.Context(command)
    while isinstance(command, click.Group) and words:
        word, *words = words
        if word in VALUED_OPTIONS:
            words = words[1:]
        elif not re.fullmatch(r"[a-z]+(-[a-z]+)*", word):
            # An option, a placeholder, a comment.
            return True
        else:
            below = command.get_command(context, word)
            if below is None:
                return False
            command = below
    return True


def test_the_checks_find_something() -> None:
    spans = [span for page in PAGES for span in page.spans]
    assert sum(is_code(span) for span in spans if DOTTED.fullmatch(span)) > 50
    assert sum(is_setting(span) for span in spans) > 30
    assert not is_code("services.verify.no_such_gate")
    assert not is_code("services.no_such_module")
    assert not _is_known(app, ["keys", "no-such-command"])
