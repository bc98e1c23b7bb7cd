"""A steady load in the background that notes of each request when it was sent, who answered it, and how well.

Two fleets of one endpoint have the same variant, and SageMaker does not say which of them has answered. Their
models do: no two of them give exactly the same probabilities, so an answer that the old model gave before to
the same question is the old fleet's, and any other is the new one's.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from lab_helpers import load
from lab_helpers.comparisons import Share
from lab_helpers.display import Table, Tabular
from lab_helpers.endpoints import percentile
from lab_helpers.load import Answer, Question, RequestFailed, Send
from lab_helpers.metrics import VARIANT

if TYPE_CHECKING:
    from lab_helpers.lab import Lab

NAMESPACE, METRIC = "MLOpsWorkshop", "WrongAnswers"
"""The metric of a steady load: 1 for each wrong answer, 0 for each right one, so its average is a share."""
OLD, NEW, FAILED = "old fleet", "new fleet", "failed"
LONGEST = 7_200
"""Seconds after which a load ends by itself."""
USERS = 4
PUBLISHED_EVERY = 1.0
"""Seconds between two calls of PutMetricData; alarms look at whole minutes anyway."""

Known = Mapping[Question, bytes]
"""Questions, and what a model has answered to them."""


@dataclass(frozen=True)
class Request:
    """One request: seconds since the load began, who answered, whether it was right (None if it failed)."""

    at: float
    who: str
    right: bool | None


@dataclass(frozen=True, repr=False)
class Log(Tabular):
    """What a load has seen."""

    requests: tuple[Request, ...]
    marks: tuple[tuple[float, str], ...]
    """Seconds since it began, and what happened then."""
    failures: Mapping[str, str]
    """The first message of each kind of failure."""

    def count(self, who: str) -> int:
        """Return how many requests were answered by a fleet, or have failed."""
        return sum(one.who == who for one in self.requests)

    @property
    def failed(self) -> int:
        """How many requests have no answer."""
        return self.count(FAILED)

    def wrong(self, who: str = "") -> int:
        """Return how many answers were wrong, of one fleet or of both."""
        return sum(one.right is False and who in {"", one.who} for one in self.requests)

    @property
    def last(self) -> str:
        """Who answered last; empty before the first answer."""
        answered = [one for one in self.requests if one.who != FAILED]
        return max(answered, key=lambda one: one.at).who if answered else ""

    def table(self) -> Table:
        """Show the requests by who answered them."""
        rows = [
            [who, f"{count:,}", "" if who == FAILED else f"{self.wrong(who):,}"]
            for who in (OLD, NEW, FAILED)
            if (count := self.count(who)) or who == FAILED
        ]
        return Table(["answered by", "requests", "of them wrong"], rows)


def learn(lab: Lab, endpoint: str, asked: Sequence[Question]) -> dict[Question, bytes]:
    """Ask each question once, and return the answers, by which a model is known again."""
    send = load.sender(lab, endpoint, connections=1)
    return {question: _answered(send, question).body for question in asked}


def _answered(send: Send, question: Question) -> Answer:
    """Return the answer to a question; a connection that is lost says nothing about the model: ask again.

    Raises RequestFailed.
    """
    try:
        return send(question)
    except RequestFailed as error:
        if error.kind != "connection":
            raise
        return send(question)


@dataclass(frozen=True)
class Usual:
    """How an endpoint answers when nothing is wrong: limits of alarms begin with it."""

    wrong: float
    """Share of wrong answers, from 0 to 1."""
    milliseconds: float
    """What nine requests in ten do not exceed, as the client sees it."""


def usual(lab: Lab, endpoint: str, asked: Sequence[Question]) -> Usual:
    """Ask each question once, one after the other, and return how it was answered. Raises RequestFailed."""
    send, wrong, took = load.sender(lab, endpoint, connections=1), 0, list[float]()
    _answered(send, asked[0])  # opens the connection
    for question in dict.fromkeys(asked):
        began = time.perf_counter()
        answer = _answered(send, question)
        took.append(1000 * (time.perf_counter() - began))
        wrong += not question.answered_by(answer.prediction)
    return Usual(wrong / len(took), percentile(took, 90))


class Traffic:
    """A steady load: `with Traffic(…) as traffic:` starts it, leaving the block ends it.

    `rate` requests per second, whatever happens to them. `old` is what the model in service has answered.
    The share of wrong answers goes to CloudWatch, in the namespace MLOpsWorkshop.
    """

    def __init__(
        self, lab: Lab, endpoint: str, asked: Sequence[Question], *, rate: float, old: Known
    ) -> None:
        self._lab, self._endpoint, self._old = lab, endpoint, old
        self._send = load.sender(lab, endpoint, connections=USERS)
        self._load = load.Load(
            self._ask, asked, users=USERS, requests=int(rate * LONGEST), rate=rate, error_budget=1.0
        )
        self._requests: list[Request] = []
        self._marks: list[tuple[float, str]] = []
        self._failures: dict[str, str] = {}
        self._zero, self._over = time.monotonic(), threading.Event()
        self._publisher = threading.Thread(target=self._publish, daemon=True)
        self._broken: Exception | None = None

    def __enter__(self) -> Self:
        self._zero = time.monotonic()
        self._load.__enter__()
        self._publisher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._load.stop("the lesson goes on")
        self._load.result()
        self._over.set()
        self._publisher.join()

    def mark(self, what: str) -> None:
        """Note what happens now."""
        self._marks.append((time.monotonic() - self._zero, what))

    def wait(self, more: int) -> None:
        """Wait until so many more requests have been answered, or have failed.

        Raises what has kept the metric from CloudWatch: without it, an alarm would wait for nothing.
        """
        enough = len(self._requests) + more
        while len(self._requests) < enough and not self._load.wait(0.05):
            if self._broken:
                raise self._broken

    def log(self) -> Log:
        """Return what was seen so far."""
        return Log(tuple(self._requests), tuple(self._marks), dict(self._failures))

    def _ask(self, question: Question) -> str | float:
        at = time.monotonic() - self._zero
        try:
            answer = self._send(question)
            prediction = answer.prediction
        except RequestFailed as error:
            self._failures.setdefault(error.kind, str(error))
            self._requests.append(Request(at, FAILED, None))
            raise
        who = OLD if self._old.get(question) == answer.body else NEW
        self._requests.append(Request(at, who, question.answered_by(prediction)))
        return prediction

    def _publish(self) -> None:
        cloudwatch, done = self._lab.client("cloudwatch"), 0
        over = False
        while not over:
            over = self._over.wait(PUBLISHED_EVERY)
            new = self._requests[done:]
            done += len(new)
            counts = Counter(float(not one.right) for one in new if one.right is not None)
            if not counts:
                continue
            try:
                cloudwatch.put_metric_data(
                    Namespace=NAMESPACE,
                    MetricData=[
                        {
                            "MetricName": METRIC,
                            "Dimensions": [
                                {"Name": "EndpointName", "Value": self._endpoint},
                                {"Name": "VariantName", "Value": VARIANT},
                            ],
                            "Timestamp": datetime.now(UTC),
                            "Values": list(counts),
                            "Counts": [float(count) for count in counts.values()],
                        }
                    ],
                )
            except Exception as error:
                self._broken = error
                return


def split(lab: Lab, endpoint: str, asked: Sequence[Question], requests: int) -> dict[str, Share]:
    """Ask `requests` questions, and return how many answers of each production variant were right.

    Raises RequestFailed if the model fails: an average of the other answers would mislead.
    """
    send, counted = load.sender(lab, endpoint, connections=USERS), Counter[tuple[str, bool]]()
    for question in itertools.islice(itertools.cycle(asked), requests):
        answer = _answered(send, question)
        counted[answer.variant, question.answered_by(answer.prediction)] += 1
    return {
        name: Share(name, counted[name, True], counted[name, True] + counted[name, False])
        for name in sorted({name for name, _ in counted})
    }


@contextlib.contextmanager
def steady(
    lab: Lab, endpoint: str, asked: Sequence[Question], *, rate: float, calm: int = 0
) -> Iterator[Traffic]:
    """Run a steady load while the block lasts: first `calm` requests, then the block, then as many again."""
    with Traffic(lab, endpoint, asked, rate=rate, old=learn(lab, endpoint, asked)) as traffic:
        traffic.wait(calm)
        yield traffic
        traffic.wait(calm)
