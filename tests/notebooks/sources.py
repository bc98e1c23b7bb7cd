"""The sources of the images: files that notebooks write, and the programs that lie beside the notebooks."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from lab_helpers.exercises import cells, programs, written_by
from tests.checkout import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
DETOURS = sorted((ROOT / "notebooks").glob("[0-9][0-9][a-z]_*.ipynb"))
"""Lessons that a run has only if they are named."""
LESSONS = sorted([*NOTEBOOKS, *DETOURS])
CHALLENGE = ROOT / "notebooks/challenge.ipynb"
SOLUTIONS = sorted((ROOT / "notebooks/solutions").glob("*.ipynb"))
PROGRAMS = ROOT / "notebooks/base_image"
"""The programs of the base image that come with the exercises."""


def all_written() -> dict[str, str]:
    """Return every file that the notebooks write, by its path in the exercises' directory."""
    return dict(pair for notebook in NOTEBOOKS for pair in written_by(notebook))


def given(folder: str) -> dict[str, bytes]:
    """Return the programs that lie in a folder beside the notebooks, by name."""
    return programs(ROOT / "notebooks", folder)


def materialise(directory: Path) -> Path:
    """Write all of them under `directory`, beside the programs, as running the notebooks would."""
    (directory / PROGRAMS.name).mkdir(parents=True, exist_ok=True)
    for name, program in given(PROGRAMS.name).items():
        (directory / PROGRAMS.name / name).write_bytes(program)
    for target, content in all_written().items():
        (directory / target).parent.mkdir(parents=True, exist_ok=True)
        (directory / target).write_text(content, encoding="utf-8")
    return directory


def lost_links(notebook: Path) -> list[str]:
    """Return the links of a notebook's prose to files that do not exist; fails if it has no links at all."""
    text = "\n".join(cell["source"] for cell in cells(notebook, "markdown"))
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links
    return [link for link in links if not (notebook.parent / link).is_file()]


def changes(solution: Path) -> dict[str, list[tuple[str, str]]]:
    """Return what a solution changes in its lesson: every literal `changes…`, by the id of a cell."""
    found: dict[str, list[tuple[str, str]]] = {}
    for node in ast.walk(ast.parse(python(solution))):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("changes"):
            found |= ast.literal_eval(node.value)
    return found


def python(notebook: Path) -> str:
    """Return the code cells as one Python module, without the files that they write."""
    return "\n".join(
        cell["source"] for cell in cells(notebook, "code") if not cell["source"].startswith("%%")
    )
