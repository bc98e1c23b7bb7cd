"""A Docker Engine of the rounds' own, that may be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.errors import DockerException
from docker.models.containers import Container

from local_account.engine import dockerd
from local_account.foundation.containers import ACCOUNT_LABEL, GROUP_LABEL

_GONE_SECONDS = 30


class Engine:
    """Runs in a directory of its own; other engines of the machine are not touched."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log: list[str] = []

    @property
    def address(self) -> str:
        """For `DOCKER_HOST`."""
        return f"unix://{self.home}/docker.sock"

    def start(self) -> None:
        """Start it, as `local up` does."""
        dockerd.start_engine(self.home, self.log.append)

    def stop(self) -> None:
        """Stop it as a machine that shuts down does."""
        dockerd.stop_engine(self.home)

    def kill(self) -> None:
        """End it at once, and containerd with it; its containers may go on."""
        self._signal(signal.SIGKILL)
        deadline = time.monotonic() + _GONE_SECONDS
        while dockerd.running_pid(self.home) and time.monotonic() < deadline:
            time.sleep(0.01)

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Let it accept requests, and not answer."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if pid := dockerd.running_pid(self.home):
            os.kill(pid, number)

    def copy_image(self, image: str, other: str) -> None:
        """Take an image over from the engine at another address."""
        with subprocess.Popen(["docker", "-H", other, "save", image], stdout=subprocess.PIPE) as saving:
            subprocess.run(
                ["docker", "-H", self.address, "load", "-q"],
                stdin=saving.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        assert saving.returncode == 0, f"{other} has no {image}"

    def containers(self, uid: str, group: str = "") -> list[Container]:
        """Return an account's containers of groups that begin so, those that have ended included."""
        found = self._all({"label": f"{ACCOUNT_LABEL}={uid}"})
        return [one for one in found if one.labels.get(GROUP_LABEL, "").startswith(group)]

    def others(self) -> list[Container]:
        """Return the containers that no account has started: those of builds."""
        return [one for one in self._all({}) if ACCOUNT_LABEL not in one.labels]

    def volumes(self) -> list[str]:
        """Return the names of all volumes."""
        with self._client() as client:
            return [volume.name for volume in client.volumes.list()]

    def _all(self, filters: dict[str, Any]) -> list[Container]:
        with self._client() as client:
            return list(client.containers.list(all=True, filters=filters, ignore_removed=True))

    @contextlib.contextmanager
    def _client(self) -> Iterator[DockerClient]:
        client = DockerClient(base_url=self.address, version="auto", timeout=20)
        try:
            yield client
        finally:
            client.close()


def pid_of(container: Container) -> int:
    """Return the process id of a container's first process, 0 if it does not run."""
    with contextlib.suppress(DockerException):
        container.reload()
        return int(container.attrs["State"]["Pid"])
    return 0
