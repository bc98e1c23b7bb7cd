"""What goes wrong with an engine and with what runs on it: a name, and what it does."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from docker.errors import DockerException
from docker.models.containers import Container

from tests.faults.engine import Engine, pid_of
from tests.faults.injuries import INJURIES, Injury, Patient

_FIND_SECONDS = 6
"""How long a fault waits for what it is to hit; a run gets there in a few seconds."""


@dataclass
class DockerPatient(Patient):
    """An account, and the engine that it works with."""

    engine: Engine = field(kw_only=True)


Hit = Callable[[DockerPatient, random.Random], None]


def _found(look: Callable[[], list[Container]], chance: random.Random) -> Container | None:
    """Return a running container, a moment after there is one."""
    deadline = time.monotonic() + _FIND_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(DockerException, OSError):
            if found := [one for one in look() if one.status == "running"]:
                time.sleep(chance.random() * 0.5)
                return chance.choice(found)
        time.sleep(0.02)
    return None


def _kill(look: Callable[[DockerPatient], list[Container]]) -> Hit:
    def hit(patient: DockerPatient, chance: random.Random) -> None:
        found = _found(lambda: look(patient), chance)
        if found and (pid := pid_of(found)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    return hit


def _remove(group: str) -> Hit:
    def hit(patient: DockerPatient, chance: random.Random) -> None:
        found = _found(lambda: patient.engine.containers(patient.uid, group), chance)
        if found:
            with contextlib.suppress(DockerException):
                found.remove(force=True, v=True)

    return hit


def _group(group: str) -> Callable[[DockerPatient], list[Container]]:
    return lambda patient: patient.engine.containers(patient.uid, group)


def _engine(end: Callable[[Engine], None]) -> Hit:
    def hit(patient: DockerPatient, chance: random.Random) -> None:
        end(patient.engine)
        time.sleep(chance.random() * 3)
        patient.engine.start()

    return hit


def _everything(patient: DockerPatient, chance: random.Random) -> None:
    """A machine without power; the account is back before the engine, or after it."""
    patient.account.stop(signal.SIGKILL)
    patient.engine.kill()
    starts = [patient.account.start, patient.engine.start]
    chance.shuffle(starts)
    for start in starts:
        start()


def _silent(patient: DockerPatient, chance: random.Random) -> None:
    with patient.engine.silent():
        time.sleep(0.5 + chance.random() * 4)


def _of_account(name: str) -> Hit:
    injury: Injury = INJURIES[name][1]
    return injury


DOCKER_INJURIES: dict[str, tuple[int, Hit]] = {
    "kill": (2, _of_account("kill")),
    "stop": (1, _of_account("stop")),
    "handler": (1, _of_account("handler")),
    "build": (1, _of_account("build")),
    "build-container": (2, _kill(lambda patient: patient.engine.others())),
    "training-container": (2, _kill(_group("training-job-"))),
    "serving-container": (2, _kill(_group("endpoint-"))),
    "processing-container": (1, _kill(_group("processing-job-"))),
    "training-removed": (1, _remove("training-job-")),
    "serving-removed": (1, _remove("endpoint-")),
    "engine-kill": (4, _engine(Engine.kill)),
    "engine-stop": (3, _engine(Engine.stop)),
    "engine-silent": (1, _silent),
    "everything": (1, _everything),
}
"""By name: how often, and what."""
