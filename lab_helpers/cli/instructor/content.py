"""`content`: write the workshop as content of AWS Workshop Studio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_helpers.cli import ui


def content(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the content; it is replaced.")
    ] = Path(".local/workshop-studio"),
) -> None:
    """Write the workshop as content of AWS Workshop Studio: its repository, and in `assets` what it hosts.

    Exit status: 0 written, 2 usage error.
    """
    from lab_helpers.instructor import content as studio

    root = Path(__file__).resolve().parents[3]
    if not (root / "workshop-studio").is_dir():
        ui.fail("workshop-studio/ is missing: run the command from a checkout of the repository", ui.USAGE)
    if output.exists() and not (output / studio.SPEC).exists() and any(output.iterdir()):
        ui.fail(f"--output {output} has other files, which would be deleted: choose a new folder", ui.USAGE)
    ui.make_folder("--output", output)
    files = studio.write(root, output)
    ui.console().print(f"{len(files)} files: {output}", soft_wrap=True)
