"""Verify with a cache of tokens says what verify without one says, always (contract 16, 6).

A state machine derives and forges tokens, reloads keys, secrets, prefixes, issuers and the clock
skew, sets the clock forth and back, and asks two services about every token, one of which
remembers. Some requests are served under the settings from before the last reload, as by a worker
that has not heard of it. The compiled fast path is asked as well: it declines, or it sends what the
service that remembers nothing would have sent.
"""

import itertools
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from talos._core import FastPath, KeyCache, SharedMemory
from talos.adapters.cache.null import NullKeyCache, NullVerifiedTokenCache
from talos.adapters.cache.verified_tokens import KIND, SharedVerifiedTokenCache
from talos.credentials.secrets import Retired, Secret, SecretRing
from talos.domain.addresses import Caller
from talos.domain.drafts import VerifyDraft
from talos.domain.keys import NIL_NETWORK
from talos.domain.verification import CacheDirective, Verification
from talos.http.cached_body import render
from talos.services.ports import VerifiedTokenCache
from talos.services.tenant import Tenant
from talos.services.verdicts import Verified
from talos.services.verify import VerifyService
from tests.support.fakes.clock import START_NS, FrozenClock
from tests.support.fakes.directories import configure
from tests.support.fakes.harness import ServiceHarness
from tests.support.fakes.tenants import OTHER_NETWORK, tenant
from tests.support.verify_requests import request
from tests.unit.credentials import material

S: Final = 1_000_000_000
START_S: Final = START_NS // S
SIZE_BYTES: Final = 640 * 1024

KEYS: Final = (material.ED25519_JWK, {**material.ED25519_JWK, "kid": "another"})
KEY_SETS: Final = tuple(
    material.load({"keys": keys}) for keys in (KEYS, KEYS[:1], KEYS[1:], KEYS[::-1])
)
SECRETS: Final = (material.SECRET, "another-secret-for-hmac-01234567")
ISSUERS: Final = (material.ISSUER, "https://other.example.com")
PREFIXES: Final = ("mc", "tok")
BOTH: Final = st.integers(0, 1)
NETWORKS: Final = st.sampled_from([NIL_NETWORK] * 7 + [OTHER_NETWORK])

_generations: dict["World", int] = {}


@dataclass(frozen=True)
class World:
    """A choice of all settings that decide about tokens; numbers choose from the lists above."""

    keys: int = 0
    secret: int = 0
    secrets_retired: tuple[tuple[int, int | None], ...] = ()
    issuer: int = 0
    issuers_retired: tuple[tuple[int, int | None], ...] = ()
    prefix: int = 0
    prefixes_retired: tuple[str, ...] = ()
    skew_s: int = 1

    def tenant(self, network_id: str) -> Tenant:
        """The settings, with a generation of their own."""
        retired = (Retired(Secret(SECRETS[which]), end) for which, end in self.secrets_retired)
        return tenant(
            network_id=network_id,
            signing_keys=KEY_SETS[self.keys],
            hmac=SecretRing(Secret(SECRETS[self.secret]), tuple(retired)),
            issuer=ISSUERS[self.issuer],
            issuers_retired=tuple(
                Retired(ISSUERS[which], end) for which, end in self.issuers_retired
            ),
            macaroon_prefix=PREFIXES[self.prefix],
            macaroon_prefixes_retired=self.prefixes_retired,
            clock_skew_ns=self.skew_s * S,
            generation=_generations.setdefault(self, len(_generations)),
        )


EDITS: Final = st.one_of(
    st.fixed_dictionaries({"keys": st.integers(0, len(KEY_SETS) - 1)}),
    st.fixed_dictionaries({"secret": BOTH}),
    st.fixed_dictionaries({"issuer": BOTH}),
    st.fixed_dictionaries(
        {"prefix": BOTH, "prefixes_retired": st.sampled_from([(), PREFIXES[:1], PREFIXES])}
    ),
    st.fixed_dictionaries({"skew_s": st.sampled_from([1, 300])}),
    st.fixed_dictionaries({"secrets_retired": st.just(()), "issuers_retired": st.just(())}),
)
# Retired values fall away while the clock comes by; None is never.
LIVES_S: Final = st.sampled_from([None, 5, 15])
PLAIN: Final = st.fixed_dictionaries({"exp": st.just(START_S + 4_000)})
MEMBERS: Final = PLAIN | st.fixed_dictionaries(
    {"exp": st.sampled_from([START_S + 10, START_S + 30, START_S + 4_000])},
    optional={
        "nbf": st.sampled_from([START_S, START_S + 15]),
        "iat": st.sampled_from([START_S, START_S + 15]),
        "acl": st.just(["192.0.2.0/24"]),
        "aud": st.just(["billing"]),
        "tty": st.sampled_from(["derived", "session"]),
        "tier": st.just("gold"),
    },
)
CAVEATS: Final = st.lists(
    st.sampled_from(
        [{"iss": ISSUERS[0]}, {"iss": ISSUERS[1]}, {"exp": START_S + 20}, {"nbf": START_S}, {}]
    ),
    max_size=2,
)


def service(clock: FrozenClock, verified_tokens: VerifiedTokenCache) -> VerifyService:
    ports = ServiceHarness().ports
    return VerifyService(
        replace(ports, cache=NullKeyCache(), verified_tokens=verified_tokens, clock=clock)
    )


class TokensUnderChange(RuleBasedStateMachine):
    """Two services on one clock, one of which remembers; the settings of now and of before."""

    tokens = Bundle("tokens")

    @initialize()
    def open(self) -> None:
        memory = SharedMemory(SIZE_BYTES)
        assert memory.attach()
        self.clock = FrozenClock()
        self.plain = service(self.clock, NullVerifiedTokenCache())
        self.remembering = service(self.clock, SharedVerifiedTokenCache(KeyCache(memory), render))
        self.fast_path = FastPath(
            KeyCache(memory),
            kind=0,
            token_kind=KIND,
        )
        self.now, self.before = World(), World()
        self.latest: deque[str] = deque(maxlen=3)

    @rule(edit=EDITS)
    def edit(self, edit: dict[str, Any]) -> None:
        self.reload(edit)

    def reload(self, edit: dict[str, Any]) -> None:
        self.now, self.before = replace(self.now, **edit), self.now

    @rule(life_s=LIVES_S)
    def rotate_the_secret(self, life_s: int | None) -> None:
        retired = (self.now.secret, self.end_ns(life_s))
        self.reload({"secret": 1 - self.now.secret, "secrets_retired": (retired,)})

    @rule(life_s=LIVES_S)
    def rename_the_issuer(self, life_s: int | None) -> None:
        retired = (self.now.issuer, self.end_ns(life_s))
        self.reload({"issuer": 1 - self.now.issuer, "issuers_retired": (retired,)})

    def end_ns(self, life_s: int | None) -> int | None:
        return None if life_s is None else self.clock.now_ns() + life_s * S

    @rule()
    def take_back(self) -> None:
        self.now, self.before = self.before, self.now

    @rule(seconds=st.sampled_from([-60, -20, -5, 1, 5, 10, 20]), ns=st.sampled_from([-1, 0, 1]))
    def set_clock(self, seconds: int, ns: int) -> None:
        self.clock.advance(s=seconds, ns=ns)

    @rule(target=tokens, members=MEMBERS, key=BOTH, nid=NETWORKS)
    def derive_jwt(self, members: dict[str, Any], key: int, nid: str) -> str:
        header = {"alg": "EdDSA", "kid": KEYS[key]["kid"], "typ": "JWT"}
        token = material.jws({**members, "iss": ISSUERS[self.now.issuer], "nid": nid}, header)
        return self.watched(token)

    @rule(target=tokens, members=MEMBERS, nid=NETWORKS, caveats=CAVEATS)
    def derive_macaroon(
        self, members: dict[str, Any], nid: str, caveats: Sequence[dict[str, Any]]
    ) -> str:
        token = material.macaroon(
            {**members, "iss": ISSUERS[self.now.issuer], "nid": nid},
            *caveats,
            secret=SECRETS[self.now.secret],
            prefix=PREFIXES[self.now.prefix],
        )
        return self.watched(token)

    def watched(self, token: str) -> str:
        self.latest.append(token)
        return token

    @rule(target=tokens, token=tokens, place=st.floats(0, 1, exclude_max=True))
    def forge(self, token: str, place: float) -> str:
        at = int(place * len(token))
        return f"{token[:at]}{'A' if token[at] != 'A' else 'B'}{token[at + 1 :]}"

    @rule(
        token=tokens,
        address=st.sampled_from(["192.0.2.1", "10.0.0.1"]),
        expected=st.sampled_from([(), ("billing",)]),
        network=NETWORKS,
        directive=st.sampled_from(CacheDirective),
        in_batch=st.booleans(),
    )
    def verify(
        self,
        token: str,
        address: str,
        expected: tuple[str, ...],
        network: str,
        directive: CacheDirective,
        in_batch: bool,
    ) -> None:
        seen_by, draft, caller = (
            self.now.tenant(network),
            VerifyDraft(token, expected),
            Caller(address),
        )

        def ask(asked: VerifyService) -> Verification:
            if in_batch:
                return asked.verify_batch(seen_by, [draft], caller, directive)[0]
            return asked.verify(seen_by, draft, caller, directive).verification

        assert ask(self.remembering) == ask(self.plain)
        asked = VerifyDraft(token)
        self.fast_path_agrees(seen_by, asked, self.plain.verify(seen_by, asked, caller, directive))

    def fast_path_agrees(self, seen_by: Tenant, draft: VerifyDraft, verified: Verified) -> None:
        """Ask the fast path, which is not told the address: it has none to decline or answer by."""
        configure(self.fast_path, seen_by)
        data = request(body=json.dumps({"credential": draft.credential}).encode())
        answer, _ = self.fast_path.answer(data, now_ns=self.clock.now_ns())
        if answer:
            head, _, body = answer.partition(b"\r\n\r\n")
            assert verified.verification.is_valid
            assert body == render(verified.verification)
            assert b"\r\nOry-Talos-Cache: SKIP\r\n" in head

    @invariant()
    def both_say_the_same(self) -> None:
        for token, world in itertools.product(self.latest, (self.now, self.before)):
            asked = world.tenant(NIL_NETWORK), VerifyDraft(token), Caller("192.0.2.1")
            remembered, plain = (
                asked_one.verify(*asked, CacheDirective.DEFAULT)
                for asked_one in (self.remembering, self.plain)
            )
            assert remembered.verification == plain.verification
            self.fast_path_agrees(*asked[:2], plain)


TokensUnderChange.TestCase.settings = settings(max_examples=120, stateful_step_count=40)
TestTokensUnderChange = TokensUnderChange.TestCase
