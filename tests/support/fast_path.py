"""A fast path over a cache of its own, and keys that are published in it."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from talos import _core
from tests.core.strategies import CURRENT, RETIRED
from tests.support.verify_requests import request

NETWORK = uuid.UUID(int=0)


ISSUED = 0


COUNTER = _core.FIRST_FAST_PATH_COUNTER


S = 1_000_000_000


MADE_S = 1_700_000_000


NOW_NS = (MADE_S + 3600) * S + 123


HEAD = (
    b"\r\nA: b\r\nContent-Length: ",
    b"\r\nContent-Type: application/json\r\n\r\n",
)


HEADS: dict[str, Any] = {"head": HEAD}


@dataclass
class Host:
    """A shared cache with a fast path over it, and keys to ask for."""

    memory: _core.SharedMemory = field(default_factory=lambda: _core.SharedMemory(2 << 20))
    heads: dict[str, Any] = field(default_factory=lambda: HEADS)

    def __post_init__(self) -> None:
        assert self.memory.attach()
        self.cache = _core.KeyCache(self.memory)
        self.fast_path = _core.FastPath(self.cache, kind=ISSUED)
        self.configure()

    def configure(
        self,
        *,
        network: bytes = NETWORK.bytes,
        secrets: tuple[tuple[bytes, int | None], ...] = ((CURRENT, None), (RETIRED, NOW_NS + S)),
        prefixes: tuple[bytes, ...] = (b"ory_ak", b"old"),
        macaroons: tuple[bytes, ...] = (b"mc_v1_",),
        max_ttl_ns: int = 0,
        skew_ns: int = 300 * S,
        max_age_ns: int = 2**62,
        generation: int = 1,
        allows_host: Callable[[str], bool] = lambda _host: True,
    ) -> None:
        settings = _core.FastPathNetwork(
            network=network,
            secrets=list(secrets),
            prefixes=prefixes,
            macaroons=macaroons,
            max_ttl_ns=max_ttl_ns,
            skew_ns=skew_ns,
            max_age_ns=max_age_ns,
            generation=generation,
        )
        self.fast_path.configure(lambda host: settings if allows_host(host) else None, **self.heads)

    def key(
        self,
        *,
        prefix: str = "ory_ak",
        made_s: int = MADE_S,
        secret: bytes = CURRENT,
        body: bytes = b'{"is_valid":true}',
        generation: int = 1,
        expires_at_ns: int | None = None,
        entry_ends_ns: int = NOW_NS + 3600 * S,
        plain: bool = True,
        published_at_ns: int | None = None,
    ) -> str:
        """Mint a key and publish its answer."""
        key_id = str(uuid.uuid4())
        payload = _core.pack_answer(
            body,
            b"tail",
            generation=generation,
            expires_at_ns=expires_at_ns,
            plain=plain,
            published_at_ns=published_at_ns,
        )
        self.publish(key_id, payload, entry_ends_ns)
        return _core.mint_issued_key(prefix, made_s, key_id, secret)

    def publish(self, key_id: str, payload: bytes, entry_ends_ns: int = NOW_NS + 3600 * S) -> None:
        lease = self.cache.lease(NETWORK.bytes, ISSUED, key_id)
        outcome = self.cache.publish(
            lease,
            NETWORK.bytes,
            ISSUED,
            key_id,
            payload,
            expires_at_ns=entry_ends_ns,
            now_ns=0,
        )
        assert outcome == _core.PUBLISH_DONE

    def evict(self, key: str) -> None:
        parsed = _core.parse_issued_key(key)
        assert parsed is not None
        self.cache.evict(NETWORK.bytes, ISSUED, parsed.key_id)

    def answers(self, key: str, now_ns: int = NOW_NS) -> bool:
        """Ask for the key, and tell whether that was answered, whole."""
        data = asking(key)
        answer, end = self.fast_path.answer(data, now_ns=now_ns)
        assert (end == len(data)) is bool(answer)
        return bool(answer)


def asking(key: str, *lines: bytes) -> bytes:
    return request(*lines, body=b'{"credential":"%b"}' % key.encode())


def started(date: bytes, version: bytes = b"1.1", connection: bytes = b"keep-alive") -> bytes:
    """What the core itself writes of the head of an answer, for the request id ``an id``."""
    return b"HTTP/%b 200 OK\r\nDate: %b\r\nConnection: %b\r\nX-Request-Id: an id" % (
        version,
        date,
        connection,
    )
