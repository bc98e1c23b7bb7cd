"""PutLogEvents of 1,000 lines with ever more stored, and what it takes to read the last ones."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import percentile
from benchmarks.growth.objects import BOTO3, LEAN
from benchmarks.growth.plan import Notes, Plan
from benchmarks.growth.servers import EMPTY_ACCOUNT, FAILURES, Server
from benchmarks.growth.wire import Connection, Request, WireError, load

GROUP, STREAM = "growth", "lines"
READS = 5
TARGET = "Logs_20140328."
TEXT = "epoch {:07d}: loss 0.{:07d}, accuracy 0.9, learning rate 0.001, 1284 samples, 12.3 s"
"""84 characters: a line as training programs print them."""


@dataclass(frozen=True)
class LinesPoint:
    """A server with so many lines stored: what a batch takes, and a page of the last ones."""

    server: str
    client: str
    stored: int
    p50_ms: float
    p99_ms: float
    lines_per_second: float
    read_ms: float
    resident_mb: float


@dataclass
class _Written:
    server: Server
    lines: int = 0
    stopped: bool = False
    took: list[float] = field(default_factory=list)


def lines(servers: Sequence[Server], plan: Plan, notes: Notes) -> list[LinesPoint]:
    """Fill a stream step by step and measure the servers in turn; the empty account gets new streams."""
    found: list[LinesPoint] = []
    everything = [_Written(server) for server in servers]
    for one in everything:
        logs = one.server.client("logs")
        logs.create_log_group(logGroupName=GROUP)
        logs.create_log_stream(logGroupName=GROUP, logStreamName=STREAM)
    for stored in plan.stored_lines:
        for one in everything:
            if not one.stopped:
                found += _step(one, stored, plan, notes)
    return found


def _step(one: _Written, stored: int, plan: Plan, notes: Notes) -> list[LinesPoint]:
    """Fill and measure one server; one that is too slow or fails is `stopped`."""
    points: list[LinesPoint] = []
    try:
        if one.server.name == EMPTY_ACCOUNT:
            _again(one)
        else:
            _fill(one, stored, plan)
            if one.lines < stored:
                raise WireError(f"{one.lines:,} lines after {plan.lines_seconds:.0f} s")
        for point in _measure(one, stored, plan):
            points.append(point)
            each = f"{point.p50_ms:.1f} ms for {plan.lines:,}, {point.lines_per_second:,.0f} lines/s"
            notes.say(f"{stored:,} lines: {point.server} {point.client} {each}")
    except FAILURES as error:
        one.stopped = True
        notes.leave_out(one.server.name, f"from {stored:,} lines on: {error}", peer=one.server.is_peer)
    return points


def _again(one: _Written) -> None:
    logs = one.server.client("logs")
    logs.delete_log_group(logGroupName=GROUP)
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName=STREAM)
    one.lines = 0


def _fill(one: _Written, stored: int, plan: Plan) -> None:
    deadline = time.monotonic() + plan.lines_seconds
    while one.lines < stored and time.monotonic() < deadline:
        batches = min(plan.batches, -(-(stored - one.lines) // plan.lines))
        load(one.server.port, _requests(one, batches, plan))


def _requests(one: _Written, batches: int, plan: Plan) -> Iterator[Request]:
    for _ in range(batches):
        body = {"logGroupName": GROUP, "logStreamName": STREAM, "logEvents": _events(one, plan)}
        yield one.server.signer.json("logs", TARGET + "PutLogEvents", json.dumps(body).encode())


def _events(one: _Written, plan: Plan) -> list[dict[str, Any]]:
    now = int(time.time() * 1000)
    first, one.lines = one.lines, one.lines + plan.lines
    return [{"timestamp": now, "message": TEXT.format(n, n)} for n in range(first, one.lines)]


def _measure(one: _Written, stored: int, plan: Plan) -> Iterator[LinesPoint]:
    server, logs = one.server, one.server.client("logs")

    def point(client: str, took: Sequence[float], read_ms: float) -> LinesPoint:
        return LinesPoint(
            server.name,
            client,
            stored,
            percentile(took, 50),
            percentile(took, 99),
            len(took) * plan.lines / sum(took) * 1000,
            read_ms,
            server.resident_mb,
        )

    limit = plan.request_seconds * 10
    lean = load(server.port, list(_requests(one, plan.batches, plan)), 1, limit).milliseconds
    one.lines -= (plan.batches - len(lean)) * plan.lines  # not sent: the seconds were over
    yield point(LEAN, lean, _read_ms(one, plan))
    took: list[float] = []
    while len(took) < plan.batches and sum(took) < limit * 1000:
        events = _events(one, plan)
        begin = time.perf_counter()
        logs.put_log_events(logGroupName=GROUP, logStreamName=STREAM, logEvents=events)
        took.append((time.perf_counter() - begin) * 1000)
    begin = time.perf_counter()
    logs.get_log_events(logGroupName=GROUP, logStreamName=STREAM, limit=plan.lines)
    yield point(BOTO3, took, (time.perf_counter() - begin) * 1000)


def _read_ms(one: _Written, plan: Plan) -> float:
    """Read the last page; raise WireError unless it ends with the lines that were written last."""
    body = {"logGroupName": GROUP, "logStreamName": STREAM, "limit": plan.lines, "startFromHead": False}
    request = one.server.signer.json("logs", TARGET + "GetLogEvents", json.dumps(body).encode())
    connection = Connection(one.server.port)
    read = [event["message"] for event in json.loads(connection.call(request).body)["events"]]
    connection.close()
    if read != (wanted := [TEXT.format(n, n) for n in range(one.lines - plan.lines, one.lines)]):
        raise WireError(f"{len(read)} lines to {read[-1:]} were read, not {len(wanted)} to {wanted[-1:]}")
    return percentile(load(one.server.port, [request] * READS).milliseconds, 50)
