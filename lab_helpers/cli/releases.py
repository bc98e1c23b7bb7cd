"""`versions`, `release` and `rollback`: the model registry of the lab, and what PRD serves."""

from __future__ import annotations

from typing import Annotated

import typer

from lab_helpers.cli import ui


def versions() -> None:
    """List the versions in the model registry of this lab, the newest first.

    Exit status: 0 listed, 1 there is no lab here.
    """
    from lab_helpers import registry, releases
    from lab_helpers.errors import WorkshopError
    from lab_helpers.lab import Lab

    try:
        lab = Lab.open()
        found = registry.versions(lab)
        now = releases.serving(lab)
    except WorkshopError as error:
        ui.fail(str(error), ui.FAILED)
    print(registry.table(found) if found else "no versions yet: notebook 03 trains the first model")
    if now is not None:
        print(f"PRD serves version {now.number}.")


def release(
    number: Annotated[int, typer.Argument(help="Number of an approved version, see `versions`.")],
) -> None:
    """Release an approved version to PRD again, through the pipeline's own stage.

    Exit status: 0 PRD serves it, 1 failed.
    """
    _release(number)


def rollback() -> None:
    """Release the approved version before the one that PRD serves.

    Exit status: 0 PRD serves it, 1 failed.
    """
    _release(None)


def _release(number: int | None) -> None:
    from lab_helpers import executions, registry, releases
    from lab_helpers.errors import WorkshopError
    from lab_helpers.lab import Lab

    try:
        lab = Lab.open()
        version = releases.previous(lab) if number is None else registry.version(lab, number)
        execution = releases.release(lab, version)
        if not execution:
            print(f"PRD serves version {version.number} already.")
            return
        print(f"Version {version.number} goes to PRD: execution {execution}")
        executions.follow(lab, lab.names.train_pipeline, execution)
    except WorkshopError as error:
        ui.fail(str(error), ui.FAILED)
    print(f"PRD serves version {version.number}.")
