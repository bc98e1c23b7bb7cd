"""Requests to CloudWatch. ``{n}``: see ``requests.named``.

``{"number": "NaN"}`` is a number that JSON lacks, ``{"days": -15}`` a time from now.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conformance.cases import Case, identify, load
from tests.conformance.requests import ask, named
from tests.local_account.account_process import AccountProcess


def _whole(node: Any) -> Any:
    match node:
        case {"number": str(text)}:
            return float(text)
        case {"days": int() | float() as days}:
            return datetime.now(UTC) + timedelta(days=days)
        case dict():
            return {key: _whole(value) for key, value in node.items()}
        case list():
            return [_whole(one) for one in node]
    return node


@pytest.mark.parametrize("case", load("cloudwatch/requests"), ids=identify)
def test_requests(case: Case, account: AccountProcess) -> None:
    ask(named(case), account.client("cloudwatch"), {}, lambda _, value: _whole(value))
