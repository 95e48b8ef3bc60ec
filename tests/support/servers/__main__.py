"""Start the servers of the tests, print their DSNs, and wait for Ctrl-C (``make services``)."""

import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack

from tests.support.servers import (
    MySqlService,
    PostgresService,
    RedisService,
    Unavailable,
    open_mysql,
    open_postgres,
    open_redis,
)


def main() -> int:
    """Print a DSN each, and the variables that make the tests use these servers."""
    with ExitStack() as cleanup:
        found = [
            _announce(cleanup, "TALOS_TEST_POSTGRES", open_postgres),
            _announce(cleanup, "TALOS_TEST_MYSQL", open_mysql),
            _announce(cleanup, "TALOS_TEST_REDIS", open_redis),
        ]
        if not any(found):
            return 1
        print("\nThe data is gone when this ends. Ctrl-C stops the servers.", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


def _announce(
    cleanup: ExitStack,
    variable: str,
    open_service: Callable[[], PostgresService | MySqlService | RedisService],
) -> bool:
    try:
        service = open_service()
    except Unavailable as missing:
        print(f"# {missing}", flush=True)
        return False
    cleanup.callback(service.close)
    address = service.url if isinstance(service, RedisService) else service.dsn
    print(f"export {variable}='{address}'", flush=True)
    return True


if __name__ == "__main__":
    # Blocked before any server starts, so that a signal in between is not lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    sys.exit(main())
