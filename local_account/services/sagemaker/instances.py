"""One instance of a variant: it keeps a container serving, and replaces one that exits or gets sick.

The contract is in the developer guide under "Custom Inference Code with Hosting Services".

Differs from AWS: a container that serves is pinged every five seconds. At the second failure in a row its
replacement starts, at the third it takes over; AWS documents neither the interval nor the number.
`FailureReason` has AWS's sentence about the ping health check, and in brackets what was seen.

Differs from AWS: a container that exits is restarted at once, but an endpoint with a single instance answers
`ServiceUnavailable` until the new container has loaded its model.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_account.foundation.containers import engine_errors, explained, is_refusal
from local_account.services.sagemaker.serving_containers import ServingContainer

if TYPE_CHECKING:
    import urllib3

    from local_account.foundation.account import Account
    from local_account.services.sagemaker.logs import Logs
    from local_account.services.sagemaker.records import VariantSpec

log = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/Endpoints"
_FIRST_STARTS = 3
_LONGEST_PAUSE = 10.0
_STEADY_SECONDS = 5.0
"""A container that served for longer is restarted at once, not after the pauses of one that keeps exiting."""
_SPARE_AFTER, _SICK_AFTER = 2, 3
"""Failed pings in a row until a replacement is started, and until it takes over."""


@dataclass(frozen=True)
class Patience:
    """How long containers may take.

    ``grace`` seconds pass between SIGTERM and SIGKILL of one that has served. One that serves is pinged every
    ``health`` seconds.
    """

    grace: float
    health: float


class ServingInstance:
    """A container that serves as one instance of a variant.

    When it exits by itself, it is started again. When it has served and no longer answers ``/ping``, it is
    replaced: the replacement starts at the second failure in a row and takes over at the third, so that
    nobody waits for it. The instance is given up only after its container has exited three times without
    ever answering ``/ping``, or has not answered in time.
    """

    def __init__(
        self, account: Account, logs: Logs, endpoint: str, spec: VariantSpec, patience: Patience
    ) -> None:
        self.settled = threading.Event()
        """Set once it is known whether the instance came into service."""
        self.healthy = False
        self.outstanding = 0
        """Requests in progress; counted by the variant."""
        self.error = ""
        """Why it did not come into service."""
        self.lost_engine = False
        """Whether the engine was away meanwhile: then it says nothing about the container."""
        self._account = account
        self._logs = logs
        self._log_group = f"{LOG_GROUP}/{endpoint}"
        self._group = f"endpoint-{endpoint}"
        self._spec = spec
        self._patience = patience
        self._ended = threading.Event()
        self._ever_healthy = False
        self._serving: ServingContainer | None = None
        self._containers: set[ServingContainer] = set()
        self._lock = threading.Lock()
        self._id = _new_id()

    def start(self) -> None:
        """Begin; ``settled`` is set when there is a result."""
        self._account.tasks.spawn(f"{self._group}-{self._id}", self._supervise)

    def end(self, grace: float = 0.0) -> None:
        """Remove the container, up to ``grace`` seconds after SIGTERM; it is not started again."""
        self._ended.set()
        self.healthy = False
        with self._lock:
            containers = list(self._containers)
        for container in containers:
            container.stop(grace)
        self.settled.set()

    @property
    def container_id(self) -> str:
        """Id of the container that serves, on the Docker Engine; empty until there is one."""
        container = self._serving
        return container.id if container else ""

    @property
    def pool(self) -> urllib3.HTTPConnectionPool | None:
        """Connections to the container that serves."""
        container = self._serving
        return container.pool if container else None

    @property
    def stream_arn(self) -> str:
        """ARN of the log stream of the container that serves."""
        container = self._serving
        return container.stream.arn if container else ""

    @property
    def _over(self) -> bool:
        return self._ended.is_set() or self._account.tasks.stopping.is_set()

    def _supervise(self) -> None:
        starts = 0
        pause = 0.0
        container: ServingContainer | None = None
        while not self._over:
            starts += 1
            container = container or self._launch()
            spare: ServingContainer | None = None
            if container and self._came_into_service(container, starts):
                begin = time.monotonic()
                spare = self._watch(container)
                if time.monotonic() - begin > _STEADY_SECONDS:
                    pause = 0.0
            if spare and not spare.ping():
                self._serving = spare
            else:
                self.healthy = False
            if container:
                self._discard(container)
            container = spare
            if self._over or (not self._ever_healthy and (starts >= _FIRST_STARTS or self.settled.is_set())):
                break
            if not spare:
                self._ended.wait(pause)
                pause = min(max(0.2, 2 * pause), _LONGEST_PAUSE)
        if container:
            self._discard(container)
        self.settled.set()

    def _launch(self) -> ServingContainer | None:
        """Start a container; None, with the reason in ``error``, if the engine refuses."""
        name = f"{self._spec['name']}/{self._id}"
        stream = self._logs.stream(self._log_group, name, self._spec["role_arn"])
        try:
            container = ServingContainer(self._account, self._group, self._spec, stream)
        except engine_errors() as error:
            explanation = explained(error)
            self.lost_engine |= not is_refusal(error)
            stream.write(f"{explanation}\n".encode())
            stream.close()
            self.error = (
                "CannotStartContainerError. Please ensure the model container for variant "
                f"{self._spec['name']} starts correctly when invoked with 'docker run <image> serve': "
                f"{explanation}"
            )
            return None
        with self._lock:
            self._containers.add(container)
        if self._over:
            self._discard(container)
        return container

    def _came_into_service(self, container: ServingContainer, starts: int) -> bool:
        """Wait until the container answers ``/ping``; False if it exits or takes too long."""
        limit = self._spec["startup_seconds"]
        deadline = time.monotonic() + limit
        pause = 0.03
        while not (container.exited.is_set() or self._over):
            if not (last := container.ping()):
                self._serving = container
                self.healthy = self._ever_healthy = True
                self.settled.set()
                return True
            if time.monotonic() > deadline:
                self._fail(container, f"GET /ping was not answered with 200 within {limit:g} s: {last}")
                self.settled.set()
                return False
            container.exited.wait(pause)
            pause = min(1.3 * pause, 0.5)
        if not self._over:
            code = container.exit_code()
            self.lost_engine |= code is None
            times = "once" if starts == 1 else f"{starts} times"
            self._fail(container, f"the container exited {times}, with exit code {code}")
        return False

    def _fail(self, container: ServingContainer, seen: str) -> None:
        self.error = (
            f"The primary container for production variant {self._spec['name']} did not pass the ping health "
            f"check. Please check CloudWatch logs for this endpoint. (What was seen: {seen}.)"
        )
        container.stream.write(f"{seen[0].upper()}{seen[1:]}.\n".encode())

    def _watch(self, container: ServingContainer) -> ServingContainer | None:
        """Ping a container that serves until it exits or is sick; return what replaces it, if there is that.

        Nobody documents how often AWS pings, and after how many failures it replaces an instance.
        """
        failures = 0
        own = self._id
        spare: ServingContainer | None = None
        while not container.exited.wait(self._patience.health) and not self._over:
            last = container.ping()
            failures = failures + 1 if last else 0
            if spare and not failures:
                self._discard(spare)
                spare, self._id = None, own
            if failures == _SPARE_AFTER:
                self._id = _new_id()
                spare = self._launch()
            if failures >= _SICK_AFTER:
                seen = f"GET /ping failed {failures} times in a row ({last})"
                container.stream.write(f"{seen}: the instance is replaced.\n".encode())
                return spare
        return spare

    def _discard(self, container: ServingContainer) -> None:
        """Remove a container behind the back of the one that follows."""

        def remove() -> None:
            container.stop(self._patience.grace if self._ever_healthy else 0.0)
            with self._lock:
                self._containers.discard(container)

        self._account.tasks.spawn(f"{self._group}-removal", remove)


def _new_id() -> str:
    return f"i-{secrets.token_hex(8)}{secrets.token_hex(1)[0]}"
