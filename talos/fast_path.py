"""The fast path put together: verifications that compiled code answers out of the shared cache.

Also what is said of it: why it is off, and which parts of the compiled core have to do without the
library that makes them fast.
"""

from talos import _core
from talos.adapters.cache.shared import KIND_NUMBERS
from talos.adapters.cache.verified_tokens import KIND as TOKEN_KIND
from talos.config.directory import SingleTenantDirectory
from talos.config.reload import ConfigSource
from talos.config.snapshot import Snapshot
from talos.domain.keys import KeyKind
from talos.http import application
from talos.http.fast_path_heads import Heads
from talos.http.surfaces import Surface
from talos.services import fast_path
from talos.services.tenant import TenantDirectory


def obstacles(snapshot: Snapshot) -> list[str]:
    """Return in words why the fast path answers nothing under ``snapshot``; empty where it does."""
    found = application.fast_path_obstacles(snapshot.http)
    if snapshot.config.text("cache.type") != "memory":
        return [*found, "cache.type is not memory"]
    return [*found, *fast_path.obstacles(snapshot.tenant)]


def notes(surface: Surface, snapshot: Snapshot) -> list[str]:
    """Return what is to be logged of the fast path where it is off, though there are verifications.

    See ``ConfigSource``.
    """
    if surface is Surface.PUBLIC:
        return []
    return [
        f"the fast path for verifications is off: {obstacle}" for obstacle in obstacles(snapshot)
    ]


def slow_fallbacks() -> list[str]:
    """Return a warning for each part of the compiled core that has to do without its library."""
    found = []
    if not _core.OPENSSL_IS_DIRECT:
        found.append(
            "the OpenSSL of this Python cannot be called directly: each checksum of a key takes "
            "about five times as long"
        )
    return found


def configure(path: _core.FastPath, directory: TenantDirectory) -> None:
    """Have ``path`` answer as the application does under the configuration of ``directory``."""
    heads = Heads.under(directory.http)
    path.configure(
        fast_path.networks_by_host(directory),
        head=heads.head,
        token_head=heads.token_head,
        batch_head=heads.batch_head,
        reads_forwarded_host=directory.http.trust_forwarded_host,
    )


class WorkerFastPath:
    """The fast path of one worker, and the settings that it was last configured for."""

    def __init__(
        self,
        memory: _core.SharedMemory,
        limits: _core.RateLimits | None,
        source: ConfigSource,
    ) -> None:
        """Answer out of ``memory``, as the configuration of ``source`` has it."""
        self.path = _core.FastPath(
            _core.KeyCache(memory),
            kind=KIND_NUMBERS[KeyKind.ISSUED],
            imported_kind=KIND_NUMBERS[KeyKind.IMPORTED],
            token_kind=TOKEN_KIND,
            limits=limits,
        )
        self._source = source
        self._seen: Snapshot | None = None

    def configure(self) -> None:
        """Follow the configuration in force. Cheap where nothing has changed."""
        snapshot = self._source.current()
        if snapshot is not self._seen:
            if obstacles(snapshot):
                self.path.disable()
            else:
                configure(self.path, SingleTenantDirectory(snapshot))
            self._seen = snapshot
