"""Issuing a key (contract 4.1)."""

import uuid
from dataclasses import dataclass, field, replace

from talos.credentials import issued
from talos.domain import rules
from talos.domain.drafts import KeyDraft
from talos.domain.events import NOBODY, Requester
from talos.domain.keys import NO_METADATA, Key, KeyKind, KeyStatus, KeyVisibility
from talos.errors import InvalidRequest, QuotaExceeded
from talos.services import audit
from talos.services.lifetimes import expiry_ns, key_lifetime_ns
from talos.services.ports import Clock, KeyRepository
from talos.services.tenant import Tenant
from talos.services.writes import KeyWriter, Occasion


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key and the only copy of its secret.

    On a replay of a ``request_id`` the key is the stored one in its present state, and ``secret``
    is empty.
    """

    key: Key
    secret: str = field(repr=False)


class IssueService:
    """Makes keys of the server's own format."""

    def __init__(self, writer: KeyWriter, keys: KeyRepository, clock: Clock) -> None:
        """Store through ``writer``; ``keys`` counts towards the quota."""
        self._writer = writer
        self._keys = keys
        self._clock = clock

    def issue(self, tenant: Tenant, draft: KeyDraft, requester: Requester = NOBODY) -> Issued:
        """Make a key, or return the one that an earlier call with the same ``request_id`` made.

        Raises ``InvalidRequest`` for a broken field rule, a lifetime the tenant does not allow and
        a PUBLIC key where no public prefix is configured, ``QuotaExceeded`` at the cap, and what
        the repository raises.
        """
        rules.raise_for(rules.issue(draft))
        lifetime_ns = key_lifetime_ns(draft.ttl_ns, tenant)
        now_ns = self._clock.now_ns()
        visibility = made_visibility(draft.visibility)
        prefix = self._prefix(tenant, visibility, now_ns)
        key_id = str(uuid.uuid4())
        secret = issued.mint(tenant.credentials, visibility, key_id, now_ns)
        key = new_key(
            draft,
            KeyKind.ISSUED,
            tenant.network_id,
            key_id,
            created_at_ns=now_ns,
            expires_at_ns=expiry_ns(now_ns, lifetime_ns),
        )
        key = replace(
            key,
            request_id=draft.request_id or None,
            token_prefix=prefix,
        )
        occasion = Occasion(now_ns, requester, quota=tenant.api_keys_max)
        inserted = self._writer.insert(key, audit.created(key), occasion)
        if not inserted.created:
            return Issued(shown(inserted.key, now_ns), secret="")
        return Issued(inserted.key, secret)

    def _prefix(self, tenant: Tenant, visibility: KeyVisibility, now_ns: int) -> str:
        try:
            return minting_prefix(tenant, visibility)
        except InvalidRequest:
            # The quota comes first (contract 4.1), and the insert, which holds to it, is not
            # reached. As nothing is inserted, no other call can make this answer a wrong one.
            quota = tenant.api_keys_max
            if quota > 0 and self._keys.is_full(tenant.network_id, quota=quota, now_ns=now_ns):
                raise QuotaExceeded from None
            raise


def new_key(
    draft: KeyDraft,
    kind: KeyKind,
    network_id: str,
    key_id: str,
    *,
    created_at_ns: int,
    expires_at_ns: int,
) -> Key:
    """Return the record of a key that a draft without violations asks for, ACTIVE from now on."""
    return Key(
        kind=kind,
        network_id=network_id,
        key_id=key_id,
        name=draft.name,
        actor_id=draft.actor_id,
        scopes=draft.scopes,
        metadata=NO_METADATA if draft.metadata is None else draft.metadata,
        status=KeyStatus.ACTIVE,
        visibility=made_visibility(draft.visibility),
        created_at_ns=created_at_ns,
        updated_at_ns=created_at_ns,
        expires_at_ns=expires_at_ns,
        rate_limit=rules.rate_limit_policy(draft.rate_limit),
        allowed_cidrs=draft.allowed_cidrs,
    )


def minting_prefix(tenant: Tenant, visibility: KeyVisibility) -> str:
    """Return the prefix of new keys; raises ``InvalidRequest`` for PUBLIC without a public one."""
    if visibility is KeyVisibility.PUBLIC:
        return issued.public_prefix(tenant.credentials)
    return tenant.credentials.prefix


def made_visibility(number: int) -> KeyVisibility:
    """Return the visibility a key is made with: UNSPECIFIED acts as SECRET."""
    return KeyVisibility.PUBLIC if number == KeyVisibility.PUBLIC else KeyVisibility.SECRET


def shown(key: Key, now_ns: int) -> Key:
    """Return the record as a client is shown it: an expired key says so (contract 16 (9))."""
    return replace(key, status=key.shown_status(now_ns))
