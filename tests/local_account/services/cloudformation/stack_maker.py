"""Stacks in a local account that these tests share."""

from collections.abc import Callable
from typing import Any

from tests.waiting import Eventually

Events = list[tuple[str, str, str]]


class StackMaker:
    """Creates stacks, waits for them, and deletes what is left of them at the end."""

    def __init__(self, client: Callable[[str], Any], eventually: Eventually) -> None:
        self.api = client("cloudformation")
        self._eventually = eventually
        self._names: list[str] = []

    def create(self, name: str, template: str, **more: Any) -> dict[str, Any]:
        """Create a stack and return it at rest."""
        self._names.append(name)
        stack_id = self.api.create_stack(StackName=name, TemplateBody=template, **more)["StackId"]
        return self.at_rest(stack_id)

    def update(self, name: str, template: str | None = None, **more: Any) -> dict[str, Any]:
        body = {"TemplateBody": template} if template else {"UsePreviousTemplate": True}
        stack_id = self.api.update_stack(StackName=name, **body, **more)["StackId"]
        return self.at_rest(stack_id)

    def delete(self, name: str, **more: Any) -> dict[str, Any]:
        stack_id = self.describe(name)["StackId"]
        self.api.delete_stack(StackName=name, **more)
        return self.at_rest(stack_id)

    def describe(self, name: str) -> dict[str, Any]:
        (stack,) = self.api.describe_stacks(StackName=name)["Stacks"]
        return dict(stack)

    def at_rest(self, name: str, seconds: float = 30) -> dict[str, Any]:
        def stack() -> dict[str, Any] | None:
            found = self.describe(name)
            return None if found["StackStatus"].endswith("_IN_PROGRESS") else found

        return self._eventually(stack, seconds)

    def events(self, name: str) -> Events:
        """Return (logical id, status, reason), oldest first."""
        events = self.api.describe_stack_events(StackName=name)["StackEvents"]
        return [
            (e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason", ""))
            for e in reversed(events)
        ]

    def failures(self, name: str) -> str:
        """Return the failures with their reasons, one per line."""
        return "\n".join(": ".join(event) for event in self.events(name) if event[1].endswith("FAILED"))

    def physical(self, name: str) -> dict[str, str]:
        resources = self.api.describe_stack_resources(StackName=name)["StackResources"]
        return {r["LogicalResourceId"]: r.get("PhysicalResourceId", "") for r in resources}

    def outputs(self, name: str) -> dict[str, str]:
        return {o["OutputKey"]: o["OutputValue"] for o in self.describe(name).get("Outputs", [])}

    def clean_up(self) -> None:
        for name in reversed(self._names):
            self.api.delete_stack(StackName=name)
