"""Pool parameters of a DSN (contract 8.5).

They mean what they mean to the reference: at most ``max_open`` connections of one server, of which
up to ``max_idle`` are kept when nobody uses them. Each of its processes has a share (``share``) in
a pool of its own.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from talos.domain.durations import parse_config_duration
from talos.domain.units import NS_PER_S
from talos.errors import ConfigurationError

_PLAIN_NAMES: Final = frozenset(
    {
        "conn_max_idle_time",
        "max_conn_idle_time",
        "max_conn_lifetime",
        "max_conns",
        "max_idle_conns",
    }
)
_MAX_CONNECTIONS: Final = 10_000


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How many connections there may be and how old they may get; None is without bound."""

    max_open: int
    max_idle: int
    max_lifetime_s: float | None
    max_idle_time_s: float | None

    def share(self, worker: int, workers: int) -> Self:
        """Return what the worker numbered ``worker``, from 0, may have of it: one connection at
        least, and together no more than there are if there are as many as workers.
        """
        max_open = max(1, _portion(self.max_open, worker, workers))
        max_idle = min(max_open, _portion(self.max_idle, worker, workers))
        return replace(self, max_open=max_open, max_idle=max_idle)


def _portion(count: int, worker: int, workers: int) -> int:
    return count // workers + (worker < count % workers)


def defaults(max_open: int, max_idle: int) -> PoolSettings:
    """Return the bounds of contract 8.5 with the given numbers of connections."""
    return PoolSettings(max_open, max_idle, max_lifetime_s=1800.0, max_idle_time_s=600.0)


def processors() -> int:
    """Return the number that the defaults for MySQL are made of."""
    return os.cpu_count() or 1


class PoolParameters:
    """Takes the pool parameters out of a query string, and remembers what it could not use."""

    def __init__(self, query: Mapping[str, str]) -> None:
        """Keep ``query``; the parameters of a DSN by name."""
        self._query = query
        self.warnings: list[str] = []

    def without(self) -> dict[str, str]:
        """Return the parameters that the driver may see."""
        return {
            name: value
            for name, value in self._query.items()
            if name not in _PLAIN_NAMES and not name.startswith("pool_")
        }

    def standard(self, fallback: PoolSettings) -> PoolSettings:
        """Return the pool of standard mode. Raises ``ConfigurationError`` for more idle
        connections than connections.
        """
        max_open = self._count("max_conns", fallback.max_open)
        max_idle = self._count("max_idle_conns", min(fallback.max_idle, max_open), least=0)
        if max_idle > max_open:
            raise ConfigurationError(
                f"max_idle_conns ({max_idle}) in the database DSN exceeds max_conns ({max_open})"
            )
        return PoolSettings(
            max_open,
            max_idle,
            self._age("max_conn_lifetime", fallback.max_lifetime_s),
            self._age("max_conn_idle_time", fallback.max_idle_time_s),
        )

    def advanced(self) -> PoolSettings:
        """Return the pool of ``pool_mode=advanced``, whose defaults are those of its driver."""
        max_open = self._count("pool_max_conns", max(4, processors()))
        return PoolSettings(
            max_open,
            max_open,
            self._age("pool_max_conn_lifetime", 3600.0),
            self._age("pool_max_conn_idle_time", 1800.0),
        )

    @property
    def is_advanced(self) -> bool:
        """Whether ``pool_mode`` asks for advanced mode."""
        mode = self._query.get("pool_mode", "standard")
        if mode not in ("standard", "advanced"):
            self._fall_back("pool_mode", "standard")
        return mode == "advanced"

    def _count(self, name: str, fallback: int, least: int = 1) -> int:
        text = self._query.get(name)
        if text is None:
            return fallback
        if text.isascii() and text.isdigit() and len(text) < 10:
            count = int(text)
            if least <= count <= _MAX_CONNECTIONS:
                return count
        self._fall_back(name, str(fallback))
        return fallback

    def _age(self, name: str, fallback_s: float | None) -> float | None:
        text = self._query.get(name)
        if text is None:
            return fallback_s
        try:
            age_s = parse_config_duration(text) / NS_PER_S
        except ValueError:
            self._fall_back(name, "its default" if fallback_s is None else f"{fallback_s:g}s")
            return fallback_s
        return age_s or None

    def _fall_back(self, name: str, used: str) -> None:
        self.warnings.append(f"{name} in the database DSN cannot be used; {used} stands instead")
