"""Run a notebook with papermill, observed cell by cell."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from nbformat import NotebookNode
from papermill.execute import prepare_notebook_metadata
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from lab_helpers.display import mark
from lab_helpers.runner.cells import CellFailedError, Client, Manager, plain
from lab_helpers.runner.kernels import Kernels, kernel_log
from lab_helpers.runner.plan import PlannedNotebook

START_SECONDS = 60
Status = Literal["succeeded", "failed", "interrupted", "not run"]


@dataclass(frozen=True)
class Failure:
    """Where and why a notebook stopped early."""

    cell: int
    """Number among the code cells, from 1; 0 if no cell was reached."""
    title: str
    error: str
    message: str
    traceback: str = ""

    @property
    def where(self) -> str:
        """The cell, as it follows the notebook's name; empty if no cell was reached."""
        return f", cell {self.cell} ({self.title})" if self.cell else ""

    @property
    def cause(self) -> str:
        """The exception and its message, if it has one."""
        return f"{self.error}: {self.message}" if self.message else self.error


@dataclass
class Result:
    """The outcome of one notebook."""

    name: str
    status: Status = "not run"
    seconds: float = 0.0
    cells: int = 0
    executed: int = 0
    output: Path | None = None
    failure: Failure | None = None


class Observer(Protocol):
    """Receives events as they happen."""

    def notebook_started(self, name: str, cells: int) -> None: ...  # noqa: D102
    def cell_started(self, number: int, title: str) -> None: ...  # noqa: D102
    def cell_output(self, line: str) -> None: ...  # noqa: D102
    def cell_finished(self, number: int, title: str, seconds: float, failed: bool) -> None: ...  # noqa: D102
    def notebook_finished(self, result: Result) -> None: ...  # noqa: D102


def run_notebook(planned: PlannedNotebook, output: Path, kernels: Kernels, observer: Observer) -> Result:
    """Run one notebook in its own directory and write it, with its outputs, to `output`.

    Returns a Result whatever happens in the notebook. KeyboardInterrupt is raised again after the kernel has
    been interrupted.
    """
    result = Result(planned.name, output=output)
    watch = _Watch(observer, result)
    start, kernel = time.monotonic(), None
    try:
        kernel = kernels.take(planned, output)
        nb = load_notebook_node(str(planned.path))
        if planned.parameters:
            nb = parameterize_notebook(nb, dict(planned.parameters))
        nb = prepare_notebook_metadata(nb, str(planned.path), str(output))
        manager = Manager(nb, output, watch)
        with manager.running():
            client = Client(manager, km=kernel, startup_timeout=START_SECONDS)
            try:
                client.execute()
            finally:
                if client.kc is not None:
                    client.kc.stop_channels()
        result.status = "succeeded"
    except CellFailedError as error:
        result.status = "failed"
        result.failure = Failure(watch.number, watch.title, error.error, error.message, error.traceback)
    except KeyboardInterrupt:
        result.status = "interrupted"
        result.failure = Failure(watch.number, watch.title, "Interrupted", "the run was stopped in this cell")
        raise
    except Exception as error:  # the kernel died or did not start, or the file is not a notebook
        result.status = "failed"
        log = kernel_log(output)
        said = log.read_text(errors="replace")[-4000:] if log.exists() else ""
        result.failure = Failure(watch.number, watch.title, type(error).__name__, str(error), said)
    finally:
        if kernel is not None:
            kernels.retire(kernel)
        result.seconds = time.monotonic() - start
        observer.notebook_finished(result)
    return result


def cell_title(source: str, heading: str) -> str:
    """Return a title for a code cell: its first comment, the file that it writes, or the heading above it."""
    for line in source.strip().splitlines():
        text = line.strip()
        if text.startswith("%%writefile"):
            return f"write {text.split()[-1]}"
        if text.startswith("#") and not text.startswith("#!"):
            return text.lstrip("# ").strip()[:80]
        if text:
            break
    first = source.strip().splitlines()[0] if source.strip() else ""
    return (heading or first)[:80]


class _Watch:
    """Turns papermill's calls for all cells into the observer's for code cells."""

    def __init__(self, observer: Observer, result: Result) -> None:
        self.observer, self.result = observer, result
        self.number, self.title, self._heading, self._start = 0, "", "", 0.0

    def begin(self, cells: Sequence[NotebookNode]) -> None:
        self.result.cells = sum(cell.cell_type == "code" for cell in cells)
        self.observer.notebook_started(self.result.name, self.result.cells)

    def cell_start(self, cell: NotebookNode) -> None:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+\s+(.*)$", cell.source, flags=re.MULTILINE)
            self._heading = headings[-1] if headings else self._heading
        elif cell.cell_type == "code":
            self.number += 1
            self.title, self._start = cell_title(cell.source, self._heading), time.monotonic()
            self.observer.cell_started(self.number, self.title)

    def cell_end(self, cell: NotebookNode) -> None:
        if cell.cell_type == "code":
            failed = cell.metadata.papermill["status"] == Manager.FAILED
            self.result.executed += not failed
            self.observer.cell_finished(self.number, self.title, time.monotonic() - self._start, failed)

    def output(self, message: NotebookNode) -> None:
        text = message.get("text", "") if message.get("output_type") == "stream" else ""
        lines = [line for line in plain(text).replace("\r", "\n").splitlines() if line.strip()]
        # A pipeline's table ends with what has not begun; what is happening is above.
        lines = [line for line in lines if mark("") not in line]
        if lines:
            self.observer.cell_output(lines[-1].strip())
