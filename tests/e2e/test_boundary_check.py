"""The check in docs/deployment.md tells a boundary that holds from one that does not."""

import re
import subprocess

from tests.e2e.processes import REPOSITORY, clean_environment, free_ports
from tests.support.talos_server import Serve, Talos


def check(port: int) -> subprocess.CompletedProcess[str]:
    text = (REPOSITORY / "docs" / "deployment.md").read_text()
    [script] = re.findall(r"```sh\n(# BASE is .*?)```", text, re.DOTALL)
    environment = clean_environment(BASE=f"http://127.0.0.1:{port}")
    return subprocess.run(
        ["sh", "-c", script], env=environment, capture_output=True, text=True, timeout=120
    )


def test_the_public_surface_passes(serve: Serve) -> None:
    done = check(serve("public").server.port)
    assert (done.returncode, done.stdout) == (0, "")


def test_an_address_that_nobody_answers_passes() -> None:
    assert check(free_ports(1)[0]).returncode == 0


def test_the_admin_surface_does_not_pass(serve: Serve) -> None:
    talos: Talos = serve("admin")
    done = check(talos.server.port)
    assert done.returncode == 1
    assert "REACHED: GET /v2alpha1/admin/issuedApiKeys" in done.stdout
    assert "REACHED: POST /v2alpha1/admin/apiKeys:verify" in done.stdout
    assert "REACHED: GET //v2alpha1/admin/issuedApiKeys" in done.stdout
