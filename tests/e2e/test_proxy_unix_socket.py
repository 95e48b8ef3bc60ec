"""A proxy that reaches the server through a Unix socket is listed as ``unix:`` (16 (41, 48))."""

import socket
from pathlib import Path

import pytest

from tests.e2e.certificates import Authority
from tests.e2e.documented import with_changes
from tests.e2e.processes import PATIENCE_S, eventually, read_all
from tests.e2e.proxies import (
    CLIENT,
    INSIDE,
    SPOOFS,
    ProxiedServer,
    Text,
    documented,
    front,
    prepared,
    running,
    settings,
    valid,
    verifying,
)
from tests.support.talos_server import ADMIN, Serve, Talos
from tests.support.unix_sockets import WORKER_CLASSES, ask

LOOPBACK = "127.0.0.1"
UPSTREAMS = {
    # As docs/proxies.md says.
    "nginx": {"server 127.0.0.1:4420;": "server unix:/run/talos/admin.sock;"},
    "haproxy": {"server talos 127.0.0.1:4420": "server talos /run/talos/admin.sock"},
    "caddy": {"reverse_proxy 127.0.0.1:4420": "reverse_proxy unix//run/talos/admin.sock"},
}


def key(path: Path, address: str) -> str:
    restriction = {"allowed_cidrs": [f"{address}/32"]}
    fields = {"name": "n", "actor_id": "a", "ip_restriction": restriction}
    status, issued = ask(path, "POST", f"{ADMIN}/issuedApiKeys", fields)
    assert status == 201
    return str(issued["secret"])


def directly(path: Path, credential: str, *lines: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(str(path))
        client.sendall(verifying(credential, *lines))
        return read_all(client)


@WORKER_CLASSES
@pytest.mark.parametrize("name", UPSTREAMS)
def test_a_proxy_on_a_unix_socket(serve: Serve, name: str, worker_class: str) -> None:
    authority = Authority()
    # The upstream keeps its name here, for it is replaced as a whole.
    text = Text(documented(name), 4420, authority)

    def on_socket(folder: Path, port: int) -> str:
        upstream = with_changes(text(folder, port), UPSTREAMS[name])
        return with_changes(upstream, {"/run/talos/admin.sock": f"{folder}/talos.sock"})

    process = prepared(name, on_socket)
    with process:
        path = process.folder / "talos.sock"
        over = settings(trusted_proxies=["unix:"], host=f"unix:{path}", socket_mode="0666")
        talos: Talos = serve("--worker-class", worker_class, over=over)
        with running(process):
            to = front(name, process.port, authority)
            here = ProxiedServer(
                talos, to, key(path, INSIDE), key(path, LOOPBACK), key(path, CLIENT)
            )
            assert valid(here.front.verify(here.client))
            for spoof, lines in SPOOFS.items():
                assert not valid(here.front.verify(here.inside, *lines)), spoof
                assert not valid(here.front.verify(here.proxy, *lines)), spoof
            # Who may connect to the socket may speak for others, as the list says.
            line = f"X-Forwarded-For: {INSIDE}"
            assert valid(directly(path, here.inside, line))
            talos.edit({"serve": {"http": {"trusted_proxies": [LOOPBACK]}}})
            eventually(lambda: not valid(directly(path, here.inside, line)), "the reload")
            assert valid(directly(path, here.proxy, line))
