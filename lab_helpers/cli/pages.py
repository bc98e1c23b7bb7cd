"""`pages`: write the notebooks as pages for reading along."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_helpers.cli import ui


def pages(
    run: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of a run, whose outputs are shown. Default: the newest in `runs`, if any."
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pages.")] = Path(
        ".local/html"
    ),
    directory: Annotated[Path, typer.Option("--directory", help="Folder of the notebooks.")] = Path(
        "notebooks"
    ),
) -> None:
    """Write all notebooks as HTML pages, with the outputs of a run, and the solutions apart from them.

    The pages need no server and load nothing. Exit status: 0 written, 2 usage error.
    """
    from lab_helpers.runner import reading

    if run is not None and not any(run.glob("*.ipynb")):
        ui.fail(
            f"{run} has no executed notebooks: name the folder of a run, such as runs/20260701-093000",
            ui.USAGE,
        )
    run = run or reading.newest_run(Path("runs"))
    found = reading.find(directory, run)
    if not found:
        ui.fail(f"{directory} has no notebooks: give their folder with --directory", ui.USAGE)
    ui.make_folder("--output", output)
    index = reading.write(found, output)
    ui.console().print(
        f"{len(found)} pages {f'with the outputs of {run}' if run else 'without outputs'}: {index}",
        soft_wrap=True,
    )
