"""Containers, including servers, that are removed afterwards whatever happens."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker.errors

if TYPE_CHECKING:
    from pathlib import Path

    from docker.models.containers import Container

READY_SECONDS = 60
SETTLE_SECONDS = 5
IDLE_CPU_SECONDS = 0.01
PORT = "8080/tcp"


class ServerError(RuntimeError):
    """A server did not become ready, or gave a wrong answer; the message says which and shows its log."""


@contextlib.contextmanager
def started(
    client: docker.DockerClient, image: str, command: Sequence[str], **options: Any
) -> Iterator[Container]:
    """Run a container in the background; options are those of docker-py's `containers.create`."""
    container = client.containers.create(image, list(command), **options)
    try:
        container.start()
        yield container
    finally:
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True, v=True)


@dataclass(frozen=True)
class Usage:
    """A container's resource use: CPU seconds since its start, and memory now, without the page cache."""

    cpu_seconds: float
    resident_megabytes: float


@dataclass(frozen=True)
class Server:
    """A serving container with a port on this machine's loopback interface."""

    client: docker.DockerClient
    container: Container
    port: int
    seconds_to_ready: float

    @property
    def identity(self) -> str:
        """The container's id."""
        return str(self.container.id)

    def invoke(self, body: object, attributes: str) -> Any:
        """`POST /invocations`; raises ServerError unless the answer is 200 with JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json", "X-Amzn-SageMaker-Custom-Attributes": attributes}
        with contextlib.closing(connection):
            connection.request("POST", "/invocations", json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        if answer.status != 200:
            raise ServerError(
                f"/invocations answered {answer.status}: {content[:500]!r}\n{log_of(self.container)}"
            )
        return json.loads(content)

    def settle(self) -> None:
        """Wait up to SETTLE_SECONDS until it is idle: some servers still work for clients that have gone."""
        deadline = time.monotonic() + SETTLE_SECONDS
        used = self.usage().cpu_seconds
        while time.monotonic() < deadline:
            time.sleep(0.1)
            before, used = used, self.usage().cpu_seconds
            if used - before < IDLE_CPU_SECONDS:
                return

    def usage(self) -> Usage:
        """Ask the engine (Engine API, "Get container stats based on resource usage")."""
        found = self.client.api.stats(self.identity, stream=False, one_shot=True)
        memory = found["memory_stats"]
        detail = memory.get("stats", {})
        cache = detail.get("inactive_file", detail.get("total_inactive_file", 0))
        return Usage(found["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, (memory["usage"] - cache) / 1e6)


@contextlib.contextmanager
def serving(client: docker.DockerClient, image: str, command: Sequence[str], model: Path) -> Iterator[Server]:
    """Run a server with `model` at `/opt/ml/model`, read-only; yield it once `/ping` answers 200.

    Raises ServerError if it exits before that, or is not ready after READY_SECONDS.
    """
    began = time.monotonic()
    with started(
        client,
        image,
        command,
        ports={PORT: ("127.0.0.1", None)},
        volumes={str(model): {"bind": "/opt/ml/model", "mode": "ro"}},
    ) as container:
        container.reload()
        published = container.ports.get(PORT)
        while not (published and _healthy(port := int(published[0]["HostPort"]))):
            container.reload()
            published = container.ports.get(PORT)
            if container.status == "exited" or time.monotonic() - began > READY_SECONDS:
                raise ServerError(f"{image} does not answer /ping with 200:\n{log_of(container)}")
            time.sleep(0.02)
        yield Server(client, container, port, time.monotonic() - began)


def log_of(container: Container) -> str:
    """Return the last lines that a container printed."""
    return container.logs(tail=25).decode(errors="replace")


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False  # nothing is listening yet: the engine's proxy accepts and closes
    finally:
        connection.close()
