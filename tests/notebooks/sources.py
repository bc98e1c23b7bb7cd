"""The files that learners write: their only copy is in the notebooks' `%%writefile` cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
MAGIC = "%%writefile "


def cells(notebook: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """Return the cells of a notebook, of one kind (`code`, `markdown`) or all; `source` is one string."""
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    for cell in found:
        cell["source"] = "".join(cell["source"])
    return [cell for cell in found if kind in {None, cell["cell_type"]}]


def written_by(notebook: Path) -> list[tuple[str, str]]:
    """Return (target, content) of each `%%writefile` cell; IPython ends the content with a newline."""
    written = []
    for cell in cells(notebook, "code"):
        if cell["source"].startswith(MAGIC):
            line, _, content = cell["source"].partition("\n")
            written.append((line.removeprefix(MAGIC).strip(), content + "\n"))
    return written


def all_written() -> dict[str, str]:
    """Return every file that the notebooks write, by its path in the exercises' directory."""
    return dict(pair for notebook in NOTEBOOKS for pair in written_by(notebook))


def materialise(directory: Path) -> Path:
    """Write all of them under `directory`, as running the notebooks would."""
    for target, content in all_written().items():
        (directory / target).parent.mkdir(parents=True, exist_ok=True)
        (directory / target).write_text(content, encoding="utf-8")
    return directory


def python(notebook: Path) -> str:
    """Return the code cells as one Python module, without the files that they write."""
    return "\n".join(
        cell["source"] for cell in cells(notebook, "code") if not cell["source"].startswith("%%")
    )
