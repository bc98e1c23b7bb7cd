"""Many labs: provisioned, prepared, working at the same time, reset and deleted; and how that scales."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from benchmarks.figures import Figure
from benchmarks.lab import REPOSITORY, BenchLab
from lab_helpers.clients import Clients
from lab_helpers.instructor.doctor import Level, Room
from lab_helpers.instructor.doctor.quotas import quotas
from lab_helpers.names import Names
from local_account.foundation.processes import Processes

SIZES = (1, 10, 30, 100)
AT_WORK = 10
UP_SECONDS = {30: 80, 100: 240}
CLEAN_SECONDS = {30: 30}
ACCOUNT_MB = {100: 400}
RESET_SECONDS = 10


def fleet(lab: BenchLab) -> list[Figure]:
    """Provision 1, 10, 30 and 100 labs, each on a new account, and clean them; let ten work at once."""
    figures: list[Figure] = []
    for size in SIZES:
        lab.daemon.reset()
        lab.start()
        roster = write_roster(lab, size)
        grant_quotas(lab, size)
        room = f"{size} labs" if size > 1 else "1 lab"
        took = lab_command(lab, "fleet", "up", str(roster), "--json")[0]
        about = f"fleet up: {room} from nothing to ready"
        figures.append(Figure(f"fleet.up_{size}_seconds", took, "s", about, UP_SECONDS.get(size)))
        figures.append(Figure(f"fleet.up_{size}_seconds_per_lab", took / size, "s", "of which for each lab"))
        again = lab_command(lab, "fleet", "up", str(roster), "--json")[0]
        figures.append(Figure(f"fleet.again_{size}_seconds", again, "s", "fleet up again, nothing to change"))
        looked = lab_command(lab, "fleet", "status", str(roster), "--json")[0]
        figures.append(Figure(f"fleet.status_{size}_seconds", looked, "s", "fleet status"))
        if size > AT_WORK:
            figures += _memory(lab, size)
        if size == AT_WORK:
            figures += _at_work(lab, roster)
        took, output = lab_command(lab, "clean", "--all", "--yes", "--json")
        if json.loads(output)["remaining"]:
            raise RuntimeError(f"clean left something behind: {output[-2000:]}")
        about = f"clean: {room} deleted, and listed again in every service: empty"
        figures.append(Figure(f"fleet.clean_{size}_seconds", took, "s", about, CLEAN_SECONDS.get(size)))
    return figures


def _at_work(lab: BenchLab, roster: Path) -> list[Figure]:
    """Prepare ten labs, run notebooks 03 and 04 in all of them at once, and reset one of them."""
    lab_ids = [f"p{number}" for number in range(1, AT_WORK + 1)]
    prepared = lab_command(lab, "reset", "--roster", str(roster), "--to", "03", "--yes", "--json")[0]
    began = time.monotonic()
    with ThreadPoolExecutor(AT_WORK, thread_name_prefix="at-work") as pool:
        seconds = list(pool.map(lambda number: _notebooks(lab, lab_ids[number], number), range(AT_WORK)))
    together = time.monotonic() - began
    _own_results(lab, lab_ids)
    figures = [
        Figure("fleet.prepare_10_seconds", prepared, "s", "reset --to 03: both images of 10 new labs"),
        Figure("fleet.at_work_10_seconds", together, "s", "10 labs run notebooks 03 and 04 at once"),
        Figure(
            "fleet.at_work_10_longest_seconds", max(seconds), "s", "of which until the slowest had finished"
        ),
    ]
    for to in ("05", "04", "03", "02", "01"):
        took = lab_command(lab, "reset", "--participant", lab_ids[0], "--to", to, "--yes", "--json")[0]
        about = f"reset of one lab to the start of notebook {to}"
        figures.append(Figure(f"fleet.reset_to_{to}_seconds", took, "s", about, RESET_SECONDS))
    return figures


def _notebooks(lab: BenchLab, lab_id: str, number: int) -> float:
    """Run notebooks 03 and 04 as in a terminal of the lab's instance, with the lab's own hyperparameter."""
    environment = lab.daemon.environment(Names(lab_id).notebook_instance)
    home = Path(environment["WORKSHOP_HOME"])
    arguments = ["--notebooks", "03-04", "--output", str(home / "bench")]
    for given in (f"03.C={_own_c(number)}", "decision=approve"):
        arguments += ["--parameters", given]
    began = time.monotonic()
    done = subprocess.run(
        [str(home / ".workshop" / "venv" / "bin" / "python"), "-m", "lab_helpers", "run", *arguments],
        cwd=home / ".workshop" / "package",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"lab {lab_id} failed in notebooks 03 and 04:\n{done.stdout[-3000:]}")
    return time.monotonic() - began


def _own_c(number: int) -> str:
    return str(1 + number / 10)


def _own_results(lab: BenchLab, lab_ids: list[str]) -> None:
    """Check that each lab's production endpoint serves the lab's own model; RuntimeError if one does not."""
    sagemaker = lab.client("sagemaker")
    seen: set[str] = set()
    for number, lab_id in enumerate(lab_ids):
        names = Names(lab_id)
        endpoint = sagemaker.describe_endpoint(EndpointName=names.prd_endpoint)
        execution = endpoint["EndpointConfigName"][-36:]
        job: Any = sagemaker.describe_training_job(TrainingJobName=names.training_job(execution))
        own = endpoint["EndpointStatus"] == "InService" and job["HyperParameters"]["C"] == _own_c(number)
        if not own or execution in seen:
            raise RuntimeError(f"lab {lab_id} does not serve its own result: {endpoint}")
        seen.add(execution)


def _memory(lab: BenchLab, size: int) -> list[Figure]:
    """Measure the unique memory (USS) of what runs on idle instances, and the account's own."""
    megabytes = 0.0
    for process in Processes(lab.daemon.config().uid).members():
        with contextlib.suppress(psutil.NoSuchProcess):
            megabytes += process.memory_full_info().uss / 1e6
    return [
        Figure(f"fleet.idle_{size}_mb", megabytes, "MB", f"memory of {size} idle notebook instances"),
        Figure(
            f"fleet.account_{size}_mb",
            lab.resident_megabytes,
            "MB",
            f"memory of the account with {size} labs",
            ACCOUNT_MB.get(size),
        ),
    ]


def grant_quotas(lab: BenchLab, size: int) -> None:
    """Request what `doctor` says is missing, as an instructor does before the event; builds may wait."""
    clients: Clients = lab.client
    room = Room(clients, lab.daemon.config().region, size)
    for finding in quotas(room):
        if finding.level is Level.ERROR:
            given = dict(re.findall(r"--(\S+) (\S+)", finding.remedy))
            clients("service-quotas").request_service_quota_increase(
                ServiceCode=given["service-code"],
                QuotaCode=given["quota-code"],
                DesiredValue=float(given["desired-value"]),
            )


def write_roster(lab: BenchLab, size: int) -> Path:
    """Write the roster of the labs p1, p2, … into the account's state directory."""
    path = lab.daemon.state / "roster.csv"
    lines = [f"Participant {number},,p{number}" for number in range(1, size + 1)]
    path.write_text("\n".join(["name,email,lab_id", *lines]) + "\n", encoding="utf-8")
    return path


def lab_command(lab: BenchLab, *arguments: str) -> tuple[float, str]:
    """Run an instructor's command; return its seconds and output. Raises RuntimeError if it fails."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "lab_helpers", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **lab.daemon.environment()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        output = (done.stdout + done.stderr)[-4000:]
        raise RuntimeError(f"{' '.join(arguments[:2])} exited with status {done.returncode}:\n{output}")
    return time.monotonic() - began, done.stdout
