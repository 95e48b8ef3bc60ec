"""Starting a server: everything that can go wrong goes wrong here, before anything is forked."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, NoReturn

from talos import bootstrap, fast_path
from talos.adapters.observability import logs
from talos.config import advice
from talos.config.loading import load
from talos.config.reload import ConfigSource
from talos.config.snapshot import Snapshot
from talos.config.values import Config
from talos.http.served import MAIN
from talos.http.surfaces import Surface
from talos.serving.http.connection import Timeouts
from talos.serving.http.endpoints import plain_address
from talos.serving.listeners import LISTENERS
from talos.serving.process.application import WORKER_CLASSES, Server
from talos.serving.process.listeners import (
    address_of,
    inherited_listeners,
    open_listeners,
    paths_of,
)
from talos.serving.process.options import Options
from talos.serving.process.processors import usable_processors
from talos.serving.process.shared_flag import SharedFlag
from talos.serving.process.unix_listener import remove_unix

if TYPE_CHECKING:
    from types import FrameType

_log = logging.getLogger(__name__)


def serve(
    surface: Surface,
    config_path: str | None,
    environ: Mapping[str, str],
    *,
    worker_class: str = "talos",
    announce: Callable[[], None] = lambda: None,
) -> int:
    """Serve ``surface`` until told to end; return the exit code.

    ``worker_class`` is one of ``application.WORKER_CLASSES``.
    ``announce`` is called when all listeners are open. Raises ``ConfigurationError``,
    ``SchemaBehind``, ``ListenError`` or a storage error when the server cannot start; nothing
    listens then. What was logged is written by then, since the error is for the last line.
    """
    _end_quietly_when_told()
    config = load(config_path, environ)
    try:
        return _serve(surface, config, environ, worker_class, announce)
    finally:
        logs.flush()


def _serve(
    surface: Surface,
    config: Config,
    environ: Mapping[str, str],
    worker_class: str,
    announce: Callable[[], None],
) -> int:
    source = ConfigSource(config, environ, partial(_notes, surface, worker_class))
    workers = config.optional_integer("serve.http.workers") or usable_processors()
    prepare(surface, source, workers)
    ending = SharedFlag()
    shared = replace(bootstrap.share(config), ending=ending.is_set)
    paths: tuple[str, ...] = ()
    options = tuple(declared.options(config) for declared in LISTENERS)
    listeners = inherited_listeners(os.environ, {each.name: each.role for each in LISTENERS})
    if listeners is None:
        listeners = open_listeners(tuple(each.address(surface, config) for each in LISTENERS))
        paths = paths_of(listeners)
    for each, listener in zip(options, listeners, strict=True):
        fields = {"server": each.name, "addr": address_of(listener)}
        _log.info("listening", extra={"fields": fields})
    _warn_of_trust(
        surface,
        [
            listener
            for each, listener in zip(options, listeners, strict=True)
            if each.application == MAIN
        ],
    )
    _warn_of_settings_without_effect(config, worker_class)
    if shared.memory is not None and config.flag("cache.enabled"):
        _warn_of_other_servers(surface, config)
    server = Server(
        listeners,
        Options(
            workers=workers,
            listeners=options,
            close_timeout_s=bootstrap.CLOSE_TIMEOUT_S,
            worker_class=WORKER_CLASSES[worker_class],
            timeouts=Timeouts(idle_s=config.duration_ns("serve.http.idle_timeout") / 1e9),
            drain_delay_s=config.duration_ns("serve.http.drain_delay") / 1e9,
            connections_per_peer=config.integer("serve.http.max_connections_per_peer"),
        ),
        build=lambda: bootstrap.build(
            surface, source, shared, worker=server.position, workers=workers
        ),
        on_reload=source.examine,
        ending=ending,
    )
    announce()
    code = server.serve()
    for path in paths:
        remove_unix(path)
    _log.info("stopped")
    return code


def prepare(surface: Surface, source: ConfigSource, workers: int = 1) -> None:
    """Set up the log, log what is about to be served and the warnings, check the database.

    ``workers`` is how many processes share its connections.
    Raises ``ConfigurationError``, ``SchemaBehind`` or a storage error when it cannot be served.
    """
    config = source.current().config
    logs.configure(_level(config), _format(config))
    info = bootstrap.build_info()
    fields = {
        "surface": surface.value,
        "version": info.version,
        "commit": info.commit,
        "build_time": info.build_time,
        "log_level": config.text("log.level"),
        "log_format": config.text("log.format"),
    }
    _log.info("starting", extra={"fields": fields})
    _tell_about(source)
    _prepare_database(config, workers)


def _warn_of_settings_without_effect(config: Config, worker_class: str) -> None:
    """Log which settings have no effect under gunicorn's own workers."""
    if worker_class == "talos":
        return
    for name in ("serve.http.max_connections_per_peer", "serve.http.idle_timeout"):
        if config.was_set(name):
            _log.warning(
                "a setting has no effect with this worker class",
                extra={"fields": {"setting": name, "worker_class": worker_class}},
            )


def _end_quietly_when_told() -> None:
    """Let a signal that comes before gunicorn listens to signals end the process with 0."""

    def end(sig: int, frame: "FrameType | None") -> NoReturn:
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)


def _notes(surface: Surface, worker_class: str, snapshot: Snapshot) -> Sequence[str]:
    # gunicorn's own workers have no fast path, whatever the configuration says.
    return fast_path.notes(surface, snapshot) if worker_class == "talos" else ()


def _tell_about(source: ConfigSource) -> None:
    snapshot = source.current()
    for fault in snapshot.key_faults:
        _log.error("a signing key cannot be used", extra={"fields": {"errors": [fault]}})
    for warning in advice.warnings(snapshot):
        _log.warning(warning)
    for note in source.notes():
        _log.info(note)
    for warning in fast_path.slow_fallbacks():
        _log.warning(warning)
    _log.info("Configuration validated")


def _prepare_database(config: Config, workers: int) -> None:
    url = bootstrap.database_url(config)
    pool = url.pool
    fields = {
        "driver": url.product.value,
        "max_conns": pool.max_open,
        "max_conns_per_worker": url.for_worker(0, workers).pool.max_open,
        "max_idle_conns": pool.max_idle,
        "max_conn_lifetime_s": pool.max_lifetime_s,
        "max_conn_idle_time_s": pool.max_idle_time_s,
    }
    _log.info("database", extra={"fields": fields})
    for warning in url.warnings:
        _log.warning(warning)
    if url.path is None and pool.max_open < workers:
        _log.warning(
            f"max_conns in the database DSN is {pool.max_open}, and each of the {workers} workers "
            f"needs a connection: up to {workers} are opened"
        )
    bootstrap.prepare_database(url)
    for warning in bootstrap.database_exposures(url):
        _log.warning(warning)


def _warn_of_trust(surface: Surface, listeners: Iterable[socket.socket]) -> None:
    """Warn where admin operations may be reached by others than their administrator."""
    alone = all(
        listener.family == socket.AF_UNIX
        or ip_address(plain_address(listener.getsockname()[0]).partition("%")[0]).is_loopback
        for listener in listeners
    )
    if surface is Surface.ADMIN or (surface is Surface.ALL and not alone):
        _log.warning(
            "the admin operations have no authentication of their own: every caller that reaches "
            "them is trusted"
        )


def _warn_of_other_servers(surface: Surface, config: Config) -> None:
    """Warn where a key may be changed by a process that does not share the cache."""
    alone = surface is Surface.ALL and bootstrap.database_url(config).path is not None
    if not alone and surface is not Surface.PUBLIC:
        _log.warning(
            "a change made through another server over the same database, such as a "
            "self-revocation through talos serve public, is seen here up to cache.ttl later"
        )


def _level(config: Config) -> logs.Level:
    level: logs.Level = config.text("log.level")  # type: ignore[assignment]  # as the schema has it
    return level


def _format(config: Config) -> logs.Format:
    style: logs.Format = config.text("log.format")  # type: ignore[assignment]  # likewise
    return style
