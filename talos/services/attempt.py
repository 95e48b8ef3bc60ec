"""What is known of a credential while it is being verified."""

from dataclasses import dataclass

from talos import _core
from talos.domain.addresses import Caller
from talos.domain.drafts import VerifyDraft
from talos.domain.events import NOBODY, Requester
from talos.domain.keys import Key, KeyRef
from talos.domain.verification import CacheDirective, CacheOutcome, CredentialType
from talos.services.ports import Lease
from talos.services.tenant import Tenant


@dataclass(frozen=True, slots=True)
class ProvenCredential:
    """Which record a credential names, whose holder has proven possession.

    ``text`` holds the parts of an issued key, and is None for an imported one.
    """

    ref: KeyRef
    text: _core.UnverifiedIssuedKey | None


@dataclass(slots=True)
class Attempt:
    """One credential on its way through the gates."""

    tenant: Tenant
    draft: VerifyDraft
    caller: Caller
    directive: CacheDirective
    now_ns: int
    type: CredentialType
    requester: Requester = NOBODY
    cache: CacheOutcome = CacheOutcome.SKIP
    proven: ProvenCredential | None = None
    """Set when steps 1 to 3 of contract 6.2 are passed."""
    lease: Lease | None = None
    """Taken before the row is read; None where the cache may not be written."""
    key_id: str = ""
    """The key's, once checksum or signature are right, whatever the verdict."""
    row: Key | None = None
    """The record, where the database was asked for it."""

    @property
    def derived(self) -> bool:
        """Whether the credential has the shape of a derived token."""
        return self.type in (CredentialType.JWT, CredentialType.MACAROON)

    @property
    def reads_cache(self) -> bool:
        """Whether the record may come from the cache (6.8)."""
        return self.tenant.cache_enabled and self.directive is CacheDirective.DEFAULT

    @property
    def fills_cache(self) -> bool:
        """Whether the record may be published to the cache (6.8)."""
        return (
            self.tenant.cache_enabled
            and self.tenant.cache_ttl_ns > 0
            and self.directive is not CacheDirective.NO_STORE
        )
