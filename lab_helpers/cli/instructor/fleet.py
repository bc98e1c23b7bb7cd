"""`fleet …`: the labs of a class, from the roster until the last one is deleted."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lab_helpers.cli import ui
from lab_helpers.cli.instructor import clean, fleet_drill, fleet_watch, labs
from lab_helpers.commands import typed
from lab_helpers.display import duration
from lab_helpers.stacks import GOOD

if TYPE_CHECKING:
    from lab_helpers.instructor.fleet.provision import LabState
    from lab_helpers.instructor.fleet.roster import Participant

REPOSITORY = Path(__file__).resolve().parents[3]
app = typer.Typer(
    help="Provision, watch and delete the labs of a whole class.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
Roster = Annotated[
    Path,
    typer.Argument(
        help="CSV file: name, e-mail (optional), lab id (optional; else derived from the name).",
        show_default=False,
    ),
]
_MARKS = {"ready": ("✓", "green"), "failed": ("✗", "bold red"), "waits": ("·", "dim")}


def _read(roster: Path) -> list[Participant]:
    from lab_helpers.instructor.fleet.roster import RosterError, read_roster

    try:
        return read_roster(roster)
    except RosterError as error:
        ui.fail(str(error), ui.USAGE)
        raise


@app.command()
def up(
    roster: Roster,
    parallel: Annotated[
        int, typer.Option("--parallel", min=1, max=100, help="Number of top stacks to deploy at once.")
    ] = 10,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter", help="A parameter of `cfn/m.yml` as `Name=value`, for all labs; repeatable."
        ),
    ] = None,
    ttl: Annotated[
        str | None,
        typer.Option(
            "--ttl", help="When `clean --expired` may remove the labs: `3d` (default for new labs), `never`."
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Restart running instances if the package has changed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show who gets which lab id.")] = False,
    as_json: labs.Json = False,
    region: labs.Region = None,
) -> None:
    """Provision the labs of a roster in parallel and show the progress of each.

    Run it again at any time: it continues where it stopped, repairs what failed, updates what changed
    (package, template, parameters) and leaves the rest alone. It never touches a learner's work.

    **Examples**

    - `fleet up roster.csv --dry-run`  # who gets which lab id
    - `fleet up roster.csv --ttl 12h`
    - `fleet up roster.csv --parameter NotebookInstanceType=ml.t3.large`
    - `fleet up roster.csv --restart`  # after a change to the workshop

    Exit status: 0 all are ready, 1 some failed (listed with the reason), 2 usage error, 130 interrupted.
    """
    with ui.readable_errors():
        from botocore.exceptions import BotoCoreError, ClientError

        from lab_helpers.instructor.fleet.provision import Plan, bring_up
        from lab_helpers.instructor.package import package
        from lab_helpers.instructor.ttl import DEFAULT_TTL, TtlError, expires_at

        participants = _read(roster)
        if dry_run:
            _show_roster(participants, as_json)
            return
        parameters = ui.pairs("--parameter", parameter)
        try:
            end = expires_at(ttl or DEFAULT_TTL)
        except TtlError as error:
            ui.fail(f"--ttl: {error}", ui.USAGE)
        account = labs.connect(region)
        plan = Plan(
            account.region,
            account.id,
            package(REPOSITORY),
            REPOSITORY / "cfn" / "m.yml",
            parameters=parameters,
            expires=end,
            extend=ttl is not None,
            restart=restart,
            parallel=parallel,
        )
        began, screen = time.monotonic(), ui.console(stderr=as_json)
        try:
            with _Board(screen) as board:
                states = bring_up(account.clients, participants, plan, board.show)
        except (BotoCoreError, ClientError) as error:
            ui.fail(f"{error}\nNothing is lost: run the same command again to continue.", ui.FAILED)
            return
        failed = [one for one in states if one.phase == "failed"]
        if as_json:
            print(json.dumps([_state(one) for one in states], indent=1))
        else:
            for line in conclusion(states, roster, time.monotonic() - began):
                screen.print(line, soft_wrap=True)
    raise typer.Exit(ui.FAILED if failed else 0)


def _show_roster(participants: Sequence[Participant], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(one) for one in participants], indent=1, ensure_ascii=False))
        return
    table = Table("participant", "e-mail", "lab id", "notebook instance", box=None, padding=(0, 2, 0, 0))
    for one in participants:
        table.add_row(Text(one.name), Text(one.email), one.lab_id, one.names.notebook_instance)
    ui.console().print(table)
    ui.console().print(f"{labs.counted(len(participants))}. Nothing has changed.")


def _state(one: LabState) -> dict[str, Any]:
    return {
        "name": one.participant.name,
        "lab": one.participant.lab_id,
        "phase": one.phase,
        "detail": one.detail,
        "stack": one.change,
        "outdated": one.outdated,
        "seconds": round(one.seconds, 1),
    }


def conclusion(states: Sequence[LabState], roster: Path, seconds: float) -> Iterator[Text]:
    """Yield the lines below the board: what failed and why, how many labs are ready, and what to do next."""
    failed = [one for one in states if one.phase == "failed"]
    ready = [one for one in states if one not in failed]
    for one in failed:
        said = f"{one.participant.name} ({one.participant.lab_id}): {one.detail}"
        yield Text("✗ ", style="bold red") + Text(said)
    changes = {change: sum(one.change == change for one in ready) for change in ("created", "updated")}
    said = ", ".join(f"{count} {change}" for change, count in changes.items() if count)
    yield Text(
        f"{len(ready)} of {len(states)} labs are ready{f' ({said})' if said else ''}, in {duration(seconds)}."
    )
    if outdated := [one.participant.lab_id for one in states if one.outdated]:
        yield Text(
            f"The package has changed since {', '.join(outdated)} started. Instances pick it up at their "
            "next start; --restart restarts them now, which ends running kernels."
        )
    if any("LimitExceeded" in one.detail for one in failed):  # each service has a prefix of its own
        doctor = typed(f"doctor --roster {shlex.quote(str(roster))}")
        yield Text(f"A quota is too low: `{doctor}` shows which increase to request.")
    if failed:
        yield Text("Run the same command again: it repairs what it can and leaves the rest alone.")


class _Board:
    """The live table of `up`: updated in place on a terminal, else one line per change."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._said: dict[str, str] = {}
        self._began = time.monotonic()
        self._live = Live(console=screen, auto_refresh=False, vertical_overflow="visible")

    def __enter__(self) -> _Board:
        if self._screen.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, states: Sequence[LabState]) -> None:
        """Show the current state of every lab."""
        if self._screen.is_terminal:
            self._live.update(self._table(states), refresh=True)
            return
        for one in states:
            said = f"{one.phase}{f' ({one.detail})' if one.detail else ''}"
            if said != self._said.get(one.participant.lab_id) and one.phase != "waits":
                self._said[one.participant.lab_id] = said
                self._screen.print(Text(f"  {one.participant.lab_id}: {said}"), soft_wrap=True)

    def _table(self, states: Sequence[LabState]) -> Table:
        ready = sum(one.phase == "ready" for one in states)
        table = Table(
            *("participant", "lab", "", "top", "images", "training", "instance", "time", "now"),
            box=None,
            padding=(0, 2, 0, 0),
            caption=f"{ready} of {len(states)} ready, {duration(time.monotonic() - self._began)}",
            caption_justify="left",
        )
        # A table longer than the screen flickers, so finished labs make room.
        room = max(self._screen.height - 4, 3)
        shown = sorted(states, key=lambda one: (one.phase == "ready", one.phase == "waits"))[:room]
        for one in [state for state in states if any(state is other for other in shown)]:
            mark, style = _MARKS.get(one.phase, ("▶", "cyan"))
            table.add_row(
                Text(one.participant.name, overflow="ellipsis", no_wrap=True),
                one.participant.lab_id,
                Text(mark, style=style),
                _status(one.stacks[0]),
                Text(" ").join([_status(one.stacks[1]), _status(one.stacks[2])]),
                _status(one.stacks[3]),
                Text(one.instance),
                Text(duration(one.seconds) if one.seconds else "", justify="right"),
                Text(f"{one.phase} {one.detail}".strip(), overflow="ellipsis", no_wrap=True),
            )
        return table


def _status(status: str) -> Text:
    """Return a stack's status as one character."""
    if not status:
        return Text("·", style="dim")
    if status in GOOD:
        return Text("✓", style="green")
    return Text("▶", style="cyan") if status.endswith("_IN_PROGRESS") else Text("✗", style="red")


@app.command()
def down(
    roster: Roster,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be deleted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    as_json: labs.Json = False,
    region: labs.Region = None,
) -> None:
    """Delete every lab of a roster with everything in it, and prove that nothing is left.

    Same as `clean --roster`. You can interrupt the command and run it again at any time.

    **Examples**

    - `fleet down roster.csv --dry-run`  # list what would be deleted
    - `fleet down roster.csv --yes`

    Exit status: 0 nothing is left, 1 something is, 2 usage error, 130 interrupted.
    """
    clean.clean(roster=roster, dry_run=dry_run, yes=yes, as_json=as_json, region=region)


app.command("status")(fleet_watch.status)
app.command("watch")(fleet_watch.watch)
app.command("open")(fleet_watch.open_)
app.command("drill")(fleet_drill.drill)
