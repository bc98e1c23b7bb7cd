"""Compare two builds of the workshop on this machine, in turn: this checkout and an earlier commit.

python -m benchmarks.builds --base REF [--only tests,check,package,provision,fleet,run] [--rounds 1]

REF is checked out into its own worktree, with its own environment; its layout may differ. Every figure is
measured for both builds in the same run, and comes with the machine's load at that moment.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[1]
# Where `package(root)` is, newest layout first.
PACKAGE = """
import importlib, pathlib, sys
sys.path.insert(0, ".")
for name in ("lab_helpers.instructor.package", "lab_helpers.deploy.package", "lab_helpers.deploy"):
    try:
        package = importlib.import_module(name).package
    except (ImportError, AttributeError):
        continue
    print(len(package(pathlib.Path.cwd())))
    break
else:
    sys.exit("no package(root) in this build")
"""
SAMPLE_SECONDS = 0.5
FLEET = 30
GRANT = f"""
import boto3
for code in ("L-04CE2E67", "L-E17566B7"):
    boto3.client("service-quotas").request_service_quota_increase(
        ServiceCode="sagemaker", QuotaCode=code, DesiredValue={FLEET}
    )
"""
"""A new account may have 8 notebook instances, 20 of them of the labs' type."""


@dataclass(frozen=True)
class Measurement:
    """One figure of one build: what a command took, or the bytes that it printed."""

    part: str
    build: str
    round: int
    load: float
    """The machine's one-minute load average at the start."""
    seconds: float
    cpu_seconds: float
    """User and system time of the command and of its children, without containers and daemons."""
    pytest_peak_mb: float = 0.0
    """Resident memory of the largest pytest process at its peak, in 10^6 bytes; 0 if none ran."""
    value: float | None = None
    """Bytes of the package."""
    status: int = 0
    """Exit status of the command; figures of a failed command are marked, and not compared."""


@dataclass(frozen=True)
class Build:
    """A checkout whose environment is ready."""

    name: str
    root: Path

    @property
    def python(self) -> str:
        """Path of its environment's Python."""
        return str(self.root / ".venv" / "bin" / "python")

    def has_target(self, target: str) -> bool:
        """Return whether its Makefile has this target."""
        return any(
            line.startswith(f"{target}:") for line in (self.root / "Makefile").read_text().splitlines()
        )


Part = Callable[[Build, int], Measurement | Sequence[Measurement] | None]


def is_pytest(command: Sequence[str]) -> bool:
    """Return whether a command line runs pytest.

    Programs that tests start have paths with `pytest` in their arguments (its temporary directory): those
    don't count.
    """
    program, *arguments = command or [""]
    if not Path(program).name.startswith(("python", "pytest")):
        return False
    return (
        Path(program).name == "pytest"
        or arguments[:2] == ["-m", "pytest"]
        or (bool(arguments) and Path(arguments[0]).name == "pytest")
    )


class PytestMemory:
    """Samples the resident memory of the pytest processes below one process until it is closed."""

    def __init__(self, root: psutil.Process) -> None:
        self.peak_mb = 0.0
        self._root, self._over = root, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            with contextlib.suppress(psutil.Error):
                for process in self._root.children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        if is_pytest(process.cmdline()):
                            self.peak_mb = max(self.peak_mb, process.memory_info().rss / 1e6)

    def close(self) -> float:
        """Stop sampling and return the peak in 10^6 bytes."""
        self._over.set()
        self._thread.join()
        return self.peak_mb


def measure(
    part: str, build: Build, number: int, argv: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[Measurement, str]:
    """Run a command in a build; return its figures, and what it printed."""
    load, begin = os.getloadavg()[0], time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            argv,
            cwd=build.root,
            env={**own_environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
        memory = PytestMemory(psutil.Process(process.pid))
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
        finally:
            peak = memory.close()
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begin
        output.seek(0)
        said = output.read()
    cpu = usage.ru_utime + usage.ru_stime
    return Measurement(part, build.name, number, load, seconds, cpu, peak, status=process.returncode), said


def own_environment() -> dict[str, str]:
    """Return this process's environment without variables that point to another build or to an account."""
    alien = ("AWS_", "PYTHON", "PYTEST_", "MAKE", "MFLAGS", "VIRTUAL_ENV", "MLOPS_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(alien) or name == "AWS_CA_BUNDLE"
    }


def tests(build: Build, number: int) -> Measurement:
    """`make test`."""
    return _told(*measure("tests", build, number, ["make", "test"]))


def check(build: Build, number: int) -> Measurement | None:
    """`make check`; None if a build has no such target."""
    if not build.has_target("check"):
        return None
    return _told(*measure("check", build, number, ["make", "check"]))


def package(build: Build, number: int) -> Measurement:
    """The size in bytes of the package that a notebook instance fetches."""
    measured, said = measure("package", build, number, [build.python, "-c", PACKAGE])
    if measured.status:
        return _told(measured, said)
    return Measurement(**{**asdict(measured), "value": float(said.split()[-1])})


def provision(build: Build, number: int) -> Measurement:
    """`fleet up` for one lab in an empty account that is already running, until its instance is ready."""
    with account(build) as local, tempfile.NamedTemporaryFile("w", prefix="mlops-", suffix=".csv") as roster:
        roster.write("name,lab_id\nAna,ana\n")
        roster.flush()
        command = [build.python, "-m", "lab_helpers", "fleet", "up", roster.name, "--json"]
        return _told(*measure("provision", build, number, local("exec", "--", *command)))


def fleet(build: Build, number: int) -> list[Measurement]:
    """`fleet up` for FLEET labs in an empty account that runs already, then `clean` of all of them."""
    found: list[Measurement] = []
    labs = "".join(f"Participant {lab},p{lab}\n" for lab in range(1, FLEET + 1))
    with account(build) as local:
        roster = build.root / ".local" / f"builds-{os.getpid()}.csv"
        roster.write_text(f"name,lab_id\n{labs}")
        _call(build, local("exec", "--", build.python, "-c", GRANT))  # an older build may have no quotas
        try:
            for part, arguments in (
                ("fleet", ("fleet", "up", str(roster), "--json")),
                ("clean", ("clean", "--all", "--yes", "--json")),
            ):
                command = local("exec", "--", build.python, "-m", "lab_helpers", *arguments)
                found.append(_told(*measure(part, build, number, command)))
                if found[-1].status:
                    break  # what is left of a fleet that was not made takes less time to delete
        finally:
            roster.unlink()
    return found


def run(build: Build, number: int) -> Measurement:
    """`make run` with its own state: engine, account, stacks, and all notebooks."""
    with tempfile.TemporaryDirectory(prefix="mlops-builds-", ignore_cleanup_errors=True) as directory:
        state = Path(directory) / "state"
        arguments = f"ARGS=--state {state} --port 0 --output {directory}/run"
        try:
            return _told(*measure("run", build, number, ["make", "run", arguments]))
        finally:
            _call(build, _local(build, state, "reset", "--yes"))


@contextlib.contextmanager
def account(build: Build) -> Iterator[Callable[..., list[str]]]:
    """Start a build's local account; yield a function that returns the command line of `local …` for it."""
    (build.root / ".local").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mlops-builds-", ignore_cleanup_errors=True) as directory:
        state = Path(directory) / "state"
        try:
            _call(build, _local(build, state, "up", "--port", "0"), check=True)
            yield lambda command, *arguments: _local(build, state, command, *arguments)
        finally:
            _call(build, _local(build, state, "reset", "--yes"))


def _local(build: Build, state: Path, command: str, *arguments: str) -> list[str]:
    return [build.python, "-m", "lab_helpers", "local", command, "--state", str(state), *arguments]


def _call(build: Build, argv: Sequence[str], *, check: bool = False) -> None:
    done = subprocess.run(
        argv,
        cwd=build.root,
        env=own_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)} failed in {build.root}:\n{(done.stdout + done.stderr)[-3000:]}")


def _told(measured: Measurement, said: str) -> Measurement:
    if measured.status:
        print(
            f"{measured.part} of {measured.build} failed with exit status {measured.status}:", file=sys.stderr
        )
        print(said[-4000:], file=sys.stderr)
    return measured


PARTS: dict[str, Part] = {
    "tests": tests,
    "check": check,
    "package": package,
    "provision": provision,
    "fleet": fleet,
    "run": run,
}


@contextlib.contextmanager
def base_build(ref: str) -> Iterator[Build]:
    """Check out `ref` in a temporary directory, create its environment, and remove both afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="mlops-base-"))
    root = directory / "base"
    git = ["git", "-C", str(REPOSITORY), "worktree"]
    subprocess.run([*git, "add", "--detach", "--quiet", str(root), ref], check=True)
    try:
        bootstrap(root)
        yield Build("base", root)
    finally:
        subprocess.run([*git, "remove", "--force", str(root)], check=False)
        shutil.rmtree(directory, ignore_errors=True)


def bootstrap(root: Path) -> None:
    """Create the environment of a checkout, as its `make` would."""
    subprocess.run([".ci/bootstrap"], cwd=root, env=own_environment(), check=True)


def turns(builds: Sequence[Build], rounds: int) -> Iterator[tuple[int, Build]]:
    """Yield each build once per round, alternating which is first: a machine that changes favors neither."""
    for number in range(rounds):
        for build in builds if number % 2 == 0 else reversed(builds):
            yield number + 1, build


@dataclass(frozen=True)
class Row:
    """One line of the table: medians of both builds; None if a build has no such figure."""

    figure: str
    unit: str
    base: float | None
    here: float | None

    @property
    def ratio(self) -> float | None:
        """This checkout's figure divided by the base's."""
        return self.here / self.base if self.here is not None and self.base else None


def rows(measurements: Iterable[Measurement]) -> list[Row]:
    """Return one row for each figure; rounds that failed are left out."""
    good = [one for one in measurements if one.status == 0]
    found: list[Row] = []
    for part in dict.fromkeys(one.part for one in good):
        of_part = [one for one in good if one.part == part]
        figures: list[tuple[str, str, Callable[[Measurement], float | None]]] = [
            ("seconds", "s", lambda one: one.seconds),
            ("CPU", "s", lambda one: one.cpu_seconds),
            ("pytest's peak", "MB", lambda one: one.pytest_peak_mb or None),
            ("load before", "", lambda one: one.load),
        ]
        if part == "package":
            figures = [("bytes", "B", lambda one: one.value)]
        for figure, unit, value in figures:
            base, here = (
                [read for one in of_part if one.build == build and (read := value(one)) is not None]
                for build in ("base", "here")
            )
            if base or here:
                found.append(Row(f"{part}: {figure}", unit, _median(base), _median(here)))
    return found


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def table(compared: Iterable[Row]) -> Table:
    """Return the rows for a terminal."""
    shown = Table(box=None, padding=(0, 2, 0, 0))
    shown.add_column("figure", no_wrap=True)
    for title in ("base", "here", "here / base"):
        shown.add_column(title, justify="right", no_wrap=True)
    for row in compared:
        ratio = "—" if row.ratio is None or not row.unit else f"{row.ratio:.2f}"
        shown.add_row(row.figure, _amount(row.base, row.unit), _amount(row.here, row.unit), ratio)
    return shown


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "—"
    return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}".strip()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the chosen parts of both builds; exit status 1 if a command of one failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.builds", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--base", required=True, metavar="REF", help="a commit, tag or branch")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas (default: all)")
    parser.add_argument("--rounds", type=int, default=1, help="how often each part is measured (default: 1)")
    parser.add_argument("--output", type=Path, default=Path("builds.json"), help="default: builds.json")
    arguments = parser.parse_args(argv)
    chosen = [name.strip() for name in arguments.only.split(",")]
    if unknown := [name for name in chosen if name not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is ended then too
    measurements: list[Measurement] = []
    bootstrap(REPOSITORY)
    with base_build(arguments.base) as base:
        for part in (name for name in PARTS if name in chosen):
            for number, build in turns([Build("here", REPOSITORY), base], arguments.rounds):
                print(f"{part} of {build.name}, round {number}", file=sys.stderr, flush=True)
                if measured := PARTS[part](build, number):
                    measurements += [measured] if isinstance(measured, Measurement) else measured
                    # Figures measured so far are kept, whatever comes next.
                    document = {"base": arguments.base, "cpus": os.cpu_count()}
                    document["measurements"] = [asdict(one) for one in measurements]
                    arguments.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    console = Console()
    console.print(table(rows(measurements)))
    console.print(f"every figure: {arguments.output}", highlight=False)
    return int(any(one.status for one in measurements))


if __name__ == "__main__":
    raise SystemExit(main())
