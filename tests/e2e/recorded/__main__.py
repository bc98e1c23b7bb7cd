"""`python -m tests.e2e.recorded RUN`: take the outputs of a run's notebooks as the record (`make record`)."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.e2e import recorded


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.recorded", description=__doc__)
    parser.add_argument("run", type=Path, nargs="+", help="a folder with executed notebooks")
    parser.add_argument("--solutions", action="store_true", help="these are the notebooks with the solutions")
    given = parser.parse_args()
    for run in given.run:
        for notebook in sorted(run.glob("*.ipynb")):
            print(recorded.write(notebook, recorded.SOLUTIONS if given.solutions else recorded.LESSONS))


if __name__ == "__main__":
    main()
