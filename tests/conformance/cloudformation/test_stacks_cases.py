"""What becomes of stacks: creation, updates, rollbacks, deletion, change sets.

The input are steps, the answer is what there is after the last of them: of all that can be looked at, what
the case expects. ``{n}`` is the stack's name. Resources are log groups with a ``name``, ``days`` (retention),
``after`` (DependsOn), ``keep`` (DeletionPolicy), ``replaced`` (UpdateReplacePolicy), unless they have a
``type``. Log groups are named without the stack's name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conformance.cases import Case, identify, load
from tests.local_account.account_process import AccountProcess
from tests.waiting import eventually

ATTRIBUTES = {
    "after": "DependsOn",
    "keep": "DeletionPolicy",
    "replaced": "UpdateReplacePolicy",
    "metadata": "Metadata",
}


def _resource(asked: dict[str, Any]) -> dict[str, Any]:
    properties = asked.get("properties", {})
    if "type" not in asked:
        given = {"LogGroupName": asked.get("name"), "RetentionInDays": asked.get("days")}
        properties = {name: value for name, value in given.items() if value is not None}
    attributes = {ATTRIBUTES[name]: asked[name] for name in ATTRIBUTES.keys() & asked.keys()}
    return {"Type": asked.get("type", "AWS::Logs::LogGroup"), "Properties": properties, **attributes}


def _template(step: dict[str, Any]) -> dict[str, Any]:
    if step.get("resources") is None:
        return {}
    body = {"Resources": {name: _resource(one) for name, one in step["resources"].items()}}
    if "outputs" in step:
        body["Outputs"] = step["outputs"]
    if "parameters" in step:
        body["Parameters"] = {name: {"Type": "String", **one} for name, one in step["parameters"].items()}
    text = json.dumps(body)
    return {"TemplateBody": text + " " * (step.get("pad", 0) - len(text))}


OWN = {"do", "resources", "outputs", "parameters", "pad", "stack", "name", "type", "logical"}


Clients = tuple[Any, Any, Any]
"""Of CloudFormation, CloudWatch Logs, S3."""


class Stack:
    """The stack of a case."""

    def __init__(self, clients: Clients, name: str) -> None:
        self._api, self._logs, self._s3 = clients
        self.name = name
        self.id = ""
        self.change_set = ""
        self._before: dict[str, str] = {}
        self._seen = 0

    def do(self, step: dict[str, Any]) -> None:
        """Carry out a step, and wait until the stack is at rest."""
        if self.id:
            self._before = {name: one["PhysicalResourceId"] for name, one in self._resources().items()}
            self._seen = len(self._events())
        verb = step["do"].replace("-", "_")
        more = {key: value for key, value in step.items() if key not in OWN}
        getattr(self, f"_{verb}")(step, more)
        if self.id:
            eventually(lambda: not self._described()["StackStatus"].endswith("_IN_PROGRESS") or self._rests())

    def _rests(self) -> bool:
        return bool(self._described()["StackStatus"] == "REVIEW_IN_PROGRESS")

    def _create(self, step: dict[str, Any], more: dict[str, Any]) -> None:
        made = self._api.create_stack(StackName=step.get("stack", self.name), **_template(step), **more)
        self.id = made["StackId"]

    def _update(self, step: dict[str, Any], more: dict[str, Any]) -> None:
        self._api.update_stack(StackName=self.name, **_template(step), **more)

    def _delete(self, _: dict[str, Any], more: dict[str, Any]) -> None:
        self._api.delete_stack(StackName=self.name, **more)

    def _rollback(self, *_: Any) -> None:
        self._api.rollback_stack(StackName=self.name)

    def _cancel(self, *_: Any) -> None:
        self._api.cancel_update_stack(StackName=self.name)

    def _continue(self, *_: Any) -> None:
        self._api.continue_update_rollback(StackName=self.name)

    def _summary(self, *_: Any) -> None:
        self._api.get_template_summary(StackName=self.name)

    def _describe(self, *_: Any) -> None:
        self._api.describe_stacks(StackName=self.name)

    def _describe_events(self, *_: Any) -> None:
        self._api.describe_stack_events(StackName=self.name)

    def _describe_resource(self, step: dict[str, Any], _: Any) -> None:
        self._api.describe_stack_resource(StackName=self.name, LogicalResourceId=step["logical"])

    def _change_set(self, step: dict[str, Any], more: dict[str, Any]) -> None:
        made = self._api.create_change_set(
            StackName=self.name,
            ChangeSetName=step["name"],
            ChangeSetType=step.get("type", "UPDATE"),
            **_template(step),
            **more,
        )
        self.id, self.change_set = made["StackId"], made["Id"]

    def _describe_change_set(self, step: dict[str, Any], _: Any) -> None:
        self._api.describe_change_set(StackName=self.name, ChangeSetName=step["name"])

    def _execute(self, step: dict[str, Any], _: Any) -> None:
        self._api.execute_change_set(StackName=self.name, ChangeSetName=step["name"])

    def _group(self, step: dict[str, Any], _: Any) -> None:
        self._logs.create_log_group(logGroupName=step["name"])

    def _object(self, *_: Any) -> None:
        self._s3.put_object(Bucket=self.name, Key="k", Body=b"x")

    # What can be looked at

    def look(self, what: str, expected: Any) -> Any:
        """Return what a member of an expectation is about."""
        views: dict[str, Callable[[], Any]] = {
            "status": lambda: self._described()["StackStatus"],
            "reason": self._reason,
            "outputs": lambda: self._described().get("Outputs"),
            "resources": lambda: {name: self._resources()[name]["ResourceStatus"] for name in expected},
            "groups": lambda: sorted(self._groups()),
            "days": lambda: {name: self._groups()[name].get("retentionInDays") for name in expected},
            "same": lambda: [n for n, i in self._before.items() if self._physical(n) == i and n in expected],
            "events": lambda: self._events()[self._seen :],
            "deleted": lambda: [name for name in self._deleted() if name in expected],
            "never": lambda: None if any(e.startswith(f"{expected} ") for e in self._events()) else expected,
            "failure": lambda: next(e for e in self._events() if " UPDATE_FAILED " in e).split(" ", 2)[2],
            "exports": self._exports,
            "changes": self._changes,
            "details": self._details,
            "policies": lambda: {
                one["LogicalResourceId"]: one["PolicyAction"]
                for one in self._resource_changes()
                if "PolicyAction" in one
            },
            "contexts": lambda: {
                one["LogicalResourceId"]: [
                    json.loads(one.get(name, "null")) for name in ("BeforeContext", "AfterContext")
                ]
                for one in self._resource_changes(IncludePropertyValues=True)
            },
            "metadata": lambda: {name: self._metadata(name) for name in expected},
            "members": lambda: {name: name in self._described() for name in expected},
            "listed": self._listed,
            "nested": lambda: self._described_change_set()["IncludeNestedStacks"],
            "change_set": lambda: self._described_change_set()["Status"],
            "why": lambda: self._described_change_set()["StatusReason"],
            "tags": lambda: {key: self._tags().get(key) for key in expected},
            "generated": lambda: expected if self._is_generated(expected) else self._physical(expected),
        }
        return views[what]()

    def _described(self) -> dict[str, Any]:
        return dict(self._api.describe_stacks(StackName=self.id)["Stacks"][0])

    def _described_change_set(self) -> dict[str, Any]:
        return dict(self._api.describe_change_set(ChangeSetName=self.change_set))

    def _listed(self) -> list[str]:
        listed = self._api.list_change_sets(StackName=self.name)["Summaries"]
        assert not any(one["IncludeNestedStacks"] for one in listed)
        return [one["ChangeSetName"] for one in listed]

    def _raw_events(self) -> list[dict[str, Any]]:
        return list(reversed(self._api.describe_stack_events(StackName=self.id)["StackEvents"]))

    def _events(self) -> list[str]:
        found = []
        for event in self._raw_events():
            who = "stack" if event["PhysicalResourceId"] == self.id else event["LogicalResourceId"]
            reason = event.get("ResourceStatusReason", "")
            found.append(f"{who} {event['ResourceStatus']} {reason}".strip())
        return found

    def _reason(self) -> str:
        reasons = [event for event in self._raw_events() if event["PhysicalResourceId"] == self.id]
        return str(
            next(e["ResourceStatusReason"] for e in reversed(reasons) if e.get("ResourceStatusReason"))
        )

    def _resources(self) -> dict[str, dict[str, Any]]:
        listed = self._api.describe_stack_resources(StackName=self.id)["StackResources"]
        return {one["LogicalResourceId"]: {"PhysicalResourceId": "", **one} for one in listed}

    def _physical(self, logical_id: str) -> str:
        return str(self._resources()[logical_id]["PhysicalResourceId"])

    def _is_generated(self, logical_id: str) -> bool:
        name, _, random = self._physical(logical_id).rpartition("-")
        return name == f"{self.name}-{logical_id}" and random.isalnum() and len(random) == 12

    def _groups(self) -> dict[str, dict[str, Any]]:
        prefix = f"{self.name}-"
        listed = self._logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
        return {one["logGroupName"].removeprefix(prefix): one for one in listed}

    def _exports(self) -> dict[str, str]:
        listed = self._api.list_exports()["Exports"]
        own = [one for one in listed if one["ExportingStackId"] == self.id]
        return {one["Name"].removeprefix(f"{self.name}-"): one["Value"] for one in own}

    def _changes(self) -> list[str]:
        changes = [one["ResourceChange"] for one in self._described_change_set()["Changes"]]
        return sorted(
            " ".join(str(one[key]) for key in ("Action", "LogicalResourceId", "Replacement") if key in one)
            for one in changes
        )

    def _resource_changes(self, **more: bool) -> list[dict[str, Any]]:
        described = self._api.describe_change_set(ChangeSetName=self.change_set, **more)
        return [one["ResourceChange"] for one in described["Changes"]]

    def _details(self) -> list[str]:
        return sorted(
            f"{one['LogicalResourceId']}.{detail['Target']['Name']} {detail['ChangeSource']} "
            f"{detail['Evaluation']} {detail.get('CausingEntity', '')}".strip()
            for one in self._resource_changes()
            for detail in one["Details"]
        )

    def _metadata(self, logical_id: str) -> Any:
        found = self._api.describe_stack_resource(StackName=self.id, LogicalResourceId=logical_id)
        return json.loads(found["StackResourceDetail"]["Metadata"])

    def _deleted(self) -> list[str]:
        return [e.split()[0] for e in self._events() if " DELETE_COMPLETE" in e]

    def _tags(self) -> dict[str, str]:
        try:
            listed = self._s3.get_bucket_tagging(Bucket=self.name)["TagSet"]
        except ClientError:
            return {}
        return {tag["Key"]: tag["Value"] for tag in listed}


@pytest.fixture(scope="module")
def clients(account: AccountProcess) -> Clients:
    return account.client("cloudformation"), account.client("logs"), account.client("s3")


@pytest.mark.parametrize("case", load("cloudformation/stacks"), ids=identify)
def test_stacks(case: Case, clients: Clients) -> None:
    name = f"case-{case.id}"
    stack = Stack(clients, name)
    steps = json.loads(json.dumps(case.input).replace("{n}", name))
    answer: Any = "done"
    try:
        for step in steps:
            stack.do(step)
        if isinstance(case.expected, dict):
            answer = {what: stack.look(what, value) for what, value in case.expected.items()}
    except ClientError as error:
        found = error.response["Error"]
        answer = {"error": f"{found['Code']}: {found['Message']}"}
        if case.expected == {"error": found["Code"]}:
            answer = case.expected
    text = json.dumps(answer)
    for secret, shown in ((stack.change_set, "{change_set}"), (stack.id, "{id}"), (name, "{n}")):
        text = text.replace(secret, shown) if secret else text
    case.check(json.loads(text))
