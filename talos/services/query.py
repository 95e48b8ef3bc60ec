"""Reading keys: one, or page by page (contract 4.2, 4.3, 4.9, 7)."""

from dataclasses import dataclass
from typing import Final

from talos.domain import rules
from talos.domain.drafts import ListQuery
from talos.domain.filters import parse_filter
from talos.domain.keys import Key, KeyKind, KeyRef
from talos.services.issue import shown
from talos.services.lookup import not_found, require_key_id
from talos.services.page_tokens import PageTokens
from talos.services.ports import Clock, KeyRepository
from talos.services.tenant import Tenant

DEFAULT_PAGE_SIZE: Final = 50


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One page; ``next_page_token`` is empty on the last one."""

    keys: tuple[Key, ...]
    next_page_token: str


class QueryService:
    """Reads records as clients are shown them: an expired key has the status EXPIRED."""

    def __init__(self, keys: KeyRepository, clock: Clock) -> None:
        """Read from ``keys``."""
        self._keys = keys
        self._clock = clock

    def get(self, tenant: Tenant, kind: KeyKind, key_id: str) -> Key:
        """Return one key of any status.

        Raises ``InvalidRequest`` for the empty id, ``ApiKeyNotFound``, and what the repository
        raises.
        """
        require_key_id(kind, key_id)
        key = self._keys.get(KeyRef(tenant.network_id, kind, key_id))
        if key is None:
            raise not_found(kind)
        return shown(key, self._clock.now_ns())

    def list(self, tenant: Tenant, kind: KeyKind, query: ListQuery) -> KeyPage:
        """Return one page, ids descending.

        Raises ``InvalidRequest`` for a page size, a filter or a page token that is not acceptable,
        in this order, and what the repository raises.
        """
        rules.raise_for(rules.page_size(query.page_size))
        wanted = parse_filter(query.filter)
        now_ns = self._clock.now_ns()
        tokens = PageTokens(tenant.credentials.hmac, tenant.network_id)
        before_id = tokens.open(query.page_token, now_ns) if query.page_token else None
        size = query.page_size or DEFAULT_PAGE_SIZE
        # One row more than the page shows whether another page follows.
        rows = self._keys.list_page(
            tenant.network_id,
            kind,
            limit=size + 1,
            before_id=before_id,
            actor_id=wanted.actor_id,
            status=wanted.status,
            now_ns=now_ns,
        )
        keys = tuple(shown(key, now_ns) for key in rows[:size])
        follows = len(rows) > size
        return KeyPage(keys, tokens.seal(keys[-1].key_id, now_ns) if follows else "")
