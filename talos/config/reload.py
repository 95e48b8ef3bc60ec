"""Follows the configuration and its secrets while the server runs (contract 8.4 and 16, 29, 33)."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from talos.config import advice, invalidation, snapshot
from talos.config.loading import Contents, Loader
from talos.config.shared_config import SharedConfig
from talos.config.snapshot import SIGNING_KEY_ID, SIGNING_KEY_URLS, Snapshot
from talos.config.values import Config
from talos.config.watching import follow
from talos.errors import ConfigurationError

_log: Final = logging.getLogger(__name__)

_JWT_SETTINGS: Final = (
    SIGNING_KEY_URLS,
    # It names a key of the set, and so stays with it.
    SIGNING_KEY_ID,
)


class ConfigSource:
    """The configuration in force: one snapshot, swapped as a whole.

    Made before the workers are forked, it gives all of them the same one: as soon as one process
    has accepted an edit and logged it, ``current`` of every process returns the new snapshot.
    """

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        notes: Callable[[Snapshot], Sequence[str]] = lambda _snapshot: (),
    ) -> None:
        """Start with ``config``; ``environ`` is what it was loaded with.

        ``notes`` says what is to be logged of a snapshot, whenever that is new, as information.

        Without a file there is nothing to follow, and the snapshot never changes.
        """
        sources = config.sources
        self._loader = Loader(sources.path if sources else None, environ)
        self._shared = SharedConfig(sources.digest) if sources else None
        self._adopting = threading.Lock()
        self._followers: list[Callable[[Snapshot, Snapshot], None]] = []
        self._notes = notes
        self._held = (0, snapshot.take(config))

    def notes(self) -> Sequence[str]:
        """Return what is to be said of the snapshot in force."""
        return self._notes(self.current())

    @property
    def revision_word(self) -> memoryview | None:
        """Memory that changes with every edit that comes into force; None where none can.

        For who cannot afford to ask ``current`` each time.
        """
        return None if self._shared is None else self._shared.revision_word

    def current(self) -> Snapshot:
        """Return the snapshot in force now; call it once for each request."""
        revision, held = self._held
        if self._shared is None or self._shared.revision == revision:
            return held
        return self._adopt(self._shared)

    def subscribe(self, follower: Callable[[Snapshot, Snapshot], None]) -> None:
        """Have ``follower(previous, present)`` called whenever this process takes over an edit.

        It is called by whichever thread asks first for the present snapshot, and not in processes
        that were forked before.
        """
        self._followers.append(follower)

    def examine(self, quiet: Callable[[], bool] = lambda: True) -> None:
        """Look at the files; accept or reject what is new in them, and say so in the log.

        ``quiet`` is asked after the reading: where it says False, somebody has been writing
        meanwhile, and nothing is done.
        """
        shared = self._shared
        if shared is None:
            return
        with shared.turn():
            contents = self._loader.read()
            # What keeps a file from being read takes the place of its content.
            digest = contents.digest
            if quiet() and digest != shared.seen:
                judgement = self._judge(contents)
                if judgement.accepted is not None:
                    shared.publish(judgement.accepted.to_bytes())
                # Before the log: whoever reads of it and kills this process causes no second line.
                shared.seen = digest
                self._tell(judgement)
        self.current()

    def _adopt(self, shared: SharedConfig) -> Snapshot:
        """Take over what another thread or process has published."""
        with self._adopting:
            revision, held = self._held
            published = shared.revision
            payload = shared.payload(published) if published != revision else None
            # Without a payload the next revision is on its way; the next call finds it.
            if payload is not None:
                previous, held = held, snapshot.take(Config.from_bytes(payload), held)
                self._held = (published, held)
                for follower in self._followers:
                    follower(previous, held)
            return held

    def _judge(self, contents: Contents) -> "_Judgement":
        """Decide what of the edit comes into force, and what is to be said about it."""
        running = self.current()
        try:
            config = self._loader.parse(contents)
        except ConfigurationError as error:
            return _rejected(error.faults)
        changed = config.changed_immutables(running.config)
        if changed:
            return _rejected([f"{path}: cannot change while the server runs" for path in changed])
        config, waiting = config.after_reload_of(running.config)
        lines: list[_Line] = []
        fresh = snapshot.take(config, running)
        if fresh.key_faults and _documents(config) != _documents(running.config):
            faults = {"errors": list(fresh.key_faults)}
            kept = "signing keys rejected; the previous ones stay"
            lines.append(_Line(logging.ERROR, kept, faults))
            config = config.keeping(running.config, _JWT_SETTINGS)
            fresh = snapshot.take(config, running)
        fields = {"restart_required": list(waiting)} if waiting else {}
        lines.append(_Line(logging.INFO, "configuration reloaded", fields))
        lost = invalidation.warnings(
            running.tenant.credentials, fresh.tenant.credentials, time.time_ns()
        )
        lines += [_Line(logging.WARNING, warning, {}) for warning in lost]
        new_warnings = set(advice.warnings(fresh)) - set(advice.warnings(running))
        lines += [_Line(logging.WARNING, warning, {}) for warning in sorted(new_warnings)]
        known_notes = self._notes(running)
        new_notes = [note for note in self._notes(fresh) if note not in known_notes]
        lines += [_Line(logging.INFO, note, {}) for note in new_notes]
        return _Judgement(config, tuple(lines))

    @property
    def _told_file(self) -> dict[str, str]:
        """The configuration file, for the log; the files of secrets have none."""
        return {} if self._loader.path is None else {"file": str(self._loader.path)}

    def _tell(self, judgement: "_Judgement") -> None:
        for line in judgement.lines:
            fields = {**self._told_file, **line.fields}
            _log.log(line.level, line.message, extra={"fields": fields})

    def follow(self, stop: threading.Event) -> None:
        """Examine the files now and at every change, until ``stop`` is set."""
        if self._loader.paths:
            follow(self._loader.paths, stop, self._examine_and_survive)

    def _examine_and_survive(self, quiet: Callable[[], bool]) -> None:
        try:
            self.examine(quiet)
        except Exception as error:
            # Only the type: whatever this is, its text is not known to be free of values.
            fields = {**self._told_file, "error": type(error).__name__}
            _log.error("the configuration could not be examined", extra={"fields": fields})


@dataclass(frozen=True, slots=True)
class _Line:
    """A record for the log, the name of the file apart."""

    level: int
    message: str
    fields: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What comes of an edit: the configuration to use, if it is accepted, and what to say."""

    accepted: Config | None
    lines: tuple[_Line, ...]


def _rejected(faults: Sequence[str]) -> _Judgement:
    message = "configuration rejected; the previous one stays in force"
    return _Judgement(None, (_Line(logging.ERROR, message, {"errors": list(faults)}),))


class ConfigWatcher:
    """A thread of this process that follows the file. Start it after the fork, one in a process."""

    def __init__(self, source: ConfigSource) -> None:
        """Follow the file of ``source``."""
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=source.follow, args=(self._stop,), name="talos-config-watcher", daemon=True
        )

    def start(self) -> None:
        """Begin; what changed since the configuration was loaded is found at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End, and wait for the end at most ``timeout_s`` seconds."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)


def _documents(config: Config) -> tuple[object, ...]:
    return config.secrets(SIGNING_KEY_URLS)
