"""Values of Secrets Manager and Parameter Store in stacks: dynamic references, parameters of SSM, secrets.

The input has ``secrets`` and ``parameters`` (names and values; of a list, each is a version; of an object,
parameters of PutParameter), ``resources``, ``outputs`` and ``declared`` parameters of a template, and
``given`` values. Looked at are ``status``, ``outputs``, the ``reason`` of a failed resource, ``described``
parameters and, by name, ``secret`` and ``parameter`` values. ``{n}`` is a name of the case.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conformance.cases import Case, identify, load
from tests.conformance.requests import like, named
from tests.local_account.account_process import AccountProcess
from tests.waiting import eventually


@pytest.mark.parametrize("case", load("cloudformation/references"), ids=identify)
def test_references(case: Case, account: AccountProcess) -> None:
    case = named(case)
    _prepare(account, case.input)
    try:
        stack = _create(account, f"case-{case.id}", case.input)
        answer = {what: _look(account, stack, what, value) for what, value in case.expected.items()}
    except ClientError as error:
        found = error.response["Error"]
        answer = {"error": like(case.expected.get("error"), f"{found['Code']}: {found['Message']}")}
    case.check(answer)


def _prepare(account: AccountProcess, given: Mapping[str, Any]) -> None:
    for name, value in given.get("secrets", {}).items():
        account.client("secretsmanager").create_secret(Name=name, SecretString=value)
    for name, values in given.get("parameters", {}).items():
        for value in values if isinstance(values, list) else [values]:
            more = value if isinstance(value, dict) else {"Value": value}
            request = {"Name": name, "Type": "String", **more}
            account.client("ssm").put_parameter(**request, Overwrite=True)


def _create(account: AccountProcess, name: str, given: Mapping[str, Any]) -> str:
    cloudformation = account.client("cloudformation")
    template = {
        "Parameters": given.get("declared", {}),
        "Resources": given["resources"],
        "Outputs": {key: {"Value": value} for key, value in given.get("outputs", {}).items()},
    }
    values = [{"ParameterKey": key, "ParameterValue": one} for key, one in given.get("given", {}).items()]
    body = json.dumps({key: part for key, part in template.items() if part})
    stack = str(cloudformation.create_stack(StackName=name, TemplateBody=body, Parameters=values)["StackId"])
    eventually(lambda: not _described(cloudformation, stack)["StackStatus"].endswith("_IN_PROGRESS"))
    return stack


def _described(cloudformation: Any, stack: str) -> dict[str, Any]:
    return dict(cloudformation.describe_stacks(StackName=stack)["Stacks"][0])


def _look(account: AccountProcess, stack: str, what: str, expected: Any) -> Any:
    cloudformation = account.client("cloudformation")
    match what:
        case "status":
            return _described(cloudformation, stack)["StackStatus"]
        case "outputs":
            outputs = _described(cloudformation, stack)["Outputs"]
            return {one["OutputKey"]: like(expected[one["OutputKey"]], one["OutputValue"]) for one in outputs}
        case "described":
            return _described(cloudformation, stack)["Parameters"]
        case "reason":
            events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
            failed = [one for one in events if one["ResourceStatus"] == "CREATE_FAILED"]
            return like(expected, failed[-1]["ResourceStatusReason"])
        case "secret":
            secrets = account.client("secretsmanager")
            return {
                n: like(v, secrets.get_secret_value(SecretId=n)["SecretString"]) for n, v in expected.items()
            }
        case _:
            ssm = account.client("ssm")
            return {name: ssm.get_parameter(Name=name)["Parameter"]["Value"] for name in expected}
