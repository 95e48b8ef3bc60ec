"""A worker assembled in this process."""

import time
from pathlib import Path
from typing import Any

from talos import bootstrap
from talos.config.reload import ConfigSource
from talos.http.surfaces import Surface
from tests.http.surface import send
from tests.support.verify_requests import request
from tests.unit.config.settings import loaded, tree, write

VERIFY = "/v2alpha1/admin/apiKeys:verify"


ISSUED = "/v2alpha1/admin/issuedApiKeys"


class Worker:
    """A surface as a worker has it, with the configuration file that it follows."""

    def __init__(
        self, tmp_path: Path, dsn: str, surface: Surface = Surface.ALL, **changes: Any
    ) -> None:
        self.path = tmp_path / "talos.yaml"
        self.settings: dict[str, Any] = {
            "db__dsn": dsn,
            "credentials__api_keys__default_ttl": "24h",
            **changes,
        }
        config = loaded(tmp_path, tree(**self.settings))
        self.source = ConfigSource(config, {})
        bootstrap.prepare_database(bootstrap.database_url(config))
        self.shared = bootstrap.share(config)
        self.assembly = bootstrap.build(surface, self.source, self.shared)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.assembly.close()

    def edit(self, **changes: Any) -> None:
        """Change the file and look at it, as the watcher does."""
        self.settings |= changes
        write(self.path, tree(**self.settings))
        self.source.examine()

    def issue(self) -> str:
        answer = send(self.assembly.main, "POST", ISSUED, {"name": "n", "actor_id": "a"})
        assert answer.status_code == 201, answer.text
        return str(answer.json["secret"])

    def verify(self, credential: str) -> str:
        """The cache outcome, by the application."""
        answer = send(self.assembly.main, "POST", VERIFY, {"credential": credential})
        assert answer.json["is_valid"] is True
        return answer.headers["ory-talos-cache"]

    def answers_at_once(self, credential: str) -> bool:
        """Whether the fast path answers, and as the application does."""
        return bool(self.answered_at_once(credential))

    def answered_at_once(self, credential: str) -> bytes:
        """What the fast path answers, empty where it declines."""
        assert self.assembly.fast_path is not None
        self.assembly.configure_fast_path()
        data = request(body=b'{"credential":"%b"}' % credential.encode())
        answer, end = self.assembly.fast_path.answer(data, now_ns=time.time_ns())
        assert bool(answer) is (end == len(data))
        if answer:
            sent = send(self.assembly.main, "POST", VERIFY, {"credential": credential})
            assert answer.endswith(b"\r\n\r\n" + sent.content)
        return answer
