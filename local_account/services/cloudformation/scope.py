"""The sources of values for a template's functions, and the checks that need the resource types.

Differs from AWS: nested stacks get the stack's tags, and not those that CloudFormation adds itself
(`aws:cloudformation:stack-name`, `…:logical-id`, `…:stack-id`). AWS documents that these reach every resource
that takes them; the only report of a nested stack's tags shows none of them. Source: aws/aws-cdk, issue
17463.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local_account.foundation.acting import calling_role
from local_account.services.cloudformation import dynamic_references, parameters
from local_account.services.cloudformation.intrinsics import PendingError, Resources, Scope
from local_account.services.cloudformation.providers.base import Properties, Provider
from local_account.services.cloudformation.schemas import Schemas
from local_account.services.cloudformation.stacks import STACK_TYPE, Resource, Stack, Stacks
from local_account.services.cloudformation.template import Template, invalid, parse, refuse_types

if TYPE_CHECKING:
    from local_account.foundation.account import Account


class Recorded:
    """Resources as recorded in a stack's document; those in ``pending`` are not known yet."""

    def __init__(self, records: Mapping[str, Resource], pending: set[str] | None = None) -> None:
        self._records = records
        self.pending = pending if pending is not None else set()

    def ref(self, logical_id: str) -> str:
        """Return the physical id."""
        record = self._records.get(logical_id)
        if logical_id in self.pending or record is None or not record["PhysicalResourceId"]:
            raise PendingError(logical_id)
        return record["PhysicalResourceId"]

    def attribute(self, logical_id: str, name: str) -> Any:
        """Return an attribute."""
        record = self._records.get(logical_id)
        if logical_id in self.pending or record is None:
            raise PendingError(logical_id, name)
        if name not in record["Attributes"]:
            raise unsupported_attribute(logical_id, name)
        return record["Attributes"][name]


class Imports:
    """Looks up exports, and remembers which ones were used."""

    def __init__(self, stacks: Stacks, *, planned: bool = False) -> None:
        self._stacks = stacks
        self._planned = planned
        self.names: set[str] = set()

    def __call__(self, name: str) -> str:
        """Return the value of an export. One that does not exist fails a deployment, and not its plan."""
        export = self._stacks.exports().get(name)
        if export is None and self._planned:
            raise PendingError(name)
        if export is None:
            raise invalid(f"No export named {name} found.")
        self.names.add(name)
        return export["Value"]


def make_scope(
    account: Account, stack: Stack, template: Template, resources: Resources, imports: Imports
) -> Scope:
    """Return the scope of a stack's template."""
    pseudo = {
        "AWS::AccountId": account.config.account_id,
        "AWS::NotificationARNs": stack.get("NotificationARNs", []),
        "AWS::Partition": "aws",
        "AWS::Region": account.config.region,
        "AWS::StackId": stack["StackId"],
        "AWS::StackName": stack["StackName"],
        "AWS::URLSuffix": "amazonaws.com",
    }

    def zones(region: str) -> list[str]:
        if region not in ("", account.config.region):
            raise invalid(f"Template error: Fn::GetAZs for another region ({region}) is not supported")
        found = account.client("ec2").describe_availability_zones()["AvailabilityZones"]
        return sorted(zone["ZoneName"] for zone in found)

    role = stack.get("RoleARN") or stack.get("CallerRole") or calling_role()

    def plain(text: str) -> str:
        return dynamic_references.plain(text, lambda service: account.client(service, role))

    values = parameters.typed(template, stack["Values"], stack["Parameters"])
    return Scope(template, values, pseudo, resources, imports, zones, plain)


class Types:
    """The supported resource types: their providers and schemas."""

    def __init__(self, providers: Mapping[str, Provider], schemas: Schemas) -> None:
        self.providers = providers
        self.schemas = schemas

    def template(self, text: str) -> Template:
        """Parse a template. Raises ServiceError ValidationError if no stack can be created from it."""
        return parse(text, self.providers, self.schemas.names)

    def effective(self, scope: Scope, resource: Mapping[str, Any], tags: list[dict[str, str]]) -> Properties:
        """Return the evaluated properties of a resource, with the stack's tags if the type takes tags."""
        return self.completed(resource["Type"], scope.value(resource.get("Properties") or {}), tags)

    def completed(self, type_name: str, props: Properties, tags: list[dict[str, str]]) -> Properties:
        """Return properties in the schema's types, with the stack's tags below the resource's own."""
        schema = self.schemas.get(type_name)
        if tags and schema.takes_tags and type_name != STACK_TYPE:
            own = props.get("Tags", [])
            keys = {tag.get("Key") for tag in own}
            props = {**props, "Tags": [*own, *(tag for tag in tags if tag["Key"] not in keys)]}
        return schema.coerce(props)

    def check(self, template: Template, scope: Scope) -> None:
        """Raise ServiceError ValidationError for references and selections that nothing can satisfy."""
        refuse_types(
            sorted({one["Type"] for one in scope.active().values() if one["Type"] not in self.providers})
        )
        scope.dependencies()
        parts = [resource.get("Properties") for resource in scope.active().values()]
        parts += [
            output["Value"]
            for output in template.outputs.values()
            if "Condition" not in output or scope.condition(output["Condition"])
        ]
        for part in parts:
            scope.check(part)
            for name, attribute in scope.references([part]):
                if attribute and name in template.resources:
                    self._check_attribute(template.resources[name]["Type"], name, attribute)

    def _check_attribute(self, type_name: str, logical_id: str, attribute: str) -> None:
        if type_name == STACK_TYPE and attribute.startswith("Outputs."):
            return
        if self.providers[type_name].any_attribute:
            return
        known = self.schemas.get(type_name).read_only | self.providers[type_name].extra_attributes()
        if attribute not in known:
            raise unsupported_attribute(logical_id, attribute)


def unsupported_attribute(logical_id: str, name: str) -> Exception:
    """Return the error for an attribute that a resource does not have."""
    return invalid(
        f"Template error: resource {logical_id} does not support attribute type {name} in Fn::GetAtt"
    )
