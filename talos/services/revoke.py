"""Revoking a key: by an administrator, or by its holder (contract 4.6, 4.11, 4.12)."""

from dataclasses import replace

from talos.credentials.routing import route
from talos.domain import rules
from talos.domain.drafts import RevokeDraft, SelfRevokeDraft
from talos.domain.events import NOBODY, Requester
from talos.domain.keys import Key, KeyKind, KeyRef, KeyStatus, KeyVisibility, RevocationReason
from talos.domain.verification import CredentialType
from talos.errors import (
    ApiKeyExpired,
    ApiKeyNotFound,
    Conflict,
    DerivedTokenNotRevocable,
    Forbidden,
)
from talos.services import audit
from talos.services.gates import check_minting, possession
from talos.services.lifetimes import retained_until_ns
from talos.services.lookup import require_key_id
from talos.services.ports import Change, Clock, KeyCache, KeyRepository
from talos.services.tenant import Tenant
from talos.services.verdicts import Rejected
from talos.services.writes import KeyWriter, Occasion


class _AlreadyRevokedError(Conflict):
    """Somebody was faster; for a self-revocation that is as good as having done it.

    It is an error of ours, as whatever passes through a transaction has to be.
    """


class RevokeService:
    """Takes keys back, for good."""

    def __init__(
        self, writer: KeyWriter, keys: KeyRepository, cache: KeyCache, clock: Clock
    ) -> None:
        """Write through ``writer``; ``keys`` and ``cache`` say what need not be written."""
        self._writer = writer
        self._keys = keys
        self._cache = cache
        self._clock = clock

    def revoke(
        self,
        tenant: Tenant,
        kind: KeyKind,
        key_id: str,
        draft: RevokeDraft,
        requester: Requester = NOBODY,
    ) -> None:
        """Revoke a key that is active or expired.

        Raises, in this order, ``InvalidRequest`` for a broken field rule (a description goes with
        PRIVILEGE_WITHDRAWN only), ``ApiKeyNotFound``, ``Conflict`` if it is revoked already, and
        what the repository raises.
        """
        rules.raise_for(rules.revoke(draft))
        require_key_id(kind, key_id)
        ref = KeyRef(tenant.network_id, kind, key_id)
        reason = RevocationReason(draft.reason)
        now_ns = self._clock.now_ns()

        def take_back(key: Key) -> Change:
            if key.status is KeyStatus.REVOKED:
                raise Conflict("key is already revoked")
            after = revoked(key, reason, now_ns, description=draft.description)
            return Change(after, (audit.revoked(key, reason),))

        self._writer.change(ref, take_back, Occasion(now_ns, requester))

    def revoke_any(
        self, tenant: Tenant, key_id: str, draft: RevokeDraft, requester: Requester = NOBODY
    ) -> None:
        """Revoke an issued key, or where there is none an imported one (1.2). Raises as above."""
        try:
            self.revoke(tenant, KeyKind.ISSUED, key_id, draft, requester)
        except ApiKeyNotFound:
            self.revoke(tenant, KeyKind.IMPORTED, key_id, draft, requester)

    def self_revoke(
        self, tenant: Tenant, draft: SelfRevokeDraft, requester: Requester = NOBODY
    ) -> None:
        """Revoke the key whose full credential is presented; a revoked one stays as it is.

        Neither allowlist nor rate limit counts here. Raises, in this order, ``InvalidRequest`` for
        a broken field rule, ``DerivedTokenNotRevocable``, ``ApiKeyNotFound`` for a credential that
        proves nothing, ``ApiKeyExpired``, ``Forbidden`` for a PUBLIC key, and what the repository
        raises.
        """
        rules.raise_for(rules.self_revoke(draft))
        type_ = route(draft.credential, tenant.credentials)
        if type_ in (CredentialType.JWT, CredentialType.MACAROON):
            raise DerivedTokenNotRevocable
        now_ns = self._clock.now_ns()
        try:
            proven = possession(draft.credential, tenant, now_ns)
            check_minting(proven, tenant, now_ns)
        except Rejected:
            raise ApiKeyNotFound from None
        reason = RevocationReason(draft.reason)

        def give_back(key: Key) -> Change:
            status = key.shown_status(now_ns)
            if status is KeyStatus.REVOKED:
                raise _AlreadyRevokedError
            if status is KeyStatus.EXPIRED:
                raise ApiKeyExpired
            if key.visibility is KeyVisibility.PUBLIC:
                raise Forbidden("a public key cannot be revoked by its holder")
            after = revoked(key, reason, now_ns)
            return Change(after, (audit.self_revoked(after, reason),))

        # Anybody may present any text here, and a key that cannot be revoked again and again: the
        # cache is held, which concerns other keys too, only where there is something to change.
        found = self._keys.get(proven.ref)
        if found is None:
            raise ApiKeyNotFound
        try:
            give_back(found)
            self._writer.change(proven.ref, give_back, Occasion(now_ns, requester))
        except _AlreadyRevokedError:
            self._cache.evict_if_there(proven.ref)


def revoked(key: Key, reason: RevocationReason, now_ns: int, *, description: str = "") -> Key:
    """Return the record of ``key`` as revoked now, kept at least 30 days from now (4.6)."""
    return replace(
        key,
        status=KeyStatus.REVOKED,
        revocation_reason=reason,
        revocation_description=description or None,
        expires_at_ns=retained_until_ns(now_ns, key.expires_at_ns),
        updated_at_ns=now_ns,
    )
