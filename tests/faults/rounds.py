"""Rounds of faults: one fault each, at a random point of a whole run of a local account."""

from __future__ import annotations

import collections
import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.faults.checks import Checks
from tests.faults.injuries import INJURIES, Patient
from tests.faults.lab import FLOW, POLLED, Lab
from tests.faults.work import Work, executions
from tests.local_account.account_process import AccountProcess
from tests.local_account.small_disk import small_file_system

RUNS = 12
"""Of one account; then there is a new one."""
MEGABYTES = 200
_NEVER = re.compile(r"background task \S+ failed|stopping the .* failed")


class Rounds:
    """Counts the rounds by kind, and reports what is wrong."""

    def __init__(self, seed: int, only: list[str], settle_seconds: float) -> None:
        self.seed, self._only, self._settle = seed, only, settle_seconds
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

    def run(self, lab: Lab, patient: Patient) -> bool:
        """Make one run; return whether all was well."""
        chance = random.Random(f"{self.seed} {self.runs}")
        work = Work(lab, self.runs, chance)
        self.runs += 1
        log = Path(f"{patient.account.state}.log")
        start = log.stat().st_size
        begin = time.monotonic()
        work.start()
        suffered = []
        for _ in range(chance.randint(2, 8)):
            time.sleep(chance.random() ** 2 * 3)
            weights = [INJURIES[name][0] for name in self._only]
            (name,) = chance.choices(self._only, weights)
            suffered.append(name)
            INJURIES[name][1](patient, chance)
            self.counts[name] += 1
        wrong = [] if work.requested(120) else ["requests are not acknowledged"]
        wrong += Checks(lab, work).problems(0 if wrong else self._settle)
        work.end()
        wrong += work.problems
        text = log.read_bytes()[start:].decode(errors="replace")
        wrong += sorted({found.group() for found in _NEVER.finditer(text)})
        began = psutil.Process(patient.account.process.pid).create_time() if patient.account.process else 0
        wrong += [f"left over: {one}" for one in patient.children() if one.create_time() < began - 1]
        print(f"run {work.number}: {', '.join(suffered)}: {time.monotonic() - begin:.0f} s", flush=True)
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
            process = AccountProcess(disk / "state", ("-m", "tests.faults.quick_account"))
            patient = Patient(process, disk, slow)
            try:
                lab = Lab(process.start(), directory / "clone").prepare()
                patient.uid = json.loads((disk / "state" / "account.json").read_text())["uid"]
                _first_executions(lab)
                yield lab, patient
            finally:
                process.stop(signal.SIGTERM)
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
