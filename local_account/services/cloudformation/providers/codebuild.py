"""AWS::CodeBuild::Project."""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import Context, Properties, call
from local_account.services.cloudformation.providers.simple import SimpleProvider

# What an update sends for a property that was removed: UpdateProject keeps whatever a request leaves out.
_DEFAULTS = {
    "Cache": {"Type": "NO_CACHE"},
    "Description": "",
    "EncryptionKey": "",
    "QueuedTimeoutInMinutes": 480,
    "SecondaryArtifacts": [],
    "SecondarySources": [],
    "SourceVersion": "",
    "Tags": [],
    "TimeoutInMinutes": 60,
}


class Project(SimpleProvider):
    """AWS::CodeBuild::Project: ``Ref`` gives its name."""

    type = "AWS::CodeBuild::Project"
    name_property = "Name"
    name_limit = 150
    service = "codebuild"
    key = "name"
    create_with, delete_with = "create_project", "delete_project"

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """UpdateProject with everything in the template."""
        removed = {name: _DEFAULTS[name] for name in old if name not in props and name in _DEFAULTS}
        call(ctx.client("codebuild"), "update_project", self.parameters(ctx, {**removed, **props}))

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The ARN."""
        project = ctx.client("codebuild").batch_get_projects(names=[ctx.name])["projects"][0]
        return {"Arn": project["arn"], "Id": ctx.name}
