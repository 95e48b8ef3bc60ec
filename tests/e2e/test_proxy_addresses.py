"""No caller behind a documented proxy passes for another address than its own (16 (41))."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.certificates import Authority
from tests.e2e.documented import with_changes
from tests.e2e.processes import eventually
from tests.e2e.proxies import (
    FORWARDED,
    INSIDE,
    NAMES,
    PROXY,
    SPOOFS,
    Front,
    Text,
    answered,
    documented,
    front,
    prepared,
    proxied,
    running,
    settings,
    valid,
    verifying,
)
from tests.support.talos_server import Serve, Talos

SOURCES: Final = ("X_FORWARDED_FOR", "X_REAL_IP")


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.mark.parametrize("source", SOURCES)
def test_a_caller_is_who_it_is_whatever_it_sends(
    serve: Serve, name: str, source: str, authority: Authority
) -> None:
    talos = serve(over=settings(source))
    text = Text(documented(name), talos.server.port, authority)
    with running(prepared(name, text, underscores=True)) as process:
        here = proxied(talos, front(name, process.port, authority))
        assert valid(here.front.verify(here.client))
        refused = set()
        for spoof, lines in SPOOFS.items():
            assert not valid(here.front.verify(here.inside, *lines)), spoof
            assert not valid(here.front.verify(here.proxy, *lines)), spoof
            answer = here.front.verify(here.client, *lines)
            # It is refused by proxy or server, or it is known for who it is.
            if answered(answer):
                assert valid(answer), (spoof, answer)
            else:
                refused.add(spoof)
        # Most are sound HTTP: the test would show nothing if none of them got through.
        assert len(refused) < len(SPOOFS) / 3, refused


def test_a_trailer_is_no_header(serve: Serve, name: str, authority: Authority) -> None:
    talos = serve(over=settings())
    text = Text(documented(name), talos.server.port, authority)
    with running(prepared(name, text)) as process:
        here = proxied(talos, front(name, process.port, authority))
        for credential in (here.inside, here.proxy):
            head, _, body = verifying(credential).partition(b"\r\n\r\n")
            head = b"\r\n".join(
                line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")
            )
            trailer = f"{FORWARDED}: {INSIDE}\r\nX-Real-Ip: {INSIDE}".encode()
            chunked = b"%b\r\nTransfer-Encoding: chunked\r\nTrailer: %b\r\n\r\n"
            chunked += b"%x\r\n%b\r\n0\r\n%b\r\n\r\n"
            for names in (b"X-Forwarded-For", b"X-Real-Ip, X-Forwarded-For"):
                data = chunked % (head, names, len(body), body, trailer)
                assert not valid(here.front.say(data))


def test_who_goes_round_the_proxy_is_the_peer(serve: Serve) -> None:
    talos = serve(over=settings())
    here = proxied(talos, Front(talos.server.port))
    for spoof, lines in SPOOFS.items():
        assert not valid(here.front.verify(here.inside, *lines)), spoof
        assert not valid(here.front.verify(here.proxy, *lines)), spoof
        answer = here.front.verify(here.client, *lines)
        assert valid(answer) or not answered(answer), spoof


def test_what_haproxy_and_nginx_append_by_themselves_is_read_from_the_right(
    serve: Serve, authority: Authority
) -> None:
    """``option forwardfor`` adds a line, ``$proxy_add_x_forwarded_for`` an element."""
    talos = serve(over=settings())
    appending = {
        "haproxy": {"http-request set-header X-Forwarded-For %[src]": "option forwardfor"},
        "nginx": {
            "X-Forwarded-For $remote_addr": "X-Forwarded-For $proxy_add_x_forwarded_for",
        },
    }
    for name, changes in appending.items():
        example = with_changes(documented(name), changes)
        with running(prepared(name, Text(example, talos.server.port, authority))) as process:
            here = proxied(talos, front(name, process.port, authority))
            assert valid(here.front.verify(here.client))
            for spoof, lines in SPOOFS.items():
                assert not valid(here.front.verify(here.inside, *lines)), (name, spoof)
                assert not valid(here.front.verify(here.proxy, *lines)), (name, spoof)


def test_without_the_list_a_proxy_that_appends_lets_callers_lie_and_a_warning_says_so(
    serve: Serve, authority: Authority
) -> None:
    """Contract 6.6 as it stands: what the page warns of, and what the list mends by a reload."""
    talos = serve(over=settings(trusted_proxies=[]))
    warning = "serve.http.client_ip_source is set and serve.http.trusted_proxies is empty"
    assert warning in talos.server.log
    example = with_changes(
        documented("haproxy"),
        {"http-request set-header X-Forwarded-For %[src]": "option forwardfor"},
    )
    with running(prepared("haproxy", Text(example, talos.server.port, authority))) as process:
        here = proxied(talos, front("haproxy", process.port, authority))
        spoof = f"{FORWARDED}: {INSIDE}"
        assert valid(here.front.verify(here.inside, spoof))
        talos.edit(settings())
        eventually(lambda: not valid(here.front.verify(here.inside, spoof)), "the reload")
        assert valid(here.front.verify(here.client, spoof))


def test_two_proxies_in_a_row(serve: Serve, authority: Authority) -> None:
    """The outer one sets the header, the inner one appends, both are listed."""
    talos = serve(over=settings(trusted_proxies=[PROXY, "127.0.0.2"]))
    inner_text = with_changes(
        documented("nginx"),
        {
            "X-Forwarded-For $remote_addr": "X-Forwarded-For $proxy_add_x_forwarded_for",
            "listen 443 ssl;": "listen 8443;",
            "    ssl_certificate     /etc/talos/tls/server.pem;\n": "",
            "    ssl_certificate_key /etc/talos/tls/server.key;\n": "",
        },
    )
    outer_text = with_changes(
        documented("haproxy"),
        {"server talos 127.0.0.1:4420": "server talos 127.0.0.1:4420 source 127.0.0.2"},
    )

    def inner_at(folder: Path, port: int) -> str:
        changes = {
            "listen 8443;": f"listen 127.0.0.1:{port};",
            "127.0.0.1:4420": f"127.0.0.1:{talos.server.port}",
        }
        return with_changes(inner_text, changes)

    with running(prepared("nginx", inner_at)) as inner:
        outer_process = prepared("haproxy", Text(outer_text, inner.port, authority))
        with running(outer_process) as outer:
            here = proxied(talos, front("haproxy", outer.port, authority))
            assert valid(here.front.verify(here.client))
            for spoof, lines in SPOOFS.items():
                assert not valid(here.front.verify(here.inside, *lines)), spoof
                assert not valid(here.front.verify(here.proxy, *lines)), spoof
                assert not valid(here.front.verify(here.client, *lines, source="127.0.0.8")), spoof
            # The inner one alone: the outer one's word is not there.
            direct = Front(inner.port)
            assert not valid(direct.verify(here.inside, f"{FORWARDED}: {INSIDE}"))
            # A listed caller may speak for others: that is what the list means.
            assert valid(direct.verify(here.inside, f"{FORWARDED}: {INSIDE}", source="127.0.0.2"))


@pytest.fixture
def stock(serve: Serve) -> Iterator[Talos]:
    """gunicorn's own worker, which joins repeated lines itself."""
    yield serve("--worker-class", "gthread", over=settings())


def test_stock_gunicorn_decides_alike(stock: Talos, authority: Authority) -> None:
    example = with_changes(
        documented("haproxy"),
        {"http-request set-header X-Forwarded-For %[src]": "option forwardfor"},
    )
    with running(prepared("haproxy", Text(example, stock.server.port, authority))) as process:
        for here in (
            proxied(stock, front("haproxy", process.port, authority)),
            proxied(stock, Front(stock.server.port)),
        ):
            assert valid(here.front.verify(here.client))
            for spoof, lines in SPOOFS.items():
                assert not valid(here.front.verify(here.inside, *lines)), spoof
                assert not valid(here.front.verify(here.proxy, *lines)), spoof


HOSTS: Final[dict[str, tuple[str, ...]]] = {
    "forwarded host": ("X-Forwarded-Host: other.example.com",),
    "in mixed case": ("x-FORWARDED-host: other.example.com",),
    "twice": ("X-Forwarded-Host: other.example.com", "X-Forwarded-Host: other.example.com"),
    "blank": ("X-Forwarded-Host:",),
    "with underscores": ("X_Forwarded_Host: other.example.com",),
    "forwarded": ("Forwarded: host=other.example.com",),
    "others": ("X-Host: other.example.com", "X-Original-Host: other.example.com"),
    "hop by hop": ("Connection: X-Forwarded-Host", "X-Forwarded-Host: other.example.com"),
}


def config_hash(to: Front, *lines: str, host: str = "keys.example.com") -> str:
    """What the server says of its configuration; it differs from host to host."""
    head = ["GET /version HTTP/1.1", f"Host: {host}", *lines, "Connection: close", "", ""]
    answer = to.say("\r\n".join(head).encode())
    if not answer.startswith(b"HTTP/1.1 200 "):
        return "refused"
    return str(json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])["config_hash"])


def test_the_host_is_the_one_that_was_asked_for(
    serve: Serve, name: str, authority: Authority
) -> None:
    talos = serve(over=settings(trust_forwarded_host=True))
    direct = Front(talos.server.port)
    asked_for = config_hash(direct)
    assert config_hash(direct, host="other.example.com") not in (asked_for, "refused")
    assert config_hash(direct, "X-Forwarded-Host: other.example.com") == asked_for
    with running(prepared(name, Text(documented(name), talos.server.port, authority))) as process:
        through = front(name, process.port, authority)
        assert config_hash(through) == asked_for
        for spoof, lines in HOSTS.items():
            assert config_hash(through, *lines) in (asked_for, "refused"), spoof
