"""Issued keys: the collection, and one of them (contract 4.1 to 4.6)."""

import falcon

from talos.domain.keys import KeyKind
from talos.http.body import read_body
from talos.http.dependencies import HttpDependencies
from talos.http.messages import ISSUE, REVOKE, ROTATE, decode_update
from talos.http.paths import ISSUED
from talos.http.query import decode_list, decode_mask
from talos.http.request import Request, requester
from talos.http.responses import created, no_content, ok
from talos.http.wire import (
    IssueApiKeyResponse,
    IssuedApiKey,
    ListIssuedApiKeysResponse,
    RotateIssuedApiKeyResponse,
    api_key,
)


class IssuedApiKeysResource:
    """``/issuedApiKeys``."""

    def __init__(self, deps: HttpDependencies) -> None:
        """Issue and list."""
        self._issue = deps.services.issue
        self._query = deps.services.query

    def on_post(self, req: Request, resp: falcon.Response) -> None:
        """Issue a key."""
        draft = ISSUE.decode(read_body(req))
        issued = self._issue.issue(req.context.tenant, draft, requester(req))
        key = api_key(IssuedApiKey, issued.key)
        created(resp, IssueApiKeyResponse(key, issued.secret), f"{ISSUED}/{key.key_id}")

    def on_get(self, req: Request, resp: falcon.Response) -> None:
        """List keys."""
        query = decode_list(req.query_string)
        page = self._query.list(req.context.tenant, KeyKind.ISSUED, query)
        keys = [api_key(IssuedApiKey, key) for key in page.keys]
        ok(resp, ListIssuedApiKeysResponse(keys, page.next_page_token))


class IssuedApiKeyResource:
    """``/issuedApiKeys/{key_id}``, and its verbs."""

    def __init__(self, deps: HttpDependencies) -> None:
        """Show, change, rotate and revoke."""
        self._query = deps.services.query
        self._update = deps.services.update
        self._rotate = deps.services.rotate
        self._revoke = deps.services.revoke

    def on_get(self, req: Request, resp: falcon.Response, key_id: str) -> None:
        """Show the key."""
        key = self._query.get(req.context.tenant, KeyKind.ISSUED, key_id)
        ok(resp, api_key(IssuedApiKey, key))

    def on_patch(self, req: Request, resp: falcon.Response, key_id: str) -> None:
        """Change the key."""
        change = decode_update(read_body(req), wrapper="issued_api_key")
        mask = decode_mask(req.query_string)
        key = self._update.update(
            req.context.tenant, KeyKind.ISSUED, key_id, change, mask, requester(req)
        )
        ok(resp, api_key(IssuedApiKey, key))

    def on_post_rotate(self, req: Request, resp: falcon.Response, key_id: str) -> None:
        """Replace the key by a successor."""
        change = ROTATE.decode(read_body(req))
        rotated = self._rotate.rotate(req.context.tenant, key_id, change, requester(req))
        key = api_key(IssuedApiKey, rotated.key)
        old = api_key(IssuedApiKey, rotated.old)
        body = RotateIssuedApiKeyResponse(key, rotated.secret, old)
        created(resp, body, f"{ISSUED}/{key.key_id}")

    def on_post_revoke(self, req: Request, resp: falcon.Response, key_id: str) -> None:
        """Revoke the key."""
        draft = REVOKE.decode(read_body(req))
        self._revoke.revoke(req.context.tenant, KeyKind.ISSUED, key_id, draft, requester(req))
        no_content(resp)
