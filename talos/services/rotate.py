"""Rotating an issued key: a successor takes its place (contract 4.5)."""

import uuid
from dataclasses import dataclass, field, replace

from talos.credentials import issued
from talos.domain import rules
from talos.domain.drafts import KeyChange
from talos.domain.events import NOBODY, Requester
from talos.domain.keys import Key, KeyKind, KeyRef, KeyStatus, KeyVisibility, RevocationReason
from talos.errors import FailedPrecondition
from talos.services import audit
from talos.services.issue import made_visibility, minting_prefix, shown
from talos.services.lookup import require_key_id
from talos.services.ports import Change, Clock
from talos.services.revoke import revoked
from talos.services.tenant import Tenant
from talos.services.writes import KeyWriter, Occasion


@dataclass(frozen=True, slots=True)
class RotatedKey:
    """The successor, the only copy of its secret, and the old key as the response shows it."""

    key: Key
    secret: str = field(repr=False)
    old: Key


class RotateService:
    """Replaces issued keys."""

    def __init__(self, writer: KeyWriter, clock: Clock) -> None:
        """Write through ``writer``."""
        self._writer = writer
        self._clock = clock

    def rotate(
        self, tenant: Tenant, key_id: str, change: KeyChange, requester: Requester = NOBODY
    ) -> RotatedKey:
        """Make a successor that inherits what ``change`` leaves out, and revoke the old key.

        One transaction: of concurrent rotations one succeeds. Raises, in this order,
        ``InvalidRequest`` for a broken field rule, ``ApiKeyNotFound``, ``FailedPrecondition`` for
        a key that is not active, ``InvalidRequest`` for PUBLIC without a public prefix and for a
        malformed CIDR, and what the repository raises. The quota is not checked.
        """
        rules.raise_for(rules.change(change))
        rules.raise_for(rules.metadata(change.metadata))
        require_key_id(KeyKind.ISSUED, key_id)
        now_ns = self._clock.now_ns()
        new_id = str(uuid.uuid4())
        secret = ""
        new: Key | None = None

        def succeed(old: Key) -> Change:
            nonlocal secret, new
            if old.status is not KeyStatus.ACTIVE:
                raise FailedPrecondition("cannot rotate a non-active key")
            new = _successor(old, change, new_id, tenant, now_ns)
            rules.raise_for(rules.cidr_syntax(change.allowed_cidrs or ()))
            # Before the commit: a successor whose secret nobody ever saw would be a lost key.
            secret = issued.mint(tenant.credentials, new.visibility, new_id, now_ns)
            old_after = revoked(
                old,
                RevocationReason.SUPERSEDED,
                now_ns,
                description="rotated: replaced by new key",
            )
            return Change(old_after, (audit.rotated(new, old),), successor=new)

        ref = KeyRef(tenant.network_id, KeyKind.ISSUED, key_id)
        changed = self._writer.change(ref, succeed, Occasion(now_ns, requester))
        if new is None:
            raise RuntimeError("the key was changed without being asked to")
        return RotatedKey(shown(new, now_ns), secret, _as_shown(changed.before, changed.after))


def _successor(old: Key, change: KeyChange, key_id: str, tenant: Tenant, now_ns: int) -> Key:
    """Return the record of the new key: the owner, the expiry and what is not changed are kept."""
    visibility = (
        old.visibility
        if change.visibility == KeyVisibility.UNSPECIFIED
        else made_visibility(change.visibility)
    )
    return replace(
        old,
        key_id=key_id,
        name=old.name if change.name is None else change.name,
        scopes=old.scopes if change.scopes is None else change.scopes,
        metadata=old.metadata if change.metadata is None else change.metadata,
        rate_limit=rules.rate_limit_policy(change.rate_limit) or old.rate_limit,
        allowed_cidrs=(old.allowed_cidrs if change.allowed_cidrs is None else change.allowed_cidrs),
        visibility=visibility,
        token_prefix=minting_prefix(tenant, visibility),
        created_at_ns=now_ns,
        updated_at_ns=now_ns,
        last_used_at_ns=None,
        request_id=None,
    )


def _as_shown(before: Key, after: Key) -> Key:
    """Return the old key as the response of a rotation shows it.

    Revoked, with the longer expiry, and otherwise as it was: reason, description and the new update
    time are seen by a later read only.
    """
    return replace(before, status=after.status, expires_at_ns=after.expires_at_ns)
