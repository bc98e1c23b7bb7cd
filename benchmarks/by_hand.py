"""The container work of one run, as plain docker commands: its cost without the workshop."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.lab import BenchLab
from lab_helpers import containers
from local_account.services.sagemaker.archives import unpack_model

BASE, MODEL = "by-hand-base", "by-hand-model"
HYPERPARAMETERS = {"C": "1.0", "max_iter": "200", "n_estimators": "100", "random_state": "42"}
ALGORITHMS = ("logistic", "random_forest")


def by_hand(lab: BenchLab, exercises: Path) -> dict[str, float]:
    """Do the work; return seconds by kind: build, push, train, serve.

    The sources in `exercises` are those that the notebooks have just written, so the layer cache is as warm
    as it was for the run; the registry is the account's, which must be new for the pushes to send the same
    layers.
    """
    base_uri, model_uri = (_repository(lab, name) for name in (BASE, MODEL))
    with _environment(lab), tempfile.TemporaryDirectory(prefix="by-hand-") as scratch:
        work = _Work(exercises, Path(scratch))
        with work.timed("push"):  # no push without a login
            _login(lab, base_uri)
        _base_image(work, base_uri)
        _model_image(work, base_uri, model_uri)
        _release(work, model_uri)
        containers.docker("rmi", f"{BASE}:local", f"{MODEL}:local", check=False)  # a reset removes the others
    return work.seconds


def _base_image(work: _Work, uri: str) -> None:
    """Notebook 01: build and try out; then the work of its pipeline."""
    work.build("base_image", f"{BASE}:local")
    tree = work.train(f"{BASE}:local", "tree", {"max_depth": "2"}, model="try_out/model.py")
    for _ in ("good requests", "broken ones"):  # a container each
        work.serve(f"{BASE}:local", tree, ("tree",))
    work.build("base_image", f"{uri}:1", f"{uri}:latest")
    work.push(uri)


def _model_image(work: _Work, base_uri: str, uri: str) -> None:
    """Notebook 02: the same for the model, on the base image by digest."""
    with work.timed("build"):
        containers.docker("pull", f"{base_uri}:latest")
    digests = json.loads(
        containers.docker("inspect", "--format", "{{json .RepoDigests}}", f"{base_uri}:latest")
    )
    base: str = next(digest for digest in digests if digest.startswith(base_uri))
    work.build("model_image", f"{MODEL}:local", base=base)
    tried = work.train(f"{MODEL}:local", "model", HYPERPARAMETERS)
    work.train(f"{MODEL}:local", "wrong", {"n_trees": "100"}, check=False)
    work.serve(f"{MODEL}:local", tried, ALGORITHMS)
    work.build("model_image", f"{uri}:1", f"{uri}:latest", base=base)
    work.push(uri)


def _release(work: _Work, uri: str) -> None:
    """Notebooks 03 and 04: the training job, its model packed and unpacked, DEV and then PRD."""
    job = work.train(f"{uri}:1", "job", HYPERPARAMETERS)
    archive = work.room / "model.tar.gz"
    with work.timed("train"), tarfile.open(archive, "w:gz") as packed:
        packed.add(job / "model", ".")
    for endpoint in ("dev", "prd"):
        with work.timed("serve"), archive.open("rb") as packed:
            unpack_model(packed, work.room / endpoint / "model")
        work.serve(f"{uri}:1", work.room / endpoint, ALGORITHMS)


class _Work:
    """docker commands, timed by kind."""

    def __init__(self, exercises: Path, room: Path) -> None:
        self.room, self.seconds = room, dict[str, float]()
        self._exercises, self._data = exercises, exercises / "data" / "iris.csv"
        lines = self._data.read_text().splitlines()[1:]
        self._rows = [[float(value) for value in line.split(",")[:4]] for line in lines]

    @contextlib.contextmanager
    def timed(self, kind: str) -> Iterator[None]:
        begin = time.monotonic()
        yield
        self.seconds[kind] = self.seconds.get(kind, 0.0) + time.monotonic() - begin

    def build(self, directory: str, *tags: str, base: str | None = None) -> None:
        options = [argument for tag in tags for argument in ("--tag", tag)]
        options += ["--build-arg", f"BASE_IMAGE={base}"] if base else []
        with self.timed("build"):
            containers.docker("build", *options, str(self._exercises / directory))

    def push(self, uri: str) -> None:
        with self.timed("push"):
            for tag in ("1", "latest"):
                containers.docker("push", f"{uri}:{tag}")

    def train(
        self, image: str, directory: str, chosen: dict[str, str], *, model: str = "", check: bool = True
    ) -> Path:
        opt_ml = containers.prepare(self.room / directory, data=[self._data], hyperparameters=chosen)
        files = {self._exercises / model: "/opt/program/model.py"} if model else None
        with self.timed("train"):
            containers.train(image, opt_ml, files=files, check=check)
        return opt_ml

    def serve(self, image: str, opt_ml: Path, algorithms: tuple[str, ...]) -> None:
        with self.timed("serve"), containers.serve(image, opt_ml) as server:
            for algorithm in algorithms:
                answer = server.invoke({"instances": self._rows}, attributes=f"algorithm={algorithm}")
                if answer.status != 200:
                    raise RuntimeError(f"by hand: {answer.status} {answer.body}")


@contextlib.contextmanager
def _environment(lab: BenchLab) -> Iterator[None]:
    """Set what docker's client reads from the environment: its engine and its credentials."""
    names = ("DOCKER_HOST", "DOCKER_CONFIG")
    former = {name: os.environ.get(name) for name in names}
    configuration = lab.daemon.state / "by-hand-docker"
    os.environ |= {"DOCKER_HOST": lab.docker_host, "DOCKER_CONFIG": str(configuration)}
    try:
        yield
    finally:
        for name, value in former.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(configuration, ignore_errors=True)


def _repository(lab: BenchLab, name: str) -> str:
    return str(lab.client("ecr").create_repository(repositoryName=name)["repository"]["repositoryUri"])


def _login(lab: BenchLab, uri: str) -> None:
    password = subprocess.run(
        ["aws", "ecr", "get-login-password"],
        env=lab.daemon.environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    subprocess.run(
        ["docker", "login", "--username", "AWS", "--password-stdin", uri.partition("/")[0]],
        input=password,
        text=True,
        capture_output=True,
        check=True,
    )
