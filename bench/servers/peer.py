"""Any server with the API of talos that already runs on this machine: ``PEER=URL make bench``."""

import os
from urllib.parse import urlsplit

from bench.accounting import command_name, listening_process
from bench.servers import wire
from bench.servers.site import Contender, Site, Subject
from bench.tools import Missing

_LOOPBACK = {"127.0.0.1", "localhost"}
_FORWARDERS = {"docker-proxy", "rootlessport"}


def contender(url: str) -> Contender:
    """Return a row for the server at ``url``."""

    def start(site: Site) -> Subject:
        return _start(url)

    return Contender("peer", f"peer at {url}", "tests/e2e/test_sdk_conformance.py", start)


def _start(url: str) -> Subject:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        raise Missing(
            f"{url} is not http on 127.0.0.1: servers are compared on the same cores, so the peer "
            "has to run on this machine"
        )
    port, prefix = parts.port or 80, parts.path.rstrip("/")
    key_id, secret = wire.issue(port, prefix)
    request = wire.verify_request(secret, prefix)
    said = wire.until_remembered(port, request)
    answer = wire.check(port, key_id, secret, prefix)
    pid = _process(port)
    notes = [f"answers say {said or 'nothing'}"]
    if pid is None:
        notes.append("its processes cannot be seen; PEER_PID names them")
    return Subject(port, request, answer, pid, note=", ".join(notes))


def _process(port: int) -> int | None:
    named = os.environ.get("PEER_PID")
    if named:
        return int(named)
    found = listening_process(port)
    return None if found is None or command_name(found) in _FORWARDERS else found
