"""Requests to CodeConnections, by its present name and by its old one. ``{n}``: see ``requests.named``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.conformance.cases import Case, identify, load
from tests.conformance.requests import ask, named
from tests.local_account.account_process import AccountProcess


@pytest.mark.parametrize("service", ["codeconnections", "codestar-connections"])
@pytest.mark.parametrize("case", load("codeconnections/requests"), ids=identify)
def test_requests(case: Case, service: str, account: AccountProcess) -> None:
    def of_service(node: Any) -> Any:
        text = json.dumps(node).replace("arn:aws:codeconnections:", f"arn:aws:{service}:")
        return json.loads(text)

    asked = replace(named(case), id=f"{case.id}-{service}")
    asked = replace(asked, input=of_service(asked.input), expected=of_service(asked.expected))
    ask(asked, account.client(service), {}, lambda _, value: value)
