"""What ``make serve`` runs: a server to try things on, with everything it needs made on first use.

The folder, ``data`` unless named otherwise, is nobody's but the owner's. What is there already is
used as it is: a second run keeps the keys. This is the one place that migrates a database without
being asked (contract 16, 2).
"""

import base64
import json
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from talos import bootstrap
from talos.adapters.sql import migrate
from talos.config.loading import load
from talos.credentials import generate
from talos.errors import ConfigurationError, TalosError
from talos.http.surfaces import Surface
from talos.serving.start import serve

_FOLDER: Final = "data"
_SECRET_BYTES: Final = 48

_CONFIGURATION: Final = """\
# Made by the first `make serve`. It holds secrets: keep it to yourself.
# Every setting is explained in docs/settings.md; `talos config validate` checks an edit.
serve:
  http: {{host: 127.0.0.1, port: 4420}}
  metrics: {{host: 127.0.0.1, port: 4422}}
db:
  dsn: {dsn}
log:
  format: text
credentials:
  issuer: http://127.0.0.1:4420
  api_keys:
    default_ttl: 720h
  derived_tokens:
    jwt:
      signing_keys:
        urls: ["base64://{signing_keys}"]
secrets:
  hmac:
    current: {hmac}
"""

_COMMANDS: Final = """
Talos listens on {url}, health on {metrics_url}/health/ready. Paste into another terminal:

  # issue a key
  KEY=$(curl -sS {url}/v2alpha1/admin/issuedApiKeys -d '{{"name":"my first key","actor_id":"user:me","scopes":["read"]}}' | sed 's/.*"secret": *"\\([^"]*\\)".*/\\1/') && echo "$KEY"

  # verify it
  curl -sS -w '\\n' {url}/v2alpha1/admin/apiKeys:verify -d "{{\\"credential\\":\\"$KEY\\"}}"

  # revoke it
  curl -sS -w '\\n' {url}/v2alpha1/apiKeys:selfRevoke -d "{{\\"credential\\":\\"$KEY\\"}}"

The configuration is {configuration}. Ctrl-C stops the server; the keys stay.
"""  # noqa: E501  (a command to paste is one line)


def initialise(folder: Path) -> Path:
    """Make what is missing in ``folder`` and return the configuration's path.

    The folder gets mode 0700 and its files 0600. Raises ``ConfigurationError`` for a configuration
    that was edited into something invalid, and storage errors.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    configuration = folder / "talos.yaml"
    if not configuration.exists():
        _write_once(configuration, _fresh_configuration(folder))
    configuration.chmod(0o600)
    migrate.up(bootstrap.database_url(load(str(configuration), os.environ)))
    return configuration


def commands(configuration: Path) -> str:
    """Return the text that tells a person what to do with the server."""
    config = load(str(configuration), os.environ)
    host = config.optional_text("serve.http.host") or "127.0.0.1"
    metrics_host = config.text("serve.metrics.host")
    return _COMMANDS.format(
        url=f"http://{host}:{config.integer('serve.http.port')}",
        metrics_url=f"http://{metrics_host}:{config.integer('serve.metrics.port')}",
        configuration=configuration,
    )


def main(arguments: Sequence[str]) -> int:
    """Initialise the folder that ``arguments`` names, if any, and serve from it."""
    folder = Path(arguments[0]) if arguments else Path(_FOLDER)
    try:
        configuration = initialise(folder)
        return serve(
            Surface.ALL,
            str(configuration),
            os.environ,
            announce=lambda: print(commands(configuration), flush=True),
        )
    except TalosError as error:
        faults = error.faults if isinstance(error, ConfigurationError) else ()
        print("\n".join([error.message, *faults]), file=sys.stderr)
        return 1


def _fresh_configuration(folder: Path) -> str:
    key_set = json.dumps({"keys": [generate.eddsa().private]})
    path = folder / "talos.db"
    return _CONFIGURATION.format(
        dsn=f"sqlite://{path}" if path.is_absolute() else f"sqlite://./{path}",
        signing_keys=base64.b64encode(key_set.encode()).decode(),
        hmac=secrets.token_urlsafe(_SECRET_BYTES),
    )


def _write_once(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, whole or not at all, and only if nobody else did meanwhile."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
