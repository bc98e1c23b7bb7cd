"""AWS::S3::Bucket and AWS::S3::BucketPolicy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    Provider,
    ResourceError,
    forget_missing,
    policy_text,
    refuse_existing,
)

Setting = tuple[Callable[[Any, str, Any], Any], Callable[[Any, str], Any]]


def _encryption(value: Properties) -> Properties:
    rules = []
    for rule in value["ServerSideEncryptionConfiguration"]:
        renamed = {k: v for k, v in rule.items() if k != "ServerSideEncryptionByDefault"}
        if "ServerSideEncryptionByDefault" in rule:
            renamed["ApplyServerSideEncryptionByDefault"] = rule["ServerSideEncryptionByDefault"]
        rules.append(renamed)
    return {"Rules": rules}


def _notification(value: Properties) -> Properties:
    if others := set(value) - {"EventBridgeConfiguration"}:
        raise ResourceError(
            f"NotificationConfiguration/{min(others)} is not supported by the local account; "
            "use EventBridgeConfiguration and a rule"
        )
    enabled = value.get("EventBridgeConfiguration", {}).get("EventBridgeEnabled", True)
    return {"EventBridgeConfiguration": {}} if "EventBridgeConfiguration" in value and enabled else {}


def _lifecycle_rule(rule: Properties) -> Properties:
    same = ("Status", "AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration")
    result = {key: rule[key] for key in same if key in rule}
    filters = {"Prefix": rule.get("Prefix", "")}
    sizes: Properties = {
        key: int(rule[key]) for key in ("ObjectSizeGreaterThan", "ObjectSizeLessThan") if key in rule
    }
    tags = [{"Key": tag["Key"], "Value": tag["Value"]} for tag in rule.get("TagFilters", [])]
    more: Properties = {**sizes, "Tags": tags} if tags else {**sizes}
    result["Filter"] = {"And": {**filters, **more}} if more else filters
    if "Id" in rule:
        result["ID"] = rule["Id"]
    if "ExpirationInDays" in rule:
        result["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    elif rule.get("ExpiredObjectDeleteMarker"):
        result["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    if "NoncurrentVersionExpirationInDays" in rule:
        result["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
    transitions = rule.get("Transitions", [rule["Transition"]] if "Transition" in rule else [])
    if transitions:
        result["Transitions"] = [
            {"StorageClass": each["StorageClass"], "Days": each["TransitionInDays"]} for each in transitions
        ]
    known = {*same, "Id", "Prefix", "TagFilters", "ExpirationInDays", "ExpiredObjectDeleteMarker"}
    known |= {"NoncurrentVersionExpirationInDays", "Transition", "Transitions", *sizes}
    if unknown := set(rule) - known:
        raise ResourceError(
            f"LifecycleConfiguration/Rules/{min(unknown)} is not supported by the local account"
        )
    return result


def _cors(value: Properties) -> Properties:
    renamed = {"ExposedHeaders": "ExposeHeaders", "Id": "ID", "MaxAge": "MaxAgeSeconds"}
    return {
        "CORSRules": [
            {renamed.get(name, name): each for name, each in rule.items()} for rule in value["CorsRules"]
        ]
    }


# Property: how to set it, how to remove it.
_SETTINGS: dict[str, Setting] = {
    "BucketEncryption": (
        lambda s3, bucket, value: s3.put_bucket_encryption(
            Bucket=bucket, ServerSideEncryptionConfiguration=_encryption(value)
        ),
        lambda s3, bucket: s3.delete_bucket_encryption(Bucket=bucket),
    ),
    "CorsConfiguration": (
        lambda s3, bucket, value: s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=_cors(value)),
        lambda s3, bucket: s3.delete_bucket_cors(Bucket=bucket),
    ),
    "LifecycleConfiguration": (
        lambda s3, bucket, value: s3.put_bucket_lifecycle_configuration(
            Bucket=bucket,
            LifecycleConfiguration={"Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]},
        ),
        lambda s3, bucket: s3.delete_bucket_lifecycle(Bucket=bucket),
    ),
    "NotificationConfiguration": (
        lambda s3, bucket, value: s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=_notification(value)
        ),
        lambda s3, bucket: s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={}
        ),
    ),
    "OwnershipControls": (
        lambda s3, bucket, value: s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=value),
        lambda s3, bucket: s3.delete_bucket_ownership_controls(Bucket=bucket),
    ),
    "PublicAccessBlockConfiguration": (
        lambda s3, bucket, value: s3.put_public_access_block(
            Bucket=bucket, PublicAccessBlockConfiguration=value
        ),
        lambda s3, bucket: s3.delete_public_access_block(Bucket=bucket),
    ),
    "Tags": (
        lambda s3, bucket, value: s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": value}),
        lambda s3, bucket: s3.delete_bucket_tagging(Bucket=bucket),
    ),
    "VersioningConfiguration": (
        lambda s3, bucket, value: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=value),
        lambda s3, bucket: s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
        ),
    ),
}


# Properties that are taken with AWS's default only, which templates like to spell out.
_DEFAULTS: Properties = {
    "AccelerateConfiguration": {"AccelerationStatus": "Suspended"},
    "ObjectLockEnabled": False,
}
_WITHOUT_EFFECT = ("Private", "BucketOwnerRead", "BucketOwnerFullControl")
"""Canned ACLs that leave a bucket as it is: of the last two, "if you specify this canned ACL when creating a
bucket, Amazon S3 ignores it" (S3 User Guide, "Canned ACL")."""


class Bucket(Provider):
    """AWS::S3::Bucket: ``Ref`` gives the bucket's name."""

    type = "AWS::S3::Bucket"
    name_property = "BucketName"
    name_limit = 63
    name_lower = True

    def lacks(self, names: Iterable[str]) -> set[str]:
        """Return those of the properties that are neither settings nor taken with AWS's default."""
        return set(names) - {"BucketName", "AccessControl", *_SETTINGS, *_DEFAULTS}

    def create(self, ctx: Context, props: Properties) -> None:
        """CreateBucket, then one call for each setting."""
        s3, region = ctx.client("s3"), ctx.account.config.region
        _check(props)
        refuse_existing(self.type, ctx.name, lambda: s3.head_bucket(Bucket=ctx.name))
        location = (
            {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        )
        s3.create_bucket(Bucket=ctx.name, **location)
        ctx.created(ctx.name)
        self._set(ctx, props, {})

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Set what changed; remove what is no longer in the template."""
        _check(props)
        self._set(ctx, props, old)

    def _set(self, ctx: Context, props: Properties, old: Properties) -> None:
        s3 = ctx.client("s3")
        for name, (put, remove) in _SETTINGS.items():
            if name in props and props[name] != old.get(name):
                put(ctx.client_for_tags("s3", props[name]) if name == "Tags" else s3, ctx.name, props[name])
            elif name in old and name not in props:
                remove(s3, ctx.name)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The bucket's addresses, in AWS's form."""
        name, region = ctx.name, ctx.account.config.region
        return {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
            "WebsiteURL": f"http://{name}.s3-website-{region}.amazonaws.com",
        }

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteBucket, which S3 refuses while the bucket has an object or a version."""
        forget_missing(ctx.client("s3").delete_bucket, Bucket=ctx.name)


def _check(props: Properties) -> None:
    """Raise ResourceError for a value of a property that is not supported."""
    for name, value in props.items():
        if name in _DEFAULTS and value != _DEFAULTS[name]:
            raise ResourceError(f"Property {name}: {value} is not supported by the local account")
    if (acl := props.get("AccessControl", "Private")) in _WITHOUT_EFFECT:
        return
    rules = props.get("OwnershipControls", {}).get("Rules", [])
    if all(rule.get("ObjectOwnership") == "BucketOwnerEnforced" for rule in rules):
        raise ResourceError(
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting (Service: Amazon "
            "S3; Status Code: 400; Error Code: InvalidBucketAclWithObjectOwnership)"
        )
    raise ResourceError(f"Property AccessControl: {acl} is not supported by the local account")


class BucketPolicy(Provider):
    """AWS::S3::BucketPolicy: ``Ref`` gives the bucket's name."""

    type = "AWS::S3::BucketPolicy"

    def create(self, ctx: Context, props: Properties) -> None:
        """PutBucketPolicy, unless the bucket already has a policy."""
        s3, bucket = ctx.client("s3"), props["Bucket"]
        refuse_existing(self.type, bucket, lambda: s3.get_bucket_policy(Bucket=bucket))
        self.update(ctx, props, {})
        ctx.created(bucket)

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """PutBucketPolicy."""
        ctx.client("s3").put_bucket_policy(
            Bucket=props["Bucket"], Policy=policy_text(props["PolicyDocument"])
        )

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteBucketPolicy."""
        forget_missing(ctx.client("s3").delete_bucket_policy, Bucket=props["Bucket"])
