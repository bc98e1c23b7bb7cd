"""A local account from the outside: start it in the background, stop it, remove it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil

from local_account.foundation import journal
from local_account.foundation.config import (
    DEFAULT_PORTS,
    AccountConfig,
    DamagedConfigError,
    PortInUseError,
    free_port,
)
from local_account.foundation.containers import Containers, forget_images

if TYPE_CHECKING:
    from docker import DockerClient

START_SECONDS = 60
STOP_SECONDS = 60
REPOSITORY = Path(__file__).resolve().parents[2]
T = TypeVar("T")
_BEFORE_AN_ACCOUNT = {"engine.log", "server.log", "docker_host", journal.NAME}
"""What can be in a state directory that never had an account: `.ci/bootstrap` and `Daemon.start` write it, or
it says what the account is to keep."""


class DaemonError(RuntimeError):
    """The account did not start, or does not exist; the message says why and what to do."""


class DamagedAccountError(DaemonError):
    """The account's configuration cannot be read."""


@dataclass(frozen=True)
class Daemon:
    """A local account in the background, or the directory for one."""

    state: Path

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.state / "server.log"

    @property
    def pid(self) -> int | None:
        """Process id of the running server, or None."""
        try:
            pid = int((self.state / "server.pid").read_text())
            command = psutil.Process(pid).cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        # Process ids are reused: this one must be a server, and the one for this state directory.
        return pid if "local_account" in command and str(self.state.resolve()) in command else None

    @property
    def outdated(self) -> bool:
        """Whether the server is running code from before the last change in `local_account`."""
        if (pid := self.pid) is None:
            return False
        started = psutil.Process(pid).create_time()
        return any(path.stat().st_mtime > started for path in REPOSITORY.glob("local_account/**/*.py"))

    def config(self) -> AccountConfig:
        """Return the account's ports and ids. Raises DaemonError if there is none or it is damaged."""
        if not (self.state / "account.json").exists():
            raise DaemonError(f"there is no local account in {self.state}: create one with `make up`")
        try:
            return AccountConfig.load(self.state)
        except DamagedConfigError as error:
            raise DamagedAccountError(
                f"{error}: nothing else knows the account's ports. Delete the state with "
                f"`make reset ARGS='--state {self.state}'`, and start again"
            ) from error

    def ports_from(self, first: int | None) -> dict[str, int]:
        """Return the ports to start with, as `ports_from` does; 0 keeps those of the account if all are free.

        Names that clients keep contain the ports, so an account changes them only if it has to.
        """
        if first == 0 and (self.state / "account.json").exists():
            with contextlib.suppress(PortInUseError):
                self.config().check_ports()
                return {}
        return ports_from(first)

    def claim(self) -> None:
        """Make sure that the state directory can be one: `reset` will delete everything in it.

        Raises DaemonError if it cannot be created or written to, or if there is something other than an
        account in it, or an account whose configuration is damaged.
        """
        elsewhere = "choose another directory with --state or MLOPS_LOCAL_STATE"
        try:
            self.state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            raise DaemonError(f"{self.state} cannot be created ({error.strerror}): {elsewhere}") from error
        if not os.access(self.state, os.W_OK | os.X_OK):
            raise DaemonError(f"{self.state} cannot be written to: {elsewhere}")
        if (self.state / "account.json").exists():
            self.config()
        elif others := self._foreign():
            raise DaemonError(
                f"{self.state} holds something other than a local account ({', '.join(others[:3])}), which "
                f"`local reset` would delete: {elsewhere}"
            )

    def _foreign(self) -> list[str]:
        return sorted(path.name for path in self.state.iterdir() if path.name not in _BEFORE_AN_ACCOUNT)

    def docker_host(self) -> str | None:
        """Return the address of the engine that the account was started with."""
        path = self.state / "docker_host"
        return path.read_text().strip() if path.exists() else None

    def start(
        self, docker_host: str, environment: Mapping[str, str], ports: Mapping[str, int] | None = None
    ) -> float:
        """Start the server unless it is running; return the seconds until its ready line.

        Raises DaemonError with the reason: a port in use, or the end of the log if the server died; and as
        `claim` does.
        """
        if self.pid is not None:
            return 0.0
        self.claim()
        (self.state / "docker_host").write_text(docker_host + "\n")
        argv = [sys.executable, "-m", "local_account", "--state", str(self.state.resolve())]
        for name, port in (ports or {}).items():
            argv += [f"--{name.replace('_', '-')}", str(port)]
        begin = time.monotonic()
        with self.log.open("ab") as log:
            offset = log.tell()
            process = subprocess.Popen(
                argv,
                cwd=REPOSITORY,
                env={**environment, "DOCKER_HOST": docker_host},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while time.monotonic() - begin < START_SECONDS:
            # Poll before reading: whatever the server wrote before it ended is then in the log.
            ended = process.poll()
            output = self._output(offset)
            if any(line.startswith("ready {") for line in output.splitlines()):
                return time.monotonic() - begin
            if ended is not None:
                raise DaemonError(self._failure(output, ended))
            time.sleep(0.02)
        process.terminate()
        raise DaemonError(
            f"the local account was not ready within {START_SECONDS} s. {self._tail(self._output(offset))}"
        )

    def _output(self, offset: int) -> str:
        with self.log.open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")

    def _failure(self, output: str, status: int) -> str:
        for line in output.splitlines():
            if line.startswith("error: port "):
                what = line.removeprefix("error: ").split(":")[0]
                return (
                    f"{what}. {_listener(int(what.split()[1]))}Stop it, or choose other ports: "
                    "`--port 0` picks free ports, `--port N` takes N and the two after it."
                )
            if line.startswith("error: the state "):
                return line.removeprefix("error: ")
        if "No space left on device" in output or "database or disk is full" in output:
            return f"Disk full: free some space for {self.state}; nothing is lost. {self._tail(output)}"
        return f"the local account exited with status {status} while starting. {self._tail(output)}"

    def _tail(self, output: str) -> str:
        lines = "\n".join(f"    {line}" for line in output.strip().splitlines()[-15:])
        return f"The end of {self.log}:\n{lines}"

    def stop(self) -> bool:
        """Stop the server and everything it started; the state stays. Return False if nothing was running."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            process = psutil.Process(pid)
            with contextlib.suppress(psutil.Error):
                try:
                    process.wait(STOP_SECONDS)
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait(5)
        left = self._end_leftovers() if (self.state / "account.json").exists() else False
        with contextlib.suppress(NotADirectoryError):
            (self.state / "server.pid").unlink(missing_ok=True)
        return pid is not None or left

    def _end_leftovers(self) -> bool:
        """End what a killed server could not: its processes and containers carry the account's mark."""
        from local_account.foundation.processes import Processes

        config = self.config()
        processes = Processes(config.uid)
        left = bool(processes.members())
        processes.end()
        return self._on_engine(lambda engine: Containers(config.uid, engine).end()) or left

    def forget_images(self) -> None:
        """Remove from the engine the images that were pushed to the account's registry or pulled from it."""
        if (self.state / "account.json").exists():
            registry = self.config().registry
            self._on_engine(lambda engine: forget_images(engine, registry))

    def _on_engine(self, work: Callable[[DockerClient], T]) -> T | None:
        """Run `work` on the account's engine; return None if no engine answers."""
        docker_host = self.docker_host()
        if docker_host is None or (docker_host.startswith("unix://") and not Path(docker_host[7:]).exists()):
            return None
        import docker

        with contextlib.suppress(docker.errors.DockerException):
            return work(docker.DockerClient(docker_host, version="auto", timeout=30))
        return None

    def reset(self) -> bool:
        """Stop the account and empty its state directory; return False if it was empty.

        The engine also forgets the images of the account's registry. Raises DaemonError for a directory that
        holds something other than an account.
        """
        if self.state.exists() and not self.state.is_dir():
            raise DaemonError(f"{self.state} is not a directory; nothing was removed")
        if not self.state.exists() or not any(self.state.iterdir()):
            return False
        if not (self.state / "account.json").exists() and self._foreign():
            raise DaemonError(
                f"{self.state} does not look like the state of a local account; nothing was removed"
            )
        with contextlib.suppress(DamagedAccountError):  # what it started and pushed cannot be told any more
            self.stop()
            self.forget_images()
        for path in self.state.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        return True

    def environment(self, notebook_instance: str | None = None) -> dict[str, str]:
        """Return the environment for a process that uses the account, or that runs on a notebook instance.

        Raises DaemonError if there is no account, or no such notebook instance.
        """
        from local_account.foundation.account import environment

        config = self.config()
        if notebook_instance is None:
            docker_host = self.docker_host()
            return environment(config) | ({"DOCKER_HOST": docker_host} if docker_host else {})
        path = self.state / "notebook-instances" / notebook_instance / "environment.json"
        if not path.exists():
            there = sorted(
                found.parent.name for found in self.state.glob("notebook-instances/*/environment.json")
            )
            raise DaemonError(
                f"no notebook instance {notebook_instance!r} in {self.state}; "
                f"existing instances: {', '.join(there) or 'none'}"
            )
        loaded: dict[str, str] = json.loads(path.read_text())
        return loaded


def ports_from(first: int | None) -> dict[str, int]:
    """Return the ports of an account that begins at `first`: 5901 to 5903 for 5901; three free ones for 0."""
    if first is None:
        return {}
    if first == 0:
        return {name: free_port() for name in DEFAULT_PORTS}
    return {name: first + offset for offset, name in enumerate(DEFAULT_PORTS)}


def _listener(port: int) -> str:
    try:
        connections: list[Any] = psutil.net_connections("tcp")
    except psutil.Error:  # only root sees other users' sockets
        return ""
    for connection in connections:
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(connection.pid)
                command = " ".join(process.cmdline())[:120]
                return f"It belongs to process {process.pid} of {process.username()}: {command}. "
    return ""
