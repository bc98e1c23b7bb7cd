"""Bring a lab to the start of a notebook, whatever state it is in.

`lab_helpers.way_back` does what the lab's own role is allowed to do, this package the rest.
"""

from __future__ import annotations

from lab_helpers.clients import Clients
from lab_helpers.instructor.inventory import list_resources
from lab_helpers.instructor.reset.rebuilding import MORE
from lab_helpers.way_back.resetting import Account


def account(clients: Clients, region: str, account_id: str) -> Account:
    """Return the account as an instructor sees it: everything is listed, everything can be created again."""
    return Account(
        clients,
        region,
        account_id,
        lambda names: list_resources(clients, region, account_id, [names.lab_id]),
        MORE,
    )
