"""One container that serves: start, ping, follow its log, remove.

The contract of the container is in the developer guide under "Custom Inference Code with Hosting Services".
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import urllib3

from local_account.foundation.config import LOOPBACK
from local_account.foundation.containers import LAUNCH_LABEL, engine_errors, is_refusal
from local_account.services.sagemaker.images import create_container
from local_account.services.sagemaker.leftovers import when_engine_answers

if TYPE_CHECKING:
    from docker.models.containers import Container

    from local_account.foundation.account import Account
    from local_account.services.sagemaker.logs import LogStream
    from local_account.services.sagemaker.records import VariantSpec

log = logging.getLogger(__name__)

PING_SECONDS = 2.0
_PORT = "8080/tcp"
_CONNECTIONS = 256
_EXIT_SECONDS = 5
_REMOVAL_SECONDS = 60
_DRAIN_SECONDS = 10


class ServingContainer:
    """A container of a variant; its output goes to ``stream``, which is closed after it has ended."""

    def __init__(self, account: Account, group: str, spec: VariantSpec, stream: LogStream) -> None:
        """Create and start it. Raises the exceptions of ``engine_errors``, with nothing left behind."""
        self.stream = stream
        self.exited = threading.Event()
        self._drained = threading.Event()
        self.pool: urllib3.HTTPConnectionPool | None = None
        self._account = account
        self._group = group
        volumes = {spec["model_dir"]: {"bind": "/opt/ml/model", "mode": "ro"}} if spec["model_dir"] else {}
        launch = secrets.token_hex(8)
        try:
            self._container: Container = create_container(
                account,
                group,
                spec["image"],
                command=["serve"],
                environment=spec["environment"],
                labels={LAUNCH_LABEL: launch},
                ports={_PORT: (LOOPBACK,)},
                volumes=volumes,
            )
        except engine_errors() as error:
            if not is_refusal(error):  # it may have been created all the same
                self._later(partial(account.containers.end_launch, launch))
            raise
        try:
            self._container.start()
            self._container.reload()
        except engine_errors():
            self.stop(0)
            raise
        if published := self._container.ports.get(_PORT):  # otherwise it has already exited
            self.pool = urllib3.HTTPConnectionPool(
                LOOPBACK, int(published[0]["HostPort"]), maxsize=_CONNECTIONS, retries=False
            )
        threading.Thread(target=self._follow, name=f"{group}-log", daemon=True).start()

    @property
    def id(self) -> str:
        """The container's id on the Docker Engine."""
        return str(self._container.id)

    def ping(self) -> str:
        """Ask for ``/ping``; return why that is no sign of health, or "" if it answered 200 within 2 s."""
        if self.pool is None:
            return "no answer on port 8080"
        try:
            status = self.pool.request("GET", "/ping", timeout=PING_SECONDS).status
        except urllib3.exceptions.NewConnectionError:
            return "no answer on port 8080"
        except urllib3.exceptions.TimeoutError:
            return f"no answer within {PING_SECONDS:g} s"
        except urllib3.exceptions.HTTPError:
            return "no answer on port 8080"
        return "" if status == 200 else f"the answer was {status}"

    def exit_code(self) -> int | None:
        """Return the exit code of a container that has exited, if the engine knows it."""
        with contextlib.suppress(*engine_errors()):
            return int(self._container.wait(timeout=_EXIT_SECONDS)["StatusCode"])
        return None

    def stop(self, grace: float) -> None:
        """Remove it, ``grace`` seconds after SIGTERM at the latest.

        If the engine does not answer, that is done as soon as it does: it may bring its containers back.
        """
        try:
            if grace:
                self._stop(round(grace))
            self.remove()
        except engine_errors():
            self._later(self.remove)

    def finish(self) -> None:
        """Kill it, wait until all that it printed is in its stream, and remove it."""
        with contextlib.suppress(*engine_errors()):
            self._stop(0)
            self._drained.wait(_DRAIN_SECONDS)
        self.stop(0)

    def _later(self, removal: Callable[[], None]) -> None:
        what = f"removing a container of {self._group}"
        self._account.tasks.spawn(f"{self._group}-removal", when_engine_answers, self._account, what, removal)

    def _stop(self, seconds: int) -> None:
        try:
            self._container.stop(timeout=seconds)
        except engine_errors() as error:
            if not is_refusal(error):  # it may have exited by itself
                raise

    def remove(self) -> None:
        """Kill and remove it; it is gone when this returns, even if another thread is removing it."""
        from docker.errors import APIError, NotFound

        try:
            self._container.remove(force=True, v=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != 409:  # another thread's removal is in progress
                raise
            with contextlib.suppress(NotFound):
                self._container.wait(condition="removed", timeout=_REMOVAL_SECONDS)

    def _follow(self) -> None:
        try:
            for chunk in self._container.logs(stream=True, follow=True):
                self.stream.write(chunk)
        except engine_errors():
            log.debug("the log of %s ended", self.stream.name, exc_info=True)
        finally:
            self.exited.set()
            self.stream.close()
            self._drained.set()
