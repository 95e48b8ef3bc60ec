"""What the compiled fast path has to know of the settings (contract 6.2, 6.4, 6.8)."""

import uuid
from collections.abc import Callable
from typing import Final

from talos import _core
from talos.credentials.settings import CredentialSettings
from talos.domain.units import INT64_MAX
from talos.errors import NotFound
from talos.services.tenant import Tenant, TenantDirectory

_MACAROON_MARK: Final = "_v1_"


def networks_by_host(
    directory: TenantDirectory,
) -> Callable[[str], _core.FastPathNetwork | None]:
    """Return what finds the network of a host for the fast path, under one configuration.

    It returns None for a host that is not allowed, belongs to no network, or to one for which there
    are ``obstacles``. Those of the middleware are for the caller to ask for.
    """
    allowed = directory.http.allowed_hosts
    found: dict[str, _core.FastPathNetwork | None] = {}

    def find(host: str) -> _core.FastPathNetwork | None:
        if allowed is not None and not allowed.allow(host):
            return None
        try:
            tenant = directory.resolve(host)
        except NotFound:
            return None
        if tenant.network_id not in found:
            found[tenant.network_id] = None if obstacles(tenant) else network(tenant)
        return found[tenant.network_id]

    return find


def network(tenant: Tenant) -> _core.FastPathNetwork:
    """Return the settings under which the fast path judges as ``services.verify`` does.

    Raises ``ValueError`` where there are too many secrets or prefixes, one of the ``obstacles``.
    """
    settings = tenant.credentials
    macaroons = (settings.macaroon_prefix, *settings.macaroon_prefixes_retired)
    return _core.FastPathNetwork(
        network=uuid.UUID(tenant.network_id).bytes,
        secrets=_secrets(settings),
        prefixes=_prefixes(settings),
        macaroons=tuple((prefix + _MACAROON_MARK).encode() for prefix in macaroons if prefix),
        max_ttl_ns=max(0, min(settings.max_ttl_ns, INT64_MAX)),
        skew_ns=max(0, min(settings.clock_skew_ns, INT64_MAX)),
        max_age_ns=max(0, min(tenant.cache_ttl_ns, INT64_MAX)),
        generation=settings.generation,
        limits_enabled=tenant.rate_limit_enabled,
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
