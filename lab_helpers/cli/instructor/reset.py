"""`reset`: bring a lab to the start of a notebook."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from lab_helpers.cli import ui
from lab_helpers.cli.instructor import labs
from lab_helpers.display import duration

if TYPE_CHECKING:
    from lab_helpers.way_back.plan import Plan
    from lab_helpers.way_back.resetting import Outcome
    from lab_helpers.way_back.target import Target

REPOSITORY = Path(__file__).resolve().parents[3]
LABS_AT_ONCE = 4


def reset(
    to: Annotated[str, typer.Option("--to", help="Notebook, such as `03`.", show_default=False)],
    participant: Annotated[
        list[str] | None,
        typer.Option("--participant", "-p", help="Lab id; `default` is the lab without one; repeatable."),
    ] = None,
    roster: Annotated[Path | None, typer.Option("--roster", help="The labs of a roster (CSV).")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every lab that has a top stack.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    as_json: labs.Json = False,
    region: Annotated[str | None, typer.Option("--region", help="AWS Region.")] = None,
) -> None:
    """Bring labs to the start of a notebook, whatever state they are in.

    A lab can be half-built, failed, rejected, busy, or lack resources that were deleted by hand: the command
    repairs what differs and leaves the rest alone. A lab that never ran notebooks 01 and 02 gets their
    results. The notebooks are restored, too; what a learner changed moves to `notebooks/changed-DATE-TIME/`.
    The command shows its plan first. You can interrupt it and run it again at any time.

    **Examples**

    - `reset --participant ana --to 03 --dry-run`  # show what would be done
    - `reset --participant ana --to 03`
    - `reset --all --to 01 --yes`  # the whole class, before the event
    - `reset --roster roster.csv --to 04 --json --yes`  # in scripts

    Exit status: 0 all succeeded, 1 some failed (listed with the reason), 2 usage error, 130 interrupted.
    """
    with ui.readable_errors():
        from botocore.exceptions import BotoCoreError, ClientError

        from lab_helpers.names import Names
        from lab_helpers.way_back.sources import SourceError
        from lab_helpers.way_back.target import Target, numbers

        known = numbers(REPOSITORY)
        if to not in known:
            ui.fail(f"--to {to} is not a notebook: give one of {', '.join(known)}", ui.USAGE)
        asked = labs.given(participant or (), roster)
        if bool(asked) == all_:
            ui.fail("which labs? Give exactly one of --participant ID, --roster FILE or --all", ui.USAGE)
        account, screen = labs.connect(region), ui.console(stderr=as_json)
        began = time.monotonic()
        try:
            with screen.status("reading the state of the labs …"):
                targets = [Target(to, Names(lab), REPOSITORY) for lab in (_all(account) if all_ else asked)]
                plans = _plans(account, targets)
        except (BotoCoreError, ClientError, SourceError) as error:
            ui.fail(str(error), ui.FAILED)
            return
        _refuse_mistyped(account, labs.given(participant or (), None), plans)
        for target, plan in zip(targets, plans, strict=True):
            _tell(screen, target, plan)
        if dry_run or not targets:
            if as_json:
                print(
                    json.dumps(
                        {"planned": [_planned(t, p) for t, p in zip(targets, plans, strict=True)]}, indent=1
                    )
                )
            elif not targets:
                screen.print("There are no labs.")
            raise typer.Exit(0)
        if not yes:
            labs_meant = "" if len(targets) == 1 else f" in {len(targets)} labs"
            ui.confirm(f"Do that{labs_meant}?", ui.YES_OR_DRY_RUN)
        outcomes = _carry_out(account, targets, plans, screen)
        failed = [one for one in outcomes if isinstance(one, str)]
        if as_json:
            done = [_done(t, o) for t, o in zip(targets, outcomes, strict=True)]
            print(json.dumps({"labs": done, "seconds": round(time.monotonic() - began, 1)}, indent=1))
        for target, outcome in zip(targets, outcomes, strict=True):
            name = labs.called(target.names.lab_id)
            if isinstance(outcome, str):
                screen.print(Text(f"✗ {name}: ", style="red") + Text(outcome), soft_wrap=True)
            else:
                kept = outcome.answer.folder if outcome.answer else ""
                screen.print(
                    f"[green]✓[/] {name} is at the start of {to}" + (f"; kept: {kept}" if kept else "")
                )
        screen.print(Text(duration(time.monotonic() - began), style="dim"))
    raise typer.Exit(ui.FAILED if failed else 0)


def _all(account: labs.Account) -> list[str]:
    from lab_helpers.instructor.fleet.overview import Overview

    return Overview.read(account.clients).labs()


def _plans(account: labs.Account, targets: Sequence[Target]) -> list[Plan]:
    from lab_helpers.instructor.reset import account as as_instructor
    from lab_helpers.way_back.plan import make_plan

    seen = as_instructor(account.clients, account.region, account.id)

    def plan(target: Target) -> Plan:
        return make_plan(seen.state(target.names), target)

    with ThreadPoolExecutor(LABS_AT_ONCE) as pool:
        return list(pool.map(plan, targets))


def _refuse_mistyped(account: labs.Account, typed: Sequence[str], plans: Sequence[Plan]) -> None:
    """Exit if a lab that was typed does not exist; a roster's labs may be created."""
    for state in (plan.state for plan in plans):
        if state.names.lab_id in typed and not (state.stacks or state.resources):
            ui.fail(labs.missing(account, state.names.lab_id), ui.FAILED)


def _tell(screen: Console, target: Target, plan: Plan) -> None:
    screen.print(f"[bold]{labs.called(target.names.lab_id)}[/] to the start of {target.number}:")
    for action in plan.actions:
        screen.print(Text(f"  {action.subject}: {action.title}"), soft_wrap=True)


def _carry_out(
    account: labs.Account, targets: Sequence[Target], plans: Sequence[Plan], screen: Console
) -> list[Outcome | str]:
    """Return what was done in each lab, or why it failed."""
    from botocore.exceptions import BotoCoreError, ClientError

    from lab_helpers.instructor.reset import account as as_instructor
    from lab_helpers.patience import StoppedError
    from lab_helpers.way_back.releases import ResetError
    from lab_helpers.way_back.resetting import carry_out

    events = [threading.Event() for _ in targets]  # a lab that fails does not stop the others

    def one(target: Target, plan: Plan, stopping: threading.Event) -> Outcome | str:
        name = labs.called(target.names.lab_id)
        try:
            return carry_out(
                as_instructor(account.clients, account.region, account.id),
                target,
                plan=plan,
                report=lambda line: lines.say(name, line),
                stopping=stopping,
            )
        except (ResetError, BotoCoreError, ClientError) as error:
            return str(error)
        except StoppedError:
            return "interrupted"

    with ui.LabLines(screen) as lines, ThreadPoolExecutor(LABS_AT_ONCE) as pool:
        futures = [pool.submit(one, *each) for each in zip(targets, plans, events, strict=True)]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for event in events:
                event.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _planned(target: Target, plan: Plan) -> dict[str, Any]:
    return {
        "lab": labs.called(target.names.lab_id),
        "to": target.number,
        "actions": [{"kind": a.kind, "subject": a.subject, "title": a.title} for a in plan.actions],
    }


def _done(target: Target, outcome: Outcome | str) -> dict[str, Any]:
    name = labs.called(target.names.lab_id)
    if isinstance(outcome, str):
        return {"lab": name, "to": target.number, "error": outcome}
    kept = list(outcome.answer.kept) if outcome.answer else []
    actions = [f"{one.kind} {one.subject}" for one in outcome.done]
    return {"lab": name, "to": target.number, "error": "", "done": actions, "kept": kept}
