"""PutObject and GetObject of 1 KB at each stage, with one connection, with several, and with boto3."""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import percentile
from benchmarks.growth.plan import Notes, Plan, Stage
from benchmarks.growth.servers import ACCOUNT, EMPTY_ACCOUNT, FAILURES, Server
from benchmarks.growth.wire import Connection, Load, Payload, Request, WireError, load
from benchmarks.lab import rest

BIG, SMALL, MEASURED = "growth-big", "growth-small", "growth-measured"
PREFIX = "many/"
LEAN, LEAN_SEVERAL, BOTO3 = "lean", "lean_several", "boto3"
"""The client: signed ahead over one connection, over several, and boto3 over one."""
DELETED_AT_ONCE = 1_000
RESIDENT_LIMIT_MB = 8_000


@dataclass(frozen=True)
class Point:
    """A server at a stage: what a request took in all rounds, and the median of their rates."""

    server: str
    stage: str
    operation: str
    client: str
    p50_ms: float
    p99_ms: float
    per_second: float
    stored: int
    objects: int
    resident_mb: float


@dataclass
class Held:
    """What a server holds."""

    server: Server
    stored: int = 0
    objects: int = 0
    stopped: bool = False
    """It did not get to a stage in time, and is measured no further."""


@dataclass
class Measured:
    """Loads of one server at one stage, by operation and client."""

    loads: dict[tuple[str, str], list[Load]] = field(default_factory=dict)

    def add(self, operation: str, client: str, one: Load) -> None:
        """Keep one."""
        self.loads.setdefault((operation, client), []).append(one)

    def points(self, held: Held, stage: Stage) -> Iterator[Point]:
        """Yield a point for each operation and client."""
        for (operation, client), loads in self.loads.items():
            took = [one for each in loads for one in each.milliseconds]
            rate = statistics.median(one.per_second for one in loads)
            yield Point(
                held.server.name,
                stage.label,
                operation,
                client,
                percentile(took, 50),
                percentile(took, 99),
                rate,
                held.stored,
                held.objects,
                held.server.resident_mb,
            )


def objects(servers: Sequence[Server], plan: Plan, notes: Notes) -> list[Point]:
    """Fill the servers stage by stage; at each, measure them in turn, then in reverse order.

    The second account stays empty: it tells the growth of the first from a change of the machine.
    """
    points: list[Point] = []
    everything = [Held(server) for server in servers]
    for held in everything:
        for bucket in (BIG, SMALL, MEASURED):
            held.server.client("s3").create_bucket(Bucket=bucket)
    for stage in plan.stages:
        for held in everything:
            if held.server.name != EMPTY_ACCOUNT and not held.stopped:
                _fill(held, stage, plan, notes)
        rest(plan.rest_seconds)
        standing = [held for held in everything if not held.stopped]
        if not any(held.server.name == ACCOUNT for held in standing):
            break  # nothing is left to compare
        found = {held.server.name: Measured() for held in standing}
        for number in range(plan.rounds):
            for held in standing if number % 2 == 0 else reversed(standing):
                if not held.stopped:
                    _try(held, found[held.server.name], stage, plan, notes)
        for held in standing:
            if held.stopped:
                continue
            points += (here := list(found[held.server.name].points(held, stage)))
            notes.say(f"{stage.label}: {held.server.name} {_said(here)}")
    return points


def _said(points: Sequence[Point]) -> str:
    return ", ".join(
        f"{one.operation} {one.client} {one.p50_ms:.2f} ms, {one.per_second:.0f}/s" for one in points
    )


def _try(held: Held, found: Measured, stage: Stage, plan: Plan, notes: Notes) -> None:
    try:
        _measure(held.server, found, plan)
    except FAILURES as error:
        held.stopped = True
        notes.leave_out(held.server.name, f"from {stage.label} on: {error}", peer=held.server.is_peer)


def _measure(server: Server, found: Measured, plan: Plan) -> None:
    payload = Payload.of(os.urandom(plan.small))
    bounds = plan.request_seconds
    for client, connections in ((LEAN, 1), (LEAN_SEVERAL, plan.connections)):
        keys = [f"{client}{number:06d}" for number in range(plan.requests)]
        for operation in ("put", "get"):
            requests = [_request(server, operation, key, payload) for key in keys]
            load(server.port, requests[:5])  # the first of a kind imports, compiles, opens
            one = load(server.port, requests, connections, bounds)
            found.add(operation, client, one)
            keys = keys[: len(one.milliseconds)]  # only what was put can be got
        for key in (keys[0], keys[-1]):
            _check(server, key, payload)
    s3 = server.client("s3")
    body = payload.body
    calls: dict[str, Callable[[str], Any]] = {
        "put": lambda key: s3.put_object(Bucket=MEASURED, Key=key, Body=body),
        "get": lambda key: s3.get_object(Bucket=MEASURED, Key=key)["Body"].read(),
    }
    keys = [f"{BOTO3}{number:06d}" for number in range(plan.requests)]
    for operation, call in calls.items():
        call(keys[0])
        found.add(operation, BOTO3, one := _timed(call, keys, bounds))
        keys = keys[: len(one.milliseconds)]
    _empty(s3)


def _request(server: Server, operation: str, key: str, payload: Payload) -> Request:
    if operation == "put":
        return server.signer.s3("PUT", f"/{MEASURED}/{key}", payload)
    return server.signer.s3("GET", f"/{MEASURED}/{key}")


def _check(server: Server, key: str, payload: Payload) -> None:
    connection = Connection(server.port)
    if connection.call(_request(server, "get", key, payload)).body != payload.body:
        raise WireError(f"{key} does not hold what was put there")
    connection.close()


def _timed(call: Callable[[str], Any], keys: Sequence[str], seconds: float) -> Load:
    took: list[float] = []
    begin = before = time.perf_counter()
    for key in keys:
        call(key)
        now = time.perf_counter()
        took.append((now - before) * 1000)
        before = now
        if now - begin > seconds:
            break
    return Load(took, before - begin)


def _empty(s3: Any) -> None:
    """Delete the objects of the measurement: a stage is what it says."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=MEASURED):
        keys = [{"Key": one["Key"]} for one in page.get("Contents", ())]
        for begin in range(0, len(keys), DELETED_AT_ONCE):
            s3.delete_objects(Bucket=MEASURED, Delete={"Objects": keys[begin : begin + DELETED_AT_ONCE]})


def _fill(held: Held, stage: Stage, plan: Plan, notes: Notes) -> None:
    """Store what is lacking; a server that is too slow, too large or fails is `stopped`."""
    server, begin = held.server, time.monotonic()
    deadline = begin + plan.fill_seconds
    wanted = min(stage.stored, plan.peer_stored) if server.is_peer else stage.stored
    before = (held.stored, held.objects)
    try:
        _fill_bytes(held, wanted, plan, deadline)
        _fill_objects(held, stage.objects, plan, deadline)
    except FAILURES as error:
        notes.leave_out(server.name, f"from {stage.label} on: {error}", peer=server.is_peer)
        held.stopped = True
        return
    took = time.monotonic() - begin
    if (held.stored, held.objects) != before:
        size = f"{held.stored / 1e6:,.0f} MB and {held.objects:,} objects"
        notes.say(f"{server.name} holds {size} after {took:.1f} s more")
    if held.stored < wanted or held.objects < stage.objects:
        held.stopped = True
        got = f"{held.stored / 1e6:,.0f} MB and {held.objects:,} objects after {took:.0f} s"
        line = f"from {stage.label} on: {got}, {server.resident_mb:,.0f} MB resident"
        notes.leave_out(server.name, line, peer=server.is_peer)


def _fill_bytes(held: Held, wanted: int, plan: Plan, deadline: float) -> None:
    connection, payload = Connection(held.server.port), None
    try:
        for number in itertools.count(held.stored):
            size = min(plan.big, wanted - held.stored)
            if size <= 0 or _over(held.server, deadline):
                return
            if payload is None or payload.size != size:
                payload = Payload.of(os.urandom(size))
            connection.call(held.server.signer.s3("PUT", f"/{BIG}/{number}", payload))
            held.stored += size
    finally:
        connection.close()


def _fill_objects(held: Held, wanted: int, plan: Plan, deadline: float) -> None:
    payload = Payload.of(os.urandom(plan.small))
    signer = held.server.signer
    while held.objects < wanted and not _over(held.server, deadline):
        left = max(1.0, deadline - time.monotonic())
        some = range(held.objects, min(wanted, held.objects + 1_000))
        requests = (signer.s3("PUT", f"/{SMALL}/{PREFIX}{number:08d}", payload) for number in some)
        held.objects += len(load(held.server.port, requests, plan.connections, left).milliseconds)


def _over(server: Server, deadline: float) -> bool:
    return time.monotonic() > deadline or server.resident_mb > RESIDENT_LIMIT_MB
