"""The module, its stub, and what happens where it is not built."""

import ast
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import talos
from talos import _core

CHECKOUT = Path(__file__).parents[2]
STUB = ast.parse((CHECKOUT / "talos" / "_core.pyi").read_text())
FUNCTIONS = {node.name: node for node in STUB.body if isinstance(node, ast.FunctionDef)}
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
CONSTANTS = {
    node.target.id
    for node in STUB.body
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
}


def test_the_stub_names_everything_and_nothing_else() -> None:
    own = {
        name
        for name, value in vars(_core).items()
        if not name.startswith("__")
        and getattr(value, "__module__", "talos._core") == "talos._core"
    }
    assert own == {*FUNCTIONS, *CLASSES, *CONSTANTS}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_are_those_of_the_stub(name: str) -> None:
    stub = FUNCTIONS[name].args
    parameters = inspect.signature(getattr(_core, name)).parameters
    assert list(parameters) == [argument.arg for argument in (*stub.args, *stub.kwonlyargs)]


def members(name: str) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in CLASSES[name].body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", CLASSES)
def test_classes_have_the_members_of_the_stub(name: str) -> None:
    found = {member for member in vars(getattr(_core, name)) if not member.startswith("__")}
    assert set(members(name)) - {"__init__"} == found


@pytest.mark.parametrize("name", CLASSES)
def test_methods_have_the_signatures_of_the_stub(name: str) -> None:
    for member, node in members(name).items():
        if member != "__init__" and not node.decorator_list:
            parameters = inspect.signature(getattr(getattr(_core, name), member)).parameters
            keywords = [p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY]
            assert list(parameters) == [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
            assert keywords == [a.arg for a in node.args.kwonlyargs]


def test_without_the_core_the_package_says_how_to_build_it(tmp_path: Path) -> None:
    package = tmp_path / "talos"
    package.mkdir()
    shutil.copy(talos.__file__, package)
    result = subprocess.run(
        # -S: the finder of an editable install would supply the core that is missing here.
        [sys.executable, "-S", "-c", "import talos"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "ImportError: the compiled core of Talos" in result.stderr
    assert "make install" in result.stderr


def test_a_failed_compile_fails_the_build(tmp_path: Path) -> None:
    shutil.copy(CHECKOUT / "setup.py", tmp_path)
    (tmp_path / "talos").mkdir()
    shutil.copy(CHECKOUT / "talos" / "_core.pyx", tmp_path / "talos")
    shutil.copytree(CHECKOUT / "talos" / "native", tmp_path / "talos" / "native")
    result = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=tmp_path,
        env={**os.environ, "CC": "compiler-that-fails"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert "compiler-that-fails" in result.stderr
    assert not list(tmp_path.glob("talos/*.so"))
