"""What the embedded gunicorn is told (contract 1.1, 12)."""

import pytest

from talos.adapters.sql.last_used import FLUSH_TIMEOUT_S
from talos.bootstrap import CLOSE_TIMEOUT_S
from talos.serving.process.application import Server
from talos.serving.process.options import Options, main_listener
from talos.serving.process.worker import GRACE_S, TalosWorker
from talos.serving.process.worker_application import WorkerApplication


def no_application() -> WorkerApplication:
    raise AssertionError("nothing is served")


@pytest.mark.parametrize("close_timeout_s", [CLOSE_TIMEOUT_S, 0.5, 100.0])
def test_a_worker_is_killed_only_after_all_it_may_take(close_timeout_s: float) -> None:
    server = Server(
        [],
        Options(
            workers=1,
            listeners=(main_listener("HTTP", 1),),
            worker_class=TalosWorker,
            close_timeout_s=close_timeout_s,
        ),
        no_application,
    )
    assert server.cfg.graceful_timeout >= GRACE_S + close_timeout_s


def test_the_end_leaves_the_time_for_writing_what_is_queued() -> None:
    assert CLOSE_TIMEOUT_S > FLUSH_TIMEOUT_S
