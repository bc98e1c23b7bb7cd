"""`run`: run the notebooks from the first cell to the last."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from lab_helpers.cli import ui


def run(
    notebooks: Annotated[
        str | None, typer.Option("--notebooks", "-n", help="Notebooks to run: `01,03-04`. Default: all.")
    ] = None,
    participant: Annotated[
        str | None, typer.Option("--participant", help="Lab id: the notebooks' parameter `lab_id`.")
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--parameters", "-p", help="`name=value`, `03.name=value` or a YAML file; repeatable."),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", help="Folder of the notebooks. Default: the instance's `notebooks`."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for outputs and pages. Default: `runs/<time>`."),
    ] = None,
    kernel: Annotated[
        str | None, typer.Option("--kernel", help="Jupyter kernel. Default: `mlops-workshop`.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also show cells that finish quickly.")
    ] = False,
) -> None:
    """Run the notebooks in order with papermill and stop at the first failure.

    Writes the executed notebooks, a page for each, `index.html` and `summary.json`. Exit status: 0 all
    succeeded, 1 a notebook failed (the cell and the cause are shown), 2 usage error, 130 interrupted.
    """
    import boto3

    from lab_helpers.lab import LabError, wait_until_provisioned
    from lab_helpers.runner import run as runner
    from lab_helpers.runner.kernels import (
        WORKSHOP_KERNEL,
        KernelMissingError,
        Kernels,
        choose_kernel,
        installed,
    )
    from lab_helpers.runner.plan import PlanError, plan
    from lab_helpers.runner.progress import Progress
    from lab_helpers.runner.report import overall

    home = Path(os.environ.get("WORKSHOP_HOME", "/home/ec2-user/SageMaker"))
    with ui.readable_errors():
        if directory is None:
            directory = home / "notebooks" if (home / "notebooks").is_dir() else Path("notebooks")
        if participant is not None:
            from lab_helpers.names import Names

            Names(participant)
        screen = ui.console()
        steps = ui.Steps(screen)
        output = (output or Path("runs") / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}").resolve()
        with contextlib.ExitStack() as open_kernels:
            kernels = None
            try:
                if (home / ".workshop").is_dir():
                    with steps.step("provisioning"):
                        wait = functools.partial(
                            wait_until_provisioned,
                            home,
                            timeout=1800,
                            sleep=lambda _: time.sleep(0.05),
                            report=steps.report,
                            session=boto3.Session,
                        )
                        # Boot a kernel while the nested stacks are still being deployed.
                        exercises = home / ".workshop" / "exercises.json"
                        wait(enough=lambda: exercises.exists() and WORKSHOP_KERNEL in installed())
                        with contextlib.suppress(PlanError, KernelMissingError):  # reported below
                            first = plan(directory.resolve(), notebooks, participant, parameters or ())[:1]
                            kernels = open_kernels.enter_context(Kernels(choose_kernel(first, kernel)))
                            ui.make_folder("--output", output)
                            kernels.boot_ahead(first, output)
                        wait()
                planned = plan(directory.resolve(), notebooks, participant, parameters or ())
                chosen = choose_kernel(planned, kernel)
                ui.make_folder("--output", output)
            except PlanError as error:
                ui.fail(str(error), ui.USAGE)
            except (LabError, KernelMissingError) as error:
                ui.fail(str(error), ui.FAILED)
            kernels = kernels or open_kernels.enter_context(Kernels(chosen))
            with Progress(screen, verbose) as progress:
                waited = steps.seconds.get("provisioning", 0.0)
                results = runner.run(planned, output, kernels, progress, waited=waited)
    status = overall(results)
    for result in results:
        if result.failure:
            ui.console(stderr=True).print(
                f"{result.status} in {result.name}{result.failure.where}\n  {result.failure.cause}",
                markup=False,
                soft_wrap=True,
            )
    screen.print(f"pages: {output / 'index.html'}", soft_wrap=True)
    raise typer.Exit({"succeeded": 0, "interrupted": ui.INTERRUPTED}.get(status, ui.FAILED))
