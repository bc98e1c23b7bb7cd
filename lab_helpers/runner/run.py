"""A whole run: planned notebooks in, output notebooks, pages and a summary out."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import FrameType

from lab_helpers.runner.execute import Failure, Observer, Result, run_notebook
from lab_helpers.runner.kernels import Kernels
from lab_helpers.runner.pages import exporter, write_page
from lab_helpers.runner.plan import PlannedNotebook
from lab_helpers.runner.report import write_index, write_summary


def run(
    notebooks: Sequence[PlannedNotebook],
    output: Path,
    kernels: Kernels,
    observer: Observer,
    *,
    waited: float = 0.0,
) -> list[Result]:
    """Run the notebooks in order until one does not succeed; the rest get the status `not run`.

    `output` gets the executed notebooks, a page for each, `index.html` and `summary.json`, even after a
    failure or an interrupt (SIGINT or SIGTERM), with the results so far. `waited` is the number of seconds
    that the run waited for its instance; a kernel can have started to boot meanwhile.
    """
    output.mkdir(parents=True, exist_ok=True)
    started, start = datetime.now().astimezone(), time.monotonic()
    results = [Result(planned.name) for planned in notebooks]
    pages: list[Future[Path]] = []

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    # Pages are rendered while the next notebook runs, which mostly waits for containers.
    with ThreadPoolExecutor(1, thread_name_prefix="pages") as renderer:
        try:
            for index, planned in enumerate(notebooks):
                target = output / planned.path.name
                _copy_diagrams(planned.path.parent, output)

                def prepare(following: Sequence[PlannedNotebook] = notebooks[index + 1 : index + 2]) -> None:
                    kernels.boot_ahead(following, output)
                    renderer.submit(exporter)

                try:
                    watching = _Keep(observer, results, index, prepare)
                    results[index] = run_notebook(planned, target, kernels, watching)
                finally:
                    if target.exists():
                        pages.append(renderer.submit(write_page, target))
                if results[index].status != "succeeded":
                    break
        except KeyboardInterrupt:
            _record_interrupt(results)
        finally:
            signal.signal(signal.SIGTERM, former)
    for page in pages:
        page.result()
    seconds = time.monotonic() - start
    write_summary(output, results, started, seconds, waited)
    write_index(output, results, started, seconds)
    return results


def _record_interrupt(results: Sequence[Result]) -> None:
    """Say that the run was interrupted, also if no notebook was running at that moment."""
    if any(result.status in {"interrupted", "failed"} for result in results):
        return
    if following := next((result for result in results if result.status == "not run"), None):
        following.status = "interrupted"
        following.failure = Failure(0, "", "Interrupted", "the run was stopped before this notebook")


def _copy_diagrams(notebooks: Path, output: Path) -> None:
    """Copy what the prose shows to where executed notebooks and their pages look for it."""
    if (notebooks / "diagrams").is_dir():
        shutil.copytree(notebooks / "diagrams", output / "diagrams", dirs_exist_ok=True)


class _Keep:
    """Forwards every event and keeps the result, which an interrupt would lose.

    Calls `prepare` in the last quarter of the cells, in which notebooks wait for a pipeline.
    """

    def __init__(
        self, observer: Observer, results: list[Result], index: int, prepare: Callable[[], None]
    ) -> None:
        self._observer, self._results, self._index, self._prepare = observer, results, index, prepare
        self._cells = 0
        self.cell_output = observer.cell_output
        self.cell_finished = observer.cell_finished
        self._finished = observer.notebook_finished

    def notebook_started(self, name: str, cells: int) -> None:
        self._cells = cells
        self._observer.notebook_started(name, cells)

    def cell_started(self, number: int, title: str) -> None:
        self._observer.cell_started(number, title)
        if number == 3 * self._cells // 4 + 1:
            self._prepare()

    def notebook_finished(self, result: Result) -> None:
        self._results[self._index] = result
        self._finished(result)
