"""better-auth's API-key plugin on Node and SQLite. Optional: it needs Node and its packages."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from bench.program import free_port
from bench.servers import wire
from bench.servers.exchange import ask, expect
from bench.servers.site import Site, Subject
from bench.tools import BUILD, ROOT, Missing, find

_SOURCES: Final = Path(__file__).parent / "apps" / "better_auth"
_INSTALLED: Final = BUILD / "better-auth"


def start(site: Site) -> Subject:
    """Return the plugin behind Node's own server, in as many processes as the others have."""
    node = find("node")
    server = _installed() / "server.mjs"
    folder, port = site.subfolder("better-auth"), free_port()
    database = folder / "auth.db"
    prepared = subprocess.run(
        [node, server, database], cwd=folder, capture_output=True, text=True, check=False
    )
    if prepared.returncode != 0:
        raise Missing(f"better-auth does not work here: {prepared.stderr.strip()[-500:]}")
    key = prepared.stdout.strip().splitlines()[-1]
    request = wire.verify_request(key)
    program = site.run(
        [node, server, database, str(port), str(site.workers)],
        folder,
        lambda: ask(port, request).status == wire.OK,
    )
    answer = ask(port, request)
    expect(answer.json()["is_valid"] is True, "a good key was refused", answer)
    refusal = ask(port, wire.verify_request(key[:-1]))
    expect(refusal.json()["is_valid"] is False, "a bad key was not refused", refusal)
    return Subject(port, request, answer, program.pid)


def _installed() -> Path:
    """Return the folder with the plugin in it; a person installs it, since it takes minutes."""
    _INSTALLED.mkdir(parents=True, exist_ok=True)
    for source in _SOURCES.iterdir():
        shutil.copyfile(source, _INSTALLED / source.name)
    if not (_INSTALLED / "node_modules" / "better-auth").is_dir():
        command = f"npm install --prefix {_INSTALLED.relative_to(ROOT)}"
        raise Missing(f"better-auth is not installed: {command}")
    return _INSTALLED
