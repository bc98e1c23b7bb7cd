"""`make test` runs every test exactly once, in processes side by side."""

import os
import shlex
import subprocess
from pathlib import Path

from tests.checkout import ROOT

SIDES = ("e2e", "labs", "models")


def commands(target: str) -> str:
    """Return what `make` would run for a target, whatever make runs this test."""
    return subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target],
        cwd=ROOT,
        env={
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS", "ARGS"))
        },
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def paths(side: str) -> list[str]:
    """Return what pytest is told to run for a side."""
    words = shlex.split(commands(f"test-{side}").partition("2>&1")[0])
    return words[words.index("pytest") + 1 :]


def test_the_sides_share_no_test() -> None:
    named = [Path(path) for side in SIDES for path in paths(side)]
    assert all((ROOT / path).exists() for path in named)
    assert len(set(named)) == len(named)
    assert not [(one, other) for one in named for other in named if one in other.parents]


def test_the_last_side_runs_whatever_the_others_leave() -> None:
    everything, *ignored = paths("rest")
    assert everything == "tests"
    assert ignored == [f"--ignore={path}" for side in SIDES for path in paths(side)]


def test_every_side_is_run() -> None:
    assert all(f"pytest {' '.join(paths(side))} " in commands("test") for side in (*SIDES, "rest"))
