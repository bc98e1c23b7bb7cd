"""What goes wrong: a name, and what it does to an account."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.local_account.account_process import AccountProcess

_CHUNK = 1 << 16


@dataclass
class Patient:
    """An account, the file system that it is on, and the file that makes writes slow."""

    account: AccountProcess
    disk: Path
    slow: Path
    uid: str = ""

    def restart(self, how: int = signal.SIGKILL) -> None:
        """End the account and start it again."""
        self.account.stop(how)
        self.account.start()

    def children(self, group: str = "") -> list[psutil.Process]:
        """Return the processes that the account has started, of groups that begin so."""
        wanted, found = f"LOCAL_ACCOUNT_PROCESS={self.uid}:{group}".encode(), []
        for pid in psutil.pids():
            with contextlib.suppress(OSError, psutil.NoSuchProcess):
                if wanted in Path(f"/proc/{pid}/environ").read_bytes():
                    found.append(psutil.Process(pid))
        return found

    @contextlib.contextmanager
    def full_disk(self) -> Iterator[None]:
        """Leave no room on the disk."""
        filler = self.disk / "filler"
        descriptor = os.open(filler, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        try:
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        os.write(descriptor, b"\0" * size)
            yield
        finally:
            os.close(descriptor)
            filler.unlink()

    @contextlib.contextmanager
    def slow_disk(self) -> Iterator[None]:
        """Let each write take 20 ms longer."""
        self.slow.touch()
        try:
            yield
        finally:
            self.slow.unlink()


Injury = Callable[[Patient, random.Random], None]


def _kill(patient: Patient, _: random.Random) -> None:
    patient.restart()


def _stop(patient: Patient, _: random.Random) -> None:
    patient.restart(signal.SIGTERM)


def _child(group: str) -> Injury:
    def kill(patient: Patient, chance: random.Random) -> None:
        deadline = time.monotonic() + 2
        while not (found := patient.children(group)) and time.monotonic() < deadline:
            time.sleep(0.01)
        if found:
            time.sleep(chance.random() * 0.1)
            with contextlib.suppress(psutil.NoSuchProcess):
                chance.choice(found).kill()

    return kill


def _full(patient: Patient, chance: random.Random) -> None:
    with patient.full_disk():
        time.sleep(0.2 + chance.random() * 1.5)


def _full_kill(patient: Patient, chance: random.Random) -> None:
    with patient.full_disk():
        time.sleep(chance.random())
        patient.account.stop(signal.SIGKILL)
    patient.account.start()


def _slow(patient: Patient, chance: random.Random) -> None:
    with patient.slow_disk():
        time.sleep(0.5 + chance.random() * 2)


def _slow_kill(patient: Patient, chance: random.Random) -> None:
    with patient.slow_disk():
        time.sleep(0.2 + chance.random() * 1.5)
        patient.account.stop(signal.SIGKILL)
    patient.account.start()


INJURIES: dict[str, tuple[int, Injury]] = {
    "kill": (5, _kill),
    "stop": (1, _stop),
    "handler": (3, _child("lambda-")),
    "build": (2, _child("codebuild-")),
    "full": (2, _full),
    "full-kill": (1, _full_kill),
    "slow": (1, _slow),
    "slow-kill": (2, _slow_kill),
}
"""By name: how often, and what."""
