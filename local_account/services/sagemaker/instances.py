"""One serving container of an endpoint: start, ping, follow its log, restart, end.

The contract of the container is in the developer guide under "Custom Inference Code with Hosting Services".
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from typing import TYPE_CHECKING

import urllib3

from local_account.foundation.config import LOOPBACK
from local_account.services.sagemaker.images import create_container, engine_errors

if TYPE_CHECKING:
    from docker.models.containers import Container

    from local_account.foundation.account import Account
    from local_account.services.sagemaker.logs import Logs, LogStream
    from local_account.services.sagemaker.records import VariantSpec

log = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/Endpoints"
_PORT = "8080/tcp"
_PING_SECONDS = 2.0
_FIRST_STARTS = 3
_LONGEST_PAUSE = 10.0
_CONNECTIONS = 256
_REMOVAL_SECONDS = 60


class ServingInstance:
    """A container that serves as one instance of a variant.

    When it exits by itself, it is replaced by a new container. It is given up only after it has exited three
    times without ever answering ``/ping``, or has not answered in time.
    """

    def __init__(self, account: Account, logs: Logs, endpoint: str, spec: VariantSpec) -> None:
        self.instance_id = f"i-{secrets.token_hex(8)}{secrets.token_hex(1)[0]}"
        self.settled = threading.Event()
        """Set once it is known whether the instance came into service."""
        self.healthy = False
        self.outstanding = 0
        """Requests in progress; counted by the variant."""
        self.pool: urllib3.HTTPConnectionPool | None = None
        self.error = ""
        self.stream: LogStream = logs.stream(
            f"{LOG_GROUP}/{endpoint}", f"{spec['name']}/{self.instance_id}", spec["role_arn"]
        )
        self._account = account
        self._group = f"endpoint-{endpoint}"
        self._spec = spec
        self._ended = threading.Event()
        self._ever_healthy = False
        self._container: Container | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin; ``settled`` is set when there is a result."""
        self._account.tasks.spawn(f"{self._group}-{self.instance_id}", self._supervise)

    def end(self, grace: float = 0.0) -> None:
        """Remove the container, up to ``grace`` seconds after SIGTERM; it is not started again."""
        self._ended.set()
        self.healthy = False
        with self._lock:
            container = self._container
        if container:
            if grace:
                with contextlib.suppress(*engine_errors()):  # it may have exited by itself
                    container.stop(timeout=round(grace))
            _remove(container)
        self.settled.set()

    @property
    def container_id(self) -> str:
        """Id of the container on the Docker Engine; empty until there is one."""
        container = self._container
        return str(container.id) if container else ""

    @property
    def _over(self) -> bool:
        return self._ended.is_set() or self._account.tasks.stopping.is_set()

    def _supervise(self) -> None:
        starts = 0
        pause = 0.2
        while not self._over:
            starts += 1
            self._run_once()
            self.healthy = False
            if self._over or (not self._ever_healthy and (starts >= _FIRST_STARTS or self.settled.is_set())):
                break
            self.stream.write(b"The container exited; starting it again.\n")
            self._ended.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        self.stream.close()
        self.settled.set()

    def _run_once(self) -> None:
        """Run one container from start to end."""
        try:
            container = self._launch()
        except engine_errors() as error:
            explanation = getattr(error, "explanation", None) or error
            self.stream.write(f"{explanation}\n".encode())
            self.error = (
                "CannotStartContainerError. Please ensure the model container for variant "
                f"{self._spec['name']} starts correctly when invoked with 'docker run <image> serve': "
                f"{explanation}"
            )
            return
        self.error = ""
        gone = threading.Event()
        threading.Thread(
            target=self._await_ping, args=(container, gone), name=f"{self._group}-ping", daemon=True
        ).start()
        try:
            for chunk in container.logs(stream=True, follow=True):
                self.stream.write(chunk)
        except engine_errors():
            log.debug("the log of %s ended", self.instance_id, exc_info=True)
        gone.set()
        with contextlib.suppress(*engine_errors()):
            _remove(container)

    def _launch(self) -> Container:
        spec = self._spec
        volumes = {spec["model_dir"]: {"bind": "/opt/ml/model", "mode": "ro"}} if spec["model_dir"] else {}
        container = create_container(
            self._account,
            self._group,
            spec["image"],
            command=["serve"],
            environment=spec["environment"],
            ports={_PORT: (LOOPBACK,)},
            volumes=volumes,
        )
        with self._lock:
            self._container = container
        if self._over:
            _remove(container)
            return container
        container.start()
        container.reload()
        published = container.ports.get(_PORT)
        if published:  # otherwise it has already exited
            self.pool = urllib3.HTTPConnectionPool(
                LOOPBACK, int(published[0]["HostPort"]), maxsize=_CONNECTIONS, retries=False
            )
        return container

    def _await_ping(self, container: Container, gone: threading.Event) -> None:
        deadline = time.monotonic() + self._spec["startup_seconds"]
        pause = 0.03
        while not (gone.is_set() or self._over):
            if self._ping():
                self.healthy = self._ever_healthy = True
                self.settled.set()
                return
            if time.monotonic() > deadline:
                self.stream.write(b"The container did not answer GET /ping with 200 in time.\n")
                self.settled.set()
                _remove(container)
                return
            gone.wait(pause)
            pause = min(1.3 * pause, 0.5)

    def _ping(self) -> bool:
        try:
            return bool(self.pool and self.pool.request("GET", "/ping", timeout=_PING_SECONDS).status == 200)
        except urllib3.exceptions.HTTPError:
            return False


def _remove(container: Container) -> None:
    """Remove a container; it is gone when this returns, even if another thread is removing it."""
    from docker.errors import APIError, NotFound

    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:  # another thread's removal is in progress
            raise
        with contextlib.suppress(NotFound):
            container.wait(condition="removed", timeout=_REMOVAL_SECONDS)
