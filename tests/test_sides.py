"""`make test` runs every test exactly once, in processes side by side."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.checkout import ROOT

SIDES = ("e2e", "browser", "labs", "models", "storage", "moto", "programs")


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


def included(side: str) -> list[Path]:
    return [Path(path) for path in paths(side) if not path.startswith("--ignore=")]


def ignored(side: str) -> set[Path]:
    return {Path(path.removeprefix("--ignore=")) for path in paths(side) if path.startswith("--ignore=")}


def test_the_sides_share_no_test() -> None:
    everything = [path for side in SIDES for path in included(side)]
    assert all((ROOT / path).exists() for path in everything)
    assert len(set(everything)) == len(everything)
    for side in SIDES:
        for path in included(side):
            inside = {other for other in everything if path in other.parents}
            assert inside == {other for other in ignored(side) if path in other.parents}


def test_the_last_side_runs_whatever_the_others_leave() -> None:
    assert included("rest") == [Path("tests")]
    for path in (path for side in SIDES for path in included(side)):
        assert path in ignored("rest") or not ignored("rest").isdisjoint(path.parents)
    assert ignored("rest") <= {path for side in SIDES for path in included(side)}


def test_every_side_is_run() -> None:
    assert all(f"pytest {' '.join(paths(side))} " in commands("test") for side in (*SIDES, "rest"))


def test_the_quick_tests_are_divided_once_more_without_loss() -> None:
    assert included("services") == [Path("tests/local_account/services")]
    assert ignored("services") <= ignored("rest")
    assert included("others") == included("rest")
    assert ignored("others") == ignored("rest") | set(included("services"))


def test_the_name_of_the_folder_points_to_the_target() -> None:
    asked = subprocess.run(["make", "tests"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert asked.returncode != 0
    assert "`make test` runs them" in asked.stderr


def test_a_number_of_requests_that_is_none_is_a_sentence() -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "tests/notebooks/base_image/test_fuzz.py"],
        cwd=ROOT,
        env={**os.environ, "FUZZ_REQUESTS": "x"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert asked.returncode != 0
    assert "FUZZ_REQUESTS='x' is not a number: give digits, such as 5000" in asked.stdout
    assert "Traceback" not in asked.stdout


def test_no_two_files_of_tests_have_the_same_name() -> None:
    """pytest imports them by their names alone: of two that it collects together, it runs neither."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert {name for name in names if names.count(name) > 1} == set()
