import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab_helpers.runner.execute import Observer, Result, cell_title
from lab_helpers.runner.kernels import KernelMissingError, Kernels, choose_kernel
from lab_helpers.runner.plan import PlannedNotebook, plan
from lab_helpers.runner.run import run as run_with
from tests.checkout import ROOT
from tests.lab_helpers.runner.conftest import Make

pytestmark = [pytest.mark.usefixtures("kernels"), pytest.mark.slow]


def run(planned: list[PlannedNotebook], output: Path, observer: Observer) -> list[Result]:
    with Kernels(None) as kernels:
        return run_with(planned, output, kernels, observer)


def kernels_left() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "ipykernel_launcher" in " ".join(one.cmdline())]


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def notebook_started(self, name: str, cells: int) -> None:
        self.events.append(("notebook", name, cells))

    def cell_started(self, number: int, title: str) -> None:
        self.events.append(("cell", number, title))

    def cell_output(self, line: str) -> None:
        self.events.append(("output", line))

    def cell_finished(self, number: int, title: str, seconds: float, failed: bool) -> None:
        self.events.append(("end", number, failed))

    def notebook_finished(self, result: Result) -> None:
        self.events.append(("finished", result.name, result.status))


def test_a_run_executes_all_notebooks_and_writes_outputs_pages_and_a_summary(
    notebook: Make, tmp_path: Path
) -> None:
    notebook("01_a.ipynb", "## Greeting", "print('hello', n)", parameters="n = 1")
    notebook("02_b.ipynb", "# look around\nimport os; print(os.getcwd())")
    recorder, output = Recorder(), tmp_path / "out"
    results = run(plan(tmp_path / "notebooks", parameters=["n=7"]), output, recorder)
    assert [result.status for result in results] == ["succeeded", "succeeded"]
    assert not kernels_left(), "no kernel outlives the run"
    assert ("output", "hello 7") in recorder.events
    assert ("output", str(tmp_path / "notebooks")) in recorder.events, "cells run in the notebooks' folder"
    assert ("cell", 3, "Greeting") in recorder.events
    assert ("cell", 1, "look around") in recorder.events
    summary = json.loads((output / "summary.json").read_text())
    assert summary["status"] == "succeeded"
    assert [one["executed"] for one in summary["notebooks"]] == [3, 1]
    assert "hello 7" in (output / "01_a.html").read_text()
    assert 'href="02_b.html"' in (output / "index.html").read_text()


def test_a_failing_cell_ends_the_run_and_is_named_with_its_cause(notebook: Make, tmp_path: Path) -> None:
    notebook("01_a.ipynb", "1", "# divide\n1/0", "2")
    notebook("02_b.ipynb", "1")
    output = tmp_path / "out"
    results = run(plan(tmp_path / "notebooks"), output, Recorder())
    assert [result.status for result in results] == ["failed", "not run"]
    assert not kernels_left(), "the next notebook's kernel ended, too"
    failure = json.loads((output / "summary.json").read_text())["notebooks"][0]["failure"]
    assert (failure["cell"], failure["title"], failure["error"]) == (2, "divide", "ZeroDivisionError")
    assert failure["message"] == "division by zero"
    assert "\x1b" not in failure["traceback"]
    index = (output / "index.html").read_text()
    assert "01_a.html#papermill-error-cell" in index
    assert 'id="papermill-error-cell"' in (output / "01_a.html").read_text(), "the target of the link exists"


def test_a_kernel_that_dies_is_a_failure_of_the_cell_that_killed_it(notebook: Make, tmp_path: Path) -> None:
    notebook("01_a.ipynb", "# crash\nimport os; os._exit(3)")
    [result] = run(plan(tmp_path / "notebooks"), tmp_path / "out", Recorder())
    assert result.status == "failed"
    assert result.failure is not None
    assert (result.failure.cell, result.failure.error) == (1, "DeadKernelError")


def test_a_kernel_that_cannot_start_is_a_failure_of_its_notebook(
    notebook: Make, tmp_path: Path, kernels: Path
) -> None:
    notebook("01_a.ipynb", "1")
    notebook("02_b.ipynb", "1", kernel="gone")
    spec = kernels / "kernels" / "gone"
    spec.mkdir()
    (spec / "kernel.json").write_text('{"argv": ["/no/python"], "display_name": "x", "language": "python"}')
    results = run(plan(tmp_path / "notebooks"), tmp_path / "out", Recorder())
    assert [result.status for result in results] == ["succeeded", "failed"]
    assert results[1].failure is not None
    assert "/no/python" in results[1].failure.message


def test_the_workshops_kernel_wins_and_a_missing_one_is_named(notebook: Make, kernels: Path) -> None:
    path = notebook("01_a.ipynb", "1", kernel="nowhere")
    assert choose_kernel([PlannedNotebook(path)]) == "mlops-workshop"
    (kernels / "kernels" / "mlops-workshop" / "kernel.json").unlink()
    with pytest.raises(KernelMissingError, match="kernel nowhere is not installed"):
        choose_kernel([PlannedNotebook(path)])
    with pytest.raises(KernelMissingError, match="kernel other is not installed"):
        choose_kernel([PlannedNotebook(path)], "other")


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("# Push it\ngit()", "Push it"),
        ("%%writefile base/app.py\nimport x", "write base/app.py"),
        ("x = 1\n# later", "Heading"),
    ],
)
def test_a_cell_is_named_by_its_comment_its_file_or_the_heading_above(source: str, title: str) -> None:
    assert cell_title(source, "Heading") == title


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_cell_and_its_kernel_and_keeps_what_ran(
    notebook: Make, tmp_path: Path, number: int
) -> None:
    marks = tmp_path / "marks"
    notebook(
        "01_a.ipynb",
        "print('before')",
        f"""# wait
import os, time, pathlib
try:
    pathlib.Path({str(marks)!r}).write_text(str(os.getpid()))
    time.sleep(600)
finally:
    pathlib.Path({str(marks)!r} + '.cleaned').touch()""",
    )
    notebook("02_b.ipynb", "1")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "lab_helpers",
            "run",
            "--directory",
            str(tmp_path / "notebooks"),
            "--output",
            str(tmp_path / "out"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "WORKSHOP_HOME": str(tmp_path / "nowhere")},
    )
    deadline = time.monotonic() + 120
    while not (marks.exists() and marks.read_text()):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
        time.sleep(0.05)
    process.send_signal(number)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert Path(f"{marks}.cleaned").exists(), "the cell could clean up after itself"
    assert not Path(f"/proc/{marks.read_text()}").exists(), "the kernel is gone"
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [one["status"] for one in summary["notebooks"]] == ["interrupted", "not run"]
    assert summary["notebooks"][0]["failure"]["title"] == "wait"
    assert summary["notebooks"][0]["executed"] == 1
    assert "before" in (tmp_path / "out" / "01_a.ipynb").read_text()


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("raise SystemExit", "SystemExit", "before its last cell"),
        ("exit()", "exit()", "before its last cell"),
        ("import sys; sys.exit('no quota')", "SystemExit", "no quota"),
        ("%lod_ext autoreload", "UsageError", "%lod_ext"),
        ("%%writefile\n1", "UsageError", "filename"),
    ],
)
def test_the_cell_that_ends_a_notebook_early_is_named_with_the_reason(
    notebook: Make, tmp_path: Path, source: str, error: str, said: str
) -> None:
    notebook("01_a.ipynb", "1", source, "print('last')")
    notebook("02_b.ipynb", "1")
    results = run(plan(tmp_path / "notebooks"), tmp_path / "out", Recorder())
    assert [result.status for result in results] == ["failed", "not run"]
    failure = results[0].failure
    assert failure is not None
    assert (failure.cell, failure.error) == (2, error)
    assert said in failure.message
    assert 'id="papermill-error-cell"' in (tmp_path / "out/01_a.html").read_text()


@pytest.mark.parametrize("source", ["raise SystemExit", "exit()"])
def test_the_last_cell_may_end_the_notebook(notebook: Make, tmp_path: Path, source: str) -> None:
    notebook("01_a.ipynb", "1", source, "## The end")
    [result] = run(plan(tmp_path / "notebooks"), tmp_path / "out", Recorder())
    assert (result.status, result.executed, result.cells) == ("succeeded", 2, 2)


def test_a_cell_that_is_tagged_to_raise_may_raise(notebook: Make, tmp_path: Path) -> None:
    path = notebook("01_a.ipynb", "1/0", "%lod_ext x")
    document = json.loads(path.read_text())
    document["cells"][0]["metadata"]["tags"] = ["raises-exception"]
    path.write_text(json.dumps(document))
    [result] = run(plan(tmp_path / "notebooks"), tmp_path / "out", Recorder())
    assert result.failure is not None
    assert (result.failure.cell, result.failure.error) == (2, "UsageError")
    assert "ZeroDivisionError" not in result.failure.traceback, "that was the cell before"


def test_whatever_a_cell_prints_its_notebook_runs_and_stays_small(notebook: Make, tmp_path: Path) -> None:
    alternate = "for n in range(3000):\n    print('e', file=sys.stderr, flush=True); print('o', flush=True)"
    notebook(
        "01_a.ipynb", f"import sys\n{alternate}", "print('x' * 30_000_000)\nprint('end')", "print('last')"
    )
    [result] = run(plan(tmp_path / "notebooks"), tmp_path / "out", Recorder())
    assert result.status == "succeeded", result.failure
    written = tmp_path / "out/01_a.ipynb"
    assert written.stat().st_size < 15_000_000
    assert written.read_text().count("were not kept") == 2
    assert "last" in written.read_text()


def test_an_interrupt_between_two_notebooks_is_an_interrupt(notebook: Make, tmp_path: Path) -> None:
    class Stopping(Recorder):
        def notebook_finished(self, result: Result) -> None:
            raise KeyboardInterrupt

    notebook("01_a.ipynb", "1")
    notebook("02_b.ipynb", "1")
    results = run(plan(tmp_path / "notebooks"), tmp_path / "out", Stopping())
    assert [result.status for result in results] == ["succeeded", "interrupted"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["status"] == "interrupted"
