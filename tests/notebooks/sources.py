"""The files that learners write: their only copy is in the notebooks' `%%writefile` cells."""

from __future__ import annotations

from pathlib import Path

from checkout import ROOT

from lab_helpers.exercises import cells, written_by

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


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
