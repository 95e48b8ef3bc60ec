"""The configuration as services and HTTP know it, for one network."""

from talos.config.reload import ConfigSource
from talos.domain.keys import NIL_NETWORK
from talos.services.tenant import HttpSettings, Tenant


class SingleTenantDirectory:
    """Every host is the one network (contract 9, ``multitenancy.enabled: false``).

    Implements ``TenantDirectory`` and ``HttpSettingsSource`` over the snapshot in force. Each call
    sees one consistent snapshot; a request that needs several values asks once.
    """

    def __init__(self, source: ConfigSource) -> None:
        """Answer from ``source``."""
        self._source = source

    def resolve(self, host: str, forwarded_host: str) -> Tenant:
        """Return the one tenant, whatever the host."""
        return self._source.current().tenant

    def config_hash(self, host: str) -> str:
        """Hex digest of the effective configuration as ``host`` sees it (contract 1.3)."""
        return self._source.current().config.hash(host, NIL_NETWORK)

    def http(self) -> HttpSettings:
        """Return the HTTP settings in force."""
        return self._source.current().http
