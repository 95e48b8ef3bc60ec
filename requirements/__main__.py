"""Write the lock files: every version that an install may use, with its hashes.

``build.txt`` holds what compiles the core, ``runtime.txt`` what the server needs, and one file for
each dependency group of pyproject.toml holds the group beside ``runtime.txt``. A package has one
version in all of them. No file names an index: a mirror serves the same hashes.
"""

import argparse
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
_PROJECT: Final = _HERE.parent / "pyproject.toml"
_HEADER: Final = "# Written by `make lock`. Do not edit: pyproject.toml says what is wanted.\n"


def main() -> int:
    """Write every file, keeping the versions that are locked unless told to upgrade."""
    parser = argparse.ArgumentParser(prog="python -m requirements", description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = parser.parse_args().upgrade
    project = tomllib.loads(_PROJECT.read_text())
    # Each file constrains the next ones, so that versions agree.
    written: list[str] = []
    for name in ("build", "runtime", *project["dependency-groups"]):
        if name == "build":
            sources, wanted = ["-"], "\n".join(project["build-system"]["requires"])
        else:
            group = [] if name == "runtime" else ["--group", name]
            sources, wanted = [str(_PROJECT), *group], ""
        _compile(name, sources, wanted, written, upgrade=upgrade)
        written.append(name)
    return 0


def _compile(
    name: str, sources: list[str], wanted: str, constraints: list[str], *, upgrade: bool
) -> None:
    path = _HERE / f"{name}.txt"
    command = [sys.executable, "-m", "uv", "pip", "compile", *sources]
    command += ["--universal", "--generate-hashes", "--no-header", "--no-annotate"]
    command += ["--no-emit-index-url", "--quiet", "--output-file", str(path)]
    for constraint in constraints:
        command += ["--constraint", str(_HERE / f"{constraint}.txt")]
    if upgrade:
        command.append("--upgrade")
    requires = tomllib.loads(_PROJECT.read_text())["project"]["requires-python"]
    command += ["--python-version", requires.removeprefix(">=")]
    subprocess.run(command, input=wanted, text=True, check=True, cwd=_HERE.parent)  # noqa: S603  (our own arguments)
    path.write_text(_HEADER + path.read_text())


if __name__ == "__main__":
    sys.exit(main())
