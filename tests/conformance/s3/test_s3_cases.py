"""Requests to a new bucket; see ``requests.ask``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.cases import Case, identify, load
from tests.conformance.requests import ask
from tests.local_account.account_process import AccountProcess


@pytest.fixture(scope="module")
def s3(account: AccountProcess) -> Any:
    return account.client("s3")


@pytest.mark.parametrize("case", load("s3/requests"), ids=identify)
def test_requests(case: Case, s3: Any) -> None:
    bucket = f"case-{case.id}"
    s3.create_bucket(Bucket=bucket)

    def change(_: str, value: Any) -> Any:
        return value.replace("{n}", bucket) if isinstance(value, str) else value

    ask(case, s3, {"Bucket": bucket}, change)
