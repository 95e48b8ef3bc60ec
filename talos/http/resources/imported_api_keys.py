"""Imported keys: the collection, its batch, and one of them (contract 4.7 to 4.11)."""

import falcon

from talos.domain.keys import KeyKind
from talos.http.body import read_body
from talos.http.dependencies import HttpDependencies
from talos.http.messages import BATCH_IMPORT, IMPORT, REVOKE, decode_update
from talos.http.paths import IMPORTED
from talos.http.query import decode_list, decode_mask
from talos.http.request import Request, requester
from talos.http.responses import created, no_content, ok
from talos.http.wire import ImportedApiKey, ListImportedApiKeysResponse, api_key, batch_import


class ImportedApiKeysResource:
    """``/importedApiKeys``."""

    def __init__(self, deps: HttpDependencies) -> None:
        """Import and list."""
        self._imports = deps.services.imports
        self._query = deps.services.query

    def on_post(self, req: Request, resp: falcon.Response) -> None:
        """Import a key."""
        draft = IMPORT.decode(read_body(req))
        key = api_key(
            ImportedApiKey, self._imports.import_key(req.context.tenant, draft, requester(req))
        )
        created(resp, key, f"{IMPORTED}/{key.key_id}")

    def on_get(self, req: Request, resp: falcon.Response) -> None:
        """List keys."""
        query = decode_list(req.query_string)
        page = self._query.list(req.context.tenant, KeyKind.IMPORTED, query)
        keys = [api_key(ImportedApiKey, key) for key in page.keys]
        ok(resp, ListImportedApiKeysResponse(keys, page.next_page_token))


class ImportedApiKeyBatchResource:
    """``/importedApiKeys:batchCreate``."""

    def __init__(self, deps: HttpDependencies) -> None:
        """Import many."""
        self._imports = deps.services.imports

    def on_post(self, req: Request, resp: falcon.Response) -> None:
        """Import up to a thousand keys; each succeeds or fails by itself."""
        drafts = BATCH_IMPORT.decode(read_body(req))
        ok(
            resp,
            batch_import(self._imports.import_batch(req.context.tenant, drafts, requester(req))),
        )


class ImportedApiKeyResource:
    """``/importedApiKeys/{key_id}``, and its verb."""

    def __init__(self, deps: HttpDependencies) -> None:
        """Show, change, revoke and delete."""
        self._query = deps.services.query
        self._update = deps.services.update
        self._revoke = deps.services.revoke
        self._delete = deps.services.delete

    def on_get(self, req: Request, resp: falcon.Response, key_id: str) -> None:
        """Show the key."""
        key = self._query.get(req.context.tenant, KeyKind.IMPORTED, key_id)
        ok(resp, api_key(ImportedApiKey, key))

    def on_patch(self, req: Request, resp: falcon.Response, key_id: str) -> None:
        """Change the key."""
        change = decode_update(read_body(req), wrapper="imported_api_key")
        mask = decode_mask(req.query_string)
        key = self._update.update(
            req.context.tenant, KeyKind.IMPORTED, key_id, change, mask, requester(req)
        )
        ok(resp, api_key(ImportedApiKey, key))

    def on_delete(self, req: Request, resp: falcon.Response, key_id: str) -> None:
        """Remove the key for good."""
        self._delete.delete(req.context.tenant, key_id, requester(req))
        no_content(resp)

    def on_post_revoke(self, req: Request, resp: falcon.Response, key_id: str) -> None:
        """Revoke the key."""
        draft = REVOKE.decode(read_body(req))
        self._revoke.revoke(req.context.tenant, KeyKind.IMPORTED, key_id, draft, requester(req))
        no_content(resp)
