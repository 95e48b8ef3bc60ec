"""The listeners of ``talos serve`` (contract 1.1, 13.5): one list that all else goes through."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from talos.config.values import Config
from talos.http.surfaces import Surface
from talos.serving.process.listeners import Address
from talos.serving.process.options import ListenerOptions, main_listener, metrics_listener

_LOOPBACK: Final = "127.0.0.1"
_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104  (contract 16, 1: the public surface)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeclaredListener:
    """One listener that every surface has."""

    name: str
    """As the log and the messages of contract 13.5 name it."""
    role: str
    """As messages tell it from the others."""
    section: str
    """The settings that say where it listens: ``host``, ``port`` and ``socket_mode``."""
    make: Callable[[str, Config], ListenerOptions]
    """Makes its options, of its name and the configuration."""

    def options(self, config: Config) -> ListenerOptions:
        """Return how every worker serves it."""
        return self.make(self.name, config)

    def address(self, surface: Surface, config: Config) -> Address:
        """Return where it listens. Where no host is set, the surface decides (contract 16, 1)."""
        setting = f"{self.section}.host"
        host = config.optional_text(setting)
        if host is None:
            host = _EVERYWHERE if surface is Surface.PUBLIC else _LOOPBACK
            if surface is not Surface.PUBLIC:
                _log.info(
                    f"{setting} is not set: the API answers on {_LOOPBACK} alone, "
                    "since whoever reaches its admin operations is trusted"
                )
        return Address(
            self.name,
            host,
            config.integer(f"{self.section}.port"),
            int(config.text(f"{self.section}.socket_mode"), 8),
        )


LISTENERS: Final = (
    DeclaredListener(
        "HTTP",
        "main",
        "serve.http",
        lambda name, config: main_listener(name, config.integer("serve.http.threads")),
    ),
    DeclaredListener(
        "Metrics", "metrics", "serve.metrics", lambda name, _config: metrics_listener(name)
    ),
)
"""In the order of their sockets, which is that of ``LISTEN_FDS``."""
