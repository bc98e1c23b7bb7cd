"""AWS::SSM::Parameter."""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import Context, Properties, call, without
from local_account.services.cloudformation.providers.simple import SimpleProvider
from local_account.services.cloudformation.providers.tags import retag


class Parameter(SimpleProvider):
    """AWS::SSM::Parameter: ``Ref`` gives its name."""

    type = "AWS::SSM::Parameter"
    name_property = "Name"
    name_limit = 1011
    name_prefix = "CFN"
    service = "ssm"
    key = "Name"
    create_with, delete_with = "put_parameter", "delete_parameter"
    lacking = ("Policies",)

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Write the tags as the API takes them: a list."""
        own = super().parameters(ctx, props)
        return {**own, "Tags": _tags(props)["Tags"]} if "Tags" in props else own

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """PutParameter, which makes a new version, and the tags."""
        ssm = ctx.client(self.service)
        if without(props, "Tags") != without(old, "Tags"):
            call(ssm, self.create_with, {**without(self.parameters(ctx, props), "Tags"), "Overwrite": True})
        retag(ssm, self.service, ctx.name, _tags(props), _tags(old))

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """Type and value."""
        return {"Type": props["Type"], "Value": props["Value"]}

    def extra_attributes(self) -> set[str]:
        """Properties that Fn::GetAtt gives."""
        return {"Type", "Value"}


def _tags(props: Properties) -> Properties:
    return {"Tags": [{"Key": key, "Value": value} for key, value in props.get("Tags", {}).items()]}
