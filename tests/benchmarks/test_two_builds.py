"""Two builds are compared fairly: in turn, on what succeeded, and by what each of them has."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from benchmarks import builds
from benchmarks.builds import Build, Measurement, Row, is_pytest, measure, own_environment, rows, table, turns
from tests.checkout import ROOT

TIMES = {"base": 100.0, "here": 50.0}


def measured(part: str, build: str, seconds: float, **more: Any) -> Measurement:
    return Measurement(part, build, 1, load=1.0, seconds=seconds, cpu_seconds=seconds / 2, **more)


def by_figure(*measurements: Measurement) -> dict[str, Row]:
    return {row.figure: row for row in rows(measurements)}


def test_builds_take_turns_and_neither_is_always_first(tmp_path: Path) -> None:
    base, here = Build("base", tmp_path), Build("here", tmp_path)
    order = [(number, build.name) for number, build in turns([base, here], 3)]
    assert order == [(1, "base"), (1, "here"), (2, "here"), (2, "base"), (3, "base"), (3, "here")]


def test_a_row_compares_the_medians_of_the_rounds() -> None:
    found = by_figure(
        *(measured("tests", "base", seconds) for seconds in (90.0, 100.0, 500.0)),
        *(measured("tests", "here", seconds) for seconds in (50.0, 40.0, 45.0)),
    )
    row = found["tests: seconds"]
    assert (row.base, row.here, row.ratio) == (100.0, 45.0, 0.45)
    assert found["tests: CPU"].ratio == 0.45


def test_a_round_that_failed_counts_for_nothing() -> None:
    found = by_figure(measured("run", "base", 100.0), measured("run", "here", 1.0, status=2))
    assert found["run: seconds"].here is None
    assert found["run: seconds"].ratio is None


def test_a_part_that_only_one_build_has_is_shown_without_a_ratio() -> None:
    found = by_figure(measured("check", "here", 80.0))
    assert (found["check: seconds"].base, found["check: seconds"].ratio) == (None, None)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table(found.values()))
    [line] = [line for line in capture.get().splitlines() if "check: seconds" in line]
    assert line.split() == ["check:", "seconds", "—", "80.0", "s", "—"]


def test_a_part_may_have_figures_of_two_commands() -> None:
    found = by_figure(
        *(measured(part, build, seconds) for part in ("fleet", "clean") for build, seconds in TIMES.items())
    )
    assert [name for name in found if "seconds" in name] == ["fleet: seconds", "clean: seconds"]
    assert found["clean: seconds"].ratio == 0.5


@pytest.mark.parametrize(("up", "parts"), [(0, ["fleet", "clean"]), (1, ["fleet"])])
def test_a_fleet_is_cleaned_only_if_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, up: int, parts: list[str]
) -> None:
    @contextlib.contextmanager
    def account(build: Build) -> Iterator[Callable[..., list[str]]]:
        def local(*arguments: str) -> list[str]:
            code = f"import sys; sys.exit({up} if 'up' in {arguments!r} else 0)"
            return [sys.executable, "-c", code]

        yield local

    monkeypatch.setattr(builds, "account", account)
    (tmp_path / ".local").mkdir()
    found = builds.fleet(Build("here", tmp_path), 1)
    assert [one.part for one in found] == parts
    assert [*(tmp_path / ".local").iterdir()] == []


def test_the_package_is_compared_by_its_bytes() -> None:
    both = (measured("package", "base", 1, value=900_000), measured("package", "here", 1, value=300_000))
    found = by_figure(*both)
    assert found["package: bytes"].ratio == pytest.approx(1 / 3)
    assert list(found) == ["package: bytes"]


@pytest.mark.parametrize(
    ("command", "counts"),
    [
        ([".venv/bin/python", "-m", "pytest", "-q"], True),
        (["/w/.venv/bin/python3.11", "/w/.venv/bin/pytest", "-q"], True),
        (["python", "-m", "local_account", "--state", "/tmp/pytest-of-ana/pytest-0/state"], False),
        (["git", "-C", "/tmp/pytest-of-ana/pytest-0/clone", "push"], False),
        (["make", "test"], False),
        ([], False),
    ],
)
def test_only_pytest_counts_as_pytest(command: list[str], counts: bool) -> None:
    assert is_pytest(command) is counts


def test_this_process_counts_as_pytest() -> None:
    assert is_pytest(psutil.Process().cmdline())


def test_a_command_is_measured_with_what_it_waited_for(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    code = f"import subprocess as s, sys; s.run([sys.executable, '-c', {busy!r}]); print('said'); sys.exit(3)"
    found, said = measure("tests", Build("here", tmp_path), 2, [sys.executable, "-c", code])
    assert (found.part, found.build, found.round, found.status, said) == ("tests", "here", 2, 3, "said\n")
    assert found.cpu_seconds >= 0.2
    assert found.seconds > 0


def test_neither_build_sees_the_others_environment_or_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MLOPS_X"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("DOCKER_HOST", "unix:///somewhere")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/ca.pem")
    found = own_environment()
    assert {name for name in found if name.startswith(("AWS_", "PYTHON", "MAKE", "MLOPS_"))} == {
        "AWS_CA_BUNDLE"
    }
    assert found["DOCKER_HOST"] == "unix:///somewhere"


@pytest.mark.parametrize("module", ["lab_helpers/instructor/package.py", "lab_helpers/deploy.py"])
def test_the_package_is_found_in_both_layouts(tmp_path: Path, module: str) -> None:
    path = tmp_path / module
    path.parent.mkdir(parents=True)
    path.write_text("def package(root): return b'x' * 7\n")
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    found = builds.package(Build("base", tmp_path), 1)
    assert (found.status, found.value) == (0, 7.0)


def test_a_build_without_the_target_has_no_such_figure(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("test: bootstrap\n\ttrue\n")
    assert builds.check(Build("base", tmp_path), 1) is None
    assert Build("here", ROOT).has_target("check")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [(("--only", "tests,speed"), "no such part: speed; choose from tests,"), (("--rounds", "0"), "--rounds")],
)
def test_what_it_cannot_measure_is_refused_before_anything_is_made(
    wrong: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        builds.main(["--base", "HEAD", *wrong])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
