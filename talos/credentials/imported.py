"""Imported keys are known by a one-way hash alone (contract 5.3)."""

from cryptography.hazmat.primitives import hashes


def imported_key_id(network_id: str, raw_key: str) -> str:
    """Return the key id: 64 hex characters of SHA-512/256 over network, zero byte and key.

    ``network_id`` is a lower-case hyphenated UUID. Raises ValueError for lone surrogates.
    """
    # SHA-512/256 is a function of its own, and hashlib has it on some builds of OpenSSL only.
    digest = hashes.Hash(hashes.SHA512_256())
    digest.update(network_id.encode("ascii"))
    digest.update(b"\x00")
    try:
        digest.update(raw_key.encode())
    except UnicodeEncodeError:
        # The original error carries the whole key.
        raise ValueError("a raw key must be valid Unicode text") from None
    return digest.finalize().hex()
