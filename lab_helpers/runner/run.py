"""A whole run: planned notebooks in, output notebooks, pages and a summary out."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import FrameType

from lab_helpers.runner.execute import Observer, Result, run_notebook
from lab_helpers.runner.kernels import Kernels
from lab_helpers.runner.plan import PlannedNotebook
from lab_helpers.runner.report import write_index, write_page, write_summary


def run(
    notebooks: Sequence[PlannedNotebook],
    output: Path,
    kernel: str | None,
    observer: Observer,
    waited: float = 0.0,
) -> list[Result]:
    """Run the notebooks in order until one does not succeed; the rest has the status `not run`.

    `output` gets the executed notebooks, a page of each, `index.html` and `summary.json`, also after a
    failure and after an interrupt (SIGINT or SIGTERM), which ends with the results so far. `waited` are the
    seconds that the run waited for its instance before.
    """
    output.mkdir(parents=True, exist_ok=True)
    started, start = datetime.now().astimezone(), time.monotonic()
    results = [Result(planned.name) for planned in notebooks]
    pages: list[Future[Path]] = []

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    # A page is rendered while the next notebook runs, which mostly waits for containers.
    with Kernels(kernel) as kernels, ThreadPoolExecutor(1, thread_name_prefix="pages") as renderer:
        try:
            for index, planned in enumerate(notebooks):
                target = output / planned.path.name
                kernels.boot_ahead(notebooks[index : index + 2], output)
                try:
                    results[index] = run_notebook(planned, target, kernels, _Keep(observer, results, index))
                finally:
                    if target.exists():
                        pages.append(renderer.submit(write_page, target))
                if results[index].status != "succeeded":
                    break
        except KeyboardInterrupt:
            pass  # the result says so
        finally:
            signal.signal(signal.SIGTERM, former)
    for page in pages:
        page.result()
    seconds = time.monotonic() - start
    write_summary(output, results, started, seconds, waited)
    write_index(output, results, started, seconds)
    return results


class _Keep:
    """Hands everything on and keeps the result, which an interrupt would lose."""

    def __init__(self, observer: Observer, results: list[Result], index: int) -> None:
        self._results, self._index = results, index
        self.notebook_started = observer.notebook_started
        self.cell_started = observer.cell_started
        self.cell_output = observer.cell_output
        self.cell_finished = observer.cell_finished
        self._finished = observer.notebook_finished

    def notebook_finished(self, result: Result) -> None:
        self._results[self._index] = result
        self._finished(result)
