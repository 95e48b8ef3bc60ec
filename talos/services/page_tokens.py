"""Page tokens: where the next page begins, sealed for one network and one hour (contract 7.1)."""

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from talos import _core
from talos.credentials import base64url
from talos.credentials.secrets import SecretRing
from talos.domain.units import NS_PER_S
from talos.errors import InvalidRequest

TOKEN_LIFETIME_NS: Final = 3_600 * NS_PER_S

_NONCE_BYTES: Final = 12
_TIME_BYTES: Final = 8


class PageTokens:
    """Seals and opens page tokens under the secrets of one settings snapshot.

    A token is a nonce and the ChaCha20-Poly1305 encryption of its expiry (8 bytes, nanoseconds),
    the network id, a zero byte and the last id of the page, as unpadded base64url.
    """

    def __init__(self, secret_ring: SecretRing, network_id: str) -> None:
        """Work for one network, with the secrets in force."""
        self._ring = secret_ring
        self._network = network_id.encode()

    def seal(self, last_id: str, now_ns: int) -> str:
        """Return a token for the page after ``last_id``, different at every call."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        expires_at = (now_ns + TOKEN_LIFETIME_NS).to_bytes(_TIME_BYTES, "big")
        plain = expires_at + self._network + b"\0" + last_id.encode()
        key = _core.pagination_key(self._ring.current.reveal())
        return base64url.encode(nonce + ChaCha20Poly1305(key).encrypt(nonce, plain, None))

    def open(self, token: str, now_ns: int) -> str:
        """Return the id that the page of ``token`` begins below.

        Retired secrets are tried after the current one. Raises ``InvalidRequest`` with the text
        ``invalid page token``, or ``page token network mismatch``.
        """
        try:
            sealed = base64url.decode(token)
        except ValueError:
            raise _invalid() from None
        plain = self._decrypt(sealed, now_ns)
        network, _, last_id = plain[_TIME_BYTES:].partition(b"\0")
        if network != self._network:
            raise InvalidRequest("page token network mismatch")
        if now_ns >= int.from_bytes(plain[:_TIME_BYTES], "big"):
            raise _invalid()
        return last_id.decode()

    def _decrypt(self, sealed: bytes, now_ns: int) -> bytes:
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for secret in self._ring.accepted(now_ns):
            try:
                return ChaCha20Poly1305(_core.pagination_key(secret)).decrypt(nonce, text, None)
            except (InvalidTag, ValueError):
                continue
        raise _invalid()


def _invalid() -> InvalidRequest:
    return InvalidRequest("invalid page token")
