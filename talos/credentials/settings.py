"""The settings that decide which credentials are made and which are accepted."""

from dataclasses import dataclass

from talos.credentials.jwk import SigningKeys
from talos.credentials.secrets import Retired, SecretRing


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """One consistent snapshot (contract 8.3, ``credentials.*`` and ``secrets.*``).

    ``generation`` differs between any two snapshots that could judge a credential differently; a
    remembered signature is worth nothing under another generation (contract 16, 6).
    """

    hmac: SecretRing
    issuer: str
    issuers_retired: tuple[Retired[str], ...]
    clock_skew_ns: int
    max_ttl_ns: int
    prefix: str
    prefixes_retired: tuple[str, ...]
    public_prefix: str | None
    public_prefixes_retired: tuple[str, ...]
    macaroon_prefix: str
    macaroon_prefixes_retired: tuple[str, ...]
    signing_keys: SigningKeys
    signing_key_id: str
    generation: int
