"""What the compiled path for ready answers has to know of the settings (contract 6.2, 6.4, 6.8)."""

import uuid
from typing import Final

from talos import _core
from talos.credentials.settings import CredentialSettings
from talos.domain.units import INT64_MAX
from talos.services.tenant import HttpSettings, Tenant

_MACAROON_MARK: Final = "_v1_"


def configure(fast_path: _core.FastPath, tenant: Tenant, http: HttpSettings) -> bool:
    """Have ``fast_path`` judge as ``services.verify`` does under these settings.

    It is disabled, and False is returned, where there are ``obstacles``. Those of the middleware
    are for the caller to ask for.
    """
    if obstacles(tenant):
        fast_path.disable()
        return False
    settings = tenant.credentials
    secrets, prefixes = _secrets(settings), _prefixes(settings)
    macaroons = (settings.macaroon_prefix, *settings.macaroon_prefixes_retired)
    return fast_path.configure(
        network=uuid.UUID(tenant.network_id).bytes,
        secrets=secrets,
        prefixes=prefixes,
        foreign=tuple((prefix + _MACAROON_MARK).encode() for prefix in macaroons if prefix),
        max_ttl_ns=max(0, min(settings.max_ttl_ns, INT64_MAX)),
        skew_ns=max(0, min(settings.clock_skew_ns, INT64_MAX)),
        max_age_ns=max(0, min(tenant.cache_ttl_ns, INT64_MAX)),
        generation=settings.generation,
        limits_enabled=tenant.rate_limit_enabled,
        allows_host=http.allowed_hosts.allow if http.allowed_hosts else None,
    )


def obstacles(tenant: Tenant) -> list[str]:
    """Return in words why nothing can be answered for ``tenant``; empty where it can."""
    found = []
    if not tenant.cache_enabled:
        found.append("cache.enabled is false")
    if len(_secrets(tenant.credentials)) > _core.FAST_PATH_SECRETS_MAX:
        found.append(f"there are more than {_core.FAST_PATH_SECRETS_MAX} HMAC secrets")
    if len(_prefixes(tenant.credentials)) > _core.FAST_PATH_PREFIXES_MAX:
        found.append(f"there are more than {_core.FAST_PATH_PREFIXES_MAX} prefixes of keys")
    return found


def _secrets(settings: CredentialSettings) -> list[tuple[bytes, int | None]]:
    """Return the secrets of issued keys with the instants at which they end, the current first."""
    retired = [(entry.value.reveal(), entry.expires_at_ns) for entry in settings.hmac.retired]
    return [
        (settings.hmac.current.reveal(), None),
        *((secret, ends_ns) for secret, ends_ns in retired if secret),
    ]


def _prefixes(settings: CredentialSettings) -> tuple[bytes, ...]:
    prefixes = (
        settings.prefix,
        settings.public_prefix or "",
        *settings.prefixes_retired,
        *settings.public_prefixes_retired,
    )
    return tuple(prefix.encode() for prefix in prefixes if prefix)
