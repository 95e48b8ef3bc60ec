"""Reads the configuration: defaults, then the file, then the environment (contract 8.1, 8.2)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from talos.config import environment, exposure, faults, files, placeholders, schema, stray
from talos.config.faults import Fault
from talos.config.files import FileContent
from talos.config.unknown_variables import CONFIG_FILE
from talos.config.validation import faults_of
from talos.config.values import Config, Sources, completed
from talos.errors import ConfigurationError

_NOT_READ: Final = (
    f"{CONFIG_FILE} is ignored: it names the file for talos.serving.wsgi; "
    "talos takes it from --config"
)
_EVERY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  (compared with, not bound to)


def load(path: str | Path | None, environ: Mapping[str, str]) -> Config:
    """Return the configuration of ``path`` and ``environ``; None reads no file.

    Raises ConfigurationError whose ``faults`` has one line for everything that is wrong, or for the
    one thing that keeps the file from being read. No line holds a value that somebody wrote.
    """
    loader = Loader(path, environ)
    return loader.parse(loader.read())


@dataclass(frozen=True, slots=True)
class Contents:
    """What the files of a configuration held at one moment, and those that could not be read.

    ``secrets`` has the file of each variable that names one.
    """

    file: FileContent | None
    secrets: Mapping[str, FileContent]

    @property
    def digest(self) -> bytes:
        """SHA-256 over everything that was read, or kept from being read."""
        digest = hashlib.sha256()
        for variable, file in (("", self.file), *sorted(self.secrets.items())):
            if file is not None:
                for part in (variable.encode(), file.problem.encode(), file.content):
                    digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()


class Loader:
    """Knows where the configuration comes from, and reads it again when asked.

    The environment is read once: a process's own never changes (contract 8.4). The files that it
    names are read each time.
    """

    def __init__(self, path: str | Path | None, environ: Mapping[str, str]) -> None:
        """Remember the file, made absolute now: the working directory may change later."""
        self.path = None if path is None else Path(path).absolute()
        self._overlay = environment.read(environ)
        self._warnings = () if self.path or not environ.get(CONFIG_FILE) else (_NOT_READ,)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that is read: the configuration, and those that hold a secret each."""
        own = () if self.path is None else (self.path,)
        return (*own, *(file.file for file in self._overlay.files))

    def read(self) -> Contents:
        """Return the content of all files, or why they cannot be read."""
        return Contents(
            file=None if self.path is None else files.examine(self.path),
            secrets={file.variable: files.examine(file.file) for file in self._overlay.files},
        )

    def parse(self, contents: Contents) -> Config:
        """Return the configuration that the files would give with ``contents``.

        Raises ConfigurationError as ``load`` does.
        """
        explicit: dict[str, Any] = {}
        if self.path is not None and contents.file is not None:
            explicit = files.parse(self.path, files.usable(contents.file))
        exposed = exposure.warnings(contents.file, explicit, contents.secrets.values())
        overlay = environment.with_contents(self._overlay, contents.secrets)
        origins, gaps = environment.apply(overlay, explicit)

        def variable_of(path: schema.Path) -> str | None:
            return next(
                (
                    origins[path[:length]]
                    for length in range(len(path), 0, -1)
                    if path[:length] in origins
                ),
                None,
            )

        tree = completed(explicit)
        strays = stray.warnings(tree, variable_of)
        unfilled, doubts = placeholders.examine(tree, variable_of)
        found = [
            *overlay.faults,
            *gaps,
            *unfilled,
            *faults_of(tree, variable_of),
            *_unsupported(tree),
            *_same_port(tree),
        ]
        if found:
            raise ConfigurationError(_heading(self.path), faults.in_order(found))
        warnings = (*self._warnings, *overlay.warnings, *doubts, *strays, *exposed)
        return Config(explicit, origins, self._sources(contents), warnings)

    def _sources(self, contents: Contents) -> Sources | None:
        if not self.paths:
            return None
        return Sources(None if self.path is None else str(self.path), contents.digest)


def _heading(path: Path | None) -> str:
    source = f" of {path}" if path else ""
    return f"the configuration{source} is invalid"


def _unsupported(tree: Mapping[str, Any]) -> list[Fault]:
    """Refuse what would change who can see what if it were quietly ignored."""
    section = tree["multitenancy"]
    if not isinstance(section, Mapping) or section.get("enabled") is not True:
        return []
    setting = schema.settings()["multitenancy.enabled"]
    problem = "several networks are not supported by this version"
    return [Fault(setting.parts, setting.variable, problem, "false")]


def _same_port(tree: Mapping[str, Any]) -> list[Fault]:
    """Refuse two listeners on one port of one address: the second could never be opened."""
    sections = tree["serve"]
    if not isinstance(sections, Mapping):
        return []
    listeners = [
        (name, sections[name])
        for name in (setting.parts[1] for setting in _ports())
        if isinstance(sections.get(name), Mapping)
    ]
    return [
        _shared_port(f"serve.{name}.port", f"serve.{other}.port")
        for (other, first), (name, second) in combinations(listeners, 2)
        if _meet(first, second)
    ]


def _ports() -> list[schema.Setting]:
    """Return the settings that are the port of a listener, in the order of the schema."""
    known = schema.settings().values()
    return [each for each in known if each.parts[0] == "serve" and each.parts[2:] == ("port",)]


def _meet(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Return whether two listeners are to have one port of one address."""
    hosts = {str(section.get("host", "127.0.0.1")).strip("[]") for section in (first, second)}
    apart = len(hosts) > 1 and not hosts & _EVERY_ADDRESS
    return not apart and first["port"] == second["port"] and not any(map(_is_socket_file, hosts))


def _shared_port(name: str, other: str) -> Fault:
    setting = schema.settings()[name]
    return Fault(
        setting.parts, setting.variable, f"is the port of {other} too", "a port of its own"
    )


def _is_socket_file(host: str) -> bool:
    return host.startswith("unix:")
