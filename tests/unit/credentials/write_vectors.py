"""Writes ``tests/vectors/jwt_*.json`` and ``caveat_*.json``.

Run it as ``python -m tests.unit.credentials.write_vectors`` in the root of the repository.
The tokens are forged by ``material``, which shares no code with what they test. All of them are
deterministic (Ed25519, HMAC), so a test holds the files against this module.
"""

import json
from pathlib import Path
from typing import Any

from talos.domain.keys import NIL_NETWORK
from tests.reference import macaroon as reference
from tests.unit.credentials.material import (
    ED25519_JWK,
    EXPIRES_S,
    ISSUED_S,
    ISSUER,
    KID,
    PAYLOAD,
    SECRET,
    attenuate,
    compact,
    jws,
    macaroon,
    public_part,
)

FOLDER = Path(__file__).parents[2] / "vectors"
NOW_S = ISSUED_S + 1
HEADER = {"alg": "EdDSA", "kid": KID, "typ": "JWT"}

VERIFIED: dict[str, Any] = {
    "key_id": PAYLOAD["sub"],
    "actor_id": "user_123",
    "network_id": NIL_NETWORK,
    "scopes": ["read", "write"],
    "begins_s": ISSUED_S,
    "expires_s": EXPIRES_S,
    "visibility": "secret",
    "allowed_cidrs": ["10.0.0.0/8"],
    "audiences": [],
    "metadata": {"env": "prod", "tier": "gold"},
}
"""What the claims of the contract's vectors mean."""


def documents() -> dict[str, dict[str, Any]]:
    """Every file by name."""
    common = {"issuer": ISSUER, "clock_skew_s": 300}
    jwt = {
        "about": "JWTs as derived by the server, and what must be refused. Formats: docs/tokens.md",
        **common,
        "signing_keys": {"keys": [ED25519_JWK]},
        "jwks": {"keys": [public_part(ED25519_JWK)]},
    }
    caveat = {
        "about": "Macaroons with caveats appended by holders. Formats: docs/tokens.md",
        **common,
        "secret": SECRET,
        "root_key": reference.root_key(SECRET.encode()).hex(),
        "prefix": "mc",
    }
    return {
        "jwt_valid.json": jwt | {"cases": jwt_valid()},
        "jwt_invalid.json": jwt | {"cases": jwt_invalid()},
        "caveat_valid.json": caveat | {"cases": caveat_valid()},
        "caveat_invalid.json": caveat | {"cases": caveat_invalid()},
    }


def claims(**changes: Any) -> dict[str, Any]:
    merged = {**PAYLOAD, **changes}
    return {name: value for name, value in merged.items() if value is not ...}


def jwt_valid() -> list[dict[str, Any]]:
    def case(name: str, payload: object, now_s: int = NOW_S, **changes: Any) -> dict[str, Any]:
        return {"name": name, "now_s": now_s, "token": jws(payload)} | {
            "verified": VERIFIED | changes
        }

    return [
        case("the contract's vector C", PAYLOAD),
        case("the last second before expiry", PAYLOAD, EXPIRES_S - 1),
        case("begins within the clock skew", claims(nbf=NOW_S + 300), begins_s=NOW_S + 300),
        case("issued within the clock skew", claims(iat=NOW_S + 300)),
        case("no expiry", claims(exp=...), 4_000_000_000, expires_s=None),
        case("no times", claims(exp=..., nbf=..., iat=...), expires_s=None, begins_s=None),
        case("fraction of a second", claims(exp=EXPIRES_S + 0.75)),
        case("time as text", claims(exp=str(EXPIRES_S))),
        case("time as RFC 3339", claims(exp="2025-06-15T16:06:40Z")),
        case("audience as text", claims(aud="billing"), audiences=["billing"]),
        case("audiences", claims(aud=["billing", "search"]), audiences=["billing", "search"]),
        case("scope for scp", claims(scp=..., scope=["read"]), scopes=["read"]),
        case("scp beats scope", claims(scope=["admin"])),
        case("no scopes", claims(scp=...), scopes=[]),
        case("akid beats sub", claims(akid="other"), key_id="other"),
        case("public", claims(vis="public"), visibility="public"),
        case("type derived", claims(tty="derived")),
        case(
            "a null custom claim",
            claims(note=None),
            metadata={"env": "prod", "tier": "gold", "note": None},
        ),
        case(
            "meta beats a custom claim",
            claims(env="dev"),
            metadata={"env": "prod", "tier": "gold"},
        ),
        case("neither meta nor custom claims", claims(meta=..., tier=...), metadata=None),
    ]


def jwt_invalid() -> list[dict[str, Any]]:
    genuine = jws()
    signed, _, signature = genuine.rpartition(".")
    other = next(c for c in "AEIMQUYcgkosw048" if c != signature[-1])

    def case(name: str, token: str, error: str = "SIGNATURE_INVALID") -> dict[str, Any]:
        return {"name": name, "now_s": NOW_S, "token": token, "error": error}

    def header(name: str, **changes: Any) -> dict[str, Any]:
        merged = {**HEADER, **changes}
        kept = {member: value for member, value in merged.items() if value is not ...}
        return case(f"header: {name}", jws(header=kept))

    def raw(name: str, payload: bytes) -> dict[str, Any]:
        return case(f"payload: {name}", jws(payload))

    text = compact(PAYLOAD)
    return [
        header("alg none under a genuine signature", alg="none"),
        header("alg of another family", alg="HS256"),
        header("alg by its newer name", alg="Ed25519"),
        header("no alg", alg=...),
        header("alg no text", alg=["EdDSA"]),
        header("no kid", kid=...),
        header("empty kid", kid=""),
        header("unknown kid", kid="unknown"),
        header("crit", crit=["exp"], exp=1),
        header("unencoded payload", crit=["b64"], b64=False),
        header("typ no text", typ=1),
        case("header: repeated alg", jws(header=compact(HEADER)[:-1] + b',"alg":"EdDSA"}')),
        case("header: bytes after it", jws(header=compact(HEADER) + b"{}")),
        raw("bytes after it", text + b"{}"),
        raw("repeated member", text[:-1] + b',"exp":1750003600}'),
        raw("repeated member, escaped", text[:-1] + b',"\\u0073cp":["admin"]}'),
        raw("repeated member inside", text[:-1] + b',"x":{"a":1,"a":2}}'),
        raw("NaN", text[:-1] + b',"x":NaN}'),
        raw("number out of range", text[:-1] + b',"x":1e999}'),
        raw("lone surrogate", text[:-1] + b',"x":"\\ud800"}'),
        raw("not UTF-8", text[:-1] + b',"x":"\xff"}'),
        raw("257 levels deep", text[:-1] + b',"x":' + b"[" * 256 + b"]" * 256 + b"}"),
        raw("no object", b"[]"),
        case("exp: now", jws(claims(exp=NOW_S))),
        case("exp: null", jws(claims(exp=None))),
        case("exp: true", jws(claims(exp=True))),
        case("exp: beyond the year 9999", jws(claims(exp=253402300800))),
        case("exp: text that is no time", jws(claims(exp="tomorrow"))),
        case("nbf: beyond the clock skew", jws(claims(nbf=NOW_S + 301))),
        case("iat: beyond the clock skew", jws(claims(iat=NOW_S + 301))),
        case("iss: absent", jws(claims(iss=...))),
        case("iss: another", jws(claims(iss="https://api.example.com/"))),
        case("scp: text", jws(claims(scp="read write"))),
        case("scope: text beside scp", jws(claims(scope="read write"))),
        case("acl: null", jws(claims(acl=None))),
        case("aud: number", jws(claims(aud=1))),
        case("meta: array", jws(claims(meta=[]))),
        case("tty: another type", jws(claims(tty="session")), "INVALID_FORMAT"),
        case("text: signature cut off", signed),
        case("text: empty signature", signed + "."),
        case("text: padding", genuine + "=="),
        case("text: spare bits of the signature", genuine[:-1] + chr(ord(genuine[-1]) + 1)),
        case("text: changed signature", genuine[:-1] + other),
        case("text: trailing newline", genuine + "\n"),
        case("text: four parts", genuine + ".AAAA"),
    ]


def caveat_valid() -> list[dict[str, Any]]:
    def case(
        name: str,
        *caveats: Any,
        first: dict[str, Any] = PAYLOAD,
        now_s: int = NOW_S,
        **changes: Any,
    ) -> dict[str, Any]:
        return token_case(name, first, caveats, now_s) | {"verified": VERIFIED | changes}

    both = claims(aud=["billing", "search"])
    return [
        case("the contract's vector D"),
        case("the very instant of expiry", now_s=EXPIRES_S),
        case("nothing said", {}),
        case("earlier end", {"exp": EXPIRES_S - 60}, expires_s=EXPIRES_S - 60),
        case("later end", {"exp": EXPIRES_S + 60}),
        case("first end", first=claims(exp=...), expires_s=None, now_s=4_000_000_000),
        case("an end where there was none", {"exp": NOW_S}, first=claims(exp=...), expires_s=NOW_S),
        case("later beginning", {"nbf": NOW_S + 300}, begins_s=NOW_S + 300),
        case("earlier beginning", {"nbf": 0}),
        case("one scope", {"scp": ["write"]}, scopes=["write"]),
        case("scopes in another order", {"scp": ["write", "read"]}, scopes=["write", "read"]),
        case("no scopes", {"scp": []}, scopes=[]),
        case("one audience", {"aud": ["search"]}, first=both, audiences=["search"]),
        case("audience as text", {"aud": "search"}, first=both, audiences=["search"]),
        case("smaller network", {"acl": ["10.1.0.0/16"]}, allowed_cidrs=["10.1.0.0/16"]),
        case(
            "the same network as mapped IPv6",
            {"acl": ["::ffff:10.0.0.0/104"]},
            allowed_cidrs=["::ffff:10.0.0.0/104"],
        ),
        case(
            "a first list of networks",
            {"acl": ["192.0.2.0/24", "2001:db8::/32"]},
            first=claims(acl=...),
            allowed_cidrs=["192.0.2.0/24", "2001:db8::/32"],
        ),
        case("issuer repeated", {"iss": ISSUER}),
        case(
            "two holders",
            {"scp": ["read"]},
            {"exp": EXPIRES_S - 60, "scp": []},
            scopes=[],
            expires_s=EXPIRES_S - 60,
        ),
    ]


def caveat_invalid() -> list[dict[str, Any]]:
    def case(
        name: str,
        *caveats: Any,
        first: dict[str, Any] = PAYLOAD,
        now_s: int = NOW_S,
        error: str = "SIGNATURE_INVALID",
    ) -> dict[str, Any]:
        return token_case(name, first, caveats, now_s) | {"error": error}

    both = claims(aud=["billing", "search"])
    return [
        case("past the caveat's end", {"exp": NOW_S - 1}),
        case("past the token's end", {"exp": EXPIRES_S + 60}, now_s=EXPIRES_S + 1),
        case("before the caveat's beginning", {"nbf": NOW_S + 301}),
        case("another scope", {"scp": ["admin"]}),
        case("a scope more", {"scp": ["read", "write", "admin"]}),
        case("a scope twice", {"scp": ["read", "read"]}),
        case("a scope given up before", {"scp": ["read"]}, {"scp": ["write"]}),
        case("a scope where there were none", {"scp": ["read"]}, first=claims(scp=...)),
        case("another audience", {"aud": ["mail"]}, first=both),
        case("no audience left", {"aud": []}, first=both),
        case("an audience where there was none", {"aud": ["billing"]}),
        case("larger network", {"acl": ["10.0.0.0/7"]}),
        case("another network", {"acl": ["10.1.0.0/16", "192.0.2.0/24"]}),
        case("restriction lifted", {"acl": []}),
        case("not a network", {"acl": ["10.1.2.3"]}),
        case("another issuer", {"iss": "https://other.example.com"}),
        case("a member that is not understood", {"exp": EXPIRES_S - 1, "max_uses": 1}),
        case("the network id", {"nid": NIL_NETWORK}),
        case("issued at", {"iat": ISSUED_S}),
        case("scope for scp", {"scope": ["read"]}),
        case("null", {"exp": None}),
        case("time as text", {"exp": str(EXPIRES_S)}),
        case("time with a fraction", b'{"exp":1750003599.0}'),
        case("scopes as text", {"scp": "read"}),
        case("repeated member", b'{"exp":1750003500,"exp":1750003600}'),
        case("repeated member, escaped", b'{"exp":1750003500,"\\u0065xp":1750003600}'),
        case("no JSON", b"time < 2030-01-01T00:00:00Z"),
        case("no object", b"null"),
        case("empty", b""),
        case("bytes after it", b"{}{}"),
        case("claims once more", PAYLOAD),
        case("another type of token", {}, first=claims(tty="session"), error="INVALID_FORMAT"),
    ]


def token_case(name: str, first: object, caveats: Any, now_s: int) -> dict[str, Any]:
    texts = [item if isinstance(item, bytes) else compact(item) for item in (first, *caveats)]
    return {
        "name": name,
        "now_s": now_s,
        "caveats": [text.decode() for text in texts],
        "token": attenuate(macaroon(first), caveats),
    }


def render(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1) + "\n"


if __name__ == "__main__":
    for name, document in documents().items():
        (FOLDER / name).write_text(render(document))
