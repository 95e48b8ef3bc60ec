"""Deriving a short-lived token from a key (contract 4.13)."""

from dataclasses import dataclass, field

from talos.credentials import claims, jwt, macaroon
from talos.credentials.claims import TokenClaims
from talos.credentials.jwk import SigningKey
from talos.credentials.routing import route
from talos.domain import rules
from talos.domain.addresses import Caller
from talos.domain.drafts import DeriveDraft
from talos.domain.durations import format_go
from talos.domain.events import NOBODY, Requester
from talos.domain.keys import Key, TokenAlgorithm
from talos.domain.verification import CacheDirective, VerificationErrorCode
from talos.errors import (
    FailedPrecondition,
    Forbidden,
    InternalError,
    InvalidRequest,
    TalosError,
    Unauthorized,
)
from talos.services import audit
from talos.services.audit import VerificationFailures
from talos.services.lifetimes import require_within_maximum
from talos.services.ports import Clock, EventEmitter
from talos.services.tenant import Tenant
from talos.services.verdicts import Rejected
from talos.services.verify import VerifyService


@dataclass(frozen=True, slots=True)
class DerivedToken:
    """A new token. ``claims`` are the parent's metadata under the caller's custom claims."""

    token: str = field(repr=False)
    expires_at_ns: int
    scopes: tuple[str, ...]
    claims: dict[str, object]
    audiences: tuple[str, ...]


class DeriveService:
    """Mints tokens that verify without a database, and never allow more than their parent."""

    def __init__(self, verifier: VerifyService, clock: Clock, events: EventEmitter) -> None:
        """Verify parents with ``verifier``, emit ``events``."""
        self._verifier = verifier
        self._clock = clock
        self._events = events
        self._failures = VerificationFailures(events)

    def derive(
        self,
        tenant: Tenant,
        draft: DeriveDraft,
        caller: Caller,
        directive: CacheDirective,
        requester: Requester = NOBODY,
    ) -> DerivedToken:
        """Derive a token; nothing is stored.

        Raises, in this order, ``InvalidRequest`` for a broken field rule and a ttl beyond the
        configured maximum; ``Forbidden`` for a revoked parent, ``Unauthorized`` for one that fails
        verification otherwise, ``InvalidRequest`` for a derived token; ``FailedPrecondition`` for
        one that expires this instant, ``InvalidRequest`` for a ttl beyond its life;
        ``InternalError`` without a key to sign with; ``Forbidden`` for a scope that the parent
        lacks; ``InvalidRequest`` for a token longer than 8192 bytes. What the repository raises
        passes through.
        """
        rules.raise_for(rules.derive(draft))
        _require_allowed(draft.ttl_ns, tenant)
        parent = self._parent(tenant, draft.credential, caller, directive, requester)
        now_ns = self._clock.now_ns()
        ttl_ns = _lifetime_ns(draft.ttl_ns, tenant, parent, now_ns)
        algorithm = (
            TokenAlgorithm.MACAROON
            if draft.algorithm == TokenAlgorithm.MACAROON
            else TokenAlgorithm.JWT
        )
        signer = _signer(tenant) if algorithm is TokenAlgorithm.JWT else None
        scopes = _scopes(draft.scopes, parent)
        try:
            token_claims = claims.derive(
                parent,
                issuer=tenant.credentials.issuer,
                scopes=scopes,
                audiences=draft.audiences,
                custom_claims=draft.custom_claims or {},
                now_ns=now_ns,
                ttl_ns=ttl_ns,
            )
        except ValueError as error:
            raise InternalError("read API key") from error
        token = _mint(token_claims, tenant, signer)
        self._events.emit(audit.derived(parent, algorithm, ttl_ns).by(requester))
        return DerivedToken(
            token, now_ns + ttl_ns, scopes, token_claims.shown_when_derived, draft.audiences
        )

    def _parent(
        self,
        tenant: Tenant,
        credential: str,
        caller: Caller,
        directive: CacheDirective,
        requester: Requester,
    ) -> Key:
        try:
            return self._verifier.parent(tenant, credential, caller, directive)
        except Rejected as refusal:
            type_ = route(credential, tenant.credentials)
            now_ns = self._clock.now_ns()
            failure = audit.verification_failed(
                tenant.network_id, refusal.message, type_, refusal.key_id
            )
            self._failures.emit(failure.by(requester), now_ns)
            raise _as_error(refusal) from refusal


def _require_allowed(requested_ns: int | None, tenant: Tenant) -> None:
    """Check the ttl, given or default, against the configuration; it is rejected, not clamped."""
    ttl_ns = tenant.token_ttl_ns if requested_ns is None else requested_ns
    if ttl_ns <= 0:
        raise InvalidRequest("ttl must be greater than 0, and the project has no default ttl")
    require_within_maximum(ttl_ns, tenant)


def _lifetime_ns(requested_ns: int | None, tenant: Tenant, parent: Key, now_ns: int) -> int:
    """Return the lifetime: never beyond the parent's, and only a default is cut (16 (22))."""
    ttl_ns = tenant.token_ttl_ns if requested_ns is None else requested_ns
    if parent.expires_at_ns is None:
        return ttl_ns
    remaining_ns = parent.expires_at_ns - now_ns
    if remaining_ns <= 0:
        raise FailedPrecondition("the parent key has expired")
    if requested_ns is not None and ttl_ns > remaining_ns:
        raise InvalidRequest(
            f"ttl of {format_go(ttl_ns)} exceeds the remaining life of the parent key, "
            f"{format_go(remaining_ns)}"
        )
    return min(ttl_ns, remaining_ns)


def _signer(tenant: Tenant) -> SigningKey:
    settings = tenant.credentials
    return settings.signing_keys.signer(settings.signing_key_id)


def _scopes(requested: tuple[str, ...], parent: Key) -> tuple[str, ...]:
    """Return the effective scopes: the parent's, or those requested if it has every one."""
    for scope in requested:
        if scope not in parent.scopes:
            raise Forbidden(f'scope "{scope}" is not among the scopes of the parent key')
    return requested or parent.scopes


def _mint(token_claims: TokenClaims, tenant: Tenant, signer: SigningKey | None) -> str:
    try:
        if signer is None:
            return macaroon.mint(token_claims, tenant.credentials)
        return jwt.sign(token_claims, signer)
    except ValueError as error:
        raise InvalidRequest("custom_claims: cannot be written as JSON") from error


def _as_error(refusal: Rejected) -> TalosError:
    if refusal.code is VerificationErrorCode.REVOKED:
        return Forbidden("key is revoked")
    if refusal.code is VerificationErrorCode.INTERNAL:
        return InternalError("verify API key")
    return Unauthorized("verify API key")
