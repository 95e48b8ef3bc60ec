"""What the compiled path for ready answers has to know of the settings (contract 6.2, 6.4, 6.8)."""

import uuid
from typing import Final

from talos import _core
from talos.domain.units import INT64_MAX
from talos.services.tenant import HttpSettings, Tenant

_MACAROON_MARK: Final = "_v1_"


def configure(hot_path: _core.HotPath, tenant: Tenant, http: HttpSettings) -> bool:
    """Have ``hot_path`` judge as ``services.verify`` does under these settings.

    It is disabled, and False is returned, where the cache is off, where cross-origin headers depend
    on the request, and where there are more secrets or prefixes than it has room for.
    """
    if not tenant.cache_enabled or http.cors_enabled:
        hot_path.disable()
        return False
    settings = tenant.credentials
    retired = [(entry.value.reveal(), entry.expires_at_ns) for entry in settings.hmac.retired]
    prefixes = (
        settings.prefix,
        settings.public_prefix or "",
        *settings.prefixes_retired,
        *settings.public_prefixes_retired,
    )
    macaroons = (settings.macaroon_prefix, *settings.macaroon_prefixes_retired)
    return hot_path.configure(
        network=uuid.UUID(tenant.network_id).bytes,
        secrets=[
            (settings.hmac.current.reveal(), None),
            *((secret, ends_ns) for secret, ends_ns in retired if secret),
        ],
        prefixes=tuple(prefix.encode() for prefix in prefixes if prefix),
        foreign=tuple((prefix + _MACAROON_MARK).encode() for prefix in macaroons if prefix),
        max_ttl_ns=max(0, min(settings.max_ttl_ns, INT64_MAX)),
        skew_ns=max(0, min(settings.clock_skew_ns, INT64_MAX)),
        max_age_ns=max(0, min(tenant.cache_ttl_ns, INT64_MAX)),
        generation=settings.generation,
        limits_enabled=tenant.rate_limit_enabled,
        allows_host=http.allowed_hosts.allow if http.allowed_hosts else None,
    )
