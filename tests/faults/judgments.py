"""`python -m tests.faults.judgments [--executions 200] [--seed 0] [--reliable] [--keep DIR]`.

Executions of the shipped training pipeline, each judged by the shipped monitor, while events get lost, late,
out of order and doubled. Exit status 1 unless each approval got exactly one answer, its own, and each judged
model has exactly one version in the model registry. With `--reliable`, nothing happens to the events: how
long does a judgment take?
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.faults.judging import judging


def main() -> int:
    """Run it, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.judgments", description=__doc__)
    parser.add_argument("--executions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reliable", action="store_true", help="lose, delay and double nothing")
    parser.add_argument("--keep", type=Path, help="directory for the account's state and log")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlops-judgments-", ignore_cleanup_errors=True) as scratch:
        directory = arguments.keep or Path(scratch)
        directory.mkdir(parents=True, exist_ok=True)
        begin = time.monotonic()
        with judging(directory, None if arguments.reliable else arguments.seed) as lab:
            lab.run(arguments.executions)
            wrong = lab.problems()
            print(lab.summary())
        loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
        print(f"seed {arguments.seed}, {time.monotonic() - begin:.0f} s, load {loads}")
        print("\n".join(wrong) or "each approval had exactly one answer")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
