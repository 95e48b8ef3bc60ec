"""What an attacker would try against a running server, beyond its own interfaces."""

import resource
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.e2e.processes import eventually
from tests.support.talos_server import ADMIN, HMAC_SECRET, Serve, Talos

NEXT_SECRET = "test-next-secret-for-hmac-0123456789"


@pytest.fixture
def core_files() -> Iterator[None]:
    """Whatever is started writes a core file when it crashes, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@pytest.mark.usefixtures("core_files")
def test_secrets_in_memory_are_not_written_to_core_files(serve: Serve) -> None:
    talos = serve()
    for pid in (talos.server.pid, *talos.server.workers):
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        [core] = [line.split() for line in limits if line.startswith("Max core file size")]
        # The soft limit: whoever debugs can still raise it with prlimit.
        assert core[4] == "0"


def error_code(talos: Talos, credential: str) -> str:
    return str(talos.verify(credential).get("error_code"))


def verify_from(talos: Talos, credential: str, *headers: tuple[str, str]) -> bool:
    """Verify with header lines exactly as given."""
    connection = HTTPConnection("127.0.0.1", talos.server.port)
    body = f'{{"credential":"{credential}"}}'.encode()
    connection.putrequest("POST", f"{ADMIN}/apiKeys:verify")
    for name, value in (*headers, ("Content-Length", str(len(body)))):
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse().read()
    connection.close()
    return b'"is_valid":true' in answer


@pytest.mark.parametrize(
    ("source", "header"),
    [
        ("CF_CONNECTING_IP", "Cf-Connecting-Ip"),
        ("X_FORWARDED_FOR", "X-Forwarded-For"),
        ("X_REAL_IP", "X-Real-Ip"),
        ("TRUE_CLIENT_IP", "True-Client-Ip"),
    ],
)
def test_an_address_is_believed_from_the_chosen_header_alone(
    serve: Serve, source: str, header: str
) -> None:
    talos = serve(over={"serve": {"http": {"client_ip_source": f"CLIENT_IP_SOURCE_{source}"}}})
    inside, outside = "203.0.113.7", "198.51.100.9"
    restriction = {"allowed_cidrs": ["203.0.113.0/24"]}
    credential = talos.issue(ip_restriction=restriction)["secret"]
    assert verify_from(talos, credential, (header, inside))
    assert not verify_from(talos, credential, (header, outside))
    # The proxy's line is the first; what a client adds comes behind it.
    assert not verify_from(talos, credential, (header, outside), (header, inside))
    # Another spelling that WSGI would fold into the same variable.
    underscored = header.replace("-", "_")
    assert not verify_from(talos, credential, (underscored, inside))
    assert not verify_from(talos, credential, (header, outside), (underscored, inside))
    assert not verify_from(talos, credential, (underscored, inside), (header, outside))
    for other in {"Cf-Connecting-Ip", "X-Forwarded-For", "X-Real-Ip", "True-Client-Ip"} - {header}:
        assert not verify_from(talos, credential, (other, inside))
        assert not verify_from(talos, credential, ("Forwarded", f"for={inside}"))


def test_no_header_is_believed_unless_chosen(serve: Serve) -> None:
    talos = serve()
    credential = talos.issue(ip_restriction={"allowed_cidrs": ["203.0.113.0/24"]})["secret"]
    for header in ("Cf-Connecting-Ip", "X-Forwarded-For", "X-Real-Ip", "True-Client-Ip"):
        assert not verify_from(talos, credential, (header, "203.0.113.7"))


def test_a_retired_secret_ends_when_it_is_told_to(serve: Serve) -> None:
    """Keys and macaroons of the old secret verify while it is retired, and never after."""
    talos = serve()
    old = talos.issue()["secret"]
    body = {"credential": old, "algorithm": "TOKEN_ALGORITHM_MACAROON"}
    _, answer = talos.ask("POST", f"{ADMIN}/apiKeys:derive", body)
    macaroon = answer["token"]["token"]

    def retire(**entry: str) -> None:
        retired = [{"value": HMAC_SECRET, **entry}] if entry else []
        talos.edit({"secrets": {"hmac": {"current": NEXT_SECRET, "retired": retired}}})

    retire(expires_at="2999-01-01T00:00:00Z")
    eventually(lambda: "configuration reloaded" in talos.server.log, "a reload")
    new = talos.issue()["secret"]
    for credential in (old, new, macaroon):
        assert talos.verify(credential)["is_valid"] is True
    retire(expires_at="2001-01-01T00:00:00Z")
    # In every worker at once: none says yes after another has said no.
    eventually(lambda: error_code(talos, old) == "VERIFICATION_ERROR_NOT_FOUND", "the end of it")
    for _ in range(20):
        assert error_code(talos, old) == "VERIFICATION_ERROR_NOT_FOUND"
        assert error_code(talos, macaroon) == "VERIFICATION_ERROR_SIGNATURE_INVALID"
    assert talos.verify(new)["is_valid"] is True
    assert HMAC_SECRET not in talos.server.log
    assert NEXT_SECRET not in talos.server.log
