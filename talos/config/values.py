"""The configuration as the program sees it: merged, validated, immutable, silent about secrets."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, SupportsIndex

from talos.config import retired, schema
from talos.config.faults import Fault
from talos.config.retired import RetiredEntry
from talos.config.schema import Path, Setting
from talos.config.validation import duration_ns
from talos.credentials.secrets import Secret
from talos.errors import ConfigurationError

REDACTED: Final = "[REDACTED]"


@dataclass(frozen=True, slots=True)
class Sources:
    """The files that a configuration was read from, where there are any.

    ``path`` is the absolute path of the configuration file, None where only files of secrets were
    read. ``digest`` is a SHA-256 over the contents of all of them.
    """

    path: str | None
    digest: bytes


class Config:
    """What file, environment and defaults say together, for one moment.

    A setting is named by its dotted path (``serve.http.port``). The getters say what type they
    give; those that do not start with ``optional_`` raise ``ConfigurationError``, with the usual
    text of a missing setting, where nothing is set and the schema has no default. A path that the
    schema does not know raises ``KeyError``.

    Secret settings come as ``Secret``. The object prints nothing and cannot be pickled.
    """

    __slots__ = ("_canonical", "_explicit", "_origins", "_values", "sources", "warnings")

    def __init__(
        self,
        explicit: Mapping[str, Any],
        origins: Mapping[Path, str],
        sources: Sources | None = None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        """Keep what was set explicitly and fill in the rest.

        ``explicit`` must have passed the validation. ``origins`` says which environment variable
        set a path; what it does not name came from the file of
        ``sources``. ``warnings`` are what the loading has
        to tell about settings that were passed over.
        """
        self._explicit = explicit
        self._origins = dict(origins)
        self._values = completed(explicit)
        self._canonical: bytes | None = None
        self.sources = sources
        self.warnings = warnings

    def __getitem__(self, path: str) -> object:
        """Return the value at ``path``, None where there is none; secrets are ``Secret``."""
        setting, value = self._find(path)
        if setting.retirement:
            return retired.usable(value or ())
        if isinstance(value, list):
            return tuple(Secret(item) if setting.secret else _frozen(item) for item in value)
        return Secret(value) if setting.secret and value is not None else value

    def was_set(self, path: str) -> bool:
        """Return whether file or environment sets the setting or something in the section."""
        node: Any = self._explicit
        for name in path.split("."):
            if not isinstance(node, Mapping) or name not in node:
                return False
            node = node[name]
        return True

    def origin(self, path: str) -> str:
        """Tell where a value comes from: a variable's name, ``file``, or ``default``."""
        parts: Path = tuple(path.split("."))
        for length in range(len(parts), 0, -1):
            if parts[:length] in self._origins:
                return self._origins[parts[:length]]
        # A list may have been set element by element.
        for known, variable in self._origins.items():
            if known[: len(parts)] == parts:
                return variable
        return "file" if self.was_set(path) else "default"

    def text(self, path: str) -> str:
        """Return a string."""
        return str(self._required(path))

    def optional_text(self, path: str) -> str | None:
        """Return a string, or None where it is not set."""
        value = self._plain(path)
        return None if value is None else str(value)

    def integer(self, path: str) -> int:
        """Return an integer."""
        return int(self._required(path))

    def optional_integer(self, path: str) -> int | None:
        """Return an integer, or None where it is not set."""
        value = self._plain(path)
        return None if value is None else int(value)

    def number(self, path: str) -> float:
        """Return a number."""
        return float(self._required(path))

    def flag(self, path: str) -> bool:
        """Return a boolean."""
        return bool(self._required(path))

    def texts(self, path: str) -> tuple[str, ...]:
        """Return a list of strings; of a retirement list the values, whatever they expire."""
        setting, _ = self._find(path)
        if setting.retirement:
            return tuple(entry.value for entry in self.retired(path))
        return tuple(self._required(path))

    def duration_ns(self, path: str) -> int:
        """Return a duration in nanoseconds."""
        setting, _ = self._find(path)
        return duration_ns(self._required(path), setting.node["x-duration"])

    def optional_duration_ns(self, path: str) -> int | None:
        """Return a duration in nanoseconds, or None where it is not set."""
        return None if self._plain(path) is None else self.duration_ns(path)

    def secret(self, path: str) -> Secret:
        """Return a secret."""
        _, value = self._find(path)
        if value is None:
            raise self._missing(path)
        return Secret(value)

    def optional_secret(self, path: str) -> Secret | None:
        """Return a secret, or None where it is not set."""
        return None if self._find(path)[1] is None else self.secret(path)

    def secrets(self, path: str) -> tuple[Secret, ...]:
        """Return a list of secrets."""
        return tuple(Secret(item) for item in self._find(path)[1] or ())

    def retired(self, path: str) -> tuple[RetiredEntry, ...]:
        """Return the entries of a retirement list that can be used (contract 5.7)."""
        return retired.usable(self._find(path)[1] or ())

    def retirement_warnings(self) -> tuple[str, ...]:
        """Return one line for each retired entry that is skipped as malformed (contract 5.7)."""
        return tuple(
            line
            for path, setting in schema.settings().items()
            if setting.retirement
            for line in retired.warnings(path, self._find(path)[1] or ())
        )

    def redacted(self) -> dict[str, Any]:
        """Return every value in force as a plain tree, secrets replaced by ``[REDACTED]``."""
        tree: dict[str, Any] = {}
        for path, setting in schema.settings().items():
            value = self._find(path)[1]
            if value is not None:
                schema.put(
                    tree, setting.parts, _hidden(value) if setting.secret else _copied(value)
                )
        return tree

    def hash(self, host: str, network_id: str) -> str:
        """Return the ``config_hash`` of contract 1.3 as 64 lower-case hexadecimal digits.

        It covers the secrets and cannot be used to guess one of them: the HMAC secret, of at least
        32 characters, is always among them.
        """
        if self._canonical is None:
            text = json.dumps(self._values, sort_keys=True, separators=(",", ":"))
            self._canonical = text.encode()
        head = f"{host}:{network_id}:".encode(errors="backslashreplace")
        return hashlib.sha256(head + self._canonical).hexdigest()

    def after_reload_of(self, running: "Config") -> tuple["Config", tuple[str, ...]]:
        """Return this configuration with the settings that need a restart as ``running`` has them.

        The second part names those that differ and wait for the restart. Contract 8.4.
        """
        waiting = tuple(
            path
            for path, setting in schema.settings().items()
            if not setting.hot and self._find(path)[1] != running._find(path)[1]
        )
        cold = [path for path, setting in schema.settings().items() if not setting.hot]
        return self.keeping(running, cold), waiting

    def keeping(self, running: "Config", paths: Iterable[str]) -> "Config":
        """Return this configuration with the settings ``paths`` as ``running`` has them."""
        explicit: dict[str, Any] = _copied(self._explicit)
        origins = dict(self._origins)
        for path in paths:
            parts = tuple(path.split("."))
            _remove(explicit, parts)
            if running.was_set(path):
                schema.put(explicit, parts, _copied(_dig(running._explicit, parts)))
            origins = {
                known: name for known, name in origins.items() if known[: len(parts)] != parts
            }
            origins |= {
                known: name
                for known, name in running._origins.items()
                if known[: len(parts)] == parts
            }
        return Config(explicit, origins, self.sources, self.warnings)

    def changed_immutables(self, running: "Config") -> tuple[str, ...]:
        """Name the immutable settings that differ from ``running`` (contract 8.4)."""
        return tuple(
            path
            for path, setting in schema.settings().items()
            if setting.immutable and self._find(path)[1] != running._find(path)[1]
        )

    def to_bytes(self) -> bytes:
        """Return everything, secrets too, for the memory that the processes of a host share."""
        origins = [[list(path), name] for path, name in self._origins.items()]
        sources = [self.sources.path, self.sources.digest.hex()] if self.sources else None
        return json.dumps([self._explicit, origins, sources, self.warnings]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Config":
        """Return what ``to_bytes`` was called on. Raises ValueError for other bytes."""
        explicit, origins, sources, warnings = json.loads(data)
        return cls(
            explicit,
            {tuple(path): name for path, name in origins},
            Sources(sources[0], bytes.fromhex(sources[1])) if sources else None,
            tuple(warnings),
        )

    def __repr__(self) -> str:
        """Name the file and nothing that it says."""
        return f"Config(file={self.sources and self.sources.path!r}, values redacted)"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuse to be pickled or copied: secrets would travel along."""
        raise TypeError("a configuration cannot be pickled or copied")

    def _find(self, path: str) -> tuple[Setting, Any]:
        setting = schema.settings()[path]
        return setting, _dig(self._values, setting.parts)

    def _plain(self, path: str) -> Any:
        setting, value = self._find(path)
        if setting.secret:
            raise KeyError(f"{path} is a secret setting")
        return value

    def _required(self, path: str) -> Any:
        value = self._plain(path)
        if value is None:
            raise self._missing(path)
        return value

    def _missing(self, path: str) -> ConfigurationError:
        setting = schema.settings()[path]
        expected = schema.expectation(setting.node)
        fault = Fault(setting.parts, setting.variable, "missing", expected)
        return ConfigurationError("a setting is missing", (str(fault),))


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``over`` laid on ``base``: mappings merge, everything else replaces. Contract 8.1."""
    tree = dict(base)
    for name, value in over.items():
        below = tree.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            tree[name] = merged(below, value)
        else:
            tree[name] = _copied(value)
    return tree


def completed(explicit: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tree in force: defaults below, and integers as integers.

    ``explicit`` need not be valid; what does not fit stays as it is for the validation to find.
    """
    tree = merged(schema.defaults(), explicit)
    cache = tree["cache"]
    if isinstance(cache, dict) and "enabled" not in cache:
        # Contract 16, 3 and 6.8: on where nobody chose a type, off where somebody chose only that.
        section = explicit.get("cache")
        cache["enabled"] = not (isinstance(section, Mapping) and "type" in section)
    for setting in schema.settings().values():
        value = _dig(tree, setting.parts)
        if setting.node["type"] == "integer" and isinstance(value, float) and value.is_integer():
            schema.put(tree, setting.parts, int(value))
    return tree


def _dig(tree: Any, parts: tuple[str, ...]) -> Any:
    for name in parts:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(name)
    return tree


def _remove(tree: dict[str, Any], parts: tuple[str, ...]) -> None:
    above = _dig(tree, parts[:-1])
    if isinstance(above, dict):
        above.pop(parts[-1], None)


def _copied(value: Any) -> Any:
    match value:
        case Mapping():
            return {name: _copied(item) for name, item in value.items()}
        case list():
            return [_copied(item) for item in value]
        case _:
            return value


def _frozen(value: Any) -> Any:
    return tuple(sorted(value.items())) if isinstance(value, dict) else value


def _hidden(value: Any) -> Any:
    match value:
        case list():
            return [_hidden(item) for item in value]
        case {"value": _, "expires_at": expires_at} if retired.usable((value,)):
            return {"value": REDACTED, "expires_at": expires_at}
        case _:
            return REDACTED
