"""`python -m tests.faults [--rounds 1000] [--seed 0] [--only kill,full] [--minutes 40] [--docker]`.

A round is one fault at a random point of a whole run: a push becomes a build, a job, an approval and a stack,
an upload is polled, events, objects, invocations and an alarm reach a function. With `--docker`, an image is
built, trains a model, and is released to an endpoint that is asked all the time; the engine is killed, too.
A run suffers two to eight; then the account is left in peace, and everything that was acknowledged has to be
there and to have been done. Exit status 1 if anything was lost, stuck or doubled; the account's log stays in
the directory of `--keep`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from local_account.engine import ensure_base_image, ensure_engine
from tests.faults.docker_rounds import DOCKER, docker_account, in_own_network, own_engine
from tests.faults.injuries import Patient
from tests.faults.rounds import PROCESSES, RUNS, Rounds, account, slow_library

Open = Callable[[Path], AbstractContextManager[tuple[Any, Patient]]]
"""Opens a lab and its account in a directory."""


def main() -> int:
    """Make the rounds."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="kinds of faults, separated by commas")
    parser.add_argument("--minutes", type=float, default=1e9, help="end earlier")
    parser.add_argument("--settle", type=float, default=90, help="seconds until everything must be done")
    parser.add_argument("--keep", type=Path, help="directory for the logs and states of accounts that failed")
    parser.add_argument("--docker", action="store_true", help="with an engine of its own; takes root")
    parser.add_argument("--in-own-network", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.docker and not arguments.in_own_network:
        os.environ["DOCKER_HOST"] = ensure_engine()
        ensure_base_image(os.environ["DOCKER_HOST"])
        command = in_own_network(sys.argv[1:])
        os.execvp(command[0], command)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kind = DOCKER if arguments.docker else PROCESSES
    only = arguments.only.split(",") if arguments.only else list(kind.injuries)
    rounds = Rounds(kind, arguments.seed, only, arguments.settle)
    begin = time.monotonic()
    end = begin + 60 * arguments.minutes

    def more() -> bool:
        return rounds.made < int(arguments.rounds) and time.monotonic() < end

    with (
        tempfile.TemporaryDirectory(prefix="mlops-faults-", ignore_cleanup_errors=True) as scratch,
        (_with_engine if arguments.docker else _with_slow_disk)(Path(scratch)) as opened,
    ):
        number = 0
        while more():
            number += 1
            directory = Path(scratch) / f"account-{number}"
            directory.mkdir()
            with opened(directory) as (lab, patient):
                for _ in range(RUNS):
                    if not more():
                        break
                    if not rounds.run(lab, patient):
                        if arguments.keep:
                            _keep(arguments.keep, rounds, patient)
                        break  # its account is not to be trusted any more
            print(rounds.summary(time.monotonic() - begin), flush=True)
    return int(bool(rounds.failures))


def _keep(directory: Path, rounds: Rounds, patient: Patient) -> None:
    """Keep the log, with where each thread is, and the state."""
    process = patient.account
    if process.pid:
        os.kill(process.pid, signal.SIGUSR2)  # see quick_account
        time.sleep(1)
    kept = directory / f"seed-{rounds.seed}-run-{rounds.runs - 1}"
    kept.mkdir(parents=True, exist_ok=True)
    shutil.copy(f"{process.state}.log", kept / "account.log")
    with suppress(shutil.Error):  # pipes of builds cannot be copied
        shutil.copytree(process.state, kept / "state", dirs_exist_ok=True)


@contextmanager
def _with_slow_disk(scratch: Path) -> Iterator[Open]:
    library = slow_library(scratch)
    yield lambda directory: account(directory, library)


@contextmanager
def _with_engine(scratch: Path) -> Iterator[Open]:
    with own_engine(scratch / "engine") as engine:
        yield partial(docker_account, engine=engine)


if __name__ == "__main__":
    raise SystemExit(main())
