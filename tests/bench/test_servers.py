"""The servers that only the bench starts say yes to their key and no to others.

Starting a contender checks that; what is missing on a machine is skipped.
"""

from collections.abc import Iterator

import pytest

from bench.program import StartFailed
from bench.servers import nginx, peer, talos, wire
from bench.servers.contenders import CACHED, CONTENDERS
from bench.servers.exchange import Answer, WrongAnswer, ask
from bench.servers.site import Contender, Site, Subject
from bench.tools import Missing

OTHERS = [each for each in CONTENDERS if each.twin == "tests/bench/test_servers.py"]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(workers=1) as site:
        site.started[CACHED] = talos.cached(site)
        yield site


@pytest.mark.parametrize("contender", OTHERS, ids=lambda contender: contender.name)
def test_it_starts_and_answers_rightly(site: Site, contender: Contender) -> None:
    try:
        subject: Subject = site.start(contender)
    except Missing as missing:
        pytest.skip(str(missing))
    subject.check()
    assert subject.cpu_s() is not None
    assert (subject.pss_bytes() or 0) > 0


def test_nginx_sends_what_we_send(site: Site) -> None:
    ours = site.started[CACHED]
    try:
        limit = site.started.get("nginx") or nginx.start(site)
    except Missing as missing:
        pytest.skip(str(missing))
    answer = ask(limit.port, limit.request)
    assert answer.body == ours.answer.body
    names = {name.lower() for name, _ in ours.answer.headers}
    assert names <= {name.lower() for name, _ in answer.headers}
    assert len(answer.header("X-Request-Id") or "") == len(ours.answer.header("X-Request-Id") or "")
    # "Server: nginx" and nothing else may be added.
    assert 0 <= answer.size - ours.answer.size <= len("Server: nginx\r\n")


class TestPeer:
    def test_a_server_that_runs_already_is_a_row(self, site: Site) -> None:
        ours = site.started[CACHED]
        contender = peer.contender(f"http://127.0.0.1:{ours.port}/")
        subject = site.start(contender)
        assert subject.request.body != ours.request.body
        assert subject.pid == ours.pid
        subject.check()

    @pytest.mark.parametrize("url", ["http://192.0.2.1:4420", "https://127.0.0.1:4420"])
    def test_it_has_to_be_on_this_machine(self, site: Site, url: str) -> None:
        with pytest.raises(Missing, match="on this machine"):
            site.start(peer.contender(url))


def test_a_server_that_does_not_start_tells_its_log(site: Site) -> None:
    with pytest.raises(StartFailed, match="no_such_option"):
        talos.start(site, "broken", settings={"log": {"no_such_option": 1}})


def test_a_changed_answer_is_noticed(site: Site) -> None:
    ours = site.started[CACHED]
    refusal = Subject(ours.port, wire.verify_request("no-such-key"), ours.answer, None)
    with pytest.raises(WrongAnswer):
        refusal.check()


def test_headers_are_found_whatever_their_case() -> None:
    answer = Answer(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\n\r\n", b"")
    assert answer.status == 200
    assert answer.header("x-A") == "1"
    assert answer.header("x-b") is None
