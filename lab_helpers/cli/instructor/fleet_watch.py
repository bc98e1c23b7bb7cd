"""`fleet status`, `fleet watch` and `fleet open`: how the class is doing."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lab_helpers.cli import ui
from lab_helpers.cli.instructor import labs
from lab_helpers.commands import typed

if TYPE_CHECKING:
    from lab_helpers.instructor.fleet.report import Row
    from lab_helpers.instructor.fleet.roster import Participant

OptionalRoster = Annotated[
    Path | None, typer.Argument(help="CSV file. Default: every lab in the account.", show_default=False)
]
_STEPS = {"done": ("●", "green"), "here": ("◉", "bold cyan"), "": ("○", "dim")}


def status(
    roster: OptionalRoster = None,
    as_json: labs.Json = False,
    region: labs.Region = None,
) -> None:
    """Show which notebook each participant has reached, what failed and why, and what runs at what cost.

    The progress is read from the account: images, executions, endpoints, stacks, and what each notebook
    instance reports about its provisioning. The notebook shown is the first without a result. `changed` is
    how long ago something of the lab last changed in the account: an execution, an image, the instance's
    status. Cells that run on the instance cannot be seen from outside.

    **Examples**

    - `fleet status roster.csv`
    - `fleet status`  # every lab in the account
    - `fleet status roster.csv --json | jq '.[] | select(.failures != [])'`

    Exit status: 0 nothing failed, 1 something did, 2 usage error, 130 interrupted.
    """
    with ui.readable_errors():
        from botocore.exceptions import BotoCoreError, ClientError

        participants = _participants(roster)
        account = labs.connect(region)
        screen = ui.console()
        try:
            with ui.console(stderr=True).status("querying the account …"):
                rows = _rows(account, participants)
        except (BotoCoreError, ClientError) as error:
            ui.fail(str(error), ui.FAILED)
            return
        if as_json:
            print(json.dumps([row.document() for row in rows], indent=1, ensure_ascii=False))
        else:
            screen.print(_shown(rows))
    raise typer.Exit(ui.FAILED if any(row.progress.failures for row in rows) else 0)


def watch(
    roster: OptionalRoster = None,
    interval: Annotated[int, typer.Option("--interval", min=1, help="Seconds between updates.")] = 10,
    page: Annotated[
        Path | None, typer.Option("--html", help="Also write a page for the projector to this file.")
    ] = None,
    names: Annotated[
        bool, typer.Option("--names/--no-names", help="Show names on the page, or lab ids only.")
    ] = True,
    looks: Annotated[int | None, typer.Option("--looks", min=1, help="Stop after this many updates.")] = None,
    region: labs.Region = None,
) -> None:
    """Show `fleet status` continuously, in place. Press Ctrl-C to stop.

    The page reloads itself at the same interval. It shows names, progress and failures, and needs no server:
    open the file in a browser.

    **Examples**

    - `fleet watch roster.csv`
    - `fleet watch roster.csv --html room.html --no-names`
    """
    with ui.readable_errors():
        from botocore.exceptions import BotoCoreError, ClientError

        from lab_helpers.instructor.fleet.page import page as make_page
        from lab_helpers.instructor.fleet.page import write_page

        participants = _participants(roster)
        account, screen = labs.connect(region), ui.console()
        said, count = "", 0
        with Live(console=screen, auto_refresh=False) as live:
            try:
                while True:
                    try:
                        rows = _rows(account, participants)
                        note = ""
                    except (BotoCoreError, ClientError) as error:
                        # A network outage must not end the watch: keep showing what was last read.
                        rows, note = [], f"the account does not answer; trying again: {error}"
                    if rows and page:
                        write_page(page, make_page(rows, datetime.now(UTC), interval, names=names))
                    if screen.is_terminal:
                        live.update(Group(_shown(rows), Text(note, style="red")) if rows else Text(note))
                        live.refresh()
                    else:
                        said = _changes(screen, rows, note, said)
                    count += 1
                    if count == looks:
                        return
                    time.sleep(interval)
            except KeyboardInterrupt:
                return


def open_(
    lab: Annotated[
        list[str] | None,
        typer.Argument(help="Lab ids. Default: the lab without one, `default`.", show_default=False),
    ] = None,
    hours: Annotated[int, typer.Option("--hours", min=1, max=12, help="How long the session lasts.")] = 12,
    start: Annotated[
        bool, typer.Option("--start", help="If the instance is stopped, start it and wait.")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser", help="Open it in the browser, too.")] = False,
    region: labs.Region = None,
) -> None:
    """Print a URL that opens a participant's JupyterLab; for several labs, a line for each.

    Anyone who has the URL can use it; it is valid for five minutes.

    **Examples**

    - `fleet open --browser`
    - `fleet open ana`
    - `fleet open ana bob chen`
    - `fleet open ana --start --browser`
    """
    with ui.readable_errors():
        account = labs.connect(region)
        asked = labs.given(lab or ["default"], None)
        failed = False
        for lab_id in asked:
            try:
                with ui.console(stderr=True).status(f"opening {labs.called(lab_id)} …"):
                    url = _url(account, lab_id, hours, start=start)
            except typer.Exit:  # the reason is on the screen; the others get their URLs
                failed = True
                continue
            print(url if len(asked) == 1 else f"{labs.called(lab_id)}  {url}", flush=True)
            if browser:
                typer.launch(url)
    raise typer.Exit(ui.FAILED if failed else 0)


def _url(account: labs.Account, lab_id: str, hours: int, *, start: bool) -> str:
    """Return the URL of a lab's JupyterLab; exit with the reason if it cannot be opened."""
    from botocore.exceptions import BotoCoreError, ClientError

    from lab_helpers.instructor.deploy import start_instance
    from lab_helpers.names import Names
    from lab_helpers.stacks import DeployError

    sagemaker, instance = account.clients("sagemaker"), Names(lab_id).notebook_instance
    try:
        found = sagemaker.describe_notebook_instance(NotebookInstanceName=instance)
        if found["NotebookInstanceStatus"] != "InService":
            if not start:
                ui.fail(
                    f"notebook instance {instance} is {found['NotebookInstanceStatus']}: "
                    f"start it with `{typed(f'fleet open {labs.called(lab_id)} --start')}`",
                    ui.FAILED,
                )
            start_instance(sagemaker, instance, False, lambda line: ui.console(stderr=True).print(line))
        answer = sagemaker.create_presigned_notebook_instance_url(
            NotebookInstanceName=instance, SessionExpirationDurationInSeconds=hours * 3600
        )
    except (DeployError, BotoCoreError, ClientError) as error:
        ui.fail(labs.missing(account, lab_id) if "RecordNotFound" in str(error) else str(error), ui.FAILED)
        raise
    return in_jupyterlab(answer["AuthorizedUrl"])


def in_jupyterlab(authorized_url: str) -> str:
    """Return the URL that opens JupyterLab, as the console's *Open JupyterLab* does.

    On AWS, the URL that CreatePresignedNotebookInstanceUrl returns opens the older Jupyter.
    """
    return authorized_url + ("&" if "?" in authorized_url else "?") + "view=lab"


def _participants(roster: Path | None) -> list[Participant] | None:
    from lab_helpers.instructor.fleet.roster import RosterError, read_roster

    try:
        return read_roster(roster) if roster else None
    except RosterError as error:
        ui.fail(str(error), ui.USAGE)
        raise


def _rows(account: labs.Account, participants: Sequence[Participant] | None) -> list[Row]:
    from lab_helpers.instructor.fleet.report import read_rows

    return read_rows(account.clients, participants, account.region)


def _shown(rows: Sequence[Row]) -> Group | Text:
    """Return the table, with failures below it."""
    from lab_helpers.instructor.fleet.progress import ago
    from lab_helpers.instructor.fleet.report import total

    if not rows:
        return Text(f"There are no labs. Create them with `{typed('fleet up roster.csv')}`.")
    table = Table(
        *("participant", "lab", "notebook", "now", "endpoints", "USD/h", "changed"),
        box=None,
        padding=(0, 2, 0, 0),
    )
    failures: list[Text] = []
    for row in rows:
        progress = row.progress
        steps = Text(" ").join([Text(_STEPS[one][0], style=_STEPS[one][1]) for one in row.steps])
        endpoints = ", ".join(
            f"{one.name.removeprefix(row.participant.names.prefix).removeprefix('iris-model-')}"
            f"{'' if one.status == 'InService' else f' {one.status}'}"
            f"{f' ×{one.instances}' if one.instances > 1 else ''}"
            for one in progress.endpoints
        )
        doing = Text("✗ failed", style="bold red") if progress.failures else Text(progress.doing)
        table.add_row(
            Text(row.participant.name, no_wrap=True, overflow="ellipsis"),
            row.participant.lab_id or "default",
            steps + Text(f" {progress.reached}"),
            doing,
            endpoints,
            Text("?" if row.hourly is None else f"{row.hourly:.2f}", justify="right"),
            ago(progress.last_activity),
        )
        failures += [
            Text("✗ ", style="bold red") + Text(f"{row.name}: {one.what}: {one.why}")
            for one in progress.failures
        ]
    clock = f"{datetime.now().astimezone():%H:%M:%S}"
    summary = f"{labs.counted(len(rows))}, {total(rows):.2f} USD per hour, as of {clock}"
    return Group(table, *failures, Text(summary, style="dim"))


def _changes(screen: Console, rows: Sequence[Row], note: str, said: str) -> str:
    """Print the table if its content has changed, where there is no terminal; return its content."""
    now = json.dumps([[row.name, row.progress.reached, row.progress.doing] for row in rows]) + note
    if now != said:
        screen.print(_shown(rows) if rows else Text(note))
    return now
