"""When keys were last used, as servers tell it after they answered from memory (contract 12)."""

import time
from pathlib import Path
from typing import Any, Final

from talos.domain.timestamps import from_rfc3339, utc_day
from talos.domain.units import NS_PER_S
from tests.e2e.connections import Connections, batch_verify, verify
from tests.e2e.processes import eventually
from tests.e2e.wall_clock import HOUR_S, WallClock
from tests.support.talos_server import ADMIN, Serve, Talos

DAY_S: Final = 24 * HOUR_S
CACHED: Final[dict[str, Any]] = {"cache": {"type": "memory", "enabled": True, "ttl": "48h"}}


def last_used(talos: Talos) -> dict[str, str | None]:
    """When each key was last used, by id."""
    told: dict[str, str | None] = {}
    for kind in ("issued", "imported"):
        _, page = talos.ask("GET", f"{ADMIN}/{kind}ApiKeys?page_size=1000")
        told |= {key["key_id"]: key.get("last_used_time") for key in page[f"{kind}_api_keys"]}
    return told


def test_no_use_is_lost_when_the_server_ends(serve: Serve) -> None:
    """Used a moment ago, by one call or many, through whichever worker."""
    talos = serve(over=CACHED)
    used = [talos.issue()["secret"] for _ in range(30)]
    for number in range(30):
        used.append(f"a-key-from-elsewhere-{number}")
        body = {"name": "n", "actor_id": "a", "ttl": "24h", "raw_key": used[-1]}
        assert talos.ask("POST", f"{ADMIN}/importedApiKeys", body)[0] == 201
    never = talos.issue()["issued_api_key"]["key_id"]
    single, in_batch = used[::2], used[1::2]
    with Connections(talos.server, workers=2, each=4) as connections:
        volley = [*map(verify, single), batch_verify(in_batch)]
        for answer in connections.volley(volley):
            for verdict in answer.body.get("results", [answer.body]):
                assert verdict["is_valid"] is True
    assert talos.server.stop() == 0
    told = last_used(serve(over=CACHED))
    assert told.pop(never) is None
    assert len(told) == len(used)
    assert None not in told.values()


def test_the_time_is_that_of_the_use_and_not_after_a_revocation(serve: Serve) -> None:
    """Though it is written long after both: here, when the server ends."""
    talos = serve(over=CACHED | {"last_used": {"flush_interval": "1h"}})
    issued = talos.issue()
    key_id = issued["issued_api_key"]["key_id"]
    before_ns = time.time_ns()
    assert talos.verify(issued["secret"])["is_valid"] is True
    after_ns = time.time_ns()
    assert talos.ask("POST", f"{ADMIN}/apiKeys/{key_id}:revoke", {})[0] == 204
    assert talos.server.stop() == 0
    again = serve(over=CACHED)
    told = last_used(again)[key_id]
    assert told is not None
    # Stored times may be cut to microseconds.
    assert before_ns - 1_000 <= from_rfc3339(told) <= after_ns
    _, key = again.ask("GET", f"{ADMIN}/issuedApiKeys/{key_id}")
    assert from_rfc3339(told) <= from_rfc3339(key["update_time"])


def test_a_use_of_the_next_day_is_written_though_the_cache_could_answer(
    serve: Serve, tmp_path: Path
) -> None:
    wall = WallClock(tmp_path)
    # Noon of a day in UTC, so that neither step comes near its end.
    noon_s = DAY_S // 2 - int(time.time()) % DAY_S
    wall.step_to(noon_s)
    settings = CACHED | {"last_used": {"flush_interval": "50ms"}}
    talos = serve(over=settings, environment=wall.environment)
    issued = talos.issue(ttl="2400h")
    key_id = issued["issued_api_key"]["key_id"]

    def day() -> int | None:
        told = last_used(talos)[key_id]
        return None if told is None else utc_day(from_rfc3339(told))

    for days in (0, 1, 2, 5):
        wall.step_to(noon_s + days * DAY_S)
        today = utc_day(time.time_ns() + (noon_s + days * DAY_S) * NS_PER_S)
        for _ in range(8):
            assert talos.verify(issued["secret"])["is_valid"] is True
        eventually(lambda today=today: day() == today, "the day to be told")  # type: ignore[misc]
