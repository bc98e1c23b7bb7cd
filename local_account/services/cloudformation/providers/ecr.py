"""AWS::ECR::Repository."""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    call,
    forget_missing,
    without,
)
from local_account.services.cloudformation.providers.simple import SimpleProvider
from local_account.services.cloudformation.providers.tags import retag

_SEPARATE = ("LifecyclePolicy", "RepositoryPolicyText", "EmptyOnDelete")


class Repository(SimpleProvider):
    """AWS::ECR::Repository: ``Ref`` gives its name."""

    type = "AWS::ECR::Repository"
    name_property = "RepositoryName"
    name_limit = 256
    name_lower = True
    service = "ecr"
    key = "repositoryName"
    create_with = "create_repository"
    apart = _SEPARATE

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Leave out what is set by separate operations, and name the members of filters as the API does."""
        return super().parameters(ctx, {**without(props, *_SEPARATE), **_exclusions(props)})

    def finish(self, ctx: Context, props: Properties) -> None:
        """Set the policies."""
        self._set_policies(ctx, props, {})

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Change what differs."""
        ecr, name = ctx.client("ecr"), {"repositoryName": ctx.name}
        mutability = ("ImageTagMutability", "ImageTagMutabilityExclusionFilters")
        if any(props.get(key) != old.get(key) for key in mutability):
            changed = {key: props[key] for key in mutability if key in props}
            call(
                ecr,
                "put_image_tag_mutability",
                {**name, "ImageTagMutability": "MUTABLE", **changed, **_exclusions(props)},
            )
        if props.get("ImageScanningConfiguration") != old.get("ImageScanningConfiguration"):
            scanning = props.get("ImageScanningConfiguration", {"ScanOnPush": False})
            call(ecr, "put_image_scanning_configuration", {**name, "imageScanningConfiguration": scanning})
        self._set_policies(ctx, props, old)
        retag(ecr, "ecr", ctx.attributes["Arn"], props, old)

    def _set_policies(self, ctx: Context, props: Properties, old: Properties) -> None:
        ecr, name = ctx.client("ecr"), {"repositoryName": ctx.name}
        lifecycle = props.get("LifecyclePolicy", {}).get("LifecyclePolicyText")
        before = old.get("LifecyclePolicy", {}).get("LifecyclePolicyText")
        if lifecycle and lifecycle != before:
            ecr.put_lifecycle_policy(**name, lifecyclePolicyText=lifecycle)
        elif before and not lifecycle:
            forget_missing(ecr.delete_lifecycle_policy, **name)
        policy = props.get("RepositoryPolicyText")
        if policy and policy != old.get("RepositoryPolicyText"):
            call(ecr, "set_repository_policy", {**name, "policyText": policy})
        elif old.get("RepositoryPolicyText") and not policy:
            forget_missing(ecr.delete_repository_policy, **name)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The ARN, and the URI that images are pushed to."""
        answer = ctx.client("ecr").describe_repositories(repositoryNames=[ctx.name])
        repository = answer["repositories"][0]
        return {"Arn": repository["repositoryArn"], "RepositoryUri": repository["repositoryUri"]}

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteRepository; only with EmptyOnDelete if it contains images."""
        force = bool(props.get("EmptyOnDelete"))
        forget_missing(ctx.client("ecr").delete_repository, repositoryName=ctx.name, force=force)


def _exclusions(props: Properties) -> Properties:
    member = "ImageTagMutabilityExclusionFilter"
    if f"{member}s" not in props:
        return {}
    filters = [
        {"filterType": one[f"{member}Type"], "filter": one[f"{member}Value"]} for one in props[f"{member}s"]
    ]
    return {f"{member}s": filters}
