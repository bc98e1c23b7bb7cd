"""Try an image locally: build it, train and serve in it as Amazon SageMaker would, leave nothing running.

Contract: SageMaker Developer Guide, "How Amazon SageMaker AI runs your training image" and "Use your own
inference code with hosting services": `docker run IMAGE train|serve`, a directory at `/opt/ml`, port 8080.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_helpers import causes
from lab_helpers.display import duration, size
from lab_helpers.errors import Interrupted, WorkshopError
from lab_helpers.live import Steps

STEP = re.compile(r"Step \d+/\d+ :|#\d+ \[(?!internal)")
"""A line that begins a step, of Docker's classic builder and of BuildKit."""
NO_DOCKER = "there is no docker client here: run this on a notebook instance, which has one"
PING_TIMEOUT = 30.0
"""Seconds that a container has to answer `/ping`; SageMaker allows 8 minutes, too long for a lesson."""


_SERVED_FROM, _SERVED_BY = "mlops-workshop.served-from", "mlops-workshop.served-by"
"""Labels of a container that `serve` has started: the folder and the process id."""
PUBLIC_REGISTRY = "public.ecr.aws/"
BASE_IMAGE = f"{PUBLIC_REGISTRY}docker/library/python:3.12-slim"
"""What notebook 01 builds the base image on."""
PULL_PAUSES = (5, 10, 20)
"""Seconds between attempts to pull a public image, doubled at most."""


class ContainerError(WorkshopError, RuntimeError):
    """docker or a program in a container failed; the message has the cause first, and lines around it."""


def docker(*arguments: str, check: bool = True) -> str:
    """Run the docker client and return its output; raises ContainerError if it fails."""
    try:
        result = subprocess.run(
            ["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except FileNotFoundError as error:
        raise ContainerError(NO_DOCKER) from error
    if check and result.returncode != 0:
        raise ContainerError(f"{_cause(result.stdout)}\n  in `docker {' '.join(arguments)}`")
    return result.stdout


def pull_public(dockerfile: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Pull the public image that a Dockerfile begins with, unless the engine has it.

    When a whole class builds, the public registry turns some away for a moment: try again after a random
    time, as the buildspec does. What cannot be pulled is left to `docker build`, which says why.
    """
    found = re.search(rf"^FROM ({re.escape(PUBLIC_REGISTRY)}\S+)", dockerfile, re.MULTILINE)
    if not found or "sha256:" in docker("image", "inspect", "--format", "{{.Id}}", found[1], check=False):
        return
    for seconds in PULL_PAUSES:
        if "Status:" in docker("pull", found[1], check=False):
            return
        print(f"  {found[1]} could not be pulled; trying again")
        sleep(random.uniform(seconds, 2 * seconds))  # noqa: S311 (spreads learners, keeps no secret)


def build(directory: Path, tag: str, *, build_args: Mapping[str, str] | None = None) -> None:
    """Build the Dockerfile in a directory as the image `tag`; print each step, and show what it is printing.

    Raises ContainerError with the cause if the build fails, Interrupted if the learner stops the cell.
    """
    command = ["docker", "build", "--tag", tag]
    for name, value in (build_args or {}).items():
        command += ["--build-arg", f"{name}={value}"]
    print("$", *command, directory.name)
    began, steps = time.monotonic(), Steps()
    dockerfile = directory / "Dockerfile"
    pull_public(dockerfile.read_text(encoding="utf-8") if dockerfile.is_file() else "")

    def show(line: str) -> None:
        if STEP.match(line):
            steps.step(f"  {line}")
        elif not causes.NOISE.search(line):
            steps.add(line)

    try:
        run = _stream([*command, str(directory)], show)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: {tag} was not built. Run this cell again to build it.") from None
    finally:
        steps.settle()
    if run.exit_code != 0:
        raise ContainerError(
            f"{_cause(run.output)}\n  in the build of the image in {directory}/\n"
            "  What to do: correct the cell that writes the file which the error names, run it, then run "
            "this cell again."
        )
    count = int(docker("image", "inspect", "--format", "{{.Size}}", tag))
    print(f"✓ built {tag}: {size(count)} in {duration(time.monotonic() - began)}")


@dataclass(frozen=True)
class Run:
    """A container that has ended: its exit code and what it printed."""

    exit_code: int
    output: str


def prepare(directory: Path, *, data: Sequence[Path], hyperparameters: Mapping[str, str]) -> Path:
    """Lay out `directory` as SageMaker lays out `/opt/ml` before training; earlier content is removed."""
    shutil.rmtree(directory, ignore_errors=True)
    for part in ("input/config", "input/data/training", "model", "output/data"):
        (directory / part).mkdir(parents=True)
    for path in data:
        shutil.copy(path, directory / "input/data/training")
    config = directory / "input/config"
    (config / "hyperparameters.json").write_text(json.dumps(dict(hyperparameters)), encoding="utf-8")
    return directory


def train(
    image: str,
    opt_ml: Path,
    *,
    files: Mapping[Path, str] | None = None,
    check: bool = True,
    quiet: bool = False,
) -> Run:
    """`docker run IMAGE train` with `opt_ml` at `/opt/ml`, and `files` (host path -> container path) mounted.

    Prints what the program prints, line by line, unless `quiet`. With `check`, raises ContainerError with the
    reason from the failure file if the exit code is not 0. Raises Interrupted if the learner stops the cell,
    and leaves no container running.
    """
    name = f"workshop-train-{uuid.uuid4().hex[:12]}"
    try:
        run = _stream(
            ["docker", "run", "--rm", "--name", name, *_as_me(), *_mounts(opt_ml, files), image, "train"],
            (lambda line: None) if quiet else print,
        )
    except KeyboardInterrupt:
        docker("rm", "--force", "--volumes", name, check=False)
        raise Interrupted(
            f"Interrupted: training in {image} has been stopped. Run this cell again to train."
        ) from None
    if check and run.exit_code != 0:
        failure = opt_ml / "output/failure"
        said = failure.read_text(encoding="utf-8").strip() if failure.is_file() else ""
        reason = causes.shortened(said.splitlines()[0]) if said else _cause(run.output)
        more = f"\n  The whole reason is in {failure}" if said else ""
        raise ContainerError(f"{reason}\n  in {image}: training ended with exit code {run.exit_code}{more}")
    return run


def _stream(command: Sequence[str], show: Callable[[str], None]) -> Run:
    """Run a command, pass each line to `show` as it comes, and return all of them; an interrupt ends it."""
    lines: list[str] = []
    try:
        started = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
    except FileNotFoundError as error:
        raise ContainerError(NO_DOCKER) from error
    with started as process:
        assert process.stdout is not None  # noqa: S101 (for the type checker: a pipe was asked for)
        try:
            for line in map(causes.uncolored, process.stdout):
                lines.append(line)
                show(line.rstrip())
        except BaseException:
            process.terminate()
            raise
    return Run(process.returncode, "".join(lines))


@dataclass(frozen=True)
class Answer:
    """A server's response: HTTP status, body (a JSON document, or CSV text) and duration in milliseconds."""

    status: int
    body: Any
    milliseconds: float


@dataclass(frozen=True)
class Server:
    """A serving container on a loopback port of this machine."""

    container: str
    url: str
    seconds_to_ready: float

    def ping(self) -> int:
        """Return the status of `GET /ping`, or 0 if nothing answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=2) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def invoke(
        self,
        body: bytes | object,
        *,
        content_type: str = "application/json",
        accept: str = "*/*",
        attributes: str = "",
    ) -> Answer:
        """`POST /invocations` with a body: bytes as they are, rows as CSV, anything else as JSON."""
        request = urllib.request.Request(  # noqa: S310 (loopback, made from our own port)
            f"{self.url}/invocations",
            data=body if isinstance(body, bytes) else encode(body, content_type),
            headers={
                "Content-Type": content_type,
                "Accept": accept,
                "X-Amzn-SageMaker-Custom-Attributes": attributes,
            },
        )
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                status, kind, text = response.status, response.headers.get_content_type(), response.read()
        except urllib.error.HTTPError as error:
            status, kind, text = error.code, error.headers.get_content_type(), error.read()
        milliseconds = (time.monotonic() - began) * 1000
        return Answer(status, text.decode() if kind == "text/csv" else json.loads(text), milliseconds)


def encode(body: Any, content_type: str) -> bytes:
    """Return rows as CSV for `text/csv`, anything else as JSON."""
    if content_type == "text/csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(body)
        return text.getvalue().encode()
    return json.dumps(body).encode()


@contextmanager
def serve(image: str, opt_ml: Path | None = None, *, ready: bool = True) -> Iterator[Server]:
    """`docker run IMAGE serve` on a free loopback port; yields a Server that answers 200 to `/ping`.

    `opt_ml` holds the model in `model/`, which is mounted read-only, as SageMaker does. With `ready=False`
    any answer to `/ping` will do. Raises ContainerError with the container's log if it ends or does not
    answer. The container is always removed; if this process is killed, the next `serve` here does it.
    """
    _remove_orphans()
    labels = ["--label", f"{_SERVED_FROM}={Path.cwd()}", "--label", f"{_SERVED_BY}={os.getpid()}"]
    model = ["--volume", f"{(opt_ml / 'model').resolve()}:/opt/ml/model:ro"] if opt_ml else []
    published = ["--publish", "127.0.0.1::8080"]
    container = docker("run", "--detach", *published, *labels, *model, image, "serve").split()[-1]
    try:
        began = time.monotonic()
        port = _published_port(container)
        server = Server(container, f"http://127.0.0.1:{port}", 0)
        while not ((status := server.ping()) == 200 or (status and not ready)):
            if time.monotonic() - began > PING_TIMEOUT or not _running(container):
                raise ContainerError(
                    f"the server in {image} is not ready: /ping answered {status or 'nothing'}. It logged:\n"
                    f"{_cause(docker('logs', container, check=False))}"
                )
            time.sleep(0.05)
        yield Server(container, server.url, time.monotonic() - began)
    finally:
        docker("rm", "--force", "--volumes", container, check=False)


def _remove_orphans() -> None:
    """Remove containers that a process in this folder has left: a kernel that was killed could not."""
    shown = docker(
        *("ps", "--all", "--no-trunc", "--filter", f"label={_SERVED_FROM}={Path.cwd()}"),
        *("--format", f'{{{{.ID}}}} {{{{.Label "{_SERVED_BY}"}}}}'),
        check=False,
    )
    for container, process in re.findall(r"^([0-9a-f]{64}) (\d+)$", shown, re.MULTILINE):
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            docker("rm", "--force", "--volumes", container, check=False)
        except PermissionError:
            pass  # it is alive, and someone else's


def _published_port(container: str) -> int:
    # A container that has already ended has no port; its log says why.
    shown = docker("port", container, "8080/tcp", check=False)
    try:
        return int(shown.split()[0].rpartition(":")[2])
    except (IndexError, ValueError) as error:
        log = docker("logs", container, check=False)
        raise ContainerError(f"the container ended before it served:\n{_cause(log)}") from error


def _running(container: str) -> bool:
    return docker("inspect", "--format", "{{.State.Running}}", container, check=False).strip() == "true"


def _as_me() -> list[str]:
    # SageMaker runs containers as root. Here, the learner must own what training writes.
    return ["--user", f"{os.getuid()}:{os.getgid()}"]


def _mounts(opt_ml: Path, files: Mapping[Path, str] | None) -> list[str]:
    return [
        argument
        for host, inside in {opt_ml: "/opt/ml", **(files or {})}.items()
        for argument in ("--volume", f"{host.resolve()}:{inside}")
    ]


def _cause(output: str) -> str:
    """Return what went wrong, and the lines around it."""
    cause = causes.find(output.splitlines())
    return "\n".join([cause.line or "it failed without a word", *cause.shown])
