"""Rounds of faults: one fault each, at a random point of a whole run of a local account."""

from __future__ import annotations

import collections
import json
import os
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil

from tests.faults.checks import Checks
from tests.faults.injuries import INJURIES, Patient
from tests.faults.lab import FLOW, POLLED, Lab
from tests.faults.work import Work, executions
from tests.local_account.preloaded_account import PreloadedAccount
from tests.local_account.small_disk import small_file_system

RUNS = 12
"""Of one account; then there is a new one."""
MEGABYTES = 200
_NEVER = re.compile(r"background task \S+ failed|stopping the .* failed")


class Client(Protocol):
    """What a run's client does."""

    number: int
    problems: list[str]
    reasons: list[str]
    """Why something failed that was done again, in the account's words."""

    def start(self) -> None: ...
    def requested(self, seconds: float) -> bool: ...
    def end(self) -> None: ...


class Looks(Protocol):
    """What is looked at in the end."""

    def problems(self, seconds: float) -> list[str]: ...


@dataclass(frozen=True)
class Kind:
    """A kind of runs: what goes wrong in them, what is done, and what must be true."""

    injuries: Mapping[str, tuple[int, Callable[[Any, random.Random], None]]]
    work: Callable[[Any, int, random.Random], Client]
    checks: Callable[[Any, Any, Any], Looks]
    request_seconds: float = 120
    """Until everything must have been requested."""


PROCESSES = Kind(INJURIES, Work, lambda lab, work, _: Checks(lab, work))


class Rounds:
    """Counts the rounds by kind, and reports what is wrong."""

    def __init__(self, kind: Kind, seed: int, only: list[str], settle_seconds: float) -> None:
        self.seed, self._kind, self._only, self._settle = seed, kind, only, settle_seconds
        self.counts: collections.Counter[str] = collections.Counter()
        self.runs = 0
        self.failures: list[str] = []

    @property
    def made(self) -> int:
        """The number of rounds so far."""
        return self.counts.total()

    def summary(self, seconds: float) -> str:
        """Return what was done in so many seconds, in a line."""
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        return (
            f"{self.made} rounds in {self.runs} runs of seed {self.seed}, {seconds:.0f} s: {kinds}; "
            f"{len(self.failures)} runs failed"
        )

    def _plan(self, chance: random.Random) -> list[tuple[float, str]]:
        """Return what a run suffers: seconds from the one before, and what."""
        weights = [self._kind.injuries[name][0] for name in self._only]
        return [
            (chance.random() ** 2 * 3, chance.choices(self._only, weights)[0])
            for _ in range(chance.randint(2, 8))
        ]

    def run(self, lab: Any, patient: Patient) -> bool:
        """Make one run; return whether all was well."""
        seed, injuries = f"{self.seed} {self.runs}", self._kind.injuries
        plan = self._plan(random.Random(seed))
        work = self._kind.work(lab, self.runs, random.Random(f"{seed} work"))
        self.runs += 1
        log = Path(f"{patient.account.state}.log")
        start = log.stat().st_size
        begin = time.monotonic()
        work.start()
        suffered = [name for _, name in plan]
        for number, (pause, name) in enumerate(plan):
            time.sleep(pause)
            injuries[name][1](patient, random.Random(f"{seed} {number}"))
            self.counts[name] += 1
        wrong = [] if work.requested(self._kind.request_seconds) else ["requests are not acknowledged"]
        wrong += self._kind.checks(lab, work, patient).problems(0 if wrong else self._settle)
        work.end()
        wrong += work.problems
        text = log.read_bytes()[start:].decode(errors="replace")
        wrong += sorted({found.group() for found in _NEVER.finditer(text)})
        began = psutil.Process(patient.account.pid).create_time() if patient.account.pid else 0
        wrong += [f"left over: {one}" for one in patient.children() if one.create_time() < began - 1]
        print(f"run {work.number}: {', '.join(suffered)}: {time.monotonic() - begin:.0f} s", flush=True)
        for reason in work.reasons:
            print(f"  {reason}", flush=True)
        if wrong:
            what = f"run {work.number} of seed {self.seed} ({', '.join(suffered)}): " + "; ".join(wrong[:12])
            self.failures.append(what)
            print(what, flush=True)
        return not wrong


@contextmanager
def account(directory: Path, library: Path | None) -> Iterator[tuple[Lab, Patient]]:
    """A lab in an account on a small disk of its own."""
    slow = directory / "slow"
    preloaded = {"LD_PRELOAD": str(library), "SLOW_DISK": str(slow)} if library else {}
    os.environ.update(preloaded)
    try:
        with small_file_system(directory, megabytes=MEGABYTES) as disk:
            # A full disk must not hide what the account says about it.
            (disk / "state.log").symlink_to(directory / "account.log")
            process = PreloadedAccount(disk / "state", "tests.faults.quick_account")
            patient = Patient(process, disk, slow)
            try:
                lab = Lab(process.start(), directory / "clone").prepare()
                patient.uid = json.loads((disk / "state" / "account.json").read_text())["uid"]
                _first_executions(lab)
                yield lab, patient
            finally:
                process.close()
            left = [one for one in patient.children() if one.status() != psutil.STATUS_ZOMBIE]
            assert not left, f"left over at the end: {left}"
    finally:
        for name in preloaded:
            del os.environ[name]


def _first_executions(lab: Lab) -> None:
    api, deadline = lab.client("codepipeline"), time.monotonic() + 60
    for name in (FLOW, POLLED):
        while (found := executions(api, name))[0]["status"] == "InProgress" and time.monotonic() < deadline:
            time.sleep(0.05)
        lab.known |= {one["pipelineExecutionId"] for one in found}


def slow_library(directory: Path) -> Path:
    """Compile what makes writes slow."""
    source, library = Path(__file__).with_name("slow_disk.c"), directory / "slow_disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return library
