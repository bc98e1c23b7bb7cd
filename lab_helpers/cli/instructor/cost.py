"""`cost`: estimate what an event will cost."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, fields
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from lab_helpers.cli import ui
from lab_helpers.cli.instructor import labs

if TYPE_CHECKING:
    from lab_helpers.instructor.cost import Assumptions, Estimate

_HELP = "Repeatable; the report lists all assumptions and their values."


def cost(
    participants: Annotated[
        int | None, typer.Option("--participants", "-n", help="Number of participants.")
    ] = None,
    hours: Annotated[
        float | None, typer.Option("--hours", help="Hours from provisioning to cleanup.")
    ] = None,
    builds: Annotated[int | None, typer.Option("--builds", help="Image builds per participant.")] = None,
    assume: Annotated[
        list[str] | None, typer.Option("--assume", help=f"Any assumption as `name=value`. {_HELP}")
    ] = None,
    roster: Annotated[
        Path | None, typer.Option("--roster", help="Take the number of participants from a roster.")
    ] = None,
    region: Annotated[
        str, typer.Option("--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], help="AWS Region.")
    ] = "us-east-1",
    as_json: labs.Json = False,
) -> None:
    """Estimate what an event costs, by service, from a dated price table.

    Needs no AWS account. The report shows the assumptions; you can change each of them.

    **Examples**

    - `cost --participants 30 --hours 4`  # a class
    - `cost --roster roster.csv --hours 8 --assume endpoint-hours=5 --assume keep-days=2`
    - `cost -n 30 --region ap-northeast-1 --json | jq .total`

    Exit status: 0, or 2 for a usage error.
    """
    with ui.readable_errors():
        from lab_helpers.instructor.cost import estimate
        from lab_helpers.prices import PriceError, Prices

        try:
            assumptions = _assumptions(participants, hours, builds, assume or [], roster)
            found = estimate(Prices.load(region), assumptions)
        except (PriceError, ValueError) as error:
            ui.fail(str(error), ui.USAGE)
            return
        if as_json:
            typer.echo(json.dumps(_document(found), indent=2))
        else:
            _show(found)


def _assumptions(
    participants: int | None, hours: float | None, builds: int | None, assume: list[str], roster: Path | None
) -> Assumptions:
    from lab_helpers.instructor.cost import Assumptions

    kinds: dict[str, type[int] | type[float] | type[str]] = {
        one.name: type(getattr(Assumptions(), one.name)) for one in fields(Assumptions)
    }
    given: dict[str, float | int | str] = {}
    if roster:
        given["participants"] = len(labs.given((), roster))
    named = {"participants": participants, "hours": hours, "builds": builds}
    given |= {name: value for name, value in named.items() if value is not None}
    for one in assume:
        name, equals, value = one.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in kinds:
            known = ", ".join(sorted(kind.replace("_", "-") for kind in kinds))
            raise ValueError(f"--assume {one}: write name=value, where name is one of {known}")
        try:
            given[name] = kinds[name](value)
        except ValueError as error:
            raise ValueError(f"--assume {one}: {value!r} is not a valid {kinds[name].__name__}") from error
    return Assumptions(**given)  # type: ignore[arg-type]


def _document(found: Estimate) -> dict[str, object]:
    return {
        "currency": "USD",
        "region": found.prices.region,
        "prices_as_of": found.prices.as_of.isoformat(),
        "source": found.prices.source,
        "note": found.prices.note,
        "assumptions": asdict(found.assumptions),
        "items": [
            {
                "service": item.service,
                "what": item.what,
                "quantity": float(round(item.quantity, 3)),
                "unit": item.unit,
                "price": float(item.price),
                "total": float(round(item.total, 2)),
            }
            for item in found.items
        ],
        "by_service": {name: float(round(total, 2)) for name, total in _by_service(found).items()},
        "biggest": found.items[0].what,
        "total": float(round(found.total, 2)),
        "each": float(round(found.each, 2)),
        "each_hour": float(round(found.each_hour, 3)),
        "forgotten_day": float(round(found.forgotten_day, 2)),
        "hints": found.hints,
    }


def _by_service(found: Estimate) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for item in found.items:
        totals[item.service] += item.total
    return dict(sorted(totals.items(), key=lambda pair: -pair[1]))


def _show(found: Estimate) -> None:
    screen, a = ui.console(), found.assumptions
    table = Table(box=None, pad_edge=False, show_footer=True, footer_style="bold")
    table.add_column("service", "total")
    table.add_column("what")
    table.add_column("quantity", justify="right")
    table.add_column("unit", overflow="fold")
    table.add_column("USD per unit", justify="right")
    table.add_column("USD", f"{found.total:.2f}", justify="right")
    for number, item in enumerate(one for one in found.items if one.quantity):
        table.add_row(
            item.service,
            item.what,
            f"{item.quantity:.2f}",
            item.unit,
            f"{item.price}",
            f"{item.total:.2f}",
            style="bold" if number == 0 else None,
        )
    screen.print(table)
    biggest = found.items[0]
    share = biggest.total / found.total * 100 if found.total else Decimal(0)
    screen.print(
        f"\n{found.each:.2f} USD per participant with {a.participants} participants, "
        f"{found.each_hour:.2f} USD per participant and hour. "
        f"Largest item: {biggest.service}, {biggest.what}, {share:.0f} %.",
        soft_wrap=True,
    )
    for hint in found.hints:
        screen.print(Text("→ ", style="cyan") + Text(hint), soft_wrap=True)
    shown = ", ".join(f"{one.name.replace('_', '-')}={getattr(a, one.name)}" for one in fields(a))
    screen.print(Text(f"\nAssumptions (--assume): {shown}", style="dim"), soft_wrap=True)
    prices = found.prices
    screen.print(
        Text(f"Prices of {prices.as_of:%-d %B %Y}, {prices.region}: {prices.source}.", style="dim"),
        soft_wrap=True,
    )
    screen.print(
        Text(
            f"{prices.note}. Requests to S3, Lambda and EventBridge cost less than a cent each.", style="dim"
        ),
        soft_wrap=True,
    )
