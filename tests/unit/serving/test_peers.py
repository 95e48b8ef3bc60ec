"""What each peer may hold, counted over all workers."""

import os

import pytest

from talos.serving.peers import PeerBound


def bound(most: int, seats: int = 2) -> PeerBound:
    made = PeerBound(most)
    for index in range(1, 1 + seats):
        made.free(index)
    return made


def test_the_connections_of_all_workers_count() -> None:
    peers = bound(3)
    assert [peers.admit(slot, "192.0.2.7") for slot in (1, 2, 1, 2, 1)] == [True] * 3 + [False] * 2
    assert peers.admit(1, "192.0.2.8")
    peers.left(2, "192.0.2.7")
    assert peers.admit(1, "192.0.2.7")
    assert not peers.admit(2, "192.0.2.7")


def test_what_one_process_counts_the_others_see() -> None:
    peers = bound(1)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if peers.admit(1, "192.0.2.7") else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert not peers.admit(2, "192.0.2.7")
    # It has died with a connection that it cannot count down; its slot goes to another worker.
    peers.free(1)
    assert peers.admit(2, "192.0.2.7")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.7", "192.0.2.8", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_an_ipv6_network_of_64_bits_is_one_peer(one: str, other: str, same: bool) -> None:
    peers = bound(1)
    assert peers.admit(1, one)
    assert peers.admit(1, other) is not same


def test_unix_sockets_are_not_bounded() -> None:
    peers = bound(1)
    assert all(peers.admit(1, "unix:") for _ in range(5))


def test_many_peers_do_not_fill_each_others_bound() -> None:
    peers = bound(10)
    hosts = [f"10.0.{number // 256}.{number % 256}" for number in range(4000)]
    assert all(peers.admit(1, host) for host in hosts)
