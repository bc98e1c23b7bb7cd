"""The progress of a run: a live block on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from lab_helpers.display import duration

if TYPE_CHECKING:
    from lab_helpers.runner.execute import Result

QUIET_SECONDS = 2.0
"""In plain output, faster cells do not get a line."""


class Progress:
    """An `Observer` that writes to a rich console; use it as a context manager."""

    def __init__(self, console: Console, verbose: bool = False) -> None:
        self.console, self._verbose = console, verbose
        self._name, self._cells, self._number, self._title, self._line = "", 0, 0, "", ""
        self._started = self._cell_started = time.monotonic()
        self._spinner = Spinner("dots")
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=8, transient=True)

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def notebook_started(self, name: str, cells: int) -> None:
        """See `Observer`."""
        self._name, self._cells, self._number, self._title, self._line = (
            name,
            cells,
            0,
            "starting the kernel",
            "",
        )
        self._started = self._cell_started = time.monotonic()
        if not self.console.is_terminal:
            self.console.print(f"{name}: {cells} cells", highlight=False, markup=False)

    def cell_started(self, number: int, title: str) -> None:
        """See `Observer`."""
        self._number, self._title, self._line, self._cell_started = number, title, "", time.monotonic()

    def cell_output(self, line: str) -> None:
        """See `Observer`."""
        self._line = line

    def cell_finished(self, number: int, title: str, seconds: float, failed: bool) -> None:
        """See `Observer`."""
        if failed or self._verbose or seconds >= QUIET_SECONDS:
            mark = "[red]✗[/]" if failed else "[green]✓[/]"
            text = Text.from_markup(f"  {mark} [dim]{number:>2}/{self._cells}[/] ")
            text.append(title)
            text.append(f"  {duration(seconds)}", style="dim")
            self.console.print(text, soft_wrap=True)

    def notebook_finished(self, result: Result) -> None:
        """See `Observer`."""
        color = {"succeeded": "green", "failed": "red"}.get(result.status, "yellow")
        line = Text(result.name, style="bold")
        line.append(f"  {result.status}", style=color)
        line.append(f"  {result.executed}/{result.cells} cells  {duration(result.seconds)}", style="dim")
        self.console.print(line, soft_wrap=True)
        self._name = ""

    def _render(self) -> RenderableType:
        if not self._name:
            return Text()
        now = time.monotonic()
        head = Table.grid(padding=(0, 1))
        done = max(self._number - 1, 0)
        head.add_row(
            self._spinner,
            Text(self._name, style="bold"),
            ProgressBar(total=max(self._cells, 1), completed=done, width=24),
            Text(f"{self._number}/{self._cells}  {duration(now - self._started)}"),
        )
        cell = Text(f"  {self._title}  ", no_wrap=True, overflow="ellipsis")
        cell.append(duration(now - self._cell_started), style="dim")
        return Group(head, cell, Text(f"  {self._line}", style="dim", no_wrap=True, overflow="ellipsis"))
