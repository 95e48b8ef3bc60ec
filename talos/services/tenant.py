"""The tenant of one request: its network and one consistent snapshot of its settings."""

from dataclasses import dataclass
from typing import Final, Protocol

from talos.credentials.settings import CredentialSettings
from talos.domain.hosts import AllowedHosts
from talos.domain.proxies import NO_PROXIES, TrustedProxies

PEER_SOURCES: Final = ("CLIENT_IP_SOURCE_UNSPECIFIED", "CLIENT_IP_SOURCE_REMOTE_ADDR")
"""Values of ``serve.http.client_ip_source`` that name no header (contract 6.6)."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """What a request may see of the configuration, frozen for its whole life (contract 8.4).

    ``api_keys_max`` of 0 is no quota. ``max_ttl_ns`` of 0 is no maximum; ``default_ttl_ns`` is
    None where none is configured.
    """

    network_id: str
    credentials: CredentialSettings
    default_ttl_ns: int | None
    token_ttl_ns: int
    api_keys_max: int
    cache_enabled: bool
    cache_ttl_ns: int
    rate_limit_enabled: bool


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The part of ``serve.http`` that is read at every request (contract 8.3, reload H).

    ``allowed_hosts`` is None where every host is.
    """

    allowed_hosts: AllowedHosts | None = None
    client_ip_source: str = "CLIENT_IP_SOURCE_UNSPECIFIED"
    exclude_health_from_log: bool = False
    trust_forwarded_host: bool = False
    trusted_proxies: TrustedProxies = NO_PROXIES
    cors_enabled: bool = False
    cors_allowed_origins: tuple[str, ...] = ("*",)
    cors_allowed_methods: tuple[str, ...] = ()
    cors_allowed_headers: tuple[str, ...] = ()
    cors_exposed_headers: tuple[str, ...] = ()
    cors_allow_credentials: bool = False
    cors_max_age_s: int = 0


class TenantDirectory(Protocol):
    """One snapshot of the configuration: what HTTP reads of it, and the tenants (contract 9)."""

    @property
    def http(self) -> HttpSettings:
        """What the HTTP applications read at every request."""
        ...

    def resolve(self, host: str) -> Tenant:
        """Return the tenant of the host that a request is for.

        Raises ``NotFound`` (``network not found``) for an unknown host.
        """
        ...

    def config_hash(self, host: str) -> str:
        """Hex digest of the effective configuration as ``host`` sees it (contract 1.3)."""
        ...


class DirectorySource(Protocol):
    """Gives the directory in force now.

    It is read once for each request, which keeps what it got: an edit of the configuration that is
    accepted meanwhile is seen by the next request, as a whole (contract 8.4).
    """

    def current(self) -> TenantDirectory:
        """Return the directory of the present snapshot."""
        ...
