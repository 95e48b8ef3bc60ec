"""Keys of either kind, named by credential or by id (contract 4.12 to 4.15, 1.2)."""

from collections import Counter
from typing import Final

import falcon

from talos.domain.units import NS_PER_S
from talos.domain.verification import Verification, VerificationErrorCode
from talos.http.body import read_body
from talos.http.dependencies import HttpDependencies
from talos.http.messages import BATCH_VERIFY, DERIVE, REVOKE, SELF_REVOKE, VERIFY
from talos.http.request import Request, cache_directive, caller, requester
from talos.http.responses import no_content, ok
from talos.http.wire import (
    BatchVerifyApiKeysResponse,
    SelfRevokeApiKeyResponse,
    derived_token,
    verification,
)

_RATE_LIMITED: Final = VerificationErrorCode.RATE_LIMITED
_VALID: Final = "VALID"


class VerifyResource:
    """``/apiKeys:verify``, the warm path of what the server is for."""

    def __init__(self, deps: HttpDependencies) -> None:
        """Verify."""
        self._verify = deps.services.verify
        self._clock = deps.clock

    def on_post(self, req: Request, resp: falcon.Response) -> None:
        """Judge one credential."""
        draft = VERIFY.decode(read_body(req))
        context = req.context
        verified = self._verify.verify(
            context.tenant, draft, caller(req), cache_directive(req), requester(req)
        )
        verdict = verified.verification
        context.verdict = {"verdict": _told(verdict), "type": verified.type.value}
        if verified.key_id:
            context.verdict["key_id"] = verified.key_id
        resp.set_header("Ory-Talos-Cache", verified.cache.value)
        if verdict.rate_limit is not None or verdict.restricted:
            self._set_headers(resp, verdict)
        ok(resp, verification(verdict))

    def _set_headers(self, resp: falcon.Response, verdict: Verification) -> None:
        """Set the headers of keys with a policy or an address list (contract 6.7)."""
        policy, limit = verdict.rate_limit, verdict.limit_state
        if policy is not None and policy.quota > 0:
            value = f'"default";q={policy.quota};w={policy.window_s}'
            resp.set_header("RateLimit-Policy", value)
        if limit is not None:
            resp.set_header("RateLimit", f'"default";r={limit.remaining}')
        is_limited = verdict.error is _RATE_LIMITED
        if is_limited and limit is not None:
            wait_s = (limit.reset_at_ns - self._clock.now_ns()) // NS_PER_S
            resp.set_header("Retry-After", str(max(wait_s, 1)))
        if (verdict.is_valid or is_limited) and verdict.restricted:
            resp.set_header("Cache-Control", "no-store")


class BatchVerifyResource:
    """``/apiKeys:batchVerify``."""

    def __init__(self, deps: HttpDependencies) -> None:
        """Verify many."""
        self._verify = deps.services.verify

    def on_post(self, req: Request, resp: falcon.Response) -> None:
        """Judge up to a hundred credentials."""
        drafts = BATCH_VERIFY.decode(read_body(req))
        verdicts = self._verify.verify_batch(
            req.context.tenant, drafts, caller(req), cache_directive(req), requester(req)
        )
        req.context.verdict = {"verdicts": dict(Counter(map(_told, verdicts)))}
        ok(resp, BatchVerifyApiKeysResponse([verification(verdict) for verdict in verdicts]))


class DeriveResource:
    """``/apiKeys:derive``."""

    def __init__(self, deps: HttpDependencies) -> None:
        """Derive."""
        self._derive = deps.services.derive

    def on_post(self, req: Request, resp: falcon.Response) -> None:
        """Mint a short-lived token from a key."""
        draft = DERIVE.decode(read_body(req))
        token = self._derive.derive(
            req.context.tenant, draft, caller(req), cache_directive(req), requester(req)
        )
        ok(resp, derived_token(token))


class SelfRevokeResource:
    """``/apiKeys:selfRevoke``, the one operation of the public surface that changes anything."""

    def __init__(self, deps: HttpDependencies) -> None:
        """Revoke by credential."""
        self._revoke = deps.services.revoke

    def on_post(self, req: Request, resp: falcon.Response) -> None:
        """Revoke the key that is presented."""
        draft = SELF_REVOKE.decode(read_body(req))
        self._revoke.self_revoke(req.context.tenant, draft, requester(req))
        ok(resp, SelfRevokeApiKeyResponse())


class ApiKeyResource:
    """``/apiKeys/{key_id}:revoke``: an id of either kind."""

    def __init__(self, deps: HttpDependencies) -> None:
        """Revoke by id."""
        self._revoke = deps.services.revoke

    def on_post_revoke(self, req: Request, resp: falcon.Response, key_id: str) -> None:
        """Revoke the key."""
        draft = REVOKE.decode(read_body(req))
        self._revoke.revoke_any(req.context.tenant, key_id, draft, requester(req))
        no_content(resp)


def _told(verdict: Verification) -> str:
    """Name a verdict in the log."""
    return _VALID if verdict.error is None else verdict.error.value
