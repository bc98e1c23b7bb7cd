"""What is under way, updated in place: a table whose clock ticks, the newest lines of a log, and links.

A notebook keeps only the last of these frames, whoever runs it (Jupyter's `update_display_data`). A
terminal or a file gets the rows that have changed, and no clock.
"""

from __future__ import annotations

import html
import json
import math
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lab_helpers.display import Table, in_notebook

LOG_LINES = 4
"""Lines of a log that are shown while it grows; always as many, so that the page does not jump."""
WIDTH = 110
"""Characters of such a line."""
TICK = 1.0
"""Seconds between two frames."""
REDRAW = 0.25
"""Seconds between two frames of lines that come faster than they can be read."""
_SAID = """<div role="status" style="position:absolute;width:1px;height:1px;overflow:hidden;\
clip-path:inset(50%)"></div><script>(() => {{
  const region = document.currentScript.previousElementSibling;
  if (Date.now() < {until}) setTimeout(() => {{ region.textContent = {text}; }}, 200);
}})()</script>"""
"""A screen reader says what changes in a live region that is there, not one that comes with its text. What is
saved with the notebook says nothing when it is opened again."""
_SAID_SECONDS = 60
"""How far apart the clocks of the kernel and of the browser may be."""


@dataclass(frozen=True)
class Frame:
    """What is shown at one moment: a table and, below it, the newest lines of a log.

    `said` is what has just changed: a screen reader says it, at its next pause. It is not shown. A frame that
    is `settled` is not replaced by one of the next second.
    """

    table: Table
    log: tuple[str, ...] = ()
    said: str = ""
    settled: bool = False

    def __repr__(self) -> str:
        return "\n".join([repr(self.table), *(f"  | {line}" for line in self._lines())])

    def _repr_html_(self) -> str:
        log = _Text(self._lines(), LOG_LINES)._repr_html_() if self.log else ""
        return self.table.html(focusable=self.settled) + log + (_said(self.said) if self.said else "")

    def _lines(self) -> tuple[str, ...]:
        return tuple(_clipped(line) for line in self.log[-LOG_LINES:])


class _Links:
    """Links to other pages, in a line of their own: a link that is replaced each second cannot be used."""

    def __init__(self, links: Mapping[str, str]) -> None:
        self._links = links

    def __repr__(self) -> str:
        return "\n".join(f"{what}: {url}" for what, url in self._links.items())

    def _repr_html_(self) -> str:
        return " · ".join(
            f'<a href="{html.escape(url)}" target="_blank" rel="noopener">{html.escape(what)}</a>'
            for what, url in self._links.items()
        )


class Live:
    """A table that is updated: replaced in place in a notebook, changed rows printed elsewhere.

    Screen readers say the rows that have changed, unless `announces` is false: numbers change every second.
    """

    def __init__(self, *, announces: bool = True) -> None:
        self._announces = announces
        self._shown: Table | None = None
        self._frame = ""
        self._links: dict[str, str] = {}
        self._table_id, self._links_id = uuid.uuid4().hex, uuid.uuid4().hex

    def show(self, table: Table, *, now: Frame | None = None) -> None:
        """Show `table` instead of the previous one; do nothing if both read the same.

        In a notebook, `now` is shown instead: the same table as it is this second.
        """
        if in_notebook():
            frame = now or Frame(table, settled=True)
            if (text := repr(frame)) != self._frame:
                said = "; ".join(self._changed(table)) if self._announces else ""
                self._replace(replace(frame, said=said), self._table_id, again=bool(self._frame))
                self._frame = text
        elif self._shown is None:
            print(table)
        elif repr(table) != repr(self._shown):
            print("\n".join(self._changed(table)))
        self._shown = table

    def _changed(self, table: Table) -> list[str]:
        """Return the rows that the previous table had not; nothing if there was none."""
        before = self._shown.rows if self._shown else table.rows
        return ["  ".join(cell for cell in row if cell) for row in table.rows if row not in before]

    def link(self, what: str, url: str) -> None:
        """Show a link above the table, once; further links join it."""
        if what in self._links:
            return
        self._links[what] = url
        if in_notebook():
            self._replace(_Links(self._links), self._links_id, again=len(self._links) > 1)
        else:
            print(f"{what}: {url}")

    def _replace(self, what: object, display_id: str, *, again: bool) -> None:
        from IPython.display import display  # noqa: PLC0415 (a terminal does not need it)

        display(what, display_id=display_id, update=again)


def tick(seconds: float, show: Callable[[], None], sleep: Callable[[float], None] = time.sleep) -> None:
    """Sleep for `seconds`, and call `show` once a second meanwhile."""
    slices = max(math.ceil(seconds / TICK), 1)
    for number in range(slices):
        sleep(seconds / slices)
        if number < slices - 1:
            show()


def _clipped(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _said(text: str) -> str:
    quoted = json.dumps(text).replace("<", "\\u003c")
    return _SAID.format(until=int(1000 * (time.time() + _SAID_SECONDS)), text=quoted)


def newest(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the last lines that say something, as many as a frame shows."""
    said: Sequence[str] = [line.rstrip() for line in lines if line.strip()]
    return tuple(said[-LOG_LINES:])


class Steps:
    """What a program that runs here prints: its steps stay, and the newest lines below them come and go.

    A terminal gets the steps only.
    """

    def __init__(self) -> None:
        self._steps: list[str] = []
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._display_id, self._drawn = uuid.uuid4().hex, 0.0

    def step(self, line: str) -> None:
        """Add a line that stays."""
        self._lines.clear()
        if in_notebook():
            self._steps.append(_clipped(line))
            self._draw()
        else:
            print(_clipped(line))

    def add(self, line: str) -> None:
        """Show a line of the current step, at most a few times a second."""
        self._lines.append(_clipped(line))
        if in_notebook() and time.monotonic() - self._drawn >= REDRAW:
            self._draw()

    def settle(self) -> None:
        """Leave the steps."""
        if self._lines and in_notebook():
            self._lines.clear()
            self._draw()

    def _draw(self) -> None:
        from IPython.display import display  # noqa: PLC0415 (a terminal does not need it)

        frame = _Text((*self._steps, *(f"    | {line}" for line in self._lines)))
        display(frame, display_id=self._display_id, update=bool(self._drawn))
        self._drawn = time.monotonic()


@dataclass(frozen=True)
class _Text:
    """Lines of text, as a program prints them; at least as high as `height` lines."""

    lines: tuple[str, ...]
    height: int = 0

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        text = html.escape("\n".join([*self.lines, *[" "] * (self.height - len(self.lines))]))
        # Lines of a log are cut where the window ends: if they wrapped, the page would jump.
        style = ' style="white-space:pre;overflow:hidden;text-overflow:ellipsis"' if self.height else ""
        return f"<pre{style}>{text}</pre>"
