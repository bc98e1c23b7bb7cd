"""Put load on an endpoint: many users at once, and the outcome of each of their requests.

There are two kinds of load. In a *closed loop*, each user sends the next request when the last one has been
answered: the slower the endpoint, the fewer requests, which is how individuals behave. At a *rate* (open
loop), request number i is due i/rate seconds after the start, whatever happened to the others, which is how
a crowd behaves; its latency counts from the moment it was due, so that the wait for a free user is included.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

from lab_helpers.display import Table, duration
from lab_helpers.endpoints import percentile
from lab_helpers.examples import Examples
from lab_helpers.lab import Lab
from lab_helpers.live import Live

INFERENCE_ID = "load-test"
"""Captured data has it: these requests do not come from clients."""
_PENDING, _RIGHT, _WRONG, _FAILED = range(4)
_FEWEST = 100
"""The error budget is a share, which means nothing for fewer requests than this."""
_THROTTLED = {"ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException"}
_UNAVAILABLE = {"ServiceUnavailable", "ServiceUnavailableException", "ModelNotReadyException"}

MEANINGS = {
    "throttled": "the account or the service limits the rate: request a higher quota, or send less",
    "unavailable": "no instance can take the request now: add instances, or try again",
    "model error 5xx": "the container failed or was overloaded: look at its log in CloudWatch",
    "model error 4xx": "the container rejects the request: look at what you sent",
    "timeout": "no answer in time: the queue in front of the model is longer than users wait",
    "connection": "the connection broke, or could not be made: look at both ends",
    "unreadable": "the answer contains no prediction: look at the container's log",
}
"""What each kind of failure means, and what to do."""


class RequestFailed(RuntimeError):  # noqa: N818 (it is counted rather than raised through)
    """One request without a prediction; `kind` is a key of MEANINGS or the service's own error code."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Question:
    """One request for one row, and the correct label."""

    body: bytes
    algorithm: str
    expected: str | float
    tolerance: float = 0.0
    """How far from the expected number an answer may be."""

    def answered_by(self, prediction: str | float) -> bool:
        """Return whether a prediction is the right answer."""
        if isinstance(self.expected, str) or isinstance(prediction, str):
            return prediction == self.expected
        return abs(prediction - self.expected) <= self.tolerance


@dataclass(frozen=True)
class Answer:
    """What an endpoint answered: the container's own bytes, and the production variant that they are from."""

    body: bytes
    variant: str

    @property
    def prediction(self) -> str | float:
        """The only prediction. Raises RequestFailed if there is none."""
        try:
            found: str | float = json.loads(self.body)["predictions"][0]
        except (ValueError, LookupError, TypeError) as error:
            raise RequestFailed("unreadable", f"{type(error).__name__}: {error}") from None
        return found


Ask = Callable[[Question], str | float]
"""Sends a question and returns the predicted label or number; raises RequestFailed."""
Send = Callable[[Question], Answer]
"""Sends a question and returns the whole answer; raises RequestFailed."""


def questions(examples: Examples, *, seed: int = 42) -> list[Question]:
    """Return every row with every algorithm, in an order that depends only on `seed`."""
    found = [
        Question(
            json.dumps({"instances": [list(row)]}).encode(), algorithm, answer, examples.tolerance(algorithm)
        )
        for row, answer in zip(examples.rows, examples.answers, strict=True)
        for algorithm in examples.algorithms
    ]
    random.Random(seed).shuffle(found)  # noqa: S311 (an order, not a secret)
    return found


def asker(lab: Lab, endpoint: str, *, connections: int, timeout: float = 10) -> Ask:
    """Return a function that asks `endpoint` for predictions, as `sender` does."""
    send = sender(lab, endpoint, connections=connections, timeout=timeout)
    return lambda question: send(question).prediction


def sender(lab: Lab, endpoint: str, *, connections: int, timeout: float = 10) -> Send:
    """Return a function that asks `endpoint` (InvokeEndpoint) over at most `connections` connections.

    A user waits `timeout` seconds. There are no retries: boto3 would hide the first failure and count its
    pauses as latency.
    """
    runtime = lab.session.client(
        "sagemaker-runtime",
        config=Config(
            max_pool_connections=connections,
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=timeout,
            read_timeout=timeout,
            tcp_keepalive=True,
        ),
    )

    def send(question: Question) -> Answer:
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=endpoint,
                ContentType="application/json",
                CustomAttributes=f"algorithm={question.algorithm}",
                InferenceId=INFERENCE_ID,
                Body=question.body,
            )
            return Answer(answer["Body"].read(), answer.get("InvokedProductionVariant", ""))
        except ClientError as error:
            raise RequestFailed(*_refusal(error.response)) from None
        except (ReadTimeoutError, ConnectTimeoutError) as error:
            raise RequestFailed("timeout", str(error)) from None
        except BotoCoreError as error:
            raise RequestFailed("connection", str(error)) from None

    return send


def _refusal(response: Mapping[str, Any]) -> tuple[str, str]:
    code, message = response["Error"].get("Code", ""), response["Error"].get("Message", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in _THROTTLED or status == 429:
        return "throttled", message
    if code in _UNAVAILABLE:
        return "unavailable", message
    if code == "ModelError":
        side = "4xx" if 400 <= response.get("OriginalStatusCode", 0) < 500 else "5xx"
        return f"model error {side}", response.get("OriginalMessage") or message
    return code or f"status {status}", message


@dataclass(frozen=True)
class Measurement:
    """The result of a load, in seconds. `begun` and `latencies` are of answered requests only: rejections
    within a millisecond would flatter the percentiles."""

    users: int
    planned: int
    rate: float | None
    started: datetime
    seconds: float
    cpu_seconds: float
    """CPU time of this process, the load generator, during the load."""
    begun: Sequence[float]
    """When each answered request was sent, or was due, relative to the start."""
    latencies: Sequence[float]
    right: Mapping[str, int]
    wrong: Mapping[str, int]
    """By algorithm, the number of correct and of wrong labels."""
    failures: Mapping[str, int]
    failed_at: Sequence[float]
    messages: Mapping[str, str]
    """The first message for each kind of failure."""
    warm_up: int
    """Requests before the clock started, one per user."""
    ended: str = ""
    """Empty if every planned request was sent, else the reason why not."""

    @property
    def answered(self) -> int:
        """Requests with a prediction."""
        return len(self.latencies)

    @property
    def failed(self) -> int:
        """Requests without one."""
        return sum(self.failures.values())

    @property
    def throughput(self) -> float:
        """Answered requests per second."""
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def client_share(self) -> float:
        """CPUs that the load generator kept busy; Python threads share one, so 1.0 is the limit."""
        return self.cpu_seconds / self.seconds if self.seconds else 0.0

    def percentile(self, percent: float) -> float | None:
        """Latency in seconds that `percent` percent of the answers do not exceed; None without answers."""
        return percentile(self.latencies, percent) if self.latencies else None

    def accuracy(self, algorithm: str) -> float | None:
        """Share of correct labels among the algorithm's answers; None without answers."""
        answers = self.right.get(algorithm, 0) + self.wrong.get(algorithm, 0)
        return self.right.get(algorithm, 0) / answers if answers else None

    def __repr__(self) -> str:
        told = f"{self.answered} answers in {duration(self.seconds)}, {self.failed} failures"
        return f"<Measurement of {self.users} users: {told}{', ' + self.ended if self.ended else ''}>"


class Load:
    """A running load: `with Load(…) as load:` starts it, leaving the block stops it.

    Sends `requests` requests by `users` users, `rate` per second or, without a rate, in a closed loop.
    `error_budget` is the share of failures, among at least 100 requests, above which it stops by itself.
    """

    def __init__(
        self,
        ask: Ask,
        asked: Sequence[Question],
        *,
        users: int,
        requests: int,
        rate: float | None = None,
        error_budget: float = 0.2,
    ) -> None:
        if min(users, requests, len(asked)) < 1:
            raise ValueError("a load needs users, requests and questions: give at least one of each")
        self._ask, self._questions = ask, asked
        self.users, self.requests, self.rate, self.error_budget = users, requests, rate, error_budget
        self._numbers = itertools.count()
        self._begun = array("d", bytes(8 * requests))
        self._latency = array("d", bytes(8 * requests))
        self._outcome = bytearray(requests)
        self._failures: dict[int, str] = {}
        self._messages: dict[str, str] = {}
        self._started = datetime.now(UTC)
        self._zero = self._cpu = 0.0
        self._ended = ""
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._ready = threading.Barrier(users + 1, action=self._set_the_clock)
        self._threads = [threading.Thread(target=self._user, daemon=True) for _ in range(users)]
        self._result: Measurement | None = None

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        try:
            self._ready.wait()
        except BaseException:
            self._ready.abort()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("stopped")
        self.result()

    def _set_the_clock(self) -> None:
        self._started, self._cpu = datetime.now(UTC), time.process_time()
        self._zero = time.perf_counter()

    def stop(self, why: str) -> None:
        """Send no more requests, but wait for those under way. `why` is kept if there were more to send."""
        with self._lock:
            self._ended = self._ended or why
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` and return whether every user has finished."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
            if thread.is_alive():
                return False
        return True

    def progress(self) -> Table:
        """Show progress: counts, overall rate, latency of the last thousand requests."""
        done = self.requests - self._outcome.count(_PENDING)
        failed = self._outcome.count(_FAILED)
        seconds = max(time.perf_counter() - self._zero, 1e-9)
        newest = range(max(done - 1000, 0), done)
        recent = sorted(self._latency[i] for i in newest if self._outcome[i] in (_RIGHT, _WRONG))
        return Table(
            ["users", "requests", "per second", "p50 ms", "p99 ms", "failures"],
            [
                [
                    self.users,
                    f"{done:,} of {self.requests:,}",
                    f"{done / seconds:.0f}",
                    *(_ms(percentile(recent, percent) if recent else None) for percent in (50, 99)),
                    failed,
                ]
            ],
        )

    def result(self) -> Measurement:
        """Wait for the users' last answers and return what was measured."""
        while not self.wait(1):
            pass
        if self._result is None:
            self._result = self._measured(time.process_time() - self._cpu)
        return self._result

    def _user(self) -> None:
        with contextlib.suppress(Exception):  # the same error will occur again in a counted request
            self._ask(self._questions[0])  # opens the connection
        with contextlib.suppress(threading.BrokenBarrierError):
            self._ready.wait()
            while not self._stop.is_set() and (number := next(self._numbers)) < self.requests:
                self._send(number)

    def _send(self, number: int) -> None:
        begun = time.perf_counter()
        if self.rate:
            due = self._zero + number / self.rate
            if due > begun and self._stop.wait(due - begun):
                return
            begun = due
        question = self._questions[number % len(self._questions)]
        try:
            right = question.answered_by(self._ask(question))
        except Exception as error:
            self._fail(number, begun, error)
            return
        self._latency[number] = time.perf_counter() - begun
        self._begun[number] = begun - self._zero
        self._outcome[number] = _RIGHT if right else _WRONG

    def _fail(self, number: int, begun: float, error: Exception) -> None:
        kind = error.kind if isinstance(error, RequestFailed) else type(error).__name__
        with self._lock:
            self._begun[number] = begun - self._zero
            self._latency[number] = time.perf_counter() - begun
            self._outcome[number] = _FAILED
            self._failures[number] = kind
            self._messages.setdefault(kind, str(error)[:300])
            done = self.requests - self._outcome.count(_PENDING)
            failed = len(self._failures)
        if failed > self.error_budget * max(done, _FEWEST):
            share = f"{failed} of {done} requests failed, more than {self.error_budget:.0%}"
            self.stop(f"error budget spent: {share}")

    def _measured(self, cpu_seconds: float) -> Measurement:
        answered = [i for i, outcome in enumerate(self._outcome) if outcome in (_RIGHT, _WRONG)]
        counts = {_RIGHT: Counter[str](), _WRONG: Counter[str]()}
        for i in answered:
            counts[self._outcome[i]][self._questions[i % len(self._questions)].algorithm] += 1
        sent = [*answered, *self._failures]
        return Measurement(
            users=self.users,
            planned=self.requests,
            rate=self.rate,
            started=self._started,
            seconds=max((self._begun[i] + self._latency[i] for i in sent), default=0.0),
            cpu_seconds=cpu_seconds,
            begun=[self._begun[i] for i in answered],
            latencies=[self._latency[i] for i in answered],
            right=counts[_RIGHT],
            wrong=counts[_WRONG],
            failures=Counter(self._failures.values()),
            failed_at=[self._begun[i] for i in self._failures],
            messages=self._messages,
            warm_up=self.users,
            ended=self._ended if len(sent) < self.requests else "",
        )


def run(
    ask: Ask,
    asked: Sequence[Question],
    *,
    users: int,
    requests: int,
    rate: float | None = None,
    error_budget: float = 0.2,
    every: float = 1.0,
) -> Measurement:
    """Send `requests` requests by `users` users and show the progress every `every` seconds.

    An interrupt ends it; what was measured until then is returned.
    """
    live = Live(announces=False)
    load = Load(ask, asked, users=users, requests=requests, rate=rate, error_budget=error_budget)
    with load:
        try:
            while not load.wait(every):
                live.show(load.progress())
        except KeyboardInterrupt:
            load.stop("interrupted")
        measured = load.result()
    live.show(load.progress())
    if measured.ended:
        print(f"Ended early, {measured.ended}.")
    return measured


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.1f}"


def levels_table(measurements: Sequence[Measurement]) -> Table:
    """Compare loads: number of requests, speed, accuracy, and how busy the load generator was."""
    algorithms = sorted({name for one in measurements for name in (*one.right, *one.wrong)})
    return Table(
        ["users", "requests", "failed", "seconds", "per second", "p50 ms", "p90 ms", "p99 ms", "slowest ms"]
        + [f"accuracy {name}" for name in algorithms]
        + ["client's CPU"],
        [
            [
                one.users,
                f"{one.answered + one.failed:,}",
                one.failed,
                f"{one.seconds:.1f}",
                f"{one.throughput:.0f}",
                *(_ms(one.percentile(percent)) for percent in (50, 90, 99, 100)),
                *("" if (share := one.accuracy(name)) is None else f"{share:.3f}" for name in algorithms),
                f"{one.client_share:.0%}",
            ]
            for one in measurements
        ],
    )


def failures_table(measurements: Sequence[Measurement]) -> Table:
    """Show the failures of loads by kind, with the meaning and the first message."""
    rows = [
        [one.users, kind, count, MEANINGS.get(kind, "see the message"), one.messages.get(kind, "")]
        for one in measurements
        for kind, count in sorted(one.failures.items())
    ]
    return Table(["users", "failure", "count", "meaning", "first message"], rows or [["", "none", 0, "", ""]])
