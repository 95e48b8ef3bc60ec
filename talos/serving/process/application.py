"""The gunicorn application that ``talos serve`` embeds: one master, its listeners, our workers.

gunicorn manages the processes. Three things are different here: the listeners are opened before
the arbiter starts, so that a busy port is a plain error; an interrupt drains as SIGTERM does, and
a second signal changes nothing (contract 13.5); and no signal is lost while a worker is forked.
"""

import logging
import math
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from gunicorn import glogging
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from talos.serving.connection_counts import ConnectionCounts, WorkerSlot
from talos.serving.peers import PeerBound
from talos.serving.process.options import Options
from talos.serving.process.shared_flag import SharedFlag
from talos.serving.process.stock import SyncWorker, ThreadWorker
from talos.serving.process.worker import GRACE_S, MASTER_SIGNALS, TalosWorker
from talos.serving.process.worker_application import WorkerApplication
from talos.serving.process.worker_numbers import WorkerNumbers

if TYPE_CHECKING:
    from types import FrameType

    from gunicorn.config import Config

_log = logging.getLogger(__name__)

_DESCRIPTORS_BESIDE_CLIENTS = 192
_FEWEST_CONNECTIONS = 64

WORKER_CLASSES: Final = {"talos": TalosWorker, "gthread": ThreadWorker, "sync": SyncWorker}
"""The workers to choose from, by the names of ``--worker-class``."""


class _Logger(glogging.Logger):
    """Hands gunicorn's records to the handlers of the root logger, in the one format of 11.4."""

    def setup(self, cfg: "Config") -> None:
        self.cfg = cfg
        self.error_log.propagate = True

    def reopen_files(self) -> None:
        """Do nothing: there is no file but stderr."""

    def close_on_exec(self) -> None:
        """Do nothing: there is no file but stderr."""


class _Master(Arbiter):
    """gunicorn's arbiter, with the contract's reading of signals."""

    _stopping = False
    _stops_at = math.inf

    def handle_term(self) -> None:
        """Report the server as not ready, and stop after the delay."""
        server = cast("Server", self.app)
        server.ending.set()
        self._stopping = True
        self._stops_at = time.monotonic() + server.options.drain_delay_s
        if server.options.drain_delay_s:
            _log.info("not ready any more; stopping in %g s", server.options.drain_delay_s)

    def wait_for_signals(self, timeout: float | None = 1.0) -> list[int]:
        """Wait for signals, and no longer than until the stop is due."""
        left_s = self._stops_at - time.monotonic()
        if left_s <= 0:
            # As gunicorn's own handler of SIGTERM ends the main loop.
            raise StopIteration
        return super().wait_for_signals(left_s if timeout is None else min(timeout, left_s))

    def handle_hup(self) -> None:
        """Replace the workers, unless the server is stopping: that would delay it."""
        if not self._stopping:
            super().handle_hup()

    def handle_int(self) -> None:
        """Drain as SIGTERM does."""
        self.handle_term()

    def handle_usr2(self) -> None:
        """Do nothing: an upgrade is a restart, on listeners that a service manager keeps."""
        _log.warning("SIGUSR2 has no effect; see docs/deployment.md on restarts")

    def signal(self, sig: int, frame: "FrameType | None") -> None:
        """Queue a signal, unless the end has begun and it asks for nothing but that."""
        if not (self._stopping and sig in (signal.SIGINT, signal.SIGTERM)):
            super().signal(sig, frame)

    def stop(self, graceful: bool = True) -> None:
        """Stop the workers."""
        self._stopping = True
        # The files of Unix sockets are removed by the process that made them.
        self.systemd = True
        super().stop(graceful)

    def reap_workers(self) -> None:
        """Take notice of workers that have ended."""
        try:
            super().reap_workers()
        except HaltServer:
            # The end has begun already: a second worker that could not start changes nothing.
            if not self._stopping:
                raise
        server = cast("Server", self.app)
        server.counts.clear(self.WORKERS)
        server.worker_numbers.clear(self.WORKERS)

    def spawn_worker(self) -> int:
        """Fork a worker, holding signals back until it can act on them.

        A child that is signalled before it has handlers of its own would run the master's, and
        never end.
        """
        server = cast("Server", self.app)
        slot = server.slot = server.counts.free_slot()
        position = server.position = server.worker_numbers.next()
        if slot is not None and server.peers is not None:
            server.peers.free(slot.index)
        signal.pthread_sigmask(signal.SIG_BLOCK, MASTER_SIGNALS)
        try:
            pid = super().spawn_worker()
            server.counts.assigned(pid, slot)
            server.worker_numbers.taken(pid, position)
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, MASTER_SIGNALS)


class Server(BaseApplication):
    """A master that serves what ``build`` returns, from as many processes as asked for.

    ``build`` runs in each worker, after the fork: nothing that it opens is shared. ``on_reload``
    runs in the master on SIGHUP, before new workers take over from the present ones.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        options: Options,
        build: Callable[[], WorkerApplication],
        on_reload: Callable[[], None] = lambda: None,
        ending: SharedFlag | None = None,
    ) -> None:
        """Take over ``listeners``, which are closed when the server ends.

        ``ending`` is set when it is about to.
        """
        self._descriptors = [listener.detach() for listener in listeners]
        self.options = options
        self._build = build
        self._on_reload = on_reload
        self.ending = ending or SharedFlag()
        self.counts = ConnectionCounts()
        most = options.connections_per_peer
        self.peers = PeerBound(most) if most else None
        self.slot: WorkerSlot | None = None
        """In a worker: its own."""
        self.worker_numbers = WorkerNumbers(options.workers)
        self.position = 0
        """In a worker: its own."""
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn up for what it still does: processes, and what its own workers do."""
        settings: dict[str, object] = {
            "bind": [f"fd://{descriptor}" for descriptor in self._descriptors],
            "worker_class": self.options.worker_class,
            "logger_class": _Logger,
            "workers": self.options.workers,
            "threads": self.options.listeners[0].threads,
            "worker_connections": self.options.listeners[0].capacity,
            "graceful_timeout": math.ceil(GRACE_S + self.options.close_timeout_s),
            "proc_name": "talos",
            # The heartbeat file must not wait for a disk.
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,  # noqa: S108
            # No second, unauthenticated way in.
            "control_socket_disable": True,
            # For stock workers: no peer may name itself a proxy.
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            "secure_scheme_headers": {},
            "http_parser": "python",
        }
        for name, value in settings.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> WorkerApplication:  # type: ignore[override]  # the worker serves a site, not one callable
        """Build the site; called in each worker."""
        return self._build()

    def reload(self) -> None:
        """Prepare for the workers that follow (SIGHUP); the present ones drain after that."""
        self._on_reload()

    def serve(self) -> int:
        """Serve until told to end; return the exit code of the process."""
        _forbid_core_files()
        first, *others = self.options.listeners
        beside = _DESCRIPTORS_BESIDE_CLIENTS + sum(other.capacity for other in others)
        allowed = _allow_descriptors(first.capacity + beside)
        room = max(allowed - beside, _FEWEST_CONNECTIONS)
        if room < first.capacity:
            _log.warning("the limit of open files leaves room for %d connections a worker", room)
            self.cfg.set("worker_connections", room)
            listeners = (replace(first, capacity=room), *others)
            self.options = replace(self.options, listeners=listeners)
        master = os.getpid()
        try:
            _Master(self).run()
        except SystemExit as end:
            if os.getpid() != master:
                # A worker that could not start; its exit code tells the master why.
                raise
            return 0 if end.code in (0, None) else 1
        return 1


def _forbid_core_files() -> None:
    """Keep secrets in memory: a crash shall not write them to a disk.

    Who debugs one can raise the soft limit of the running process again (``prlimit``).
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def _allow_descriptors(wanted: int) -> int:
    """Raise the soft limit of open files, as far as the hard one goes; return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        return allowed
    return soft
