"""The package's own errors in a real kernel: the message, no traceback, and the whole text on request."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from lab_helpers.runner.plan import plan
from tests.checkout import ROOT
from tests.lab_helpers.runner.conftest import Make
from tests.lab_helpers.runner.test_run import Recorder, run

pytestmark = [pytest.mark.usefixtures("kernels"), pytest.mark.slow]


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel finds the package of this checkout."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


FAILS = """
from lab_helpers.checkpoint import checkpoint
checkpoint("there is a model", False, fix="run notebook 02 to the end")
"""


def test_a_failing_checkpoint_shows_its_message_and_no_traceback(notebook: Make, tmp_path: Path) -> None:
    notebook("01_a.ipynb", FAILS)
    output = tmp_path / "out"
    [result] = run(plan(tmp_path / "notebooks"), output, Recorder())
    [error] = nbformat.read(output / "01_a.ipynb", as_version=4).cells[-1].outputs
    shown = "\n".join(error.traceback)
    assert shown.startswith("\x1b[1m✗ not true: there is a model.")
    assert "Traceback" not in shown
    assert len(shown.splitlines()) <= 5
    # What papermill, the page and the summary say has the whole message.
    assert error.evalue == "✗ not true: there is a model.\n  What to do: run notebook 02 to the end"
    assert result.failure
    assert result.failure.error == "CheckpointFailed"
    assert result.failure.message == error.evalue
    summary = json.loads((output / "summary.json").read_text())
    assert summary["notebooks"][0]["failure"]["message"] == error.evalue
    assert "run notebook 02 to the end" in (output / "01_a.html").read_text()


def test_a_message_of_megabytes_fills_neither_the_notebook_nor_the_terminal(
    notebook: Make, tmp_path: Path
) -> None:
    notebook("01_a.ipynb", "raise ValueError('first ' + 'x' * 5_000_000 + ' last')")
    output = tmp_path / "out"
    [result] = run(plan(tmp_path / "notebooks"), output, Recorder())
    assert result.failure
    assert result.failure.error == "ValueError"
    assert result.failure.message.startswith("first x")
    assert result.failure.message.endswith("x last")
    assert "characters …]" in result.failure.message
    assert (output / "01_a.ipynb").stat().st_size < 1_000_000


def test_the_traceback_is_there_on_request(notebook: Make, tmp_path: Path) -> None:
    path = notebook("01_a.ipynb", FAILS, "%tb Verbose")
    written = nbformat.read(path, as_version=4)
    written.cells[-2].metadata.tags = ["raises-exception"]
    written.cells[-1].metadata.tags = ["raises-exception"]
    nbformat.write(written, path)
    output = tmp_path / "out"
    run(plan(tmp_path / "notebooks"), output, Recorder())
    outputs = nbformat.read(output / "01_a.ipynb", as_version=4).cells[-1].outputs
    shown = "\n".join(line for one in outputs for line in one.get("traceback", []))
    assert "Traceback (most recent call last)" in shown
    assert 'checkpoint("there is a model", False' in shown


FOLLOWS = """
import time
from lab_helpers.display import Table
from lab_helpers.live import Live, Frame, tick
live, began = Live(), time.monotonic()
def show():
    clock = Table(["stage", "time"], [["Build", f"{time.monotonic() - began:.6f} s"]])
    live.show(Table(["stage", "time"], [["Build", ""]]), now=Frame(clock, ("Collecting numpy",)))
live.link("execution in the console", "http://127.0.0.1/x")
tick(200, show, lambda _: time.sleep(0.005))
live.show(Table(["stage", "time"], [["Build", "3.0 s"]]))
"""


def test_an_hour_of_pictures_leaves_one_in_the_notebook(notebook: Make, tmp_path: Path) -> None:
    notebook("01_a.ipynb", FOLLOWS)
    output = tmp_path / "out"
    recorder = Recorder()
    run(plan(tmp_path / "notebooks"), output, recorder)
    assert ("output", "| Collecting numpy") in recorder.events, "a run shows what is happening, too"
    links, table = nbformat.read(output / "01_a.ipynb", as_version=4).cells[-1].outputs
    assert "http://127.0.0.1/x" in links.data["text/html"]
    assert "3.0 s" in table.data["text/plain"]
    assert "Collecting" not in table.data["text/html"]
    assert (output / "01_a.ipynb").stat().st_size < 5_000
