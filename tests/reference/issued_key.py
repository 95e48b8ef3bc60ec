"""Issued keys by the letter of contract 5.1."""

import hmac
import re
import uuid
from dataclasses import dataclass

from tests.reference import base58

DIGIT = f"[{base58.ALPHABET}]"
SHAPE = re.compile(rf"([a-zA-Z0-9_]{{1,16}})_v1_({DIGIT}{{20,}})_({DIGIT}{{10,}})")
INTEGER = re.compile(rb"[+-]?[0-9]+")
BARE = rb"(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
UUID = re.compile(rb"(?:urn:uuid:)?%b|\{%b\}" % (BARE, BARE))


@dataclass(frozen=True)
class IssuedKey:
    prefix: str
    timestamp_s: int
    key_id: str
    signed: str
    checksum: str


def parse(credential: str) -> IssuedKey | None:
    shape = SHAPE.fullmatch(credential)
    if shape is None:
        return None
    prefix, identifier, checksum = shape.groups()
    if len(identifier) > 128:
        return None
    claim = base58.decode(identifier)
    if not 20 <= len(claim) <= 60:
        return None
    integer, colon, identity = claim.partition(b":")
    if not colon or not INTEGER.fullmatch(integer) or not UUID.fullmatch(identity):
        return None
    timestamp_s = int(integer)
    if not -(2**63) <= timestamp_s <= 2**63 - 1:
        return None
    key_id = str(uuid.UUID(identity.decode()))
    return IssuedKey(prefix, timestamp_s, key_id, f"{prefix}_v1_{identifier}_", checksum)


def checksum(signed: str, secret: bytes) -> str:
    return base58.encode(hmac.digest(secret, signed.encode(), "sha256"))


def checksum_valid(key: IssuedKey, secrets: tuple[bytes, ...]) -> bool:
    return any(checksum(key.signed, secret) == key.checksum for secret in secrets)


def assemble(prefix: str, identifier: str, secret: bytes) -> str:
    """A credential with a right checksum, whatever its other parts are worth."""
    signed = f"{prefix}_v1_{identifier}_"
    return signed + checksum(signed, secret)


def mint(prefix: str, timestamp_s: int, key_id: str, secret: bytes) -> str:
    return assemble(prefix, base58.encode(f"{timestamp_s}:{key_id}".encode()), secret)
