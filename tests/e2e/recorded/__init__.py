"""What the notebooks of a run have answered, compared with what they answered in a recorded run.

A run shows that no cell fails; this shows that a cell answers something else than it did. Notebooks are kept
without outputs, so the record is beside this module: a JSON file for each notebook with the text of each
cell's outputs (of a plot, its alternative text), to be read in a review. `make record` writes it.

nbval compares only what it has executed itself, cell after cell, and a run of all notebooks takes minutes. So
the notebooks of the one run are compared here, by nbval's rules: streams are merged, the order of unlike
outputs does not matter, and what differs from run to run is replaced by the expressions in `sanitize.cfg`, a
file as `--nbval-sanitize-with` reads it. Notebook 00 is run with nbval itself (`test_welcome_notebook.py`).
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbval.plugin import coalesce_streams, get_sanitize_patterns

from tests.checkout import ROOT

LESSONS = Path(__file__).parent
SOLUTIONS = LESSONS / "solutions"
SANITIZE = LESSONS / "sanitize.cfg"
RECORDING = os.environ.get("RECORD") == "1"
"""Tests write the record instead of comparing with it."""
WAITING = "(shown while waiting)"
"""An output that only a slow run shows."""
Block = list[str]
"""The lines of one output."""
Said = dict[str, dict[str, list[Block]]]
"""By a cell's id: its outputs by kind, `stdout`, `stderr`, `text/plain` or `error`."""
_SHOWN = re.compile(r"^# (\S+\.py):\d+\n(.*)$", re.MULTILINE)
"""Where code of a file is shown: its path, the number of a line, and the text of this line."""


def sanitized(text: str) -> str:
    """Return a text without what differs from run to run."""
    for expression, replacement in get_sanitize_patterns(SANITIZE.read_text(encoding="utf-8")):
        text = re.sub(expression, replacement, text)
    return text


def said(notebook: Path) -> Said:
    """Return what the cells of an executed notebook have answered, without what differs from run to run."""
    cells = nbformat.read(notebook, as_version=4).cells
    found: Said = {}
    for cell in cells:
        if cell.cell_type != "code":
            continue
        kinds: dict[str, list[Block]] = {}
        for kind, text in _texts(coalesce_streams(cell.outputs)):
            lines = [line.rstrip() for line in sanitized(text).strip("\n").splitlines()]
            before = kinds.get(kind, [])
            # How often a cell watches the same again, differs.
            if lines not in ([], [WAITING]) and before[-1:] != [lines]:
                kinds[kind] = [*before, lines]
        if kinds:
            found[cell.id] = dict(sorted(kinds.items()))
    return found


def _texts(outputs: list[nbformat.NotebookNode]) -> Iterator[tuple[str, str]]:
    for output in outputs:
        if output.output_type == "stream":
            yield output.name, output.text
        elif output.output_type == "error":
            yield "error", f"{output.ename}: {output.evalue}"
        elif "text/markdown" in output.data and (shown := _SHOWN.findall(output.data["text/plain"])):
            # Reviews see the code itself, in its own file.
            yield "text/plain", "\n".join(f"{path}: {line}" for path, line in shown)
        else:
            yield "text/plain", output.data.get("text/plain", ", ".join(sorted(output.data)))


def of(name: str, record: Path = LESSONS) -> Said:
    """Return the record of a notebook by its name without ending. Raises FileNotFoundError."""
    found: Said = json.loads((record / f"{name}.json").read_text(encoding="utf-8"))
    return found


def write(notebook: Path, record: Path = LESSONS) -> Path:
    """Make what an executed notebook has answered the record."""
    file = record / f"{notebook.stem}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(said(notebook), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return file


def check(notebook: Path, record: Path = LESSONS) -> None:
    """Raise AssertionError, with the differences, if a notebook of a run does not answer what is recorded.

    With RECORD=1 in the environment, its answers become the record instead.
    """
    if RECORDING:
        write(notebook, record)
        return
    file = record / f"{notebook.stem}.json"
    before = of(notebook.stem, record) if file.exists() else {}
    if changes := differences(before, said(notebook)):
        option = " --solutions" if record == SOLUTIONS else ""
        raise AssertionError(
            f"{notebook.stem} does not answer what is recorded in {_shown(file)}.\n"
            + "\n".join(changes)
            + "\nIf the new answers are right, record and review them: `make record` runs everything again; "
            f"`python -m tests.e2e.recorded{option} {notebook.parent}` takes those of this run. "
            "If they differ from run to run, sanitize.cfg beside the record needs an expression for them."
        )


def differences(before: Said, after: Said) -> list[str]:
    """Return the lines that differ, below the ids of their cells; none if both are the same."""
    changes: list[str] = []
    for cell in dict.fromkeys([*before, *after]):
        old, new = _flat(before.get(cell, {})), _flat(after.get(cell, {}))
        if old != new:
            lines = list(difflib.unified_diff(old, new, "recorded", "this run", n=2, lineterm=""))
            changes += [f"cell {cell}:", *(f"    {line}" for line in lines if not line.startswith("@@"))]
    return changes


def _flat(kinds: dict[str, list[Block]]) -> list[str]:
    return [line for kind, blocks in kinds.items() for block in blocks for line in (f"[{kind}]", *block)]


def _shown(file: Path) -> str:
    return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else str(file)
