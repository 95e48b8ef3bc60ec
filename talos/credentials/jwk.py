"""The keys that sign derived JWTs and the set that the world may see (contract 1.4, 5.4).

Keys are read once, when a snapshot of the configuration is made; what cannot be read is reported
by its position, never by its content, and leaves the others standing (contract 16, 29).
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from talos.credentials import base64url, json_text
from talos.errors import InternalError

_Native: TypeAlias = OKPKey | ECKey | RSAKey

_KEY_CLASSES: Final[dict[str, type[OKPKey] | type[ECKey] | type[RSAKey]]] = {
    "OKP": OKPKey,
    "EC": ECKey,
    "RSA": RSAKey,
}
_CURVES: Final = {"OKP": ("Ed25519", "X25519"), "EC": ("P-256", "P-384", "P-521")}
_RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_SIGNATURE_ALGORITHMS: Final = {
    "Ed25519": ("EdDSA",),
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "RSA": _RSA_ALGORITHMS,
}
"""By curve, or by key type for RSA; the first is taken where the key names none (16, 21)."""

_PUBLIC_MEMBERS: Final = ("crv", "x", "y", "n", "e")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_SCHEME: Final = "base64://"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key of the configured set.

    ``kid`` is the configured one or the RFC 7638 thumbprint. ``alg`` is, for a key that signs or
    verifies, the one algorithm it does so with; for others it is what the document says, if
    anything. ``use`` is None where the document names none.
    """

    kid: str
    alg: str | None
    use: str | None
    _key: _Native | None = field(default=None, repr=False, hash=False)
    """None for a symmetric key."""
    _registry: "_OneAlgorithm | None" = field(default=None, repr=False, compare=False)
    """None for a key that is no signature key: symmetric, X25519, or of another use."""

    @property
    def verifies(self) -> bool:
        """Whether signatures are accepted under this key: asymmetric, and meant for signatures."""
        return self._registry is not None

    @property
    def signs(self) -> bool:
        """Whether tokens can be signed: the key verifies them, and its private half is here."""
        return self.verifies and self._key is not None and self._key.is_private

    def sign(self, header: dict[str, object], payload: bytes) -> str:
        """Return the compact JWS of ``payload``.

        ``header`` must hold the key's own ``alg``. Raises InternalError (``get signing key``) when
        the key cannot sign (contract 4.13 step 6).
        """
        if not self.signs:
            raise InternalError("get signing key")
        try:
            return jws.serialize_compact(header, payload, self._key, registry=self._registry)
        except (JoseError, ValueError) as error:
            raise InternalError("sign token") from error

    def signature_valid(self, token: str) -> bool:
        """Return whether the compact JWS ``token`` carries this key's signature.

        The header's ``alg`` must be the key's own. Says nothing about the payload.
        """
        if self._registry is None:
            return False
        signed, _, signature = token.rpartition(".")
        try:
            header = json_text.decode_object(base64url.decode(signed.partition(".")[0]))
            return self._registry.signature_valid(
                header, signed.encode(), base64url.decode(signature), self._key
            )
        except (JoseError, ValueError):
            return False

    def public_jwk(self) -> dict[str, object] | None:
        """Return what may be published, or None for a symmetric key. Contract 1.4."""
        if self._key is None:
            return None
        native = self._key.as_dict(private=False)
        jwk: dict[str, object] = {"kty": self._key.key_type, "kid": self.kid}
        if self.alg is not None:
            jwk["alg"] = self.alg
        if self.use is not None:
            jwk["use"] = self.use
        # By name, so that no member is published because nobody thought of hiding it.
        jwk.update((name, native[name]) for name in _PUBLIC_MEMBERS if name in native)
        return jwk


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """All keys of the configured sets: in the order of the URLs, then of each set."""

    keys: tuple[SigningKey, ...] = ()
    _verifiers: dict[str, SigningKey] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the keys that verify; of two keys with one kid the first counts (5.4)."""
        verifiers: dict[str, SigningKey] = {}
        for key in self.keys:
            if key.verifies:
                verifiers.setdefault(key.kid, key)
        object.__setattr__(self, "_verifiers", verifiers)

    @classmethod
    def load(cls, urls: Sequence[str]) -> tuple["SigningKeys", tuple[str, ...]]:
        """Read ``base64://`` documents, each a JWKS or a single JWK.

        Returns the keys that can be read and one line per fault. A fault names the position, such
        as ``urls[0].keys[2]: unknown kty``, and never repeats what stands there.
        """
        keys: list[SigningKey] = []
        faults: list[str] = []
        for index, url in enumerate(urls):
            place = f"urls[{index}]"
            try:
                entries = _entries(_document(url))
            except _UnusableKeyError as fault:
                faults.append(f"{place}: {fault}")
                continue
            for suffix, entry in entries:
                try:
                    keys.append(_signing_key(entry))
                except _UnusableKeyError as fault:
                    faults.append(f"{place}{suffix}: {fault}")
        return cls(tuple(keys)), tuple(faults)

    @property
    def empty(self) -> bool:
        """Whether no key at all could be read; the key set route then answers 500 (1.4)."""
        return not self.keys

    def public_jwks(self) -> list[dict[str, object]]:
        """Return the published keys in order, without symmetric ones. Contract 1.4."""
        return [jwk for key in self.keys if (jwk := key.public_jwk()) is not None]

    def signer(self, signing_key_id: str) -> SigningKey:
        """Return the key that signs new tokens. Contract 5.4.

        The key named ``signing_key_id``; where that is empty, the first whose use is ``sig``, else
        the first that names no use. Raises InternalError (``get signing key``) when there is none,
        or when it is of a kind that cannot sign.
        """
        if signing_key_id:
            candidates = [key for key in self.keys if key.kid == signing_key_id]
        else:
            candidates = [key for key in self.keys if key.use == "sig"]
            candidates += [key for key in self.keys if key.use is None]
        if not candidates or not candidates[0].signs:
            raise InternalError("get signing key")
        return candidates[0]

    def verifier(self, kid: str) -> SigningKey | None:
        """Return the key that verifies tokens naming ``kid``, or None."""
        return self._verifiers.get(kid)


class _UnusableKeyError(Exception):
    """A document or key that cannot be used; the text is safe to print."""


class _OneAlgorithm(jws.JWSRegistry):
    """Allows exactly one signature algorithm, whatever a header says.

    The library's own lookup warns, at every call, that RFC 9864 has renamed EdDSA; the contract
    fixes the older name, which is also what clients know.
    """

    # A credential has at most 8192 bytes altogether (contract 4.0); key ids may be long.
    max_header_length = 8192
    max_signature_length = 8192

    def __init__(self, alg: str) -> None:
        super().__init__(algorithms=[alg], strict_check_header=False)
        self._alg = alg

    def get_alg(self, name: str) -> Any:
        if name != self._alg:
            raise UnsupportedAlgorithmError("not the key's own algorithm")
        return self.algorithms[name]

    def signature_valid(
        self, header: dict[str, Any], signed: bytes, signature: bytes, key: _Native | None
    ) -> bool:
        """Return whether ``signature`` is that of ``key``. Raises JoseError and ValueError.

        These are the library's own steps. Its way through a whole token would first decode the
        parts once more, and less strictly than it has been done.
        """
        self.check_header(header)
        algorithm = self.get_alg(header["alg"])
        algorithm.check_key(key)
        return bool(algorithm.verify(signed, signature, key))


def _document(url: str) -> dict[str, object]:
    """Decode one configured URL (5.4): standard Base64, padding optional, of a JSON object."""
    if not url.startswith(_SCHEME):
        raise _UnusableKeyError(f"must start with {_SCHEME}")
    # Line breaks are what tools that print Base64 put in.
    text = url.removeprefix(_SCHEME).replace("\r", "").replace("\n", "")
    bare = text.rstrip("=")
    if not _BASE64.fullmatch(text) or len(bare) % 4 == 1:
        raise _UnusableKeyError("not valid Base64")
    try:
        return json_text.decode_object(base64.b64decode(bare + "=" * (-len(bare) % 4)))
    except ValueError:
        raise _UnusableKeyError("not a valid JSON object") from None


def _entries(document: dict[str, object]) -> list[tuple[str, object]]:
    """Return the keys of a JWKS with their place in it, or a single JWK with none."""
    if "keys" not in document:
        return [("", document)]
    keys = document["keys"]
    if not isinstance(keys, list) or not keys:
        raise _UnusableKeyError("the key set holds no keys")
    return [(f".keys[{index}]", entry) for index, entry in enumerate(keys)]


def _signing_key(entry: object) -> SigningKey:
    if not isinstance(entry, dict):
        raise _UnusableKeyError("not a JSON object")
    kty, kid, use, alg = (_text(entry, name) for name in ("kty", "kid", "use", "alg"))
    if not kty:
        raise _UnusableKeyError("kty is required")
    if kty == "oct":
        # Listed, so that choosing it fails as the contract says, and never used: the material is
        # not even decoded.
        if not _text(entry, "k"):
            raise _UnusableKeyError("k is required")
        return SigningKey(kid, alg or None, use or None)
    native = _native(kty, entry)
    # What is published and fingerprinted comes from the key as read: in its canonical spelling
    # and without members nobody asked for.
    allowed = _SIGNATURE_ALGORITHMS.get(str(native.get("crv") or kty), ())
    kid = kid or native.thumbprint()
    if use not in ("", "sig") or not allowed:
        return SigningKey(kid, alg or None, use or None, native)
    alg = alg or allowed[0]
    if alg not in allowed:
        raise _UnusableKeyError("alg does not fit the key")
    return SigningKey(kid, alg, use or None, native, _OneAlgorithm(alg))


def _text(entry: dict[str, object], name: str) -> str:
    """Return a member that must be text; one that is absent reads as empty."""
    value = entry.get(name, "")
    if not isinstance(value, str):
        raise _UnusableKeyError(f"{name} must be text")
    return value


def _native(kty: str, entry: dict[str, object]) -> _Native:
    key_class = _KEY_CLASSES.get(kty)
    if key_class is None:
        raise _UnusableKeyError("unknown kty")
    if kty in _CURVES and entry.get("crv") not in _CURVES[kty]:
        raise _UnusableKeyError("unknown crv")
    members: Any = {
        name: value for name, value in entry.items() if name in key_class.value_registry
    }
    try:
        key_class.binding.validate_dict_key_registry(members, key_class.value_registry)
        material: Any = key_class.binding.import_from_dict(members)
        native = key_class(material, material)
        public = native.as_dict(private=False)
    except Exception:
        # Whatever three libraries may raise about the material, and it may quote the material.
        raise _UnusableKeyError("not a valid key") from None
    if kty == "OKP" and public["x"] != members["x"]:
        # The library takes the private half alone; for the other types it compares the two.
        raise _UnusableKeyError("the public and private halves do not match")
    return native
