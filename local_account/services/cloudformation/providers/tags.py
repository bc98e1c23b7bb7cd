"""Tags of existing resources: one way to change them for every service."""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import Properties, call

# service: operation and parameters to set tags, operation and parameters to remove them
_OPERATIONS = {
    "application-autoscaling": ("tag_resource", "ResourceARN", "Tags", "untag_resource", "TagKeys"),
    "cloudwatch": ("tag_resource", "ResourceARN", "Tags", "untag_resource", "TagKeys"),
    "codecommit": ("tag_resource", "resourceArn", "tags", "untag_resource", "tagKeys"),
    "codeconnections": ("tag_resource", "ResourceArn", "Tags", "untag_resource", "TagKeys"),
    "codestar-connections": ("tag_resource", "ResourceArn", "Tags", "untag_resource", "TagKeys"),
    "codepipeline": ("tag_resource", "resourceArn", "tags", "untag_resource", "tagKeys"),
    "ec2": ("create_tags", "Resources", "Tags", "delete_tags", "Tags"),
    "ecr": ("tag_resource", "resourceArn", "tags", "untag_resource", "tagKeys"),
    "events": ("tag_resource", "ResourceARN", "Tags", "untag_resource", "TagKeys"),
    "iam.policy": ("tag_policy", "PolicyArn", "Tags", "untag_policy", "TagKeys"),
    "iam.role": ("tag_role", "RoleName", "Tags", "untag_role", "TagKeys"),
    "lambda": ("tag_resource", "Resource", "Tags", "untag_resource", "TagKeys"),
    "logs": ("tag_resource", "resourceArn", "tags", "untag_resource", "tagKeys"),
    "secretsmanager": ("tag_resource", "SecretId", "Tags", "untag_resource", "TagKeys"),
    "sns": ("tag_resource", "ResourceArn", "Tags", "untag_resource", "TagKeys"),
    "ssm": ("add_tags_to_resource", "ResourceId", "Tags", "remove_tags_from_resource", "TagKeys"),
    "sagemaker": ("add_tags", "ResourceArn", "Tags", "delete_tags", "TagKeys"),
}


def retag(client: Any, kind: str, target: str, props: Properties, old: Properties) -> None:
    """Change a resource's tags from ``old`` to ``props``; ``target`` is its ARN, id or name."""
    set_operation, target_name, tags_name, remove_operation, keys_name = _OPERATIONS[kind]
    before = {tag["Key"]: tag["Value"] for tag in old.get("Tags", [])}
    after = {tag["Key"]: tag["Value"] for tag in props.get("Tags", [])}
    changed = [{"Key": key, "Value": value} for key, value in after.items() if before.get(key) != value]
    removed = [key for key in before if key not in after]
    resource: Any = [target] if kind == "ec2" else target
    more = {"ResourceType": "Parameter"} if kind == "ssm" else {}
    if changed:
        call(client, set_operation, {target_name: resource, tags_name: changed, **more})
    if removed:
        keys: list[Any] = [{"Key": key} for key in removed] if kind == "ec2" else list(removed)
        call(client, remove_operation, {target_name: resource, keys_name: keys, **more})
