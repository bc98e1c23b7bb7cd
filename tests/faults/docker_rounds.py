"""Rounds of faults on an engine of their own, in a network of their own: no other engine notices."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_account.engine import BASE_IMAGE
from tests.faults.docker_checks import DockerChecks
from tests.faults.docker_injuries import DOCKER_INJURIES, DockerPatient
from tests.faults.docker_lab import DockerLab
from tests.faults.docker_work import DockerWork
from tests.faults.engine import Engine
from tests.faults.rounds import Kind
from tests.local_account.preloaded_account import PreloadedAccount

DOCKER = Kind(
    DOCKER_INJURIES,
    DockerWork,
    lambda lab, work, patient: DockerChecks(lab, work, patient.engine),
    request_seconds=300,
)


def in_own_network(arguments: list[str]) -> list[str]:
    """Return the command that makes docker rounds: two engines share no bridge and no firewall."""
    script = 'ip link set lo up && exec "$@"'
    inside = [sys.executable, "-m", "tests.faults", *arguments, "--in-own-network"]
    return ["unshare", "--net", "sh", "-c", script, "sh", *inside]


@contextmanager
def own_engine(home: Path) -> Iterator[Engine]:
    """An engine in this network, with the base image of the one at `DOCKER_HOST`, whose place it takes."""
    other, engine = os.environ["DOCKER_HOST"], Engine(home)
    home.mkdir()
    before = {name: os.environ.get(name) for name in ("DOCKER_HOST", "MLOPS_ENGINE_HOME")}
    os.environ |= {"DOCKER_HOST": engine.address, "MLOPS_ENGINE_HOME": str(home)}
    try:
        engine.start()
        engine.copy_image(BASE_IMAGE, other)
        yield engine
    finally:
        engine.stop()
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def docker_account(directory: Path, engine: Engine) -> Iterator[tuple[DockerLab, DockerPatient]]:
    """A lab in an account that works with an engine."""
    process = PreloadedAccount(directory / "state", "tests.faults.quick_account")
    patient = DockerPatient(process, directory, directory / "slow", engine=engine)
    try:
        lab = DockerLab(process.start()).prepare()
        patient.uid = json.loads((directory / "state" / "account.json").read_text())["uid"]
        yield lab, patient
    finally:
        process.stop(signal.SIGTERM)
        process.close()
    left = engine.containers(patient.uid)
    assert not left, f"left over at the end: {[one.name for one in left]}"
