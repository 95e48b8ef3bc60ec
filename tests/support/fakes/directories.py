"""A directory of tenants, and a fast path that follows it."""

from dataclasses import dataclass, field

import talos.fast_path
from talos import _core
from talos.errors import NotFound
from talos.services.tenant import HttpSettings, Tenant


@dataclass
class Directory:
    """Implements ``TenantDirectory``: ``by_host`` names the hosts that are not ``tenant``'s.

    Without a ``tenant``, all other hosts are unknown.
    """

    tenant: Tenant | None
    http: HttpSettings = field(default_factory=HttpSettings)
    by_host: dict[str, Tenant] = field(default_factory=dict)

    def resolve(self, host: str) -> Tenant:
        found = self.by_host.get(host, self.tenant)
        if found is None:
            raise NotFound("network not found")
        return found

    def config_hash(self, host: str) -> str:
        return f"hash of {host}"


def configure(fast_path: _core.FastPath, tenant: Tenant, http: HttpSettings | None = None) -> None:
    """Have ``fast_path`` answer for ``tenant`` under every host that ``http`` allows."""
    talos.fast_path.configure(fast_path, Directory(tenant, http or HttpSettings()))
