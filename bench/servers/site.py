"""Where servers are started, and what a started one is."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType

from bench.accounting import cpu_s, pss_bytes
from bench.load import requests
from bench.load.requests import Request
from bench.program import Program
from bench.servers.exchange import Answer, ask, expect
from bench.tools import ROOT, Missing
from tests.support.servers import RedisService, Unavailable, open_postgres, open_redis


@dataclass(frozen=True)
class Subject:
    """A server that runs and has been checked: what to send, and whose use to count."""

    port: int
    request: Request
    answer: Answer
    """As it was when the server was checked; every later one should be like it."""
    pid: int | None
    """The root of the server's processes; None for one whose processes cannot be seen."""
    beside: tuple[int, ...] = ()
    """Roots of what the server needs beside itself, such as a database."""
    note: str = ""
    """What a reader of the figures has to know."""

    def cpu_s(self) -> float | None:
        """Seconds of processor time so far, of everything beside it too."""
        return None if self.pid is None else cpu_s(self.pid) + self.beside_cpu_s()

    def beside_cpu_s(self) -> float:
        """The part of ``cpu_s`` that is not the server's own."""
        return sum(cpu_s(pid) for pid in self.beside)

    def pss_bytes(self) -> int | None:
        """Memory of the server's own processes."""
        return None if self.pid is None else pss_bytes(self.pid)

    def check(self) -> None:
        """Raise ``WrongAnswer`` if the server no longer says yes."""
        answer = ask(self.port, self.request)
        valid = answer.status == self.answer.status and answer.json().get("is_valid") is True
        expect(valid, "not the answer that was checked", answer)


@dataclass(frozen=True)
class Contender:
    """A row of the comparison. ``twin`` is the test that holds what the row relies on."""

    name: str
    title: str
    twin: str
    start: Callable[["Site"], Subject]
    """Starts and checks it. Raises ``Missing``, ``StartFailed`` and ``WrongAnswer``."""


class Site:
    """A folder, and the programs that run in it until it is left."""

    def __init__(self, workers: int) -> None:
        """Let each server have ``workers`` processes, if it knows how to."""
        self.workers = workers
        self.started: dict[str, Subject] = {}
        self.folder = Path(mkdtemp(prefix="talos-bench-"))
        self._stack = ExitStack()

    def __enter__(self) -> "Site":
        """Return the site."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all programs, and remove the folder."""
        self._stack.close()
        shutil.rmtree(self.folder)

    def start(self, contender: Contender) -> Subject:
        """Start a server; it runs until the site is left."""
        self.started[contender.name] = contender.start(self)
        return self.started[contender.name]

    def subfolder(self, name: str) -> Path:
        """Return a new folder."""
        path = self.folder / name
        path.mkdir()
        return path

    def run(
        self,
        command: Sequence[str | Path],
        folder: Path,
        answers: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> Program:
        """Start a program, which can import this package if it is Python, and wait for it."""
        variables = {"PYTHONPATH": str(ROOT)} | dict(environment or {})
        program = self._stack.enter_context(Program(command, folder, environment=variables))
        return program.wait_until(answers)

    def request_file(self, name: str, subject: Subject) -> Path:
        """Write the request of a subject for the load generators."""
        encoded = subject.request.encode(f"127.0.0.1:{subject.port}")
        return requests.write(self.folder / f"{name}.requests", [encoded])

    def postgres(self) -> tuple[str, int | None]:
        """Start a PostgreSQL; return the DSN of an empty database and the server's process."""
        try:
            service = open_postgres()
        except Unavailable as missing:
            raise Missing(str(missing)) from None
        self._stack.callback(service.close)
        dsn = service.create_database()
        self._stack.callback(service.drop_database, dsn)
        return dsn, service.process.pid if service.process else None

    def redis(self) -> RedisService:
        """Start a Redis."""
        try:
            service = open_redis()
        except Unavailable as missing:
            raise Missing(str(missing)) from None
        self._stack.callback(service.close)
        return service
