"""Requests to a function whose handler does what the event says; ``hasty`` has one second for it.

See ``requests.ask``.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conformance.cases import Case, identify, load
from tests.conformance.requests import ask
from tests.local_account.account_process import AccountProcess
from tests.local_account.iam_roles import make_role
from tests.local_account.services.lambda_.settling import settle
from tests.zips import zipped

NAME, HASTY = "conforming", "hasty"
SOURCE = """
import os
import time

def handler(event, context):
    match event["do"]:
        case "return":
            return event["value"]
        case "raise":
            raise Exception("Handler fails")
        case "exit":
            os._exit(event["code"])
        case "large":
            return "x" * (event["bytes"] - 2)
        case "set":
            return {1, 2}
        case "sleep":
            time.sleep(60)
"""


@pytest.fixture(scope="module")
def function(account: AccountProcess) -> Any:
    client = account.client("lambda")
    role = make_role(account.client("iam"), NAME, "lambda.amazonaws.com")
    for name, timeout in ((NAME, 60), (HASTY, 1)):
        client.create_function(
            FunctionName=name,
            Code={"ZipFile": zipped({"app.py": SOURCE})},
            Runtime="python3.13",
            Handler="app.handler",
            Role=role,
            Timeout=timeout,
        )
    for name in (NAME, HASTY):
        settle(client, name)
    return client


@pytest.mark.parametrize("case", load("lambda_/requests"), ids=identify)
def test_requests(case: Case, function: Any) -> None:
    def change(name: str, value: Any) -> Any:
        if name == "Payload" and not isinstance(value, str):
            return json.dumps(value)
        return value.encode() if name == "ZipFile" else value

    ask(case, function, {"FunctionName": NAME}, change)
