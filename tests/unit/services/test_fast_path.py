"""The compiled path judges by the settings as the gates do (contract 6.2 steps 1 to 3, 6.8)."""

import uuid
from typing import Any

import pytest

import talos.fast_path
from talos import _core
from talos.credentials.secrets import Retired, Secret, SecretRing
from talos.domain.hosts import AllowedHosts
from talos.domain.keys import NIL_NETWORK
from talos.services.gates import check_minting, possession
from talos.services.tenant import HttpSettings, Tenant
from talos.services.verdicts import Rejected
from tests.support.fakes.clock import START_NS
from tests.support.fakes.directories import Directory, configure
from tests.support.fakes.tenants import OTHER_NETWORK, TENANT, tenant
from tests.support.verify_requests import request

S = 1_000_000_000
DAY_S = 86_400
MADE_S = START_NS // S
OLD = "a-secret-that-was-retired-0123456789"
GONE = "a-secret-that-has-ended-01234567890123"
CURRENT = TENANT.credentials.hmac.current.reveal().decode()
RING = SecretRing(
    Secret(CURRENT),
    (
        Retired(Secret(OLD), START_NS + S),
        Retired(Secret("")),
        Retired(Secret(GONE), START_NS),
    ),
)


class Host:
    """A fast path over a cache that has an answer for every key made here."""

    def __init__(self) -> None:
        self.memory = _core.SharedMemory(2 << 20)
        assert self.memory.attach()
        self.cache = _core.KeyCache(self.memory)
        self.path = _core.FastPath(self.cache, kind=0)

    def key(
        self,
        prefix: str = "ory_ak",
        secret: str = CURRENT,
        *,
        generation: int = 1,
        network_id: str = NIL_NETWORK,
    ) -> str:
        key_id = str(uuid.uuid4())
        payload = _core.pack_answer(
            b"{}", b"", generation=generation, expires_at_ns=None, plain=True
        )
        name = (network_id, 0, key_id)
        published = self.cache.publish(
            self.cache.lease(*name), *name, payload, expires_at_ns=2**62, now_ns=0
        )
        assert published == _core.PUBLISH_DONE
        return _core.mint_issued_key(prefix, MADE_S, key_id, secret.encode())

    def answers(self, credential: str, now_ns: int = START_NS) -> bool:
        body = b'{"credential":"%b"}' % credential.encode()
        return bool(self.path.answer(request(body=body), now_ns=now_ns)[0])


def accepted(credential: str, seen_by: Tenant, now_ns: int) -> bool:
    """Whether the gates of the warm path let an issued key through, up to the cache."""
    try:
        proven = possession(credential, seen_by, now_ns)
        check_minting(proven, seen_by, now_ns)
    except Rejected:
        return False
    return proven.text is not None


SETTINGS: list[dict[str, Any]] = [
    {},
    {"hmac": RING},
    {"prefix": "new", "prefixes_retired": ("ory_ak", ""), "public_prefix": None},
    {"public_prefix": "pk", "public_prefixes_retired": ("pk_test",)},
    {"max_ttl_ns": 0},
    {"max_ttl_ns": 60 * S},
    {"max_ttl_ns": 2**80},
    {"clock_skew_ns": 0},
    {"clock_skew_ns": 600 * S},
]


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
def test_it_accepts_what_the_gates_accept(changes: dict[str, Any]) -> None:
    host, seen_by = Host(), tenant(**changes)
    configure(host.path, seen_by)
    judged = set()
    for prefix in ("ory_ak", "pk_test", "pk", "new", "other"):
        for secret in (CURRENT, OLD, GONE, "a-secret-of-someone-else-0123456789"):
            key = host.key(prefix, secret)
            for step_s in (-601, -301, -1, 0, 1, 61, 30 * DAY_S, 400 * DAY_S):
                now_ns = START_NS + step_s * S
                expected = accepted(key, seen_by, now_ns)
                assert host.answers(key, now_ns) is expected, (prefix, step_s)
                judged.add(expected)
    assert judged == {True, False}


def test_other_settings_and_networks_have_answers_of_their_own() -> None:
    host = Host()
    key, other = host.key(), host.key(network_id=OTHER_NETWORK)
    configure(host.path, tenant(generation=2))
    assert not host.answers(key)
    configure(host.path, tenant(network_id=OTHER_NETWORK))
    assert not host.answers(key)
    assert host.answers(other)
    configure(host.path, TENANT)
    assert host.answers(key)


@pytest.mark.parametrize(
    "changes", [{"macaroon_prefix": "mc"}, {"macaroon_prefixes_retired": ("", "mc")}], ids=str
)
def test_what_is_routed_as_a_macaroon_is_not_answered(changes: dict[str, Any]) -> None:
    host = Host()
    key = host.key("mc_v1_x")
    configure(host.path, tenant(prefix="mc_v1_x", macaroon_prefix="other"))
    assert host.answers(key)
    configure(host.path, tenant(prefix="mc_v1_x", **changes))
    assert not host.answers(key)


@pytest.mark.parametrize(
    "changes",
    [
        {"cache_enabled": False},
        {"prefixes_retired": tuple(f"p{number}" for number in range(70))},
        {
            "hmac": SecretRing(
                Secret(CURRENT), tuple(Retired(Secret(OLD + str(n))) for n in range(256))
            )
        },
    ],
)
def test_a_network_for_which_it_could_not_answer_as_the_application_does_is_left_to_that(
    changes: dict[str, Any],
) -> None:
    host = Host()
    key = host.key()
    configure(host.path, TENANT)
    assert host.answers(key)
    configure(host.path, tenant(**changes))
    assert not host.answers(key)
    configure(host.path, TENANT)
    assert host.answers(key)


def test_each_host_has_the_settings_of_its_own_network() -> None:
    """Whichever host came before it, in the same packet or in another."""
    other_secret = "a-secret-of-the-other-network-01234567"
    other = tenant(
        network_id=OTHER_NETWORK,
        hmac=SecretRing(Secret(other_secret)),
        prefix="theirs",
        generation=9,
    )
    no_cache = tenant(network_id=str(uuid.UUID(int=7)), cache_enabled=False)
    host = Host()
    ours = host.key()
    theirs = host.key("theirs", other_secret, network_id=OTHER_NETWORK, generation=9)
    directory = Directory(
        None, by_host={"a.example": TENANT, "b.example": other, "c.example": no_cache}
    )
    talos.fast_path.configure(host.path, directory)

    def answered(*requests: tuple[bytes, str]) -> int:
        data = b"".join(
            request(host=b"Host: " + name, body=b'{"credential":"%b"}' % key.encode())
            for name, key in requests
        )
        return host.path.answer(data, now_ns=START_NS)[0].count(b"HTTP/1.1 200")

    a, b, c, unknown = b"a.example", b"b.example", b"c.example", b"d.example"
    for _ in range(2):
        assert answered((a, ours), (b, theirs), (a, ours), (b, theirs)) == 4
        assert answered((a, theirs)) == answered((b, ours)) == 0
        assert answered((a, ours), (b, ours)) == answered((b, theirs), (a, theirs)) == 1
        for name in (c, unknown):
            assert answered((name, ours)) == answered((name, theirs)) == 0
            assert answered((a, ours), (name, ours), (a, ours)) == 1


HOSTS = AllowedHosts(["keys.example.com", "*.svc.example.com"])


def test_a_host_that_is_not_listed_is_left_to_the_application() -> None:
    """Whichever host came before it, in the same packet or in another."""
    host = Host()
    body = b'{"credential":"%b"}' % host.key().encode()

    def answered(*names: bytes) -> int:
        data = b"".join(request(host=b"Host: " + name, body=body) for name in names)
        return host.path.answer(data, now_ns=START_NS)[0].count(b"HTTP/1.1 200")

    def allow(hosts: AllowedHosts | None) -> None:
        configure(host.path, TENANT, HttpSettings(allowed_hosts=hosts))

    good, other, odd = b"keys.example.com:4420", b"a.svc.example.com", b"Keys.Example.Com.:1"
    allow(HOSTS)
    for _ in range(2):
        assert answered(good, other, odd, good) == 4
        for evil in (
            b"evil.example.org",
            b"keys.example.co",
            b"keys.example.com:4420:",
            b"keys.example.com:44200.evil.org",
            b"a.svc.example.com" + b"x" * 300,
            b"x" * 300 + b".svc.example.com",
        ):
            assert answered(evil) == 0
            assert answered(good, evil, good) == 1
    allow(AllowedHosts(["evil.example.org"]))
    assert answered(good) == 0
    assert answered(b"evil.example.org") == 1
    allow(None)
    assert answered(good, b"any") == 2
