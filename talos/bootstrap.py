"""The one place that constructs collaborators and wires them together.

``prepare_database`` and ``share`` run once, before anything is forked; ``build`` runs in every
worker after the fork, since neither connections nor threads survive one.
"""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from talos import _core
from talos.adapters.cache.null import NullKeyCache, NullVerifiedTokenCache
from talos.adapters.cache.shared import BodyFormat, SharedKeyCache
from talos.adapters.cache.verified_tokens import SharedVerifiedTokenCache
from talos.adapters.clock import SystemClock
from talos.adapters.observability import counters
from talos.adapters.observability.events import LogEventEmitter
from talos.adapters.ratelimit.null import UnenforcedLimiter
from talos.adapters.ratelimit.shared import SharedRateLimiter
from talos.adapters.sql.bulkheads import Bulkheads
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.driver_errors import explain
from talos.adapters.sql.dsn import DatabaseUrl, parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.health import DatabaseHealth
from talos.adapters.sql.last_used import FLUSH_TIMEOUT_S, BatchedLastUsed
from talos.adapters.sql.pool import IdleConnections
from talos.adapters.sql.repository import SqlKeyRepository
from talos.adapters.sql.sqlite_file import exposures
from talos.config.directory import SingleTenantSource
from talos.config.reload import ConfigSource, ConfigWatcher
from talos.config.snapshot import Snapshot
from talos.config.values import Config
from talos.domain.keys import NIL_NETWORK
from talos.errors import ConfigurationError, GatewayTimeout, InternalError, ServiceUnavailable
from talos.fast_path import WorkerFastPath
from talos.http import cached_body, metrics_port, surfaces
from talos.http.dependencies import BuildInfo, HttpDependencies
from talos.http.served import MAIN, METRICS, ServedApplication
from talos.http.surfaces import Surface
from talos.services.assembly import assemble
from talos.services.ports import Clock, KeyCache, Ports, RateLimiter, VerifiedTokenCache

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_COMMIT_VARIABLE: Final = "TALOS_BUILD_COMMIT"
_BUILD_TIME_VARIABLE: Final = "TALOS_BUILD_TIME"

CLOSE_TIMEOUT_S: Final = FLUSH_TIMEOUT_S + 2.0
"""How long ``Assembly.close`` takes at most: what is queued is written, the rest takes no time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all workers of one master have in common, made before they are forked.

    A part that is None is not shared, and then does without: a cache that one process kept for
    itself would contradict those of the others.
    """

    memory: _core.SharedMemory | None = None
    """Holds the cached keys."""
    limits: _core.RateLimits | None = None
    """Counts the calls of keys with a rate limit; without it limits are shown, not enforced."""
    ending: Callable[[], bool] = lambda: False
    """Whether the server is about to stop, which readiness tells."""
    counters: _core.Counters = field(default_factory=counters.share)
    """What ``adapters.observability.counters`` declares; there with a cache and without one."""
    health: DatabaseHealth | None = None
    """What one worker notices about the database; without it each notices for itself."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """A surface ready to be served by one process."""

    applications: Mapping[str, ServedApplication]
    """``MAIN`` is the surface's own, ``METRICS`` that of probes."""
    close: Callable[[], None]
    """Ends what runs in the background, writes what it holds, and closes the database."""
    fast_path: _core.FastPath | None = None
    """Answers from memory, for one thread; None where nothing may be answered so."""
    configure_fast_path: Callable[[], None] = lambda: None
    """Brings ``fast_path`` in line with the configuration in force; cheap where nothing changed."""
    configuration_revision: memoryview | None = None
    """A word that changes when the configuration does; None where it never does."""

    @property
    def main(self) -> "WSGIApplication":
        """The surface's own application."""
        return self.applications[MAIN].wsgi


def build_info() -> BuildInfo:
    """Return what is running; the image's build says of which commit and when."""
    return BuildInfo(
        version=version("talos"),
        commit=os.environ.get(_COMMIT_VARIABLE, "unknown"),
        build_time=os.environ.get(_BUILD_TIME_VARIABLE, "unknown"),
    )


def database_url(config: Config) -> DatabaseUrl:
    """Return where the keys are stored. Raises ``ConfigurationError``."""
    return parse_dsn(config.secret("db.dsn").reveal().decode())


def database_exposures(url: DatabaseUrl) -> list[str]:
    """Return a warning for each file or folder of the database that is open to others."""
    return [] if url.path is None else list(exposures(url.path))


def prepare_database(url: DatabaseUrl) -> None:
    """Make sure that the database can be served from; it is never migrated here.

    A network database is waited for. Raises ``SchemaBehind`` when migrations are missing, and the
    storage errors of ``services.ports``.
    """
    database = SqlDatabase(create_engine(url))
    try:
        if url.path is None:
            database.wait_until_reachable()
        elif url.path.exists():
            DatabaseHealth(url).require_writable_file()
        database.require_schema()
        database.ensure_network(NIL_NETWORK)
    except (ServiceUnavailable, GatewayTimeout, InternalError) as error:
        raise type(error)(f"initialize database: {explain(error)}") from error
    finally:
        database.close()


def share(config: Config) -> Shared:
    """Make what the workers will share. To be called once, before they are forked.

    The memory is made whenever ``cache.type`` is ``memory``, since ``cache.enabled`` may be turned
    on later; it takes address space until it is written to. Raises ``ConfigurationError`` where the
    system refuses it.
    """
    memory = None
    counted = counters.share()
    if config.text("cache.type") == "memory":
        try:
            memory = _core.SharedMemory(config.integer("cache.memory.max_size"), counters=counted)
        except OSError as error:
            fault = f"cache.memory.max_size: {error.strerror}"
            raise ConfigurationError("memory cannot be shared", (fault,)) from error
    return Shared(
        memory=memory,
        limits=share_limits(config),
        counters=counted,
        health=share_health(config),
    )


def share_health(config: Config) -> DatabaseHealth | None:
    """Remember which database is there, for this process and all that it will fork.

    Return None where none is configured.
    """
    return DatabaseHealth(database_url(config)) if config.was_set("db.dsn") else None


def share_limits(config: Config) -> _core.RateLimits | None:
    """Make the counts of calls (contract 6.7) for this process and all that it will fork.

    They are made whenever ``rate_limit.backend`` is ``memory``, since ``rate_limit.enabled`` may be
    turned on later. Raises ``ConfigurationError`` where the system refuses the memory.
    """
    if config.text("rate_limit.backend") != "memory":
        return None
    try:
        return _core.RateLimits(config.integer("rate_limit.memory.max_size"))
    except OSError as error:
        fault = f"rate_limit.memory.max_size: {error.strerror}"
        raise ConfigurationError("memory cannot be shared", (fault,)) from error


def build(
    surface: Surface, source: ConfigSource, shared: Shared, *, worker: int = 0, workers: int = 1
) -> Assembly:
    """Build a surface over ``source``, and start what works in the background.

    ``shared`` is what ``share`` made in the process that this one was forked from. The connections
    of the DSN are divided among ``workers``, numbered from 0; this one is ``worker``. Nothing is
    connected yet: a database that is down makes requests fail, not the start of a worker.
    """
    config = source.current().config
    clock = SystemClock()
    if not shared.counters.attach():
        _log.warning("no room for one more process that counts: what this worker does is uncounted")
    url = database_url(config).for_worker(worker, workers)
    engine = create_engine(url)
    # A file is there or not; who finds it locked waits for its turn at the lock.
    bulkheads = Bulkheads.of(config.integer("serve.http.threads")) if url.path is None else None
    health = shared.health or DatabaseHealth(url)
    database = SqlDatabase(engine, probing=bulkheads.probing if bulkheads else None, health=health)
    keys = SqlKeyRepository(engine, bulkheads, health)
    last_used = BatchedLastUsed(
        keys,
        queue_size=config.integer("last_used.queue_size"),
        flush_size=config.integer("last_used.flush_size"),
        flush_interval_ns=config.duration_ns("last_used.flush_interval"),
        num_workers=config.integer("last_used.num_workers"),
    )
    cache: KeyCache = NullKeyCache()
    fast_path = None
    if shared.memory is not None:
        cache = shared_cache = _shared_cache(shared.memory, source, clock)
        # What it holds was read from the file that is no longer there.
        health.on_replaced = shared_cache.flush
        if surface is not Surface.PUBLIC:
            fast_path = WorkerFastPath(shared.memory, shared.limits, source)
    dependencies = HttpDependencies(
        services=assemble(
            Ports(
                keys=keys,
                cache=cache,
                verified_tokens=_verified_tokens(shared),
                limiter=_limiter(shared),
                last_used=last_used,
                events=LogEventEmitter(),
                clock=clock,
            )
        ),
        directories=SingleTenantSource(source),
        database=database,
        build=build_info(),
        clock=clock,
        ending=shared.ending,
        on_answered=partial(counters.observe, shared.counters, counters.REQUEST_DURATION),
    )
    idle_connections = IdleConnections(engine, url.pool.max_idle)
    idle_connections.start()
    watcher = ConfigWatcher(source)
    watcher.start()

    def close() -> None:
        # It need not have ended: dying in the middle of its work harms nobody.
        watcher.stop(timeout_s=0)
        idle_connections.stop()
        last_used.close()
        database.close()
        _log.info("database closed")

    main = surfaces.create_app(surface, dependencies)
    return Assembly(
        applications={
            MAIN: ServedApplication(main, main.body_limit),
            METRICS: ServedApplication(metrics_port.create_app(dependencies)),
        },
        close=close,
        fast_path=fast_path.path if fast_path else None,
        configure_fast_path=fast_path.configure if fast_path else lambda: None,
        configuration_revision=source.revision_word,
    )


def _limiter(shared: Shared) -> RateLimiter:
    if shared.limits is None:
        return UnenforcedLimiter()
    return SharedRateLimiter(shared.limits)


def _verified_tokens(shared: Shared) -> VerifiedTokenCache:
    if shared.memory is None:
        return NullVerifiedTokenCache()
    return SharedVerifiedTokenCache(_core.KeyCache(shared.memory), cached_body.render)


def _shared_cache(memory: _core.SharedMemory, source: ConfigSource, clock: Clock) -> SharedKeyCache:
    """Return the cache in ``memory``, which is emptied when caching is turned off or shortened."""
    if not memory.attach():
        _log.warning("no room for one more writer of the shared memory: this worker only reads it")
    cache = SharedKeyCache(memory, BodyFormat(cached_body.render, cached_body.read), clock)

    def follow(previous: Snapshot, present: Snapshot) -> None:
        # Once is enough: the worker that accepts the edit does it, and from then on all go by it.
        # A worker that publishes later still under the longer ``cache.ttl`` does no harm: readers
        # go by the age of an entry (contract 16 (42)).
        switched_off = previous.tenant.cache_enabled and not present.tenant.cache_enabled
        if switched_off or present.tenant.cache_ttl_ns < previous.tenant.cache_ttl_ns:
            cache.flush()

    source.subscribe(follow)
    if not source.current().tenant.cache_enabled:
        # It may have been turned off while no worker was there to see that.
        cache.flush()
    return cache
