"""The gunicorn worker: a process of its own around an event loop and a ``ConnectionServer``."""

import asyncio
import gc
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Protocol, cast

import uvloop
from gunicorn.workers.base import Worker

from talos.serving.connection_counts import WorkerSlot
from talos.serving.peers import PeerBound
from talos.serving.process.options import Options
from talos.serving.process.worker_application import WorkerApplication, listeners_of
from talos.serving.server import ConnectionServer

if TYPE_CHECKING:
    from types import FrameType

_log = logging.getLogger(__name__)

MASTER_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP})
"""Blocked around the fork, so that none falls between the master's handlers and the worker's."""

GRACE_S = 30.0
"""How long requests in flight may take once the worker has been told to end (contract 1.1)."""

_SWITCH_INTERVAL_S = 0.0005
"""With the interpreter's own 5 ms one busy thread would hold the event loop up for that long."""

_GC_THRESHOLDS = (50_000, 20, 50)
"""Requests leave few cycles behind. At the interpreter's own 700 objects most of the time that a
large body takes to decode goes into looking for some among its lists.
"""


class Master(Protocol):
    """What a worker has from the master that it was forked by."""

    options: Options
    slot: WorkerSlot | None
    """This worker's own."""
    peers: PeerBound | None


class SignalledWorker(Worker):
    """A worker that understands signals as the contract does (13.5)."""

    def init_signals(self) -> None:
        """Leave the interrupt key and a hang-up to the master, which drains (contract 13.5)."""
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, MASTER_SIGNALS)


class TalosWorker(SignalledWorker):
    """Serves the ``WorkerApplication`` that the master builds, on the arbiter's listeners."""

    grace_s = GRACE_S

    def handle_quit(self, sig: int, frame: "FrameType | None") -> None:
        """End now; requests in flight are lost."""
        os._exit(0)

    def run(self) -> None:
        """Serve until told to end or orphaned, then drain."""
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        application = cast("WorkerApplication", self.wsgi)
        finished = uvloop.new_event_loop().run_until_complete(self._serve(application))
        for listener in cast("Master", self.app).options.listeners:
            _log.info(f"{listener.name} server stopped")
        application.close()
        if not finished:
            _log.warning("gave up requests that were still running after %d s", self.grace_s)
        _log.info("worker stopped")
        logging.shutdown()
        # Everything is given back. A thread that never ends would keep the interpreter from
        # ending, and taking it down in good order is time that a restart waits for.
        os._exit(0)

    async def _serve(self, application: "WorkerApplication") -> bool:
        """Return whether all requests were finished in time."""
        loop = asyncio.get_running_loop()
        ending = asyncio.Event()

        def end() -> None:
            self.alive = False
            ending.set()

        def sweep() -> None:
            self.notify()
            if self.alive and self.ppid != os.getppid():
                _log.warning("the master process is gone; this worker ends")
                end()

        loop.add_signal_handler(signal.SIGTERM, end)
        master = cast("Master", self.app)
        connection_server = ConnectionServer(
            loop,
            listeners_of(application, self.sockets, master.options.listeners),
            timeouts=master.options.timeouts,
            slot=master.slot,
            peers=master.peers,
            on_sweep=sweep,
        )
        # It may have come before there was a handler on the loop.
        if self.alive:
            await ending.wait()
        return await connection_server.drain(self.grace_s)
