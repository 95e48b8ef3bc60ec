"""A writer that dies, or loses its database, at any step never leaves a stale yes (16 (5)).

Real processes over a real database and one shared cache: a writer that stops at a step until it is
killed, and workers that verify. What the database says is asked of it on a connection of its own;
every worker has to agree, before the kill and after, whatever slow readers publish late.
"""

import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection, Pipe
from typing import Any, NamedTuple, NoReturn

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from talos import _core
from talos.adapters.cache.null import NullKeyCache, NullVerifiedTokenCache
from talos.adapters.cache.shared import KIND_NUMBERS, BodyFormat, SharedKeyCache
from talos.adapters.clock import SystemClock
from talos.adapters.ratelimit.null import UnenforcedLimiter
from talos.adapters.sql import engine as engine_module
from talos.adapters.sql import migrate
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import DatabaseUrl, parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.repository import SqlKeyRepository
from talos.domain.drafts import KeyChange, RevokeDraft, VerifyDraft
from talos.domain.keys import Key, KeyKind, KeyRef, KeyStatus
from talos.domain.verification import CacheDirective
from talos.errors import TalosError
from talos.http import cached_body
from talos.services.assembly import assemble
from talos.services.ports import KeyCache, Ports
from tests.e2e.processes import eventually
from tests.support.fakes.directories import configure
from tests.support.fakes.events import RecordingEvents
from tests.support.fakes.harness import CALLER, DRAFT
from tests.support.fakes.marks import RecordingMarks
from tests.support.fakes.tenants import tenant
from tests.support.servers import PostgresService
from tests.support.verify_requests import request

RAW_KEY = "test-raw-key"
WORKERS = 2

IN_TRANSACTION = (
    "SELECT pid FROM pg_stat_activity "
    "WHERE datname = current_database() AND state = 'idle in transaction'"
)

Stop = Callable[[str], None]


class Answer(NamedTuple):
    """What a worker says of a credential: through the services, and whether the fast path does."""

    cache: str
    valid: bool
    at_once: bool


class Process:
    """A forked process that does what it is told and answers."""

    def __init__(self, work: Callable[[Connection], NoReturn]) -> None:
        self._ours, theirs = Pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                work(theirs)
            finally:
                os._exit(1)
        theirs.close()

    def tell(self, *command: str) -> None:
        self._ours.send(command)

    def hear(self) -> Any:
        return self._ours.recv()

    def ask(self, *command: str) -> Any:
        self.tell(*command)
        return self.hear()

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._ours.close()


class StoppingCache(SharedKeyCache):
    """The shared cache, that stops around the steps of a hold."""

    def __init__(self, memory: _core.SharedMemory, stop: Stop) -> None:
        super().__init__(memory, BodyFormat(cached_body.render, cached_body.read), SystemClock())
        self._stop = stop

    @contextmanager
    def hold(self, ref: KeyRef) -> Iterator[None]:
        self._stop("not held")
        with super().hold(ref):
            self._stop("held")
            yield
            self._stop("committed")
        self._stop("lifted")


class StoppingKeys(SqlKeyRepository):
    """The repository, that stops when it has read a row."""

    def __init__(self, engine: Engine, stop: Stop) -> None:
        super().__init__(engine)
        self._stop = stop

    def get(self, ref: KeyRef) -> Key | None:
        row = super().get(ref)
        self._stop("read")
        return row


def ports(
    keys: SqlKeyRepository, cache: KeyCache, events: RecordingEvents, clock: SystemClock
) -> Ports:
    """All that the services need; nothing but keys and cache matters here."""
    return Ports(
        keys=keys,
        cache=cache,
        verified_tokens=NullVerifiedTokenCache(),
        limiter=UnenforcedLimiter(),
        last_used=RecordingMarks(),
        events=events,
        clock=clock,
    )


class Worker:
    """The services of one process, as the server wires them, and the steps they stop at."""

    def __init__(
        self, url: DatabaseUrl, memory: _core.SharedMemory, network: str, told: Connection
    ) -> None:
        assert memory.attach()
        self._told = told
        self._step = ""
        self.engine = create_engine(url)
        event.listen(self.engine, "commit", lambda _: self._stop("committing"))
        self._tenant = tenant(network_id=network)
        self._fast_path = _core.FastPath(
            _core.KeyCache(memory),
            kind=KIND_NUMBERS[KeyKind.ISSUED],
        )
        configure(self._fast_path, self._tenant)
        keys, clock = StoppingKeys(self.engine, self._stop), SystemClock()
        cache, events = StoppingCache(memory, self._stop), RecordingEvents()
        self._services = assemble(ports(keys, cache, events, clock))

    def _stop(self, step: str) -> None:
        if step == self._step:
            self._told.send(step)
            # Until told where to stop next; many a process is killed here.
            (self._step,) = self._told.recv()

    def obey(self) -> NoReturn:
        while True:
            what, self._step, *arguments = self._told.recv()
            try:
                self._told.send(getattr(self, what)(*arguments))
            except TalosError as error:
                self._told.send(type(error).__name__)

    def verify(self, credential: str) -> Answer:
        answer = self._services.verify.verify(
            self._tenant, VerifyDraft(credential), CALLER, CacheDirective.DEFAULT
        )
        asked = request(body=b'{"credential":"%b"}' % credential.encode())
        at_once, _ = self._fast_path.answer(asked, now_ns=time.time_ns())
        return Answer(answer.cache.value, answer.verification.is_valid, bool(at_once))

    def revoke(self, kind: str, key_id: str, credential: str) -> None:
        self._services.revoke.revoke(self._tenant, KeyKind(kind), key_id, RevokeDraft())

    def revoke_in_haste(self, kind: str, key_id: str, credential: str) -> None:
        """Revoke, and wait for the answer to the commit but shortly."""

        def hurry(_: object) -> None:
            engine_module.ANSWER_TIMEOUT_S = 0.3  # type: ignore[misc]  # in this process alone

        event.listen(self.engine, "commit", hurry)
        self.revoke(kind, key_id, credential)

    def rotate(self, kind: str, key_id: str, credential: str) -> None:
        self._services.rotate.rotate(self._tenant, key_id, KeyChange())

    def delete(self, kind: str, key_id: str, credential: str) -> None:
        self._services.delete.delete(self._tenant, key_id)


class Site:
    """One host: the memory that its processes share, and the database that they use."""

    def __init__(self, url: DatabaseUrl, engine: Engine, network: str) -> None:
        self._url = url
        self._keys = SqlKeyRepository(engine)
        self._network = network
        self._memory = _core.SharedMemory(1 << 20)
        self._processes: list[Process] = []
        self.workers = [self.start() for _ in range(WORKERS)]

    def start(self) -> Process:
        def work(told: Connection) -> NoReturn:
            Worker(self._url, self._memory, self._network, told).obey()

        process = Process(work)
        self._processes.append(process)
        return process

    def end(self, process: Process) -> None:
        self._processes.remove(process)
        process.kill()

    def end_all(self) -> None:
        for process in list(self._processes):
            self.end(process)

    def make(self, kind: KeyKind) -> tuple[Key, str]:
        owner = tenant(network_id=self._network)
        adapters = ports(self._keys, NullKeyCache(), RecordingEvents(), SystemClock())
        services = assemble(adapters)
        if kind is KeyKind.ISSUED:
            issued = services.issue.issue(owner, DRAFT)
            return issued.key, issued.secret
        draft = replace(DRAFT, raw_key=RAW_KEY)
        return services.imports.import_key(owner, draft), RAW_KEY

    def is_good(self, key: Key) -> bool:
        """What the database says."""
        row = self._keys.get(key.ref)
        return row is not None and row.status is KeyStatus.ACTIVE

    def agree(self, key: Key, credential: str) -> list[Answer]:
        """Have every worker verify, twice, so that what one publishes the others meet."""
        expected = self.is_good(key)
        answers: list[Answer] = [
            worker.ask("verify", "", credential) for worker in self.workers * 2
        ]
        assert [answer.valid for answer in answers] == [expected] * len(answers)
        assert expected or not any(answer.at_once for answer in answers)
        return answers


@contextmanager
def host(url: DatabaseUrl, engine: Engine, network: str) -> Iterator[Site]:
    site = Site(url, engine, network)
    try:
        yield site
    finally:
        site.end_all()


@pytest.fixture
def site(shared_url: DatabaseUrl, engine: Engine, network: str) -> Iterator[Site]:
    with host(shared_url, engine, network) as site:
        yield site


STEPS = ["not held", "held", "committing", "committed", "lifted"]
WRITES = [
    (KeyKind.ISSUED, "revoke"),
    (KeyKind.ISSUED, "rotate"),
    (KeyKind.IMPORTED, "delete"),
]


@pytest.mark.parametrize(("kind", "write"), WRITES)
@pytest.mark.parametrize("step", STEPS)
def test_a_writer_that_is_killed(site: Site, kind: KeyKind, write: str, step: str) -> None:
    key, credential = site.make(kind)
    early, late, writer = site.start(), site.start(), site.start()
    # It has a lease and the row, and will publish when all is over.
    assert early.ask("verify", "read", credential) == "read"
    assert {answer.cache for answer in site.agree(key, credential)} == {"MISS", "HIT"}

    command = (kind.value, key.key_id, credential)
    readers = [early]
    if step != "not held":
        assert writer.ask(write, "held", *command) == "held"
        assert late.ask("verify", "read", credential) == "read"
        readers.append(late)
        site.agree(key, credential)
    if step != "held":
        begin = (write, step, *command) if step == "not held" else (step,)
        assert writer.ask(*begin) == step
    site.agree(key, credential)
    assert site.is_good(key) is (step in ("not held", "held", "committing"))
    site.end(writer)

    for reader in [None, *readers]:
        if reader is not None:
            # What it read was true when it read it.
            assert reader.ask("").valid
        site.agree(key, credential)


def test_the_key_is_cached_again_after_a_write_that_was_refused(site: Site) -> None:
    key, credential = site.make(KeyKind.IMPORTED)
    writer = site.start()
    site.agree(key, credential)
    command = (KeyKind.IMPORTED.value, key.key_id, credential)
    assert writer.ask("delete", "", *command) is None
    assert writer.ask("delete", "", *command) == "ApiKeyNotFound"
    key, credential = site.make(KeyKind.IMPORTED)
    assert {answer.cache for answer in site.agree(key, credential)} == {"MISS", "HIT"}


def test_a_commit_that_comes_after_its_writer_has_given_up(
    postgres_service: PostgresService,
) -> None:
    """The database is silent at the commit, for longer than the writer waits, and commits then."""
    dsn = postgres_service.create_database()
    url = parse_dsn(dsn)
    migrate.up(url)
    engine, network = create_engine(url), str(uuid.uuid4())
    SqlDatabase(engine).ensure_network(network)
    with host(url, engine, network) as site:
        key, credential = site.make(KeyKind.ISSUED)
        site.agree(key, credential)
        writer = site.start()
        command = (KeyKind.ISSUED.value, key.key_id, credential)
        assert writer.ask("revoke_in_haste", "committing", *command) == "committing"
        with engine.connect() as connection:
            backend = connection.exec_driver_sql(IN_TRANSACTION).scalar_one()
        os.kill(backend, signal.SIGSTOP)
        try:
            assert writer.ask("") == "GatewayTimeout"
            assert site.is_good(key)
            # Nothing is kept of a key whose fate is open.
            assert {answer.cache for answer in site.agree(key, credential)} == {"MISS"}
        finally:
            os.kill(backend, signal.SIGCONT)
        eventually(lambda: not site.is_good(key), "the commit")
        site.agree(key, credential)
    engine.dispose()
    postgres_service.drop_database(dsn)
