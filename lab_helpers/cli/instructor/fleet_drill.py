"""`fleet drill`: break labs on purpose, and see who notices."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from lab_helpers.cli import ui
from lab_helpers.cli.instructor import labs
from lab_helpers.display import duration

if TYPE_CHECKING:
    from lab_helpers.instructor.fleet.drills import InLab
    from lab_helpers.names import Names

LIST, STATUS, END = "list", "status", "end"


def drill(
    what: Annotated[
        str,
        typer.Argument(
            help=f"A drill; or `{LIST}` (which there are), `{STATUS}` (who noticed), `{END}` (put back).",
            show_default=False,
        ),
    ],
    participant: Annotated[
        list[str] | None,
        typer.Option(
            "--participant", "--lab", "-p", help="Lab id; `default` is the lab without one; repeatable."
        ),
    ] = None,
    roster: Annotated[Path | None, typer.Option("--roster", help="The labs of a roster (CSV).")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every lab that has a top stack.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before several labs break.")] = False,
    as_json: labs.Json = False,
    region: labs.Region = None,
) -> None:
    """Start a drill in labs, show who has noticed what and after how long, and put everything back.

    A drill never touches what a learner has made: it trains with a changed copy, below `drills/` in the lab's
    bucket. A lab that is not in the state that a drill needs, such as one with an execution that waits for a
    decision, is left alone, with the reason. `status` and `end` are about every lab unless you name some.

    **Examples**

    - `fleet drill list`
    - `fleet drill swapped-labels --participant ana`
    - `fleet drill bad-hyperparameter --all --yes`
    - `fleet drill status`  # what happened, who noticed, and how soon
    - `fleet drill end`  # put everything back

    Exit status: 0 done, 1 failed in a lab, or (`status`) nobody has noticed, 2 usage error, 130 interrupted.
    """
    with ui.readable_errors():
        from botocore.exceptions import BotoCoreError, ClientError

        from lab_helpers.drills import catalog
        from lab_helpers.instructor.fleet.drills import Room
        from lab_helpers.names import Names

        if what == LIST:
            _list(as_json)
            raise typer.Exit(0)
        if what not in {STATUS, END, *catalog.ALL}:
            ui.fail(
                f"{what!r} is neither a drill nor one of {LIST}, {STATUS}, {END}: see `fleet drill {LIST}`",
                ui.USAGE,
            )
        asked = labs.given(participant or (), roster)
        if asked and all_:
            ui.fail(
                "which labs? Give --participant ID, --roster FILE or --all, not several of them", ui.USAGE
            )
        if what in catalog.ALL and not asked and not all_:
            ui.fail("which labs? Give --participant ID, --roster FILE or --all", ui.USAGE)
        account, screen = labs.connect(region), ui.console(stderr=as_json)
        try:
            chosen = [Names(one) for one in asked] or _all(account)
        except (BotoCoreError, ClientError) as error:
            ui.fail(str(error), ui.FAILED)
            return
        if what in catalog.ALL and len(chosen) > 1 and not yes:
            ui.confirm(f"Break {len(chosen)} labs ({catalog.get(what).breaks})?", "--yes")
        room = Room(account.clients, account.region, account.id, threading.Event())
        # What a check shows while it runs is not part of the answer.
        with ui.LabLines(screen) as lines, contextlib.redirect_stdout(sys.stderr):

            def report(lab: str, line: str) -> None:
                lines.say(labs.called(lab), line)

            if what == STATUS:
                found = room.status(chosen)
            elif what == END:
                found = room.end(chosen, report)
            else:
                found = room.start(chosen, what, report)
        if as_json:
            print(json.dumps([one.document() for one in found], indent=1, ensure_ascii=False))
        else:
            _show(found)
    failed = any(one.error for one in found)
    unnoticed = what == STATUS and any(
        one.drill and not one.drill.record.ended and not one.drill.noticed for one in found
    )
    raise typer.Exit(ui.FAILED if failed or unnoticed else 0)


def _all(account: labs.Account) -> list[Names]:
    from lab_helpers.instructor.fleet.overview import Overview
    from lab_helpers.names import Names

    return [Names(one) for one in Overview.read(account.clients).labs()]


def _list(as_json: bool) -> None:
    from lab_helpers.drills import catalog

    if as_json:
        print(
            json.dumps(
                [
                    {"drill": one.name, "breaks": one.breaks, "noticed_by": one.noticed_by}
                    for one in catalog.ALL.values()
                ],
                indent=1,
            )
        )
        return
    table = Table("drill", "what breaks", "who should notice", box=None, padding=(0, 2, 0, 0))
    for one in catalog.ALL.values():
        table.add_row(one.name, one.breaks, one.noticed_by)
    ui.console().print(table)


def _show(found: Sequence[InLab]) -> None:
    """Print a row for each lab that has had a drill; below it, what failed."""
    screen = ui.console()
    table = Table(
        *("lab", "drill", "started", "noticed by", "after", "put back"), box=None, padding=(0, 2, 0, 0)
    )
    notes: list[Text] = []
    for one in found:
        name = labs.called(one.lab_id)
        if one.error:
            notes.append(Text("✗ ", style="bold red") + Text(f"{name}: {one.error}"))
        elif one.drill:
            now = one.drill.record.seen(one.drill.sighting)
            nobody = "nobody: it is in PRD" if now.missed else "nobody" if now.ended else "nobody yet"
            table.add_row(
                name,
                now.drill,
                f"{now.started.astimezone():%H:%M:%S}",
                Text(now.noticed_by or nobody, style="" if now.noticed_by else "bold red"),
                duration(now.seconds),
                f"{now.ended.astimezone():%H:%M:%S}" if now.ended else "no",
            )
            when = "when the drill was ended: " if now.ended else ""  # the lines after it change that
            notes.append(Text(f"{name}: {when}{now.happened}"))
            notes += [Text(f"{name}: {line}") for line in now.done]
    if table.row_count:
        screen.print(table)
    for note in notes:
        screen.print(note, soft_wrap=True)
    if not notes:
        screen.print("Nothing to show: no drill has run in these labs." if found else "There are no labs.")
