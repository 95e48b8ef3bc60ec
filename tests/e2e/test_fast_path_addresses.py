"""What is answered from memory never depends on an address: keys with a list are left to Python."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.processes import eventually
from tests.e2e.proxies import INSIDE, PROXY
from tests.support.talos_server import Serve, Talos
from tests.support.verify_client import Peer, asking, logged
from tests.support.verify_requests import BATCH_START, request

OUTSIDE = "198.51.100.9"


@pytest.fixture
def talos(serve: Serve) -> Talos:
    """A server that caches, and believes whoever is on this machine."""
    http = {"client_ip_source": "CLIENT_IP_SOURCE_X_FORWARDED_FOR", "trusted_proxies": [PROXY]}
    return serve(over={"cache": {"enabled": True}, "serve": {"http": http}})


@pytest.fixture
def peer(talos: Talos) -> Iterator[Peer]:
    peer = Peer(talos.server.port)
    yield peer
    peer.close()


def listed(talos: Talos) -> str:
    restriction = {"allowed_cidrs": [f"{INSIDE}/32"]}
    return str(talos.issue(ip_restriction=restriction)["secret"])


def test_a_cached_key_with_a_list_is_judged_by_the_application(talos: Talos, peer: Peer) -> None:
    credential = listed(talos)
    asked = []

    def verdict(*lines: bytes) -> bool:
        asked.append(f"listed-{len(asked)}")
        answer = peer.ask(asking(credential, b"X-Request-Id: " + asked[-1].encode(), *lines))
        return b'"is_valid":true' in answer

    inside, outside = (f"X-Forwarded-For: {text}".encode() for text in (INSIDE, OUTSIDE))
    for _ in range(3):
        assert verdict(inside)
        assert not verdict(outside)
        assert not verdict()
        assert not verdict(inside, outside)
        assert verdict(outside, inside)
        assert verdict(inside + b", 127.0.0.1")
        assert not verdict(inside + b", nonsense")
    talos.edit({"serve": {"http": {"trusted_proxies": ["127.0.0.2"]}}})
    eventually(lambda: "configuration reloaded" in talos.server.log, "the reload")
    assert not verdict(inside)
    talos.edit({"serve": {"http": {"client_ip_source": "CLIENT_IP_SOURCE_REMOTE_ADDR"}}})
    eventually(lambda: talos.server.log.count("configuration reloaded") > 1, "the next reload")
    assert not verdict(inside)
    eventually(lambda: set(asked) <= logged(talos), "a line for each of them")


def test_a_batch_with_a_listed_key_is_judged_by_the_application(talos: Talos, peer: Peer) -> None:
    credentials = [listed(talos), str(talos.issue()["secret"])]
    body = json.dumps({"requests": [{"credential": text} for text in credentials]}).encode()
    for address, good in ((INSIDE, 2), (OUTSIDE, 1)) * 3:
        line = f"X-Forwarded-For: {address}".encode()
        answer = peer.ask(request(line, start=BATCH_START, body=body))
        assert answer.count(b'"is_valid":true') == good


def test_keys_without_a_list_are_answered_from_memory_whatever_a_header_says(
    talos: Talos, peer: Peer
) -> None:
    credential = str(talos.issue()["secret"])
    peer.ask(asking(credential))
    for number, text in enumerate((INSIDE, "nonsense", "", f"{INSIDE}, {OUTSIDE}")):
        lines = b"X-Request-Id: plain-%d" % number, f"X-Forwarded-For: {text}".encode()
        answer = peer.ask(asking(credential, *lines))
        assert b"Ory-Talos-Cache: HIT" in answer
        assert b'"is_valid":true' in answer
    peer.ask(asking(credential, b"X-Request-Id: slow", b"X-Odd:\tvalue"))
    eventually(lambda: "slow" in logged(talos), "the log")
    assert not any(request_id.startswith("plain-") for request_id in logged(talos))
