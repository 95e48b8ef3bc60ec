"""Proofs of derived tokens in a dictionary."""

from dataclasses import dataclass

from talos.credentials.claims import TokenClaims
from talos.domain.verification import Verification

Name = tuple[str, int, str]


@dataclass(frozen=True)
class Proof:
    """One entry: what the token says, and the instant at which the proof ends."""

    claims: TokenClaims
    ends_ns: int | None


class RecordingProofs:
    """Implements ``services.ports.VerifiedTokenCache``, and keeps a list of what was found."""

    def __init__(self) -> None:
        self.entries: dict[Name, Proof] = {}
        self.recalled: list[Name] = []

    def recall(
        self, network_id: str, generation: int, token: str, now_ns: int
    ) -> TokenClaims | None:
        name = (network_id, generation, token)
        proof = self.entries.get(name)
        if proof is None or (proof.ends_ns is not None and now_ns >= proof.ends_ns):
            return None
        self.recalled.append(name)
        return proof.claims

    def remember(
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
            self.entries[network_id, generation, token] = Proof(claims, ends_ns)
