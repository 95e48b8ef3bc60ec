"""Redis: a throwaway server, or the one that TALOS_TEST_REDIS names."""

import os
import socket
from urllib.parse import unquote, urlsplit

from tests.support.servers.binaries import Unavailable, find_program
from tests.support.servers.process import ServerProcess

VARIABLE = "TALOS_TEST_REDIS"
_TIMEOUT_S = 5.0


class RedisService:
    """A server; tests share its database 0 and empty it before use."""

    def __init__(self, url: str, process: ServerProcess | None = None) -> None:
        self.url = url
        self.process = process

    def flush(self) -> None:
        """Empty the database that the URL names."""
        parts = urlsplit(self.url)
        commands = [b"FLUSHDB"]
        if parts.path.strip("/"):
            commands.insert(0, b"SELECT " + parts.path.strip("/").encode())
        if parts.password:
            account = (unquote(parts.username) + " ") if parts.username else ""
            commands.insert(0, f"AUTH {account}{unquote(parts.password)}".encode())
        _talk(parts.hostname or "127.0.0.1", parts.port or 6379, commands)

    def close(self) -> None:
        """Stop the server if it was started here."""
        if self.process is not None:
            self.process.close()


def open_redis() -> RedisService:
    """Return the configured server, or start one. Raises ``Unavailable`` where neither can be."""
    configured = os.environ.get(VARIABLE)
    if configured:
        return RedisService(configured)
    process = redis_process()
    process.start()
    return RedisService(f"redis://127.0.0.1:{process.port}/0", process)


def redis_process() -> ServerProcess:
    """Prepare a server of one's own; the caller starts and closes it."""
    server = find_program("redis-server")
    if server is None:
        raise Unavailable("Redis", VARIABLE, "redis-server")
    return ServerProcess(
        "redis",
        lambda folder, port: [
            str(server),
            "--bind",
            "127.0.0.1",
            "--port",
            str(port),
            "--dir",
            str(folder),
            "--save",
            "",
            "--appendonly",
            "no",
        ],
        lambda port: _talk("127.0.0.1", port, [b"PING"]),
    )


def _talk(host: str, port: int, commands: list[bytes]) -> None:
    """Send inline commands one by one; an answer that is not positive is an ``OSError``."""
    with socket.create_connection((host, port), _TIMEOUT_S) as connection:
        answers = connection.makefile("rb")
        for command in commands:
            connection.sendall(command + b"\r\n")
            answer = answers.readline()
            if not answer.startswith(b"+"):
                raise ConnectionError(f"Redis answered {answer!r}")
