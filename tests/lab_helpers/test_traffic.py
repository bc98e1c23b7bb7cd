"""A steady load notes who has answered, hides no failure, and tells CloudWatch how many answers are wrong."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lab_helpers import load, plots, traffic
from lab_helpers.comparisons import Share
from lab_helpers.load import Answer, Question, RequestFailed
from tests.lab_helpers import fakes

ASKED = [Question(json.dumps([n]).encode(), "logistic", "even" if n % 2 == 0 else "odd") for n in range(8)]


def answer(question: Question, probability: float, variant: str = "AllTraffic") -> Answer:
    body = {"predictions": [question.expected], "probabilities": [[probability, 1 - probability]]}
    return Answer(json.dumps(body).encode(), variant)


class Server:
    """Answers as the models of an endpoint do: an old one, and after `shift` another one."""

    def __init__(self) -> None:
        self.mode = "old"
        self.sent: list[Any] = []
        self._lock = threading.Lock()

    def __call__(self, question: Question) -> Answer:
        if self.mode == "broken":
            raise RequestFailed("model error 5xx", "KeyError")
        if self.mode == "wrong":
            return Answer(b'{"predictions": ["prime"]}', "AllTraffic")
        return answer(question, {"old": 0.75, "new": 0.76}[self.mode])

    def put(self, **given: Any) -> dict[str, Any]:
        with self._lock:
            self.sent.append(given)
        return {}

    @property
    def published(self) -> Counter[float]:
        counts: Counter[float] = Counter()
        for one in self.sent:
            (datum,) = one["MetricData"]
            counts.update(dict(zip(datum["Values"], map(int, datum["Counts"]), strict=True)))
        return counts


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server()
    monkeypatch.setattr(load, "sender", lambda *_, **__: found)
    monkeypatch.setattr(traffic, "PUBLISHED_EVERY", 0.05)
    return found


def test_answers_belong_to_the_fleet_whose_model_gave_them_before(tmp_path: Path, server: Server) -> None:
    lab = fakes.lab(tmp_path, cloudwatch=fakes.FakeClient("cloudwatch", put_metric_data=server.put))
    with traffic.steady(lab, "safe", ASKED, rate=500, calm=20) as clients:
        server.mode = "new"
        clients.mark("release")
        clients.wait(20)
    seen = clients.log()

    assert seen.count(traffic.OLD) >= 20
    assert seen.count(traffic.NEW) >= 20
    assert (seen.failed, seen.wrong(), seen.last) == (0, 0, traffic.NEW)
    assert [what for _, what in seen.marks] == ["release"]
    assert server.published == {0.0: len(seen.requests)}
    assert server.sent[0]["Namespace"] == "MLOpsWorkshop"


def test_wrong_answers_and_failures_are_counted_and_only_answers_are_published(
    tmp_path: Path, server: Server
) -> None:
    lab = fakes.lab(tmp_path, cloudwatch=fakes.FakeClient("cloudwatch", put_metric_data=server.put))
    with traffic.steady(lab, "safe", ASKED, rate=500, calm=20) as clients:
        for mode in ("wrong", "broken", "old"):
            server.mode = mode
            clients.wait(20)
    seen = clients.log()

    assert seen.wrong() == seen.wrong(traffic.NEW) == seen.count(traffic.NEW) > 0
    assert seen.failed > 0
    assert seen.failures == {"model error 5xx": "KeyError"}
    assert seen.last == traffic.OLD
    assert server.published == {0.0: seen.count(traffic.OLD), 1.0: seen.wrong()}
    shown = plots.fleets(seen, 0.1).alt
    assert f"failed {seen.failed:,}" in shown
    assert f"{seen.wrong():,} of the new one" in shown


def test_what_keeps_the_metric_from_cloudwatch_ends_the_lesson(tmp_path: Path, server: Server) -> None:
    def refuse(**_: Any) -> dict[str, Any]:
        raise cloudwatch.error("InternalServiceFault", "PutMetricData")

    cloudwatch = fakes.FakeClient("cloudwatch", put_metric_data=refuse)
    lab = fakes.lab(tmp_path, cloudwatch=cloudwatch)

    with (
        pytest.raises(cloudwatch.exceptions.InternalServiceFault),
        traffic.steady(lab, "safe", ASKED, rate=100) as clients,
    ):
        clients.wait(10_000)


def test_what_is_usually_wrong_is_a_share_of_the_distinct_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Question(b"[99]", "logistic", "neither")

    def send(question: Question) -> Answer:
        return Answer(b'{"predictions": ["odd"]}', "") if question == wrong else answer(question, 0.5)

    monkeypatch.setattr(load, "sender", lambda *_, **__: send)

    found = traffic.usual(fakes.lab(tmp_path), "safe", [*ASKED, wrong, wrong])

    assert found.wrong == 1 / 9
    assert 0 < found.milliseconds < 1000


def test_a_split_counts_the_answers_of_each_variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(400))

    def send(question: Question) -> Answer:
        variant = "Champion" if next(numbers) % 4 else "Challenger"
        right = answer(question, 0.5, variant)
        return right if variant == "Champion" else Answer(b'{"predictions": ["prime"]}', variant)

    monkeypatch.setattr(load, "sender", lambda *_, **__: send)
    found = traffic.split(fakes.lab(tmp_path), "safe", ASKED, 400)

    assert found == {
        "Challenger": Share("Challenger", 0, 100),
        "Champion": Share("Champion", 300, 300),
    }


def test_a_lost_connection_is_no_answer_of_a_model_and_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measuring one request after the other, as AWS may close a connection now and then."""
    attempts = Counter[Question]()

    def send(question: Question) -> Answer:
        attempts[question] += 1
        if attempts[question] == 1:
            raise RequestFailed("connection", "Connection was closed before we received a valid response")
        return answer(question, 0.5)

    monkeypatch.setattr(load, "sender", lambda *_, **__: send)
    lab = fakes.lab(tmp_path)

    assert traffic.split(lab, "safe", ASKED, 8) == {"AllTraffic": Share("AllTraffic", 8, 8)}
    attempts.clear()
    assert set(traffic.learn(lab, "safe", ASKED)) == set(ASKED)
    attempts.clear()
    assert traffic.usual(lab, "safe", ASKED).wrong == 0


def test_an_endpoint_that_cannot_be_reached_ends_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(_: Question) -> Answer:
        raise RequestFailed("connection", "Could not connect to the endpoint URL")

    monkeypatch.setattr(load, "sender", lambda *_, **__: send)
    with pytest.raises(RequestFailed, match="Could not connect"):
        traffic.split(fakes.lab(tmp_path), "safe", ASKED, 8)


def test_a_split_with_a_failed_request_says_so(tmp_path: Path, server: Server) -> None:
    server.mode = "broken"
    with pytest.raises(RequestFailed, match="KeyError"):
        traffic.split(fakes.lab(tmp_path), "safe", ASKED, 10)


def test_an_answer_without_a_prediction_is_a_failure() -> None:
    with pytest.raises(RequestFailed) as failed:
        _ = Answer(b'{"predictions": []}', "").prediction
    assert failed.value.kind == "unreadable"
