"""A load measures what was sent, answered and rejected, and hides nothing."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from lab_helpers import load, plots
from lab_helpers.examples import Examples
from lab_helpers.lab import Lab
from lab_helpers.load import Question, RequestFailed
from lab_helpers.names import Names

ROWS = [[float(i), 0.0, 0.0, 0.0] for i in range(10)]
LABELS = ["setosa"] * 5 + ["virginica"] * 5
SCORES: Any = {"accuracy": 1.0, "recall": {"setosa": 1.0, "virginica": 1.0}, "confusion_matrix": []}
KNOWN = Examples(
    [*ROWS],
    [*LABELS],
    {
        "classes": ["setosa", "virginica"],
        "rows": {"training": 8, "test": 2},
        "algorithms": {"logistic": SCORES, "random_forest": SCORES},
    },
)
ASKED = load.questions(KNOWN)


def right(question: Question) -> str | float:
    return question.expected


def test_the_questions_are_every_row_with_every_algorithm_in_an_order_set_by_the_seed() -> None:
    assert load.questions(KNOWN) == ASKED
    assert load.questions(KNOWN, seed=1) != ASKED
    assert Counter(one.algorithm for one in ASKED) == {"logistic": 10, "random_forest": 10}
    assert {json.loads(one.body)["instances"][0][0] for one in ASKED} == set(range(10))


def test_each_request_is_sent_once_and_checked_by_algorithm() -> None:
    sent: Counter[bytes] = Counter()

    def ask(question: Question) -> str | float:
        sent[question.body + question.algorithm.encode()] += 1
        return question.expected if question.algorithm == "logistic" else "setosa"

    measured = load.run(ask, ASKED, users=7, requests=200)
    assert measured.answered == 200
    assert measured.ended == ""
    assert sum(sent.values()) == 200 + 7, "plus one per user before the clock started"
    assert measured.accuracy("logistic") == 1.0
    assert measured.accuracy("random_forest") == 0.5
    assert measured.accuracy("oracle") is None


def test_a_regressors_answer_is_right_if_it_is_near_enough() -> None:
    question = Question(b"", "ridge", 1.5, 0.3)
    assert question.answered_by(1.7)
    assert not question.answered_by(1.9)
    assert not question.answered_by("1.5")


def test_users_ask_concurrently() -> None:
    together = threading.Barrier(30)

    def ask(question: Question) -> str | float:
        together.wait(5)
        return question.expected

    assert load.run(ask, ASKED, users=30, requests=60).answered == 60


def test_failures_are_counted_by_kind_and_have_no_latency() -> None:
    calls = iter(range(1000))

    def ask(question: Question) -> str | float:
        if next(calls) % 10 == 5:
            raise RequestFailed("throttled", "slow down")
        time.sleep(0.001)
        return question.expected

    measured = load.run(ask, ASKED, users=1, requests=100)
    assert measured.failures == {"throttled": 10}
    assert (measured.answered, measured.failed, measured.messages) == (90, 10, {"throttled": "slow down"})
    assert min(measured.latencies) >= 0.001
    [row] = load.failures_table([measured]).rows
    assert row[:3] == ["1", "throttled", "10"]
    assert "quota" in row[3]


def test_a_spent_error_budget_ends_the_load_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    def ask(question: Question) -> str | float:
        raise RequestFailed("connection", "refused")

    measured = load.run(ask, ASKED, users=4, requests=10_000, error_budget=0.2)
    assert 20 < measured.failed < 40
    assert "more than 20%" in measured.ended
    assert "Ended early, error budget spent" in capsys.readouterr().out
    assert measured.percentile(99) is None
    assert load.levels_table([measured]).rows[0][2] == str(measured.failed)


def test_an_unexpected_exception_is_a_failure_too() -> None:
    def ask(question: Question) -> str | float:
        raise KeyError("x")

    assert load.run(ask, ASKED, users=2, requests=4).failures == {"KeyError": 4}


def test_an_interrupt_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(question: Question) -> str | float:
        time.sleep(0.002)
        return question.expected

    wait, calls = load.Load.wait, iter(range(1000))

    def interrupted(self: load.Load, seconds: float) -> bool:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return wait(self, 0.05)

    monkeypatch.setattr(load.Load, "wait", interrupted)
    measured = load.run(ask, ASKED, users=3, requests=100_000, every=0.05)
    assert 0 < measured.answered < 100_000
    assert measured.ended == "interrupted"
    assert len(measured.begun) == len(measured.latencies) == measured.answered


def test_leaving_the_block_stops_a_load_in_the_background() -> None:
    with load.Load(right, ASKED, users=2, requests=100_000, rate=200) as crowd:
        time.sleep(0.2)
    measured = crowd.result()
    assert 5 < measured.answered < 1000
    assert measured.ended == "stopped"


def test_a_rate_is_kept_if_the_answers_are_quick() -> None:
    measured = load.run(right, ASKED, users=3, requests=50, rate=250, every=0.05)
    assert measured.seconds == pytest.approx(0.2, abs=0.15)
    assert measured.begun[-1] == pytest.approx(49 / 250)


def test_at_a_rate_latency_counts_from_when_a_request_was_due() -> None:
    def ask(question: Question) -> str | float:
        time.sleep(0.02)
        return question.expected

    measured = load.run(ask, ASKED, users=1, requests=20, rate=1000)
    closed = load.run(ask, ASKED, users=1, requests=20)
    assert measured.latencies[-1] > 0.3, "it had to wait for the nineteen before it"
    assert max(closed.latencies) < 0.3


def test_a_load_without_users_is_rejected() -> None:
    with pytest.raises(ValueError, match="at least one"):
        load.Load(right, ASKED, users=0, requests=1)


def test_the_progress_is_a_row_of_counts() -> None:
    with load.Load(right, ASKED, users=2, requests=1000) as going:
        going.result()
    assert going.progress().rows[0][:2] == ["2", "1,000 of 1,000"]


def test_plots_show_percentiles_and_failures() -> None:
    measured = load.run(right, ASKED, users=2, requests=100)
    [axes] = plots.histogram([measured]).figure.axes
    legend = axes.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert [label.split()[0] for label in labels] == ["p50", "p90", "p99"]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    from matplotlib.patches import Rectangle

    drawn = sum(bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle))
    assert drawn == 100, "every answer is in the plot"
    plots.throughput(measured)


# --- against a server that speaks HTTP


class Endpoint(BaseHTTPRequestHandler):
    """Handles POST /endpoints/{name}/invocations; the name selects the outcome."""

    protocol_version = "HTTP/1.1"
    requests: Counter[str]
    connections: set[Any]

    def do_POST(self) -> None:
        name = self.path.split("/")[2]
        self.requests[name] += 1
        self.connections.add(self.client_address)
        row = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"][0]
        assert self.headers["X-Amzn-SageMaker-Custom-Attributes"].startswith("algorithm=")
        if name == "dropped":
            self.close_connection = True
            return
        if name == "slow":
            time.sleep(1)
        answers = {
            "throttled": (429, "ThrottlingException", {"message": "Rate exceeded"}),
            "busy": (503, "ServiceUnavailable", {"Message": "try again"}),
            "broken": (424, "ModelError", {"OriginalMessage": "full", "OriginalStatusCode": 503}),
            "picky": (424, "ModelError", {"OriginalMessage": "no row", "OriginalStatusCode": 400}),
            "missing": (400, "ValidationError", {"message": "Endpoint missing not found"}),
            "silly": (200, "", {"hello": 1}),
        }  # fmt: skip
        label = "setosa" if row[0] < 5 else "virginica"
        status, error, document = answers.get(name, (200, "", {"predictions": [label]}))
        body = json.dumps(document).encode()
        self.send_response(status)
        if error:
            self.send_header("x-amzn-errortype", error)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    Endpoint.requests, Endpoint.connections = Counter(), set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()


def asker(tmp_path: Path, endpoint: str, **more: Any) -> load.Ask:
    session = boto3.Session("test", "test", region_name="eu-west-1")
    return load.asker(Lab(Names(), session, tmp_path), endpoint, connections=4, **more)


@pytest.mark.usefixtures("server")
def test_an_endpoint_is_asked_over_persistent_connections(tmp_path: Path) -> None:
    measured = load.run(asker(tmp_path, "fine"), ASKED, users=4, requests=80)
    assert (measured.answered, dict(measured.failures)) == (80, {})
    assert measured.accuracy("logistic") == measured.accuracy("random_forest") == 1.0
    assert Endpoint.requests["fine"] == 80 + measured.warm_up
    assert len(Endpoint.connections) <= 4


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("endpoint", "kind", "message"),
    [
        ("throttled", "throttled", "Rate exceeded"),
        ("busy", "unavailable", "try again"),
        ("broken", "model error 5xx", "full"),
        ("picky", "model error 4xx", "no row"),
        ("missing", "ValidationError", "not found"),
        ("dropped", "connection", "closed"),
        ("slow", "timeout", "timed out|timeout"),
        ("silly", "unreadable", "predictions"),
    ],
)
def test_a_failure_is_named_and_not_tried_again(
    tmp_path: Path, endpoint: str, kind: str, message: str
) -> None:
    ask = asker(tmp_path, endpoint, timeout=0.3)
    with pytest.raises(RequestFailed, match=f"(?i){message}") as failed:
        ask(ASKED[0])
    assert failed.value.kind == kind
    assert Endpoint.requests[endpoint] == 1
    assert kind in load.MEANINGS or kind == "ValidationError"


def test_a_refused_connection_is_a_failure(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(RequestFailed) as failed:
        asker(tmp_path, "fine")(ASKED[0])
    assert failed.value.kind == "connection"
