"""What the servers serve: the workshop's training job, the same training by hand, and the requests."""

from __future__ import annotations

import csv
import json
import os
import shutil
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.server.images import HERE, NOTEBOOKS
from benchmarks.server.peers import Peer, Row
from benchmarks.server.running import log_of, started
from lab_helpers import containers

if TYPE_CHECKING:
    import docker

DATA = NOTEBOOKS / "data" / "iris.csv"
BATCH_ROWS = 1000
TIMES = 3


@dataclass(frozen=True)
class Training:
    """Median seconds of a training job, of a program that only fits, and of its calls of `fit`."""

    job_seconds: float
    program_seconds: float
    fit_seconds: float


@dataclass(frozen=True)
class Expected:
    """scikit-learn's predictions for the data set: a label per row, and a probability per row and class."""

    labels: list[str]
    probabilities: list[list[float]]


@dataclass(frozen=True)
class Models:
    """The directories that become `/opt/ml/model`, the data set's rows and scikit-learn's predictions."""

    ours: Path
    peers: Path
    rows: list[Row]
    expected: dict[str, Expected]
    room: Path

    def bodies(self, peer: Peer) -> Path:
        """Write `single` (each row a request) and `batch` (BATCH_ROWS rows a request), a body per line."""
        directory = self.room / "bodies" / peer.name
        directory.mkdir(parents=True, exist_ok=True)
        batch = [self.rows[number % len(self.rows)] for number in range(BATCH_ROWS)]
        singles = [json.dumps(peer.request([row])) for row in self.rows]
        (directory / "single").write_text("\n".join(singles) + "\n", encoding="utf-8")
        (directory / "batch").write_text(json.dumps(peer.request(batch)) + "\n", encoding="utf-8")
        return directory


def train(client: docker.DockerClient, image: str, room: Path) -> tuple[Models, Training]:
    """Train in the model image, with its training job and with `fit/fit.py`, on default hyperparameters."""
    jobs, programs, fits = [], [], []
    peers = room / "peers"
    peers.mkdir()
    for _ in range(TIMES):
        job = containers.prepare(room / "job", data=[DATA], hyperparameters={})
        jobs.append(_run(client, image, ["train"], job)[0])
        seconds, printed = _run(client, image, ["/fit/fit.py"], job, entrypoint="python")
        programs.append(seconds)
        fits.append(float(json.loads(printed.splitlines()[-1])["fit_seconds"]))
    _run(client, image, ["/fit/fit.py", "/peers"], job, more={str(peers): "/peers"}, entrypoint="python")
    for path in (job / "model").glob("*.onnx"):
        shutil.copy(path, peers)
    with DATA.open(newline="", encoding="utf-8") as lines:
        rows: list[Row] = [[float(cell) for cell in row[:4]] for row in list(csv.reader(lines))[1:]]
    found = json.loads((peers / "expected.json").read_text(encoding="utf-8"))
    expected = {algorithm: Expected(**one) for algorithm, one in found.items()}
    took = Training(*(statistics.median(seconds) for seconds in (jobs, programs, fits)))
    return Models(job / "model", peers, rows, expected, room), took


def _run(
    client: docker.DockerClient,
    image: str,
    command: list[str],
    opt_ml: Path,
    *,
    more: dict[str, str] | None = None,
    entrypoint: str | None = None,
) -> tuple[float, str]:
    """Run to the end with /opt/ml; return its seconds and what it printed, or raise."""
    mounts = {str(opt_ml): "/opt/ml", str(HERE / "fit"): "/fit", **(more or {})}
    began = time.monotonic()
    with started(
        client,
        image,
        command,
        entrypoint=entrypoint,
        user=f"{os.getuid()}:{os.getgid()}",  # this user owns what is written
        environment={"PYTHONPATH": "/opt/program"} if entrypoint else None,
        volumes={host: {"bind": inside, "mode": "rw"} for host, inside in mounts.items()},
    ) as container:
        status = container.wait()["StatusCode"]
        seconds = time.monotonic() - began
        if status != 0:
            raise RuntimeError(
                f"{' '.join(command)} in {image} exited with status {status}:\n{log_of(container)}"
            )
        return seconds, container.logs().decode()
