"""How a server is to be run: its listeners, its workers, and how long their ends may take."""

from dataclasses import dataclass, field

from gunicorn.workers.base import Worker

from talos.http.served import MAIN, METRICS
from talos.serving.http.connection import Timeouts

_PROBE_THREADS = 4
_PROBE_CAPACITY = 64


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """One listener, as every worker serves it. See ``talos.serving.http.listener.Listener``."""

    name: str
    application: str
    """What it serves, as ``WorkerApplication.applications`` names it."""
    threads: int
    capacity: int
    """Most clients at once, of each worker."""
    fast_path: bool = False
    """Whether the worker's fast path answers here."""
    takes_bodies: bool = True
    bounds_peers: bool = False


def main_listener(name: str, threads: int, capacity: int = 2048) -> ListenerOptions:
    """Return a listener for the operations of a surface."""
    return ListenerOptions(name, MAIN, threads, capacity, fast_path=True, bounds_peers=True)


def metrics_listener(name: str) -> ListenerOptions:
    """Return a listener for probes.

    It keeps threads and capacity of its own, so that it answers while others are busy.
    """
    return ListenerOptions(name, METRICS, _PROBE_THREADS, _PROBE_CAPACITY, takes_bodies=False)


@dataclass(frozen=True, slots=True)
class Options:
    """What is served by how many, and how long a worker's end may take.

    ``close_timeout_s`` is what ``WorkerApplication.close`` may take, after the requests, to write
    what is still held; a worker that takes longer is killed.
    """

    workers: int
    listeners: tuple[ListenerOptions, ...]
    """In the order of their sockets, at least one. gunicorn's own workers, which know one number of
    threads and of connections, take those of the first.
    """
    worker_class: type[Worker]
    close_timeout_s: float
    timeouts: Timeouts = field(default_factory=Timeouts)
    drain_delay_s: float = 0.0
    """Between the signal to stop and the end of accepting; readiness says no meanwhile."""
    connections_per_peer: int = 0
    """Most connections that a peer address may hold to listeners that bound peers, over all
    workers; 0 is no bound.
    """
