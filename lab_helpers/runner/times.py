"""Measured times in the notebooks and the README: taken from a run's summary, never guessed.

A notebook has `<!-- measured:NN -->` after its teaching and exercise minutes; the rest of that line is
replaced. In the README, the last cell of each table row that links to a notebook is replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path


class TimesError(Exception):
    """The summary is not of a complete run, or the place for a time is missing."""


def read(summary: Path) -> dict[str, float]:
    """Return seconds by notebook name from `summary.json`; raises TimesError unless all succeeded."""
    try:
        document = json.loads(summary.read_text(encoding="utf-8"))
        status = document["status"]
        seconds = {notebook["name"]: float(notebook["seconds"]) for notebook in document["notebooks"]}
    except (ValueError, LookupError, TypeError) as error:
        raise TimesError(f"{summary} is not the summary.json of a run: give runs/…/summary.json") from error
    if status != "succeeded":
        raise TimesError(f"{summary} is of a run with the status {status}: use a run that succeeded")
    return seconds


def write_notebook(path: Path, seconds: float) -> None:
    """Write the time after the notebook's marker; raises TimesError if it has none."""
    text = path.read_text(encoding="utf-8")
    number = path.name.partition("_")[0]
    marker = re.compile(rf"<!-- measured:{number} -->[^\"\\]*")
    if not marker.search(text):
        raise TimesError(f"{path} has no <!-- measured:{number} -->: put it where the time belongs")
    told = f"<!-- measured:{number} --> Unattended, it runs in {_round(seconds)}."
    path.write_text(marker.sub(told, text), encoding="utf-8")


def write_table(path: Path, seconds: Mapping[str, float]) -> None:
    """Write the times into the table of a Markdown file; raises TimesError if a notebook has no row."""
    text = path.read_text(encoding="utf-8")
    for name, one in seconds.items():
        row = re.compile(
            rf"^(\|[^\n]*\(notebooks/{re.escape(name)}\.ipynb\)[^\n]*\|)[^|\n]*\|$", re.MULTILINE
        )
        if not row.search(text):
            raise TimesError(f"{path} has no table row that links to notebooks/{name}.ipynb: add one")
        text = row.sub(rf"\g<1> {_round(one)} |", text)
    path.write_text(text, encoding="utf-8")


def _round(seconds: float) -> str:
    return f"{max(round(seconds), 1)} s"
