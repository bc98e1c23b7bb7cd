"""Requests that find out how an endpoint behaves: how fast, how large, and what it refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from monitor import measures
from monitor.endpoint import MAX_BODY, Endpoint, EndpointError
from monitor.held_out import HeldOut, Row

from .findings import Check, Latency

REQUESTS, SECONDS = 60, 4.0
"""For each algorithm: requests for one row, and the time after which no more are sent."""


def latencies(endpoint: Endpoint, rows: Sequence[Row], algorithm: str) -> Latency:
    """Return how long requests for one row take, one after the other on one connection."""
    times: list[float] = []
    errors, began = 0, time.perf_counter()
    while len(times) + errors < REQUESTS and time.perf_counter() - began < SECONDS:
        sent = time.perf_counter()
        try:
            endpoint.ask([rows[(len(times) + errors) % len(rows)]], algorithm)
        except EndpointError:
            errors += 1
        else:
            times.append(1000 * (time.perf_counter() - sent))
    return {
        "requests": len(times) + errors,
        "errors": errors,
        "p50": measures.percentile(times, 50),
        "p95": measures.percentile(times, 95),
        "p99": measures.percentile(times, 99),
        "milliseconds": [round(one, 3) for one in times],
    }


def payload_limit(endpoint: Endpoint, row: Row) -> list[Check]:
    """Return whether a body as long as InvokeEndpoint allows is answered, and a longer one refused."""
    body = json.dumps({"instances": [list(row)]}).encode()
    longest = body + b" " * (MAX_BODY - len(body))  # JSON ends with any number of spaces
    try:
        endpoint.send(longest)
        answered = Check(f"a body of {MAX_BODY:,} bytes is answered", passed=True, said="it was")
    except EndpointError as error:
        answered = Check(f"a body of {MAX_BODY:,} bytes is answered", passed=False, said=str(error))
    return [answered, refused(endpoint, "a longer body", longest + b" ")]


def bad_input(endpoint: Endpoint, held_out: HeldOut) -> list[Check]:
    """Return whether each request that cannot be answered is refused, and a good one still answered."""
    row = list(held_out.rows[0])
    short, long = row[:-1], [*row, 1.0]
    wrong: list[object] = [{"not": "a value"}, *row[1:]]
    checks = [
        refused(endpoint, "a row without a value", _body([short])),
        refused(endpoint, "a row with a value too many", _body([long])),
        refused(endpoint, "an object for a value", _body([wrong])),
        refused(endpoint, "a request without rows", _body([])),
        refused(endpoint, "half of a JSON document", b'{"instances": [['),
        refused(endpoint, "an unknown content type", b"x", kind="application/x-unknown"),
        refused(endpoint, "an unknown algorithm", _body([row]), algorithm="no-such-algorithm"),
    ]
    try:
        endpoint.ask([held_out.rows[0]])
        checks.append(Check("a good request is answered after bad ones", passed=True, said="it was"))
    except EndpointError as error:
        checks.append(Check("a good request is answered after bad ones", passed=False, said=str(error)))
    return checks


def refused(
    endpoint: Endpoint, what: str, body: bytes, *, kind: str = "application/json", algorithm: str = ""
) -> Check:
    """Return whether a request is refused with a 4xx."""
    title = f"{what} is refused"
    try:
        endpoint.send(body, algorithm, kind)
    except EndpointError as error:
        said = f"{error.status}, {error.said}" if error.status else str(error)
        # What is too long may be refused by closing the connection before all of it was sent.
        return Check(title, passed=error.refused or (error.closed and len(body) > MAX_BODY), said=said)
    return Check(title, passed=False, said="it was answered as if nothing were wrong")


def _body(rows: Sequence[object]) -> bytes:
    return json.dumps({"instances": rows}).encode()
