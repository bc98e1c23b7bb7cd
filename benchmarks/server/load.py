"""Load by wrk, in the network namespace of the server: over its loopback, without a proxy or bridge between.

Contract: wrk's README and SCRIPTING. wrk counts statuses above 399 as errors, and answers after two seconds
as timeouts.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.server.running import Server, started

if TYPE_CHECKING:
    from docker.models.containers import Container

BODIES = "/bodies"


@dataclass(frozen=True)
class Load:
    """What wrk measured in one run; latencies in milliseconds."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    status_errors: int
    timeouts: int
    socket_errors: int

    @property
    def per_second(self) -> float:
        """Correct answers per second."""
        return (self.requests - self.status_errors) / self.seconds

    @property
    def errors(self) -> int:
        """Statuses above 399, timeouts and broken connections."""
        return self.status_errors + self.timeouts + self.socket_errors


class LoadError(RuntimeError):
    """wrk failed to measure; the message contains what it printed."""


@dataclass(frozen=True)
class Generator:
    """wrk in a container that shares the network namespace of a server."""

    container: Container

    def run(self, bodies: str, attributes: str, *, connections: int, seconds: int) -> Load:
        """Post the lines of the file `bodies` in turn; raises LoadError."""
        options = ["--threads=1", f"--connections={connections}", f"--duration={seconds}s"]
        script = ["--script=/opt/invocations.lua", "http://127.0.0.1:8080", "--", f"{BODIES}/{bodies}"]
        status, output = self.container.exec_run(["wrk", *options, *script, attributes])
        printed = b"".join([output] if isinstance(output, bytes) else output).decode(errors="replace")
        if status != 0:
            raise LoadError(f"wrk exited with status {status}: {printed[-2000:]}")
        return parse(printed)


@contextlib.contextmanager
def beside(server: Server, image: str, bodies: Path) -> Iterator[Generator]:
    """Start wrk's container beside a server; `bodies` has a file for each kind of request."""
    with started(
        server.client,
        image,
        ["infinity"],
        network_mode=f"container:{server.container.id}",
        volumes={str(bodies): {"bind": BODIES, "mode": "ro"}},
    ) as container:
        yield Generator(container)


def parse(printed: str) -> Load:
    """Parse the line of JSON that `invocations.lua` prints last; raise LoadError if there is none."""
    lines = [line for line in printed.splitlines() if line.startswith('{"requests"')]
    if not lines:
        raise LoadError(f"wrk printed no result: {printed[-2000:]}")
    found = json.loads(lines[-1])
    return Load(
        requests=found["requests"],
        seconds=found["microseconds"] / 1e6,
        p50_ms=found["p50"] / 1000,
        p99_ms=found["p99"] / 1000,
        status_errors=found["status"],
        timeouts=found["timeout"],
        socket_errors=found["socket"],
    )
