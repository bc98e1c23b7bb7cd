"""`python -m tests.faults [--rounds 1000] [--seed 0] [--only kill,full] [--minutes 40]`.

A round is one fault at a random point of a whole run: a push becomes a build, a job, an approval and a stack,
an upload is polled, events, objects, invocations and an alarm reach a function. A run suffers two to eight;
then the account is left in peace, and everything that was acknowledged has to be there and to have been done.
Exit status 1 if anything was lost, stuck or doubled; its log stays in the directory of `--keep`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.injuries import INJURIES
from tests.faults.rounds import RUNS, Rounds, account, slow_library


def main() -> int:
    """Make the rounds."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(INJURIES), help="kinds of faults, separated by commas")
    parser.add_argument("--minutes", type=float, default=1e9, help="end earlier")
    parser.add_argument("--settle", type=float, default=90, help="seconds until everything must be done")
    parser.add_argument("--keep", type=Path, help="directory for the logs of accounts that failed")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rounds = Rounds(arguments.seed, arguments.only.split(","), arguments.settle)
    begin = time.monotonic()
    end = begin + 60 * float(arguments.minutes)

    def more() -> bool:
        return rounds.made < int(arguments.rounds) and time.monotonic() < end

    with tempfile.TemporaryDirectory(prefix="mlops-faults-", ignore_cleanup_errors=True) as scratch:
        library = slow_library(Path(scratch))
        number = 0
        while more():
            number += 1
            directory = Path(scratch) / f"account-{number}"
            directory.mkdir()
            with account(directory, library) as (lab, patient):
                for _ in range(RUNS):
                    if not more():
                        break
                    if not rounds.run(lab, patient):
                        if arguments.keep:
                            arguments.keep.mkdir(parents=True, exist_ok=True)
                            log = Path(f"{patient.account.state}.log")
                            name = f"seed-{rounds.seed}-run-{rounds.runs - 1}.log"
                            (arguments.keep / name).write_bytes(log.read_bytes())
                        break  # its account is not to be trusted any more
            print(rounds.summary(time.monotonic() - begin), flush=True)
    return int(bool(rounds.failures))


if __name__ == "__main__":
    raise SystemExit(main())
