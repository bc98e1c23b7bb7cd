"""An idle instance stops; one on which a cell is running does not."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.instance.idle import SAGEMAKER_JUPYTER, Server, last_activity, servers, watch

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Jupyter:
    """Answers requests with the token as a Jupyter Server does."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"/api/kernels": [], "/api/terminals": []}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                outer.asked.append(query)
                known = self.headers.get("Authorization") == "token secret" and path in outer.answers
                self.send_response(200 if known else 403)
                self.end_headers()
                if known:
                    self.wfile.write(json.dumps(outer.answers[path]).encode())

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def known_as(self, token: str = "secret") -> Iterator[Server]:
        yield Server(self.url, token)


@pytest.fixture
def jupyter() -> Iterator[Jupyter]:
    found = Jupyter()
    yield found
    found.server.shutdown()


def kernel(state: str, activity: datetime) -> dict[str, str]:
    return {"execution_state": state, "last_activity": activity.isoformat().replace("+00:00", "Z")}


def test_activity_is_the_latest_of_kernels_and_terminals(jupyter: Jupyter) -> None:
    jupyter.answers["/api/kernels"] = [kernel("idle", NOON - 3 * HOUR), kernel("idle", NOON - 2 * HOUR)]
    assert last_activity(jupyter.known_as(), NOON) == NOON - 2 * HOUR

    jupyter.answers["/api/terminals"] = [{"name": "1", "last_activity": "2026-01-01T11:00:00.5Z"}]
    assert last_activity(jupyter.known_as(), NOON) == NOON - HOUR + timedelta(seconds=0.5)


def test_a_running_cell_counts_as_activity_now(jupyter: Jupyter) -> None:
    jupyter.answers["/api/kernels"] = [kernel("busy", NOON - 9 * HOUR)]

    assert last_activity(jupyter.known_as(), NOON) == NOON


def test_asking_does_not_count_as_activity(jupyter: Jupyter) -> None:
    last_activity(jupyter.known_as(), NOON)

    assert set(jupyter.asked) == {"no_track_activity=1"}


def test_a_server_that_does_not_answer_reports_no_activity(jupyter: Jupyter) -> None:
    assert last_activity(jupyter.known_as("wrong"), NOON) is None
    assert last_activity(iter([Server("http://127.0.0.1:9/")]), NOON) is None


def test_servers_are_found_where_jupyter_records_them(tmp_path: Path) -> None:
    (tmp_path / "jpserver-1.json").write_text(json.dumps({"url": "http://x/", "token": "t"}))
    (tmp_path / "jpserver-2.json").write_text("half a docu")

    assert list(servers(tmp_path)) == [Server("http://x/", "t"), Server(SAGEMAKER_JUPYTER)]


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        assert self.time < NOON + timedelta(days=2), "never stopped"


def test_the_instance_stops_an_hour_after_the_last_activity() -> None:
    clock, stopped = Clock(), []
    last = NOON + timedelta(minutes=30)

    watch(
        HOUR, lambda now: min(now, last), lambda: stopped.append(clock.time), now=clock.now, sleep=clock.sleep
    )

    assert stopped == [last + HOUR]


def test_an_instance_that_just_started_gets_its_full_time() -> None:
    clock, stopped = Clock(), []

    watch(
        HOUR, lambda _: NOON - 9 * HOUR, lambda: stopped.append(clock.time), now=clock.now, sleep=clock.sleep
    )

    assert stopped == [NOON + HOUR]


def test_nothing_is_stopped_while_activity_is_unknown_and_a_failed_stop_is_tried_again() -> None:
    clock, tried = Clock(), []

    def stop() -> None:
        tried.append(clock.time)
        if len(tried) == 1:
            raise RuntimeError("throttled")

    def activity(now: datetime) -> datetime | None:
        return NOON if now > NOON + 5 * HOUR else None

    watch(HOUR, activity, stop, now=clock.now, sleep=clock.sleep)

    assert tried == [NOON + 5 * HOUR + timedelta(minutes=n) for n in (1, 2)]
