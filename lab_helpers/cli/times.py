"""`times`: write measured times into the notebooks and the README."""

from pathlib import Path
from typing import Annotated

import typer

from lab_helpers.cli import ui


def times(
    summary: Annotated[
        Path, typer.Argument(help="`summary.json` of a successful run.", exists=True, dir_okay=False)
    ],
) -> None:
    """Write the measured times of a run into the notebooks and the README of this checkout."""
    from lab_helpers.runner import times as measured

    repository = Path(__file__).resolve().parents[2]
    try:
        seconds = measured.read(summary)
        for name, one in seconds.items():
            measured.write_notebook(repository / "notebooks" / f"{name}.ipynb", one)
        measured.write_table(repository / "README.md", seconds)
    except measured.TimesError as error:
        ui.fail(str(error), ui.FAILED)
    ui.console().print(f"wrote the times of {', '.join(seconds)}; review them with `git diff`")
