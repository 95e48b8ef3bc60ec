"""What a holder may add to a macaroon: caveats that narrow it (contract 16, 7).

An appended caveat is a JSON object. It can end the token earlier, let it begin later, leave it
fewer scopes, confine it to fewer addresses, or name fewer of its audiences. Every member is held
against what the token still allows at that point, so no order of caveats wins anything back. One
that asks for more, or says something that is not understood here, spoils the token: a restriction
that nobody enforces is worse than a refusal.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from talos.credentials import claims, json_text
from talos.credentials.claims import TokenClaims
from talos.credentials.numeric_date import exact_seconds
from talos.domain.addresses import covers

_MOST_CIDRS: Final = 50
"""As in a key's own list (contract 4.0); bounds the work of comparing two lists."""


def narrow(token: TokenClaims, caveat: bytes, issuers: Collection[str]) -> TokenClaims:
    """Return ``token`` as one appended caveat leaves it.

    ``issuers`` are those accepted now. Raises ValueError when the caveat is not a narrowing one.
    """
    members = json_text.decode_object(caveat)
    for name, value in members.items():
        if name == "iss":
            # It changes nothing; one who writes it expects it to hold.
            if not isinstance(value, str) or value not in issuers:
                raise ValueError("not an accepted issuer")
            continue
        rule = _RULES.get(name)
        if rule is None:
            raise ValueError("a member that is not understood")
        token = rule(token, value)
    return token


def _end(token: TokenClaims, value: object) -> TokenClaims:
    """The earliest end counts, so a later one does no harm."""
    end_s = exact_seconds(value)
    return replace(token, exp_s=end_s if token.exp_s is None else min(end_s, token.exp_s))


def _begin(token: TokenClaims, value: object) -> TokenClaims:
    """The latest beginning counts."""
    begin_s = exact_seconds(value)
    return replace(token, nbf_s=begin_s if token.nbf_s is None else max(begin_s, token.nbf_s))


def _scopes(token: TokenClaims, value: object) -> TokenClaims:
    scopes = claims.texts(value)
    _require_part(scopes, token.scp)
    return replace(token, scp=scopes)


def _audiences(token: TokenClaims, value: object) -> TokenClaims:
    """A token that names no audience is refused wherever one is expected, and one that names some
    wherever none is (6.5): neither naming a first one nor dropping the last one is narrower.
    """
    audiences = claims.audiences(value)
    _require_part(audiences, token.aud)
    if bool(audiences) != bool(token.aud):
        raise ValueError("no audience left")
    return replace(token, aud=audiences)


def _addresses(token: TokenClaims, value: object) -> TokenClaims:
    """An empty list is no restriction, so it cannot follow one."""
    cidrs = claims.texts(value)
    if len(cidrs) > _MOST_CIDRS:
        raise ValueError("too many networks")
    if token.acl and not cidrs:
        raise ValueError("lifts the restriction")
    # A list of its own members proves that each of them can be read.
    within = token.acl or cidrs
    if not all(covers(within, cidr) for cidr in cidrs):
        raise ValueError("a network outside of those allowed")
    return replace(token, acl=cidrs)


def _require_part(part: Sequence[str], whole: Sequence[str]) -> None:
    """Raise ValueError unless every entry is in ``whole``, and there at least as often."""
    if not Counter(part) <= Counter(whole):
        raise ValueError("an entry that the token does not have")


_RULES: Final[Mapping[str, Callable[[TokenClaims, object], TokenClaims]]] = {
    "exp": _end,
    "nbf": _begin,
    "scp": _scopes,
    "aud": _audiences,
    "acl": _addresses,
}
