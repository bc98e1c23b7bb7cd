"""Run a notebook with papermill, observed cell by cell."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from jupyter_client.manager import AsyncKernelManager
from jupyter_client.utils import run_sync
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook

from lab_helpers.runner.kernels import Kernels, kernel_log
from lab_helpers.runner.plan import PlannedNotebook

INTERRUPT_SECONDS = 10
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
        execute_notebook(
            planned.path,
            output,
            parameters=dict(planned.parameters) or None,
            engine_name=_ENGINE,
            progress_bar=False,
            watch=watch,
            kernel=kernel,
        )
        result.status = "succeeded"
    except PapermillExecutionError as error:
        result.status = "failed"
        result.failure = Failure(
            watch.number, watch.title, error.ename, str(error.evalue), plain("\n".join(error.traceback))
        )
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


def plain(text: str) -> str:
    """Remove the colors of a traceback (ECMA-48 control sequences)."""
    return re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text)


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
            failed = cell.metadata.papermill["status"] == NotebookExecutionManager.FAILED
            self.result.executed += not failed
            self.observer.cell_finished(self.number, self.title, time.monotonic() - self._start, failed)

    def output(self, message: NotebookNode) -> None:
        text = message.get("text", "") if message.get("output_type") == "stream" else ""
        lines = [line for line in plain(text).replace("\r", "\n").splitlines() if line.strip()]
        if lines:
            self.observer.cell_output(lines[-1].strip())


class _Manager(NotebookExecutionManager):  # type: ignore[misc] # papermill has no types
    """Writes the notebook when a code cell starts, every 30 s while it runs, and at the end.

    papermill does so before and after every cell, even prose: more than a second of a short notebook. Here a
    cell's outputs are written when the next cell starts, so nothing is lost.
    """

    watch: _Watch
    saves = True

    def save(self, **kwargs: Any) -> None:
        if self.saves:
            super().save(**kwargs)

    def cell_start(self, cell: NotebookNode, cell_index: int | None = None, **kwargs: Any) -> None:
        self.saves = cell.cell_type == "code"
        super().cell_start(cell, cell_index, **kwargs)
        self.watch.cell_start(cell)

    def cell_complete(self, cell: NotebookNode, cell_index: int | None = None, **kwargs: Any) -> None:
        if sys.exception() is not None:  # called while leaving an interrupted cell, or one whose kernel died
            cell.metadata.papermill["status"] = self.FAILED
        self.saves = False
        super().cell_complete(cell, cell_index, **kwargs)
        self.saves = True
        self.watch.cell_end(cell)


class _Client(PapermillNotebookClient):  # type: ignore[misc] # papermill has no types
    def papermill_execute_cells(self) -> None:
        try:
            super().papermill_execute_cells()
        except KeyboardInterrupt:
            # The kernel is in its own session and did not get the terminal's signal. What a cell started (a
            # docker build, a container) ends with the cell: the kernel answers when that is over, and is shut
            # down only then. Nothing awaits the cell any longer, which asyncio would complain about.
            logging.getLogger("asyncio").setLevel(logging.CRITICAL)
            run_sync(self.km.interrupt_kernel)()
            self.timeout = INTERRUPT_SECONDS
            with contextlib.suppress(Exception):  # a cell that does not respond is killed with its kernel
                self.wait_for_reply(self.kc.kernel_info())
            raise

    def process_message(self, *arguments: Any, **kwargs: Any) -> Any:
        output = super().process_message(*arguments, **kwargs)
        if output:
            self.nb_man.watch.output(output)
        return output


class _ObservedEngine(NBClientEngine):  # type: ignore[misc] # papermill has no types
    """papermill's own engine ("Extending papermill through engines"), with an observer."""

    @classmethod
    def execute_notebook(
        cls,
        nb: NotebookNode,
        kernel_name: str,
        output_path: str | None = None,
        *,
        watch: _Watch,
        kernel: AsyncKernelManager,
        start_timeout: int = 60,
        **_: Any,
    ) -> NotebookNode:
        manager = _Manager(nb, output_path=output_path, progress_bar=False)
        manager.watch = watch
        watch.begin(nb.cells)
        manager.notebook_start()
        client = _Client(
            manager, km=kernel, kernel_name=kernel_name, startup_timeout=start_timeout, timeout=None
        )
        try:
            client.execute()
        finally:
            if client.kc is not None:
                client.kc.stop_channels()
            manager.notebook_complete()
        return manager.nb


_ENGINE = "observed"
papermill_engines.register(_ENGINE, _ObservedEngine)
