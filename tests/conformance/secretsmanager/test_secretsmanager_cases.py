"""Requests to Secrets Manager. ``{n}``: see ``requests.named``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.cases import Case, identify, load
from tests.conformance.requests import ask, named
from tests.local_account.account_process import AccountProcess


@pytest.fixture(scope="module")
def client(account: AccountProcess) -> Any:
    return account.client("secretsmanager")


@pytest.mark.parametrize("case", load("secretsmanager/requests"), ids=identify)
def test_requests(case: Case, client: Any) -> None:
    ask(named(case), client, {}, lambda _, value: value)
