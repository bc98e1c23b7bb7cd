"""`doctor`: is the account ready for the event?"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from lab_helpers.cli import ui
from lab_helpers.cli.instructor import labs
from lab_helpers.instructor import defaults

if TYPE_CHECKING:
    from lab_helpers.instructor.doctor import Finding

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}
DEFAULT_SIZE = 10


class SourceProvider(StrEnum):
    """Where labs keep their repositories."""

    CODECOMMIT = "CodeCommit"
    S3 = "S3"


def doctor(
    roster: Annotated[
        Path | None,
        typer.Option(
            "--roster", help="Participants (CSV); what their labs already use is not counted twice."
        ),
    ] = None,
    participants: Annotated[
        int | None,
        typer.Option(
            "--participants",
            "-n",
            min=1,
            help=f"Number of participants, if there is no roster yet. Default: {DEFAULT_SIZE}.",
        ),
    ] = None,
    size: Annotated[int | None, typer.Option("--size", min=1, hidden=True)] = None,
    region: Annotated[str | None, typer.Option("--region", help="AWS Region.")] = None,
    notebook_type: Annotated[
        str, typer.Option("--notebook-type", help="The labs' parameter NotebookInstanceType.")
    ] = defaults.NOTEBOOK_TYPE,
    training_type: Annotated[
        str,
        typer.Option("--training-type", help="Instance type of notebook 03. Default: what the region has."),
    ] = "",
    dev_type: Annotated[
        str,
        typer.Option("--dev-type", help="The labs' parameter DevInstanceType. Default: what the region has."),
    ] = "",
    prd_type: Annotated[
        str,
        typer.Option("--prd-type", help="The labs' parameter PrdInstanceType. Default: what the region has."),
    ] = "",
    source_provider: Annotated[
        SourceProvider, typer.Option("--source-provider", help="The labs' parameter SourceProvider.")
    ] = SourceProvider.CODECOMMIT,
    subnet: Annotated[str, typer.Option("--subnet", help="The labs' parameter SubnetId, if set.")] = "",
    security_groups: Annotated[
        list[str] | None,
        typer.Option("--security-group", help="The labs' parameter SecurityGroupIds; repeatable."),
    ] = None,
    try_build: Annotated[
        bool,
        typer.Option("--try-build", help="Also run a build of a minute: new accounts may be allowed none."),
    ] = False,
    trial: Annotated[
        bool,
        typer.Option("--trial", help="Deploy a lab, try it out on its instance, delete it, write a report."),
    ] = False,
    participant: Annotated[
        str | None, typer.Option("--participant", help="Lab id of the trial.", show_default="trial")
    ] = None,
    notebooks: Annotated[
        str | None, typer.Option("--notebooks", help="Notebooks of the trial: `01,03-04`. Default: all.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Do not delete the lab of the trial.")] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the report of the trial.")
    ] = Path("runs"),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the trial.")] = False,
    as_json: labs.Json = False,
) -> None:
    """Check the account and this machine before an event, without changing anything.

    Shows one screen of findings, each with a remedy: credentials, region, clock, service quotas for the
    number of participants, your permissions, CodeCommit, network, image sources, Docker, disk, versions.

    **Examples**

    - `doctor --participants 30`  # two weeks before the event, as quota increases take days
    - `doctor --roster roster.csv`  # the day before
    - `doctor --try-build`  # in a new account: may it build at all?
    - `doctor --trial`  # a lab with real builds, training and endpoints, for about an hour and a dollar
    - `doctor --participants 30 --json | jq '.findings[] | select(.level != "ok")'`  # in scripts

    Exit status: 0 no errors (there may be warnings), 1 errors, 2 usage error, 130 interrupted.
    """
    if trial:
        from lab_helpers.cli.instructor.trial import run_trial

        run_trial(
            participant or "trial", region, source_provider.value, notebooks, output, keep=keep, yes=yes
        )
        return
    if participant is not None:
        ui.fail(
            "--participant is the lab id of a --trial; the number of participants is --participants", ui.USAGE
        )
    with ui.readable_errors():
        import boto3

        from lab_helpers import instance_types
        from lab_helpers.instructor import regions
        from lab_helpers.instructor.doctor import CHECKS, Level, Room, examine, trial_build
        from lab_helpers.names import Names
        from lab_helpers.shared_clients import SharedClients

        session = boto3.Session(region_name=region)
        labs.require_region(session.region_name)
        ids = labs.given((), roster)
        room = Room(
            SharedClients(session),
            str(session.region_name),
            participants or size or len(ids) or DEFAULT_SIZE,  # --size is the former name
            tuple(Names(one) for one in ids),
            notebook_type=notebook_type,
            training_type=training_type or instance_types.training(session.region_name),
            dev_type=dev_type or instance_types.dev(session.region_name),
            prd_type=prd_type or instance_types.prd(session.region_name),
            source_provider=source_provider.value,
            subnet=subnet,
            security_groups=tuple(security_groups or ()),
            clients_at_home=SharedClients(boto3.Session(region_name=regions.home(str(session.region_name)))),
        )
        screen = ui.console(stderr=as_json)
        checks = {**CHECKS, "trial build": trial_build} if try_build else CHECKS
        waiting = list(checks)
        with screen.status("") as status:

            def done(name: str, _: list[Finding]) -> None:
                waiting.remove(name)
                status.update(
                    f"{len(checks) - len(waiting)} of {len(checks)} done; checking {', '.join(waiting[:4])}"
                )

            findings = examine(room, checks, done=done)
        levels = Counter(one.level.value for one in findings)
        if as_json:
            document = {
                "region": room.region,
                "participants": room.size,
                "counts": {level: levels[level] for level in _MARKS},
                "findings": [asdict(one) for one in findings],
            }
            typer.echo(json.dumps(document, indent=2))
        else:
            _show(findings, levels, room.size)
        if levels[Level.ERROR.value]:
            raise typer.Exit(ui.FAILED)


def _show(findings: list[Finding], levels: Counter[str], size: int) -> None:
    from lab_helpers.instructor.doctor.quotas import REQUEST

    screen = ui.console()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    before = ""
    for one in findings:
        mark, color = _MARKS[one.level.value]
        text = Text(one.text)
        if one.remedy:
            text += Text(f"\n→ {one.short or one.remedy}", style="cyan")
        table.add_row(
            Text(mark, style=color), Text("" if one.check == before else one.check, style="bold"), text
        )
        before = one.check
    screen.print(table)
    if any(one.short for one in findings):
        how = (
            f"{REQUEST} --region … --service-code … --quota-code … --desired-value … "
            "(--json has the complete commands)"
        )
        screen.print(
            Text(f"\nRequest each quota increase days before the event: {how}", style="cyan"), soft_wrap=True
        )
    verdict = (
        f"{labs.counted(levels['error'], 'error')}, {labs.counted(levels['warning'], 'warning')} "
        f"for {labs.counted(size, 'participant')}."
    )
    screen.print(Text(f"\n{verdict}", style="red" if levels["error"] else "green"))
