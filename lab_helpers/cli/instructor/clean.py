"""`clean`: delete labs and prove that nothing is left."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from lab_helpers.cli import ui
from lab_helpers.cli.instructor import labs
from lab_helpers.display import duration

if TYPE_CHECKING:
    from lab_helpers.resources import Resource

WIDTH = 34
"""Width of names in tables; `--json` has the full names."""


def clean(
    participant: Annotated[
        list[str] | None,
        typer.Option("--participant", "-p", help="Lab id; `default` is the lab without one; repeatable."),
    ] = None,
    roster: Annotated[Path | None, typer.Option("--roster", help="The labs of a roster (CSV).")] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every lab in the account, even if its stacks are gone.")
    ] = False,
    expired: Annotated[
        bool, typer.Option("--expired", help="Labs whose tag `mlops-workshop:expires` is in the past.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be deleted, in order, with its cost.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    as_json: labs.Json = False,
    region: Annotated[str | None, typer.Option("--region", help="AWS Region.")] = None,
) -> None:
    """Delete everything that belongs to a lab, then prove it by listing every service again.

    Endpoints go first because they cost the most; roles go last because everything else needs them. Resources
    are found by tag *and* by name; resources whose names are merely similar are not touched. You can
    interrupt the command and run it again at any time.

    **Examples**

    - `clean --participant ana --dry-run`  # list what would be deleted
    - `clean --participant ana`  # delete it, after asking
    - `clean --roster roster.csv --yes`  # a whole event
    - `clean --expired --yes`  # forgotten labs, once a day
    - `clean --all --json --yes | jq .remaining`  # in scripts

    Exit status: 0 nothing is left, 1 something is (listed with its cost), 2 usage error, 130 interrupted.
    """
    with ui.readable_errors():
        from botocore.exceptions import BotoCoreError, ClientError

        from lab_helpers.instructor.clean.cleaning import clean as clean_labs
        from lab_helpers.instructor.inventory import list_resources

        asked = labs.given(participant or (), roster)
        if sum((bool(asked), all_, expired)) != 1:
            ui.fail(
                "which labs? Give exactly one of --participant ID, --roster FILE, --all or --expired",
                ui.USAGE,
            )
        account = labs.connect(region)
        screen = ui.console(stderr=as_json)
        try:
            with screen.status("listing resources …"):
                wanted = None if all_ else asked or _expired(account)
                found = list_resources(account.clients, account.region, account.id, wanted)
            if dry_run or not found:
                _show(found, account.region, as_json, planned=dry_run)
                raise typer.Exit(0)
            if not yes:
                ui.confirm(_question(found), ui.YES_OR_DRY_RUN)
            began = time.monotonic()
            with ui.LabLines(screen) as lines:
                ids = sorted({one.lab_id or "" for one in found}) if wanted is None else wanted
                cleaned = clean_labs(
                    account.clients,
                    account.region,
                    account.id,
                    ids,
                    report=lambda lab, text: lines.say(labs.called(lab), text),
                )
                if wanted is None:  # also what was created since, or belongs to labs known only by name
                    remaining = list_resources(account.clients, account.region, account.id, None)
                else:
                    remaining = list(cleaned.remaining)
        except (BotoCoreError, ClientError) as error:
            ui.fail(f"{error}\nNothing is lost: run the same command again to continue.", ui.FAILED)
            return
        if as_json:
            _show(remaining, account.region, as_json, deleted=len(cleaned.found), faults=cleaned.faults)
        elif remaining:
            screen.print(f"[bold red]{len(remaining)} of {len(cleaned.found)} resources are still there:[/]")
            _show(remaining, account.region, as_json)
            for fault in cleaned.faults:
                screen.print(Text(f"  {fault}", style="dim"), soft_wrap=True)
        else:
            took, count = duration(time.monotonic() - began), len({one.lab_id for one in cleaned.found})
            screen.print(
                f"[green]✓[/] {len(cleaned.found)} resources of {labs.counted(count)} deleted in {took}; "
                "every service was listed again: nothing is left.",
                soft_wrap=True,
            )
    raise typer.Exit(ui.FAILED if remaining else 0)


def _expired(account: labs.Account) -> list[str]:
    from datetime import UTC, datetime

    from lab_helpers.instructor.inventory import expirations

    now = datetime.now(UTC)
    return sorted(lab for lab, end in expirations(account.clients).items() if end < now)


def _question(found: Sequence[Resource]) -> str:
    ids = sorted({labs.called(one.lab_id) for one in found})
    count = f"{len(found)} resources of {labs.counted(len(ids))}"
    shown = ", ".join(ids[:8]) + (" …" if len(ids) > 8 else "")
    return f"Delete {count} ({shown}), with everything that the learners made?"


def _show(
    resources: Sequence[Resource],
    region: str,
    as_json: bool,
    *,
    planned: bool = False,
    deleted: int = 0,
    faults: Sequence[str] = (),
) -> None:
    """Print resources: grouped by lab and kind in a table, one by one in JSON."""
    from lab_helpers.deletion_order import in_order

    ordered = in_order(resources)
    if as_json:
        rows = [_row(one, region) for one in ordered]
        key = "planned" if planned else "remaining"
        print(json.dumps({key: rows, "deleted": deleted, "faults": list(faults)}, indent=1))
        return
    screen = ui.console()
    if not resources:
        screen.print("These labs have no resources in any service.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for header in ("lab", "what", "name"):
        table.add_column(header, no_wrap=True)
    for header in ("more", "USD/h"):
        table.add_column(header, justify="right", no_wrap=True)
    groups: dict[tuple[str, str], list[Resource]] = {}
    for one in ordered:
        groups.setdefault((labs.called(one.lab_id), one.kind), []).append(one)
    total = Decimal(0)
    for (lab, kind), members in groups.items():
        cost = sum((hourly(one, region) or Decimal(0) for one in members), Decimal(0))
        total += cost
        more = str(len(members) - 1) if len(members) > 1 else ""
        name = members[0].id if len(members[0].id) <= WIDTH else members[0].id[: WIDTH - 1] + "…"
        table.add_row(lab, kind.replace("notebook-instance-", ""), name, more, f"{cost:.3f}" if cost else "")
    screen.print(table)
    count = len({one.lab_id for one in resources})
    screen.print(f"{len(resources)} resources of {labs.counted(count)}, {total:.3f} USD per hour.")


def _row(one: Resource, region: str) -> dict[str, Any]:
    cost = hourly(one, region)
    return {
        "lab": labs.called(one.lab_id),
        "service": one.service,
        "kind": one.kind,
        "id": one.id,
        "arn": one.arn,
        "created": one.created.isoformat() if one.created else None,
        "usd_per_hour": float(cost) if cost is not None else None,
    }


def hourly(one: Resource, region: str) -> Decimal | None:
    """Return the hourly cost of a resource in USD, or None if it is free or its price is unknown."""
    from lab_helpers.prices import PriceError, Prices

    if one.billable is None:
        return None
    try:
        try:
            prices = Prices.load(region)
        except PriceError:  # no price table for this region: an estimate is better than nothing
            prices = Prices.load()
        return prices.hourly(one.billable) * one.quantity
    except PriceError:
        return None
