"""Which kind of credential a text is, by its shape alone (contract 5.6)."""

from typing import Final

from talos import _core
from talos.credentials.settings import CredentialSettings
from talos.domain.verification import CredentialType

_TYPES: Final = {
    _core.ROUTE_JWT: CredentialType.JWT,
    _core.ROUTE_MACAROON: CredentialType.MACAROON,
    _core.ROUTE_ISSUED: CredentialType.ISSUED,
    _core.ROUTE_IMPORTED: CredentialType.IMPORTED,
}


def route(credential: str, settings: CredentialSettings) -> CredentialType:
    """Return the first kind whose shape fits; IMPORTED fits every text."""
    prefixes = (settings.macaroon_prefix, *settings.macaroon_prefixes_retired)
    return _TYPES[_core.route(credential, prefixes)]
