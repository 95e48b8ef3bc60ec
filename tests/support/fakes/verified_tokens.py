"""Verified tokens in a dictionary."""

from dataclasses import dataclass

from talos.credentials.claims import TokenClaims
from talos.domain.verification import Verification

Name = tuple[str, int, str]


@dataclass(frozen=True)
class Entry:
    """One entry: what the token says, and the instant at which it ends."""

    claims: TokenClaims
    ends_ns: int | None


class RecordingTokenCache:
    """Implements ``services.ports.VerifiedTokenCache``, and keeps a list of what was found."""

    def __init__(self) -> None:
        self.entries: dict[Name, Entry] = {}
        self.found: list[Name] = []

    def get(self, network_id: str, generation: int, token: str, now_ns: int) -> TokenClaims | None:
        name = (network_id, generation, token)
        entry = self.entries.get(name)
        if entry is None or (entry.ends_ns is not None and now_ns >= entry.ends_ns):
            return None
        self.found.append(name)
        return entry.claims

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
        if ends_ns is None or now_ns < ends_ns:
            self.entries[network_id, generation, token] = Entry(claims, ends_ns)
