"""What the instructor's commands share: the account, and which labs to work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab_helpers.cli import ui
from lab_helpers.commands import typed

if TYPE_CHECKING:
    from lab_helpers.shared_clients import SharedClients

Region = Annotated[str | None, typer.Option("--region", help="AWS Region. Default: your configuration's.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@dataclass(frozen=True)
class Account:
    """Clients for the account and region of the environment, AWS or local."""

    clients: SharedClients
    region: str
    id: str


def connect(region: str | None) -> Account:
    """Return the account; exit with status 2 without a region, 1 if the account does not answer."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from lab_helpers.shared_clients import SharedClients

    session = boto3.Session(region_name=region)
    require_region(session.region_name)
    clients = SharedClients(session)
    try:
        account = clients("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        ui.fail(
            f"the account does not answer: {error}\nSet the credentials (aws configure), or for the local "
            f'account: eval "$({typed("local env")})"',
            ui.FAILED,
        )
    return Account(clients, str(session.region_name), str(account))


def require_region(region: str | None) -> None:
    """Exit with status 2 if no Region is set."""
    if not region:
        ui.fail(
            "no AWS Region is set: give --region, or set AWS_REGION; for the local account: "
            f'eval "$({typed("local env")})"',
            ui.USAGE,
        )


def given(participants: Sequence[str], roster: Path | None) -> list[str]:
    """Return the lab ids that the options name; `default` is the lab without an id.

    Exits with status 2 if the roster or an id is not valid.
    """
    from lab_helpers.instructor.fleet.roster import RosterError, read_roster
    from lab_helpers.names import InvalidNameError, Names

    ids = ["" if one == "default" else one for one in participants]
    try:
        ids += [one.lab_id for one in read_roster(roster)] if roster else []
        for one in ids:
            Names(one)
    except (RosterError, InvalidNameError) as error:
        ui.fail(str(error), ui.USAGE)
    return list(dict.fromkeys(ids))


def missing(account: Account, lab_id: str) -> str:
    """Return what to say of a lab that does not exist: the id may be mistyped, so name those that exist."""
    from botocore.exceptions import ClientError

    from lab_helpers.instructor.fleet.overview import Overview

    try:
        there = [called(one) for one in Overview.read(account.clients).labs()]
    except ClientError:  # whoever may open a lab need not be allowed to list the others
        there = []
    deploy = typed(f"deploy --participant {lab_id}" if lab_id else "deploy")
    said = f"there is no lab {called(lab_id)} in account {account.id}, {account.region}"
    if called(lab_id) in there:
        return (
            f"lab {called(lab_id)} has no notebook instance: `{typed('fleet status')}` shows what creates it"
        )
    if there:
        return f"{said}; labs there: {', '.join(there)}. To create it: `{deploy}`"
    return f"{said}: create it with `{deploy}`, or on this machine, without AWS, with `make lab`"


def called(lab_id: str | None) -> str:
    """Return a lab id as the user types it."""
    return "?" if lab_id is None else lab_id or "default"


def counted(number: int, noun: str = "lab") -> str:
    """Return `1 lab`, `2 labs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
