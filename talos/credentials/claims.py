"""What a derived token says, whichever format carries it (contract 5.4, 5.5, 6.4).

``TokenClaims`` is built here from a parent key when a token is minted, and read here from the
JSON of a token whose signature is right. Both formats carry the same members; they differ
in how times are spelled and in what null means.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from talos.credentials import json_text
from talos.credentials.numeric_date import exact_seconds, lenient_seconds
from talos.domain.keys import Key, KeyVisibility, Metadata
from talos.domain.units import NS_PER_S

MAX_TOKEN_BYTES: Final = 8192
"""The longest credential that verify accepts, hence the longest token worth minting (4.0, 4.13)."""

RESERVED_CLAIMS: Final = frozenset(
    (
        *("jti", "sub", "iss", "aud", "iat", "exp", "nbf", "nid", "act", "akid"),
        *("pid", "tty", "oid", "scp", "scope", "meta", "vis", "acl"),
    )
)
"""Names that a caller's custom claims cannot take; such claims are dropped silently (14.14)."""

# ``oid`` is kept from callers and has no meaning of its own when read back (5.4).
_KNOWN_MEMBERS: Final = RESERVED_CLAIMS - {"oid"}
# Made once: ``json.dumps`` with options makes one at every call, which costs as much as the rest.
_METADATA: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_PUBLIC: Final = "public"
_SECRET: Final = "secret"  # noqa: S105  (a visibility)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaims:
    """The claims of contract 5.4 under their own names; times are whole Unix seconds.

    Empty text, an empty tuple or an empty dict stands for an absent member, None for an absent
    time. ``custom`` holds the members that have no meaning to the server.
    """

    jti: str = ""
    sub: str = ""
    iss: str = ""
    iat_s: int | None = None
    nbf_s: int | None = None
    exp_s: int | None = None
    act: str = ""
    nid: str = ""
    scp: tuple[str, ...] = ()
    meta: Mapping[str, object] = field(default_factory=dict)
    vis: str = ""
    acl: tuple[str, ...] = ()
    aud: tuple[str, ...] = ()
    custom: Mapping[str, object] = field(default_factory=dict)
    tty: str = ""
    akid: str = ""

    @property
    def key_id(self) -> str:
        """Id of the parent key: ``akid``, else ``sub``, else empty."""
        return self.akid or self.sub

    @property
    def visibility(self) -> KeyVisibility:
        """PUBLIC for exactly ``public``, else SECRET."""
        return KeyVisibility.PUBLIC if self.vis == _PUBLIC else KeyVisibility.SECRET

    @property
    def expires_at_ns(self) -> int | None:
        """The whole second at which the token ends, in nanoseconds; None if it never does."""
        return None if self.exp_s is None else self.exp_s * NS_PER_S

    @property
    def begins_at_ns(self) -> int:
        """The later of ``nbf`` and ``iat``, 0 where there is neither: then both have come."""
        return max(self.nbf_s or 0, self.iat_s or 0) * NS_PER_S

    @property
    def shown_when_derived(self) -> dict[str, object]:
        """``claims`` of the derive response: the parent's metadata under the custom claims."""
        return {**self.meta, **self.custom}

    @property
    def metadata(self) -> Metadata | None:
        """``metadata`` of the verify response: the custom claims under ``meta``; None if empty."""
        members = {**self.custom, **self.meta}
        if not members:
            return None
        return Metadata(_METADATA.encode(members))

    def encode(self) -> bytes:
        """Write the claims as JWT payload and as macaroon caveat alike (5.4).

        Raises ValueError when a custom claim is nothing that JSON can say.
        """
        members: dict[str, object] = {
            **{name: value for name, value in self.custom.items() if name not in _KNOWN_MEMBERS},
            "jti": self.jti,
            "sub": self.sub,
            "iss": self.iss,
            "nid": self.nid,
            "vis": self.vis,
        }
        times = {"iat": self.iat_s, "nbf": self.nbf_s, "exp": self.exp_s}
        members.update((name, time) for name, time in times.items() if time is not None)
        optional: dict[str, object] = {
            "act": self.act,
            "scp": self.scp,
            "meta": self.meta,
            "acl": self.acl,
            "aud": self.aud,
        }
        members.update((name, value) for name, value in optional.items() if value)
        return json_text.encode_object(members)


def derive(
    parent: Key,
    *,
    issuer: str,
    scopes: Sequence[str],
    audiences: Sequence[str],
    custom_claims: Mapping[str, object],
    now_ns: int,
    ttl_ns: int,
) -> TokenClaims:
    """Build the claims of a new token of ``parent``, with a fresh ``jti``.

    ``scopes`` are the effective ones, already held against the parent's. Custom claims with a
    reserved name are dropped. Raises ValueError when the parent's metadata cannot be read.
    """
    now_s = now_ns // NS_PER_S
    return TokenClaims(
        jti=str(uuid4()),
        sub=parent.key_id,
        iss=issuer,
        iat_s=now_s,
        nbf_s=now_s,
        exp_s=(now_ns + ttl_ns) // NS_PER_S,
        act=parent.actor_id,
        nid=parent.network_id,
        scp=tuple(scopes),
        meta=json_text.decode_object(parent.metadata.encode()),
        vis=_PUBLIC if parent.visibility is KeyVisibility.PUBLIC else _SECRET,
        acl=parent.allowed_cidrs,
        aud=tuple(audiences),
        custom={
            name: value for name, value in custom_claims.items() if name not in RESERVED_CLAIMS
        },
    )


def read_jwt(payload: bytes) -> TokenClaims:
    """Read the payload of a JWT. Raises ValueError for a known member of the wrong type."""
    return _read(json_text.decode_object(payload), lenient_seconds)


def read_macaroon(caveat: bytes, jti: str) -> TokenClaims:
    """Read the first caveat of a macaroon; ``jti`` is that of the identifier (5.5).

    A known member that is null counts as absent. Raises ValueError for one of the wrong type.
    """
    members = {
        name: value
        for name, value in json_text.decode_object(caveat).items()
        if value is not None or name not in _KNOWN_MEMBERS
    }
    _text(members, "jti")
    members["jti"] = jti
    return _read(members, exact_seconds)


def texts(value: object) -> tuple[str, ...]:
    """Read a JSON array of strings. Raises ValueError for anything else."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("not an array of strings")
    return tuple(value)


def audiences(value: object) -> tuple[str, ...]:
    """Read ``aud``: a string, or an array of strings. Raises ValueError for anything else."""
    return (value,) if isinstance(value, str) else texts(value)


def _read(members: Mapping[str, object], seconds: Callable[[object], int]) -> TokenClaims:
    _text(members, "pid")
    # The alias must be of the right type even where ``scp`` overrides it.
    scope = texts(members.get("scope", []))
    meta = members.get("meta", {})
    if not isinstance(meta, dict):
        raise ValueError("meta is not an object")
    times = {
        name: seconds(members[name]) if name in members else None for name in ("iat", "nbf", "exp")
    }
    return TokenClaims(
        jti=_text(members, "jti"),
        sub=_text(members, "sub"),
        iss=_text(members, "iss"),
        iat_s=times["iat"],
        nbf_s=times["nbf"],
        exp_s=times["exp"],
        act=_text(members, "act"),
        nid=_text(members, "nid"),
        scp=texts(members["scp"]) if "scp" in members else scope,
        meta=meta,
        vis=_text(members, "vis"),
        acl=texts(members.get("acl", [])),
        aud=audiences(members.get("aud", [])),
        custom={name: value for name, value in members.items() if name not in _KNOWN_MEMBERS},
        tty=_text(members, "tty"),
        akid=_text(members, "akid"),
    )


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    return value
