"""A serving container as SageMaker runs it, and what its processes are: seen from outside."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from lab_helpers.containers import docker
from tests.checkout import ROOT
from tests.notebooks.base_image import wire
from tests.waiting import eventually

DATA = ROOT / "notebooks/data/iris.csv"
CENSUS = """
import json, os
found = []
for pid in filter(str.isdecimal, os.listdir("/proc")):
    try:
        fields = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
        born = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[19]
    except OSError:
        continue
    if int(pid) != os.getpid() and "VmRSS" in fields:
        found.append([int(pid), int(fields["PPid"]), int(fields["Uid"].split()[1]), int(born),
                      int(fields["VmRSS"].split()[0]) * 1024])
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Process:
    """A process in the container: its ids there, effective user, start (clock ticks), resident bytes."""

    pid: int
    parent: int
    user: int
    born: int
    resident: int


@dataclass(frozen=True)
class Container:
    """A running container and the address of its server."""

    id: str
    address: tuple[str, int]

    def connect(self, **options: float) -> wire.Connection:
        return wire.Connection(self.address, **options)  # type: ignore[arg-type]

    def ask(self, data: bytes) -> wire.Answer:
        """Send a request on a connection of its own."""
        with self.connect() as connection:
            return connection.ask(data)

    def ping(self) -> int:
        """Return the status of `/ping`, 0 when nothing answers."""
        try:
            return self.ask(wire.request(path="/ping")).status
        except OSError:
            return 0

    def processes(self) -> list[Process]:
        return [Process(*fields) for fields in json.loads(self.execute(CENSUS))]

    def identities(self) -> set[tuple[int, int]]:
        """Return (pid, start) of every process: the same as before means that nothing was replaced."""
        return {(process.pid, process.born) for process in self.processes()}

    def workers(self) -> list[Process]:
        """Return the processes that process 1 has started."""
        return [process for process in self.processes() if process.parent == 1]

    def resident(self) -> int:
        """Return resident bytes of all processes; what they share counts for each."""
        return sum(process.resident for process in self.processes())

    def kill(self, *processes: Process) -> tuple[float, float]:
        """Send SIGKILL, as the kernel does if memory is short; return begin and end (monotonic clock)."""
        kill = "; ".join(f"os.kill({process.pid}, 9)" for process in processes)
        said = self.execute(
            f"import os, time\nbegan = time.monotonic()\n{kill}\nprint(began, time.monotonic())"
        )
        began, ended = map(float, said.split())
        return began, ended

    @contextmanager
    def paused(self, process: Process) -> Iterator[None]:
        """Suspend a process for a while."""
        self.execute(f"import os, signal; os.kill({process.pid}, signal.SIGSTOP)")
        try:
            yield
        finally:
            self.execute(f"import os, signal; os.kill({process.pid}, signal.SIGCONT)")

    def execute(self, code: str) -> str:
        """Run Python code in the container as root; return what it prints."""
        return docker("exec", "--user", "0", self.id, "python", "-c", code)

    def log(self) -> str:
        return docker("logs", self.id, check=False)

    def stop(self, grace: int = 30) -> subprocess.Popen[bytes]:
        """Start `docker stop`: SIGTERM, and SIGKILL after `grace` seconds (SageMaker: 30)."""
        return subprocess.Popen(
            ["docker", "stop", "--time", str(grace), self.id],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def running(self) -> bool:
        return self._state("Running") == "true"

    def exit_code(self) -> int:
        return int(self._state("ExitCode"))

    def _state(self, field: str) -> str:
        return docker("inspect", "--format", f"{{{{.State.{field}}}}}", self.id, check=False).strip()


@contextmanager
def started(
    image: str, model: Path | None, *options: str, environment: Sequence[str] = (), port: int = 8080
) -> Iterator[Container]:
    """`docker run IMAGE serve` with `model` read-only at /opt/ml/model; removed afterwards.

    Connects to the container's own address where this machine reaches it (no proxy in between that would
    hide resets and half-closed connections), else to a published port.
    """
    mounts = ["--volume", f"{model.resolve()}:/opt/ml/model:ro"] if model else []
    variables = [argument for pair in environment for argument in ("--env", pair)]
    command = ["run", "--detach", "--publish", f"127.0.0.1::{port}", *mounts, *variables, *options]
    container = docker(*command, image, "serve").split()[-1]
    try:
        yield Container(container, _address(container, port))
    finally:
        docker("rm", "--force", "--volumes", container, check=False)


@contextmanager
def serving(
    image: str, model: Path, *options: str, environment: Sequence[str] = (), port: int = 8080
) -> Iterator[Container]:
    """Run `started` and wait until `/ping` answers 200."""
    with started(image, model, *options, environment=environment, port=port) as container:
        eventually(lambda: container.ping() == 200, 30, lambda: f"/ping never 200:\n{container.log()}")
        yield container


def run_python(image: str, code: str, *arguments: str, mounts: Sequence[tuple[Path, str]] = ()) -> str:
    """Run Python code in a container of `image`, as this user, with some directories; return its output."""
    with NamedTemporaryFile("w", suffix=".py") as file:
        file.write(code)
        file.flush()
        volumes = [
            word
            for host, inside in [*mounts, (Path(file.name), "/check.py")]
            for word in ("--volume", f"{host.resolve()}:{inside}")
        ]
        me = f"{os.getuid()}:{os.getgid()}"
        command = ["run", "--rm", "--user", me, *volumes, "--entrypoint", "python"]
        return docker(*command, image, "/check.py", *arguments)


def _address(container: str, port: int) -> tuple[str, int]:
    shown = docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", container).strip()
    try:
        # Nothing has to listen yet: a refusal comes from the container, so the container can be reached.
        with socket.create_connection((shown, port), timeout=1):
            return shown, port
    except ConnectionRefusedError:
        return shown, port
    except OSError:
        published = docker("port", container, f"{port}/tcp", check=False).split()
        return "127.0.0.1", int(published[0].rpartition(":")[2]) if published else 0
