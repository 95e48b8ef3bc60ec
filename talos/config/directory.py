"""The configuration as services and HTTP know it, for one network."""

from dataclasses import dataclass, field

from talos.config.reload import ConfigSource
from talos.config.snapshot import Snapshot
from talos.domain.keys import NIL_NETWORK
from talos.services.tenant import HttpSettings, Tenant


@dataclass(frozen=True, slots=True)
class SingleTenantDirectory:
    """Every host is the one network (contract 9, ``multitenancy.enabled: false``).

    Implements ``TenantDirectory`` over one snapshot.
    """

    snapshot: Snapshot = field(repr=False)

    @property
    def http(self) -> HttpSettings:
        """The HTTP settings of the snapshot."""
        return self.snapshot.http

    def resolve(self, host: str) -> Tenant:
        """Return the one tenant, whatever the host."""
        return self.snapshot.tenant

    def config_hash(self, host: str) -> str:
        """Hex digest of the effective configuration as ``host`` sees it (contract 1.3)."""
        return self.snapshot.config.hash(host, NIL_NETWORK)


class SingleTenantSource:
    """Implements ``DirectorySource`` over the snapshots of a ``ConfigSource``."""

    def __init__(self, source: ConfigSource) -> None:
        """Answer from ``source``."""
        self._source = source

    def current(self) -> SingleTenantDirectory:
        """Return the directory of the snapshot in force."""
        return SingleTenantDirectory(self._source.current())
