"""Hostile requests by the hundred thousand, each a function of (seed, number), so any one can be sent again.

Hypothesis makes the material once (documents, tables, arrays, header values); requests are put together
from it and then damaged byte by byte. A well-framed request goes over a kept connection and has to be
answered; a damaged one goes over its own, with the end of the stream behind it, so that the server never
has a reason to wait.
"""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from tests.notebooks.base_image import wire

LANES = 16
"""Connections that are kept open at a time."""
PER_CONNECTION = 500
"""Requests on a connection before the next one is opened, so that every worker has its share."""
LABELS = {"setosa", "versicolor", "virginica"}
TOKENS = [
    *(b"\x00", b"\xff", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b":", b",", b";", b'"', b"'", b"[", b"]"),
    *(b"{", b"}", b"\\u", b"NaN", b"Infinity", b"-", b"1e400", b"1e39", b"9" * 400, b"null", b"true"),
    *(b"\xef\xbb\xbf", b"\xed\xa0\x80", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n"),
    *(b"Upgrade: h2c\r\n", b"HTTP/1.1", b"HTTP/1.0", b"GET /ping HTTP/1.1\r\n\r\n", b"0\r\n\r\n"),
    *(b"\x93NUMPY\x01\x00", b"algorithm=", b"random_forest", b"text/csv", b"[" * 300, b"%00", b"../", b"\t"),
]  # fmt: skip

NUMBER = st.floats(-9e29, 9e29) | st.integers(-(10**9), 10**9)
ROWS = st.lists(st.lists(NUMBER, min_size=4, max_size=4), min_size=1, max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
BAD_CELL = (
    st.none()
    | st.booleans()
    | st.text(max_size=6)
    | st.lists(st.none(), max_size=2)
    | st.just(1e31)
    | st.just(-1e300)
)
ARRAYS = st_numpy.arrays(
    st.sampled_from(["<f4", ">f4", "<f8", "<f2", "<i4", "<i8", "|u1", "|b1", "<c8", "<M8[s]", "<U2", "|S3"]),
    st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)
VALUE = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40
).map(str.strip)


@dataclass(frozen=True)
class Case:
    """One request: its bytes, whether it is well-framed, the statuses that are right, rows if known."""

    data: bytes
    framed: bool
    right: frozenset[int]
    rows: int | None = None


@dataclass
class Findings:
    """The answers that a run has received."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def _drawn(strategy: st.SearchStrategy[Any], seed: int, count: int) -> list[Any]:
    examples: list[Any] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(example: Any) -> None:
        examples.append(example)

    collect()
    return examples


class Fuzzer:
    """The requests of one seed."""

    def __init__(self, seed: int, material: int = 150) -> None:
        self.seed = seed
        self.rows = _drawn(ROWS, seed, material)
        self.bad_cells = _drawn(BAD_CELL, seed, material)
        self.documents = _drawn(JSON, seed, material)
        self.values = _drawn(VALUE, seed, material)
        self.arrays = [self._npy(array) for array in _drawn(ARRAYS, seed, material)]
        # more of what finds faults, less of what is merely valid
        self.makers: list[Callable[[random.Random], Case]] = [
            self.valid_json,
            self.valid_csv,
            self.valid_npy,
            *[self.bad_row] * 2,
            self.other_document,
            self.other_array,
            *[self.damaged_body] * 6,
            *[self.odd_headers] * 3,
            *[self.other_target] * 1,
            *[self.damaged_request] * 4,
            *[self.damaged_chunks] * 2,
        ]

    def case(self, number: int) -> Case:
        chance = random.Random(f"{self.seed}:{number}")
        return chance.choice(self.makers)(chance)

    # --- well-framed, right or wrong by construction

    def valid_json(self, chance: random.Random) -> Case:
        rows = chance.choice(self.rows)
        headers = {"X-Amzn-SageMaker-Custom-Attributes": chance.choice(["", "algorithm=random_forest"])}
        return Case(wire.request({"instances": rows}, headers=headers), True, frozenset({200}), len(rows))

    def valid_csv(self, chance: random.Random) -> Case:
        rows = chance.choice(self.rows)
        headers = {"Accept": chance.choice(["text/csv", "application/json", "*/*"])}
        return Case(
            wire.request(self._csv(rows), kind="text/csv", headers=headers), True, frozenset({200}), len(rows)
        )

    def valid_npy(self, chance: random.Random) -> Case:
        rows = chance.choice(self.rows)
        array = np.array(
            rows, dtype=chance.choice(["<f4", "<f8", ">f4", ">f8"]), order=chance.choice(["C", "F"])
        )
        return Case(
            wire.request(self._npy(array), kind="application/x-npy"), True, frozenset({200}), len(rows)
        )

    def bad_row(self, chance: random.Random) -> Case:
        rows: list[Any] = [list(row) for row in chance.choice(self.rows)]
        row = chance.randrange(len(rows))
        what = chance.random()
        if what < 0.6:
            rows[row][chance.randrange(4)] = chance.choice(self.bad_cells)
        elif what < 0.8:
            rows[row] = (rows[row] * 2)[: chance.choice([0, 1, 2, 3, 5, 8])]
        else:
            rows[row] = chance.choice([None, 1, "row", {}, True])
        return Case(wire.request({"instances": rows}), True, frozenset({400}))

    def other_document(self, chance: random.Random) -> Case:
        document = chance.choice(self.documents)
        if chance.random() < 0.5:
            document = {"instances": document}
        return Case(wire.request(json.dumps(document).encode()), True, frozenset({400}))

    def other_array(self, chance: random.Random) -> Case:
        body = chance.choice(self.arrays)
        return Case(wire.request(body, kind="application/x-npy"), True, frozenset({200, 400}))

    # --- well-framed, otherwise anything

    def damaged_body(self, chance: random.Random) -> Case:
        body, kind = self._body(chance)
        right = frozenset({200, 400})
        return Case(wire.request(self.damaged(body, chance), kind=kind), True, right)

    def odd_headers(self, chance: random.Random) -> Case:
        body, kind = self._body(chance)
        names = [
            "Accept",
            "X-Amzn-SageMaker-Custom-Attributes",
            "Content-Type",
            "Cookie",
            "User-Agent",
            "Range",
        ]
        headers = {name: chance.choice(self.values) for name in chance.sample(names, chance.randint(1, 3))}
        if chance.random() < 0.3:
            headers["X-Amzn-SageMaker-Custom-Attributes"] = "algorithm=" + chance.choice(self.values)
        right = frozenset({200, 400, 406, 415})
        request = wire.request(body, kind=None if "Content-Type" in headers else kind, headers=headers)
        return Case(request, True, right)

    def other_target(self, chance: random.Random) -> Case:
        method = chance.choice(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
        path = chance.choice(
            ["/ping", "/invocations", "/execution-parameters", "/", "/%2e%2e/", "//", "/a?b=" + "c" * 99]
        )
        body = None if chance.random() < 0.5 else self._body(chance)[0]
        return Case(wire.request(body, method=method, path=path), True, frozenset({200, 400, 404, 405, 415}))

    # --- not well-framed

    def damaged_request(self, chance: random.Random) -> Case:
        body, kind = self._body(chance)
        data = wire.request(body, kind=kind, headers={"Accept": chance.choice(["*/*", "text/csv"])})
        if chance.random() < 0.3:
            data += wire.request(path="/ping")
        return Case(self.damaged(data, chance), False, frozenset(range(400, 500)) | {100, 200})

    def damaged_chunks(self, chance: random.Random) -> Case:
        body, kind = self._body(chance)
        cut = chance.randrange(len(body) + 1)
        parts = [part for part in (body[:cut], body[cut:]) if part]
        data = wire.chunked(wire.chunks(*parts), kind=kind)
        if chance.random() < 0.8:
            start = data.index(b"\r\n\r\n") - 60
            data = data[:start] + self.damaged(data[start:], chance)
        return Case(data, False, frozenset(range(400, 500)) | {100, 200})

    def damaged(self, data: bytes, chance: random.Random) -> bytes:
        """Return `data` after one to four mutations."""
        content = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(content) + 1)
            end = min(len(content), at + chance.choice([1, 1, 2, 4, 16, 64]))
            match chance.randrange(7):
                case 0 if at < len(content):
                    content[at] ^= 1 << chance.randrange(8)
                case 1 if at < len(content):
                    content[at] = chance.randrange(256)
                case 2:
                    del content[at:end]
                case 3:
                    content[at:at] = content[at:end] * chance.choice([1, 2, 50])
                case 4:
                    del content[at:]
                case _:
                    content[at:at] = chance.choice(TOKENS)
        return bytes(content)

    def _body(self, chance: random.Random) -> tuple[bytes, str]:
        rows = chance.choice(self.rows)
        kind = chance.choice(["application/json", "text/csv", "application/x-npy"])
        if kind == "text/csv":
            return self._csv(rows), kind
        if kind == "application/x-npy":
            return self._npy(np.array(rows, dtype="<f4")), kind
        return json.dumps({"instances": rows}).encode(), kind

    @staticmethod
    def _csv(rows: list[list[float]]) -> bytes:
        return "\n".join(",".join(map(str, row)) for row in rows).encode()

    @staticmethod
    def _npy(array: np.ndarray) -> bytes:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()


def run(address: tuple[str, int], fuzzer: Fuzzer, numbers: range, *, timeout: float = 10) -> Findings:
    """Send the requests of `numbers`; return how they were answered, and up to 20 faults with their bytes."""
    findings = Findings()
    lanes: list[_Lane] = [_Lane(address, timeout) for _ in range(LANES)]

    def judge(number: int, case: Case, answers: Iterator[wire.Answer]) -> None:
        try:
            count = 0
            for answer in answers:
                count += 1
                findings.statuses[str(answer.status)] += 1
                _check(case, answer)
            if not count:
                findings.statuses["closed"] += 1
                assert not case.framed, "closed without an answer"
        except (AssertionError, OSError, ValueError, KeyError) as error:
            reason = f"{type(error).__name__}: {str(error)[:300]}"
            sent = f"request {number} of seed {fuzzer.seed}"
            findings.faults.append(f"{sent}: {reason}\n  sent: {case.data[:600]!r}")

    try:
        for number in numbers:
            lane = lanes[number % LANES]
            if lane.waiting:
                judge(*lane.waiting, lane.answers())
            try:
                lane.send(number, fuzzer.case(number))
            except OSError as error:
                findings.faults.append(f"request {number} of seed {fuzzer.seed} could not be sent: {error!r}")
            if len(findings.faults) >= 20:
                break
        for lane in lanes:
            if lane.waiting:
                judge(*lane.waiting, lane.answers())
    finally:
        for lane in lanes:
            lane.close()
    return findings


class _Lane:
    """A kept connection, and one for a single request; at most one request is under way."""

    def __init__(self, address: tuple[str, int], timeout: float) -> None:
        self.address, self.timeout = address, timeout
        self.kept: wire.Connection | None = None
        self.single: wire.Connection | None = None
        self.sent = 0
        self.waiting: tuple[int, Case] | None = None

    def send(self, number: int, case: Case) -> None:
        if not case.framed:
            self.single = wire.Connection(self.address, timeout=self.timeout)
            self.waiting = number, case
            # When the server closes early, its previous answers can still be read, or were reset.
            with suppress(ConnectionError):
                self.single.send(case.data)
                self.single.finish()
            return
        if self.kept is None or self.sent >= PER_CONNECTION:
            self.close()
            self.kept, self.sent = wire.Connection(self.address, timeout=self.timeout), 0
        self.waiting = number, case
        self.sent += 1
        self.kept.send(case.data)

    def answers(self) -> Iterator[wire.Answer]:
        assert self.waiting
        _, case = self.waiting
        self.waiting = None
        if not case.framed:
            assert self.single
            with self.single:
                yield from self.single.rest()
            return
        assert self.kept
        try:
            answer = self.kept.receive(head=case.data.startswith(b"HEAD "))
        except (AssertionError, OSError):
            self.close()
            raise
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        yield answer

    def close(self) -> None:
        if self.kept:
            self.kept.close()
        self.kept = None


def _check(case: Case, answer: wire.Answer) -> None:
    assert answer.status in case.right, (
        f"{answer.status} instead of {sorted(case.right)[:5]}: {answer.body[:200]!r}"
    )
    if answer.status >= 400:
        if answer.body:
            assert answer.error
    elif case.rows is not None:
        if answer.headers["content-type"].startswith("text/csv"):
            labels = [line.split(",")[0] for line in answer.body.decode().splitlines()]
        else:
            labels = answer.json()["predictions"]
        assert len(labels) == case.rows, f"{len(labels)} predictions for {case.rows} rows"
        assert set(labels) <= LABELS, labels
