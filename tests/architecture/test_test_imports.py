"""The tests use a library, ``tests/support``, and not one another."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARIES = ("tests.support", "tests.reference")


def imports(source: str) -> Iterator[str]:
    """The modules, and the names in them, that ``source`` imports, as dotted names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offences(name: str, source: str) -> list[str]:
    """What the module ``name`` imports of the tests, and may not."""
    found = []
    for imported in imports(source):
        package, *path = imported.split(".")
        if package != "tests":
            continue
        is_test = any(part == "conftest" or part.startswith("test_") for part in path)
        is_library = imported.startswith(tuple(f"{library}." for library in LIBRARIES))
        if is_test or name.startswith("talos.") or (name.startswith("bench.") and not is_library):
            found.append(imported)
    return found


def modules() -> Iterator[tuple[str, Path]]:
    for folder in ("talos", "tests", "bench"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


def test_no_module_imports_a_test_or_a_conftest() -> None:
    found = {name: offences(name, path.read_text()) for name, path in modules()}
    assert {name: names for name, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("tests.unit.test_a", "from tests.unit.test_b import helper"),
        ("tests.unit.test_a", "from tests.unit import test_b"),
        ("tests.unit.test_a", "def f():\n    import tests.unit.test_b"),
        ("tests.unit.test_a", "from tests.unit.conftest import Records"),
        ("tests.support.a", "from tests.core.test_b import Host"),
        ("bench.servers.a", "from tests.unit.material import KEY"),
        ("talos.domain.keys", "from tests.support.fakes import keys"),
    ],
)
def test_an_import_of_another_kind_is_found(name: str, source: str) -> None:
    assert len(offences(name, source)) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("tests.unit.test_a", "from tests.support.fakes.keys import make_key"),
        ("tests.unit.test_a", "from tests.unit.credentials import material"),
        ("bench.servers.a", "from tests.support.servers import open_postgres"),
        ("bench.core.a", "from tests.reference import issued_key"),
        ("talos.domain.keys", "from talos.domain import units"),
    ],
)
def test_what_may_be_imported_is_not(name: str, source: str) -> None:
    assert offences(name, source) == []
