"""Tables and code that read well in Jupyter, in papermill's output notebooks and in a terminal."""

from __future__ import annotations

import ast
import html
import re
import sys
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab_helpers.errors import WorkshopError

MARKS = {
    "Succeeded": "✓",
    "Failed": "✗",
    "Abandoned": "✗",
    "Stopped": "✗",
    "Cancelled": "✗",
    "InProgress": "▶",
    "Waiting": "‖",
    "": "·",
}
"""One character per status of a CodePipeline action or execution: readable without color, in any font."""


def mark(status: str) -> str:
    """Return the status with its mark in front, for a table cell."""
    return f"{MARKS.get(status, '•')} {status or 'Pending'}"


def duration(seconds: float | None) -> str:
    """`65.2` -> `1 min 05 s`, `3.24` -> `3.2 s`, None -> nothing."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


def ticking(seconds: float) -> str:
    """Return a duration that grows while it is watched, in whole seconds: `65.2` -> `1 min 05 s`."""
    return duration(seconds) if seconds >= 60 else f"{int(max(seconds, 0))} s"


def size(count: float) -> str:
    """Return a readable number of bytes: `1536` -> `1.5 KB`."""
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GB"


def framed(title: str, page: str, height: int) -> str:
    """Return HTML that shows a page in a frame of `height` pixels.

    The page's style sheet is its own; no script of it runs, and no link of it leads away.
    """
    return (
        f'<iframe sandbox title="{html.escape(title)}" '
        f'style="width:100%;height:{height}px;border:1px solid #8c959f" '
        f'srcdoc="{html.escape(page)}"></iframe>'
    )


class Table:
    """Rows of text under headers: an HTML table for notebooks, aligned text everywhere else."""

    def __init__(self, headers: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> None:
        self.headers = [str(header) for header in headers]
        self.rows = [["" if cell is None else str(cell) for cell in row] for row in rows]
        self.caption = caption

    def __repr__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.headers, *self.rows, strict=True)]
        lines = [self.caption] if self.caption else []
        for row in (self.headers, *self.rows):
            lines.append(
                "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return self.html()

    def html(self, *, focusable: bool = True) -> str:
        """Return the table in a box that scrolls if the window is narrow.

        A box that can have the focus is scrolled with the arrow keys; leave that out if the box is replaced
        every second.
        """
        label = html.escape(self.caption or f"Table: {', '.join(filter(None, self.headers))}")
        # Otherwise JupyterLab would take the arrow keys, and the two keys that delete a cell.
        keyboard = f' role="region" tabindex="0" aria-label="{label}" data-lm-suppress-shortcuts="true"'
        caption = f"<caption><b>{html.escape(self.caption)}</b></caption>" if self.caption else ""
        head = "".join(
            f'<th scope="col" style="text-align:left">{_wrapping(one)}</th>' for one in self.headers
        )
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in self.rows)
        return (
            f'<div style="overflow-x:auto"{keyboard if focusable else ""}><table>{caption}'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )


class Tabular(ABC):
    """A record that shows itself as its table."""

    @abstractmethod
    def table(self) -> Table:
        """Return what is shown."""

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


class CodeError(WorkshopError, LookupError):
    """A file does not define the name to show; the message lists what it does define."""


class Code:
    """Code from a Python file: highlighted in notebooks, plain text with line numbers everywhere else.

    `Code("base_image/rows.py", "RowReader.read", "JSON")` shows these definitions, in this order: functions,
    classes, methods and variables; without names, the whole file. The file is read when the object is
    created. Raises CodeError if the file does not define a name, FileNotFoundError if there is no such file.
    """

    def __init__(self, path: str | Path, *names: str) -> None:
        self.path = Path(path)
        source = self.path.read_text(encoding="utf-8")
        lines = source.splitlines()
        self.parts: list[tuple[int, str]] = []
        """Line number, counted from 1, and text of each part."""
        if not names:
            self.parts.append((1, source.rstrip("\n")))
            return
        found = dict(_definitions(ast.parse(source, str(path))))
        for name in names:
            if name not in found:
                raise CodeError(
                    f"{path} does not define {name}. It defines {', '.join(found)}. "
                    "Did you rename it, or do this notebook and the file have different versions?"
                )
            first, last = found[name]
            self.parts.append((first, textwrap.dedent("\n".join(lines[first - 1 : last]))))

    def __repr__(self) -> str:
        return "\n\n".join(f"# {self.path}:{line}\n{text}" for line, text in self.parts)

    def _repr_markdown_(self) -> str:
        text = repr(self)
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text) or [""]))
        return f"{fence}python\n{text}\n{fence}"


def _definitions(node: ast.Module | ast.ClassDef, owner: str = "") -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the dotted name of each definition, with its first and its last line."""
    for child in node.body:
        lines = child.lineno, child.end_lineno or child.lineno
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            decorated = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
            yield f"{owner}{child.name}", (decorated, lines[1])
            if isinstance(child, ast.ClassDef):
                yield from _definitions(child, f"{owner}{child.name}.")
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            for target in child.targets if isinstance(child, ast.Assign) else [child.target]:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        yield f"{owner}{name.id}", lines


UNBROKEN = 12
"""Characters of a cell that stays on one line, such as a status after its mark."""
_PARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[-_/.:=,])(?<!\b\d\d:)(?=\w)")
"""Where a line may end within a name, an ARN or an address, but not within a time of day."""


INDENT = "\u2003"
"""Begins a cell of a tree once for each level. HTML keeps it, and it is 1 em wide."""


def _cell(text: str) -> str:
    if len(text) <= UNBROKEN:
        return f'<td style="text-align:left;white-space:nowrap">{html.escape(text)}</td>'
    levels = len(text) - len(text.lstrip(INDENT))
    # Else the second line of a long name would begin at the left edge, among the names of other levels.
    hanging = f";padding-left:{levels + 1.5}em;text-indent:-{levels + 1}em" if levels else ""
    return f'<td style="text-align:left;overflow-wrap:break-word{hanging}">{_wrapping(text)}</td>'


def _wrapping(text: str) -> str:
    """Return text as HTML whose long words can be broken, so that a table fits beside the file browser."""
    return "<wbr>".join(html.escape(part) for part in _PARTS.split(text))


def in_notebook() -> bool:
    """Return whether a Jupyter kernel runs this process (also under papermill)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")
