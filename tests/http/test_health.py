"""The health paths (contract 1.3)."""

import threading

import pytest

from talos.errors import GatewayTimeout, ServiceUnavailable
from tests.http.surface import Surface, send

DSN = "postgres://talos:test-password@db/talos"


def test_both_answer_in_their_own_content_type(surface: Surface) -> None:
    for path in ("/health/alive", "/health/ready"):
        result = surface.send("GET", path)
        assert result.json == {"status": "ok"}
        assert result.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        (ServiceUnavailable(), "database connection failed"),
        (GatewayTimeout(), "database operation timed out"),
        (RuntimeError(DSN), "an internal error occurred"),
    ],
)
def test_readiness_tells_what_is_wrong_on_the_main_port_alone(
    surface: Surface, trouble: Exception, cause: str
) -> None:
    surface.database.trouble = trouble
    shown = surface.send("GET", "/health/ready")
    hidden = send(surface.metrics_app, "GET", "/health/ready")
    for result in (shown, hidden):
        assert result.status_code == 503
        assert result.headers["content-type"] == "application/json; charset=utf-8"
        assert result.content.endswith(b"\n")
        error = result.json["error"]
        assert error["code"] == 503
        assert error["status"] == "UNAVAILABLE"
        assert error["details"][0]["reason"] == "SERVICE_UNAVAILABLE"
        assert result.json["errors"] == {"database": error["message"]}
        assert "test-password" not in result.text
    assert shown.json["error"]["message"] == f"database ping failed: {cause}"
    assert cause not in hidden.text


def test_liveness_does_not_ask_the_database(surface: Surface) -> None:
    surface.database.trouble = ServiceUnavailable()
    assert surface.send("GET", "/health/alive").status_code == 200
    assert send(surface.metrics_app, "GET", "/health/alive").status_code == 200


def test_a_database_that_says_nothing_is_asked_by_one_request_at_a_time(surface: Surface) -> None:
    """Else the probes that pile up would hold the threads that liveness is answered by."""
    asked, release = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        asked.release()
        assert release.wait(60)

    surface.database.ping = hang  # type: ignore[method-assign]
    first: list[int] = []
    prober = threading.Thread(
        target=lambda: first.append(surface.send("GET", "/health/ready").status_code)
    )
    prober.start()
    assert asked.acquire(timeout=60)
    second = surface.send("GET", "/health/ready")
    assert second.status_code == 503
    assert second.json["errors"] == {
        "database": "database ping failed: database operation timed out"
    }
    release.set()
    prober.join()
    assert first == [200]
    assert not asked.acquire(blocking=False)
    assert surface.send("GET", "/health/ready").status_code == 200
