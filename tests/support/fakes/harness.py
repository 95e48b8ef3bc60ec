"""Every service on fakes, wired as the bootstrap wires the real ones."""

from collections.abc import Callable

from talos.domain.addresses import Caller
from talos.domain.drafts import KeyDraft, VerifyDraft
from talos.domain.keys import Key
from talos.domain.verification import CacheDirective, Verification, VerificationErrorCode
from talos.services.assembly import assemble
from talos.services.ports import Clock, KeyCache, Ports
from talos.services.tenant import Tenant
from talos.services.verdicts import Verified
from tests.support.fakes.cache import RecordingCache
from tests.support.fakes.clock import FrozenClock
from tests.support.fakes.events import RecordingEvents
from tests.support.fakes.keys import InMemoryKeys
from tests.support.fakes.limits import CountingLimiter
from tests.support.fakes.marks import RecordingMarks
from tests.support.fakes.tenants import TENANT
from tests.support.fakes.verified_tokens import RecordingTokenCache

CALLER = Caller("192.0.2.1")
DRAFT = KeyDraft(name="a key", actor_id="user_1", scopes=("read", "write"))


class ServiceHarness:
    """Services and the fakes behind them; ``make_cache`` gives them another cache."""

    def __init__(self, make_cache: Callable[[Clock], KeyCache] | None = None) -> None:
        self.clock = FrozenClock()
        self.keys = InMemoryKeys()
        self.cache = RecordingCache(self.clock)
        self.verified_tokens = RecordingTokenCache()
        cache = self.cache if make_cache is None else make_cache(self.clock)
        self.limiter = CountingLimiter()
        self.marks = RecordingMarks()
        self.events = RecordingEvents()
        self.ports = Ports(
            keys=self.keys,
            cache=cache,
            verified_tokens=self.verified_tokens,
            limiter=self.limiter,
            last_used=self.marks,
            events=self.events,
            clock=self.clock,
        )
        self.services = assemble(self.ports)

    def issue(self, draft: KeyDraft = DRAFT, tenant: Tenant = TENANT) -> tuple[Key, str]:
        """A fresh issued key and its secret; the event of its making is forgotten."""
        issued = self.services.issue.issue(tenant, draft)
        self.events.clear()
        return issued.key, issued.secret

    def verified(
        self,
        credential: str,
        *,
        tenant: Tenant = TENANT,
        caller: Caller = CALLER,
        directive: CacheDirective = CacheDirective.DEFAULT,
        audiences: tuple[str, ...] = (),
    ) -> Verified:
        """The answer to one verify request."""
        draft = VerifyDraft(credential, audiences)
        return self.services.verify.verify(tenant, draft, caller, directive)

    def verdict(self, credential: str, **options: object) -> VerificationErrorCode | None:
        """The error code of one verify request, None for a valid credential."""
        return self.verified(credential, **options).verification.error  # type: ignore[arg-type]

    def batch(
        self,
        *credentials: str,
        tenant: Tenant = TENANT,
        caller: Caller = CALLER,
        directive: CacheDirective = CacheDirective.DEFAULT,
    ) -> tuple[Verification, ...]:
        """The answer to one batch verify request."""
        drafts = [VerifyDraft(credential) for credential in credentials]
        return self.services.verify.verify_batch(tenant, drafts, caller, directive)

    def row(self, key: Key) -> Key:
        """What is stored of a key."""
        return self.keys.rows[key.ref]
