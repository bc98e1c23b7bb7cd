"""Measured times in the notebooks and the README: written from a run's summary, never guessed.

A notebook says `<!-- measured:NN -->` behind its teaching and exercise minutes; what follows on that line is
replaced. In the README the last cell of each table row that links to a notebook is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path


class TimesError(Exception):
    """A summary that holds no complete run, or a place for a time that is missing."""


def read(summary: Path) -> dict[str, float]:
    """Return seconds by notebook name of a run (`summary.json`); raises TimesError unless all succeeded."""
    document = json.loads(summary.read_text(encoding="utf-8"))
    if document["status"] != "succeeded":
        raise TimesError(f"{summary} is of a run that {document['status']}: measure one that succeeded")
    return {notebook["name"]: float(notebook["seconds"]) for notebook in document["notebooks"]}


def write_notebook(path: Path, seconds: float) -> None:
    """Write the time behind the notebook's marker; raises TimesError where it has none."""
    text = path.read_text(encoding="utf-8")
    number = path.name[:2]
    marker = re.compile(rf"<!-- measured:{number} -->[^\"\\]*")
    if not marker.search(text):
        raise TimesError(f"{path} has no <!-- measured:{number} -->")
    told = f"<!-- measured:{number} --> Unattended, it runs in {_round(seconds)}."
    path.write_text(marker.sub(told, text), encoding="utf-8")


def write_table(path: Path, seconds: Mapping[str, float]) -> None:
    """Write the times into the rows of a Markdown file; raises TimesError where a notebook has no row."""
    text = path.read_text(encoding="utf-8")
    for name, one in seconds.items():
        row = re.compile(
            rf"^(\|[^\n]*\(notebooks/{re.escape(name)}\.ipynb\)[^\n]*\|)[^|\n]*\|$", re.MULTILINE
        )
        if not row.search(text):
            raise TimesError(f"{path} has no table row that links to notebooks/{name}.ipynb")
        text = row.sub(rf"\g<1> {_round(one)} |", text)
    path.write_text(text, encoding="utf-8")


def _round(seconds: float) -> str:
    return f"{max(round(seconds), 1)} s"
