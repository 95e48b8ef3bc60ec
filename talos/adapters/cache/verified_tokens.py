"""Derived tokens that were verified, cached for all workers of a host (contract 16, 6).

They lie in the shared key cache, under the network and a SHA-256 of the generation and the token.
Another network, another generation and a token that differs in one byte are other names. So nothing
has to be evicted when the settings change: what was authentic under the old ones is not found any
more, and what a worker still publishes that has not heard of the change is not found either.

Beside the claims of a token lies the body that is sent for it, for the compiled fast path
(``_core.FastPath``), which checks the times itself; none for a token with addresses or audiences.
"""

import hashlib
from collections.abc import Callable
from typing import Final

from msgspec import MsgspecError, msgpack

from talos import _core
from talos.credentials.claims import TokenClaims
from talos.domain.units import INT64_MAX
from talos.domain.verification import Verification

KIND: Final = _core.KIND_OF_TOKENS
"""The kind of a token in the cache; keys have others. Tokens take half of it at most."""

_FOREVER_NS: Final = INT64_MAX
_GENERATION_BYTES: Final = 8
_ENCODER: Final = msgpack.Encoder()
_DECODER: Final = msgpack.Decoder(TokenClaims)


class SharedVerifiedTokenCache:
    """Implements ``services.ports.VerifiedTokenCache`` for every process that inherited one cache.

    A token whose claims are longer than an entry is authenticated every time.
    """

    def __init__(self, cache: _core.KeyCache, render: Callable[[Verification], bytes]) -> None:
        """Cache in ``cache``; ``render`` makes the body that is sent for a valid verdict."""
        self._cache = cache
        self._render = render

    def get(self, network_id: str, generation: int, token: str, now_ns: int) -> TokenClaims | None:
        """See ``VerifiedTokenCache.get``."""
        payload = self._cache.get(network_id, KIND, _name(generation, token), now_ns=now_ns)
        parts = None if payload is None else _core.unpack_answer(payload)
        if parts is None:
            return None
        try:
            return _DECODER.decode(parts[1])
        except (MsgspecError, UnicodeDecodeError):
            return None

    def put(
        self,
        network_id: str,
        generation: int,
        token: str,
        claims: TokenClaims,
        *,
        answer: Verification | None,
        ends_ns: int | None,
        now_ns: int,
    ) -> None:
        """See ``VerifiedTokenCache.put``. Where room is short the claims are kept alone."""
        ends_ns = _FOREVER_NS if ends_ns is None else min(ends_ns, _FOREVER_NS)
        if ends_ns <= now_ns:
            return
        name = _name(generation, token)
        # Nobody evicts a token: a lease taken now is as good as one taken before the signature.
        lease = self._cache.lease(network_id, KIND, name)
        encoded = _ENCODER.encode(claims)
        for body in (b"",) if answer is None else (self._render(answer), b""):
            payload = _core.pack_answer(
                body,
                encoded,
                generation=generation,
                # The last instant, and the first at which it is over.
                expires_at_ns=ends_ns - 1,
                begins_at_ns=claims.begins_at_ns,
                plain=bool(body),
            )
            outcome = self._cache.publish(
                lease, network_id, KIND, name, payload, expires_at_ns=ends_ns, now_ns=now_ns
            )
            if outcome != _core.PUBLISH_LARGE:
                break


def _name(generation: int, token: str) -> str:
    # Of a fixed length, so that no token can take digits over from it. Text that is no Unicode is
    # never authentic, but is asked about.
    text = generation.to_bytes(_GENERATION_BYTES) + token.encode(errors="surrogatepass")
    return hashlib.sha256(text).hexdigest()
