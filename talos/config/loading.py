"""Reads the configuration: defaults, then the file, then the environment (contract 8.1, 8.2)."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from talos.config import environment, faults, files, placeholders, schema
from talos.config.faults import Fault
from talos.config.validation import faults_of
from talos.config.values import Config, SourceFile, completed
from talos.errors import ConfigurationError

_EVERY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  (compared with, not bound to)


def load(path: str | Path | None, environ: Mapping[str, str]) -> Config:
    """Return the configuration of ``path`` and ``environ``; None reads no file.

    Raises ConfigurationError whose ``faults`` has one line for everything that is wrong, or for the
    one thing that keeps the file from being read. No line holds a value that somebody wrote.
    """
    loader = Loader(path, environ)
    return loader.parse(loader.read())


class Loader:
    """Knows where the configuration comes from, and reads it again when asked.

    The environment is read once: a process's own never changes (contract 8.4).
    """

    def __init__(self, path: str | Path | None, environ: Mapping[str, str]) -> None:
        """Remember the file, made absolute now: the working directory may change later."""
        self.path = None if path is None else Path(path).absolute()
        self._overlay = environment.read(environ)

    def read(self) -> bytes | None:
        """Return the content of the file, None without one. Raises ConfigurationError."""
        return None if self.path is None else files.read(self.path)

    def parse(self, content: bytes | None) -> Config:
        """Return the configuration that the file would give with ``content``.

        Raises ConfigurationError as ``load`` does.
        """
        explicit: dict[str, Any] = {}
        file = None
        if self.path is not None and content is not None:
            explicit = files.parse(self.path, content)
            file = SourceFile(str(self.path), hashlib.sha256(content).digest())
        origins, gaps = environment.apply(self._overlay, explicit)

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
        unfilled, doubts = placeholders.examine(tree, variable_of)
        found = [
            *self._overlay.faults,
            *gaps,
            *unfilled,
            *faults_of(tree, variable_of),
            *_unsupported(tree),
            *_same_port(tree),
        ]
        if found:
            raise ConfigurationError(_heading(self.path), faults.in_order(found))
        return Config(explicit, origins, file, (*self._overlay.warnings, *doubts))


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
    http, metrics = (
        sections.get(name) if isinstance(sections, Mapping) else None
        for name in ("http", "metrics")
    )
    if not isinstance(http, Mapping) or not isinstance(metrics, Mapping):
        return []
    hosts = {str(section.get("host", "127.0.0.1")).strip("[]") for section in (http, metrics)}
    apart = len(hosts) > 1 and not hosts & _EVERY_ADDRESS
    if apart or http["port"] != metrics["port"] or any(map(_is_socket_file, hosts)):
        return []
    setting = schema.settings()["serve.metrics.port"]
    problem = "is the port of serve.http.port too"
    return [Fault(setting.parts, setting.variable, problem, "a port of its own")]


def _is_socket_file(host: str) -> bool:
    return host.startswith("unix:")
