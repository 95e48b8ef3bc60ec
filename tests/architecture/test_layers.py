"""The layers hold: imports run one way, and what belongs below stays below.

The rules are those of docs/architecture.md, read from the import statements of every module.
"""

import ast
from pathlib import Path

import pytest

from tests.support.layers import FLOORS

PACKAGE = Path(__file__).parents[2] / "talos"

ROOMS_OF_FLOOR_4 = ("talos.adapters", "talos.config", "talos.http")
PORTS = ("talos.services.ports", "talos.services.tenant")
FRAMEWORKS = ("falcon", "sqlalchemy", "gunicorn", "alembic", "click")


def module_name(path: Path) -> str:
    parts = ("talos", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever in the file it stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            found.update(
                f"{node.module}.{alias.name}"
                if (PACKAGE.parent / node.module.replace(".", "/") / alias.name).exists()
                or (PACKAGE.parent / node.module.replace(".", "/") / f"{alias.name}.py").exists()
                else node.module
                for alias in node.names
            )
    return found


def room(module: str) -> str | None:
    """The entry of FLOORS that a module belongs to."""
    matches = [name for name in FLOORS if module == name or module.startswith(name + ".")]
    return max(matches, key=len, default=None)


MODULES = {module_name(path): imports(path) for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("module", [name for name in MODULES if name != "talos"])
def test_every_module_has_a_floor(module: str) -> None:
    assert room(module) is not None


@pytest.mark.parametrize("module", MODULES)
def test_dependencies_run_one_way(module: str) -> None:
    here = room(module)
    for imported in MODULES[module]:
        there = room(imported)
        if here is None or there is None or here == there:
            continue
        assert FLOORS[there] <= FLOORS[here], f"{module} imports {imported}, a floor above"
        if FLOORS[here] == FLOORS[there] == 4:
            raise AssertionError(f"{module} imports {imported}: rooms of one floor do not meet")


@pytest.mark.parametrize(
    "module", [name for name in MODULES if room(name) in ("talos.adapters", "talos.config")]
)
def test_adapters_see_only_the_ports_of_the_services(module: str) -> None:
    seen = {name for name in MODULES[module] if name.startswith("talos.services")}
    assert not {name for name in seen if not name.startswith(PORTS)}


@pytest.mark.parametrize(
    "module",
    [
        name
        for name in MODULES
        if room(name) in ("talos.domain", "talos.credentials", "talos.services", "talos.errors")
    ],
)
def test_the_lower_layers_know_no_framework(module: str) -> None:
    assert not {name for name in MODULES[module] if name.split(".")[0] in FRAMEWORKS}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: module_name(path))
def test_nothing_below_bootstrap_reads_the_environment(path: Path) -> None:
    here = room(module_name(path))
    if here is None or FLOORS[here] >= FLOORS["talos.bootstrap"]:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {("os", "environ"), ("os", "getenv")}
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            assert not {"environ", "getenv"} & {alias.name for alias in node.names}


@pytest.mark.parametrize("module", MODULES)
def test_names_say_what_a_module_knows(module: str) -> None:
    assert not {"utils", "util", "helpers", "helper", "manager", "common", "misc"} & set(
        module.split(".")
    )


SOURCES = [path for ending in ("py", "pyx", "pxi", "h") for path in PACKAGE.rglob(f"*.{ending}")]


@pytest.mark.parametrize("path", sorted(SOURCES), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_one_thing(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def loaded_by(module: str) -> set[str]:
    """The modules of ours that an import of ``module`` names; a name of a package is its module."""
    return {name for name in MODULES[module] if name in MODULES and name != module}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The circles of a graph: groups of nodes of which each reaches all others."""
    reached = {node: set(targets) for node, targets in graph.items()}
    for through in graph:
        for node in graph:
            if through in reached[node]:
                reached[node] |= reached[through]
    found = {
        tuple(sorted(other for other in graph if other in reached[node] and node in reached[other]))
        for node in graph
        if node in reached[node]
    }
    return sorted(map(list, found))


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"e"}}
    assert circles(graph) == [["b", "c"], ["e"]]


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Nor do their types: imports under TYPE_CHECKING count, and those within functions."""
    assert not circles({module: loaded_by(module) for module in MODULES})
