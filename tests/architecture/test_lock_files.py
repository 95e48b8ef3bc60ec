"""The lock files name what pyproject.toml asks for, one version of each, with hashes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WANTED = {
    "build": PROJECT["build-system"]["requires"],
    "runtime": PROJECT["project"]["dependencies"],
    **{
        group: [*PROJECT["project"]["dependencies"], *requirements]
        for group, requirements in PROJECT["dependency-groups"].items()
    },
}

_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)(?: ; [^\\]+)?((?: \\\n    --hash=\S+)*)\n")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def pins(name: str) -> dict[str, str]:
    text = (LOCKS / f"{name}.txt").read_text()
    assert _PIN.sub("", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).strip() == ""
    return {canonicalize_name(match[1]): match[2] for match in _PIN.finditer(text)}


def test_there_is_a_file_for_each_install() -> None:
    assert {path.stem for path in LOCKS.glob("*.txt")} == set(WANTED)


@pytest.mark.parametrize("name", WANTED)
def test_what_the_project_asks_for_is_locked(name: str) -> None:
    locked = pins(name)
    for text in WANTED[name]:
        requirement = Requirement(text)
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{text}: {version}; run `make lock`"


@pytest.mark.parametrize("name", WANTED)
def test_every_version_has_its_hashes(name: str) -> None:
    for match in _PIN.finditer((LOCKS / f"{name}.txt").read_text()):
        hashes = match[3].split(" \\\n    ")[1:]
        assert hashes, match[1]
        assert all(_HASH.fullmatch(text) for text in hashes), match[1]


def test_a_package_has_one_version() -> None:
    versions: dict[str, set[str]] = {}
    for name in WANTED:
        for package, version in pins(name).items():
            versions.setdefault(package, set()).add(version)
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", WANTED)
def test_no_index_is_named(name: str) -> None:
    assert "://" not in (LOCKS / f"{name}.txt").read_text()


@pytest.mark.parametrize("path", ["Makefile", "Dockerfile", "packaging/systemd/install.sh"])
def test_whatever_installs_checks_hashes(path: str) -> None:
    """An install is either of a lock file with its hashes, or of this project without others."""
    text = re.sub(r"\\\n\s*", "", (ROOT / path).read_text())
    installs = re.findall(r"(?:pip|\$\(PIP\)) install (.+?)(?=&&|\n|$)", text)
    assert installs
    for arguments in installs:
        locked = "--require-hashes" in arguments and "--no-deps" not in arguments
        # uv writes the lock files; it is part of no installation.
        assert locked or "--no-deps" in arguments or arguments.startswith("'uv"), arguments
