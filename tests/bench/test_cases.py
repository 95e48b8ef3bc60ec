"""Every case has a twin, and the cases of the core give right results."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from bench.core import run as core
from bench.growth.axes import AXES
from bench.servers.contenders import CONTENDERS

ROOT = Path(__file__).parents[2]


def constants(path: Path) -> dict[str, object]:
    return {
        target.id: node.value.value
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


@pytest.mark.parametrize("path", core.cases(), ids=lambda path: path.stem)
def test_a_core_case_names_itself_its_twin_and_what_is_ours(path: Path) -> None:
    named = constants(path)
    assert named["CASE"]
    assert (ROOT / str(named["TWIN"])).is_file()
    tests = [
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert [test.name for test in tests].count("test_ours") == 1
    assert all(ast.get_docstring(test) for test in tests)


def test_core_cases_have_names_of_their_own() -> None:
    names = [constants(path)["CASE"] for path in core.cases()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("twin", sorted({each.twin for each in (*CONTENDERS, *AXES)}))
def test_servers_and_curves_have_twins(twin: str) -> None:
    assert (ROOT / twin).is_file()


def test_core_cases_give_right_results() -> None:
    """Each is run once, and asserts what it computes."""
    command = [sys.executable, "-m", "pytest", "-q", "-c", core.FOLDER / "pytest.ini"]
    done = subprocess.run(
        [*command, f"--rootdir={ROOT}", "--benchmark-disable", core.FOLDER],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
