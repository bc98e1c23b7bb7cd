"""AWS::IAM::Role, its policies (RolePolicy, Policy, ManagedPolicy) and AWS::IAM::InstanceProfile."""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    Provider,
    call,
    forget_missing,
    pick,
    policy_text,
    refuse_existing,
)
from local_account.services.cloudformation.providers.tags import retag

_HOLDERS = (
    ("Roles", "role", "RoleName"),
    ("Users", "user", "UserName"),
    ("Groups", "group", "GroupName"),
)


class Role(Provider):
    """AWS::IAM::Role with inline and managed policies: ``Ref`` gives its name."""

    type = "AWS::IAM::Role"
    name_property = "RoleName"

    def create(self, ctx: Context, props: Properties) -> None:
        """CreateRole, PutRolePolicy, AttachRolePolicy."""
        own = ("Path", "Description", "MaxSessionDuration", "PermissionsBoundary", "Tags")
        trust = policy_text(props["AssumeRolePolicyDocument"])
        call(
            ctx.client("iam"),
            "create_role",
            {"RoleName": ctx.name, "AssumeRolePolicyDocument": trust, **pick(props, *own)},
        )
        ctx.created(ctx.name)
        self._set_policies(ctx, props, {})

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Change what differs."""
        iam, role = ctx.client("iam"), ctx.name
        if props["AssumeRolePolicyDocument"] != old["AssumeRolePolicyDocument"]:
            document = policy_text(props["AssumeRolePolicyDocument"])
            iam.update_assume_role_policy(RoleName=role, PolicyDocument=document)
        if pick(props, "Description", "MaxSessionDuration") != pick(old, "Description", "MaxSessionDuration"):
            iam.update_role(
                RoleName=role,
                Description=props.get("Description", ""),
                MaxSessionDuration=props.get("MaxSessionDuration", 3600),
            )
        if props.get("PermissionsBoundary") != old.get("PermissionsBoundary"):
            if boundary := props.get("PermissionsBoundary"):
                iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)
            else:
                iam.delete_role_permissions_boundary(RoleName=role)
        self._set_policies(ctx, props, old)
        retag(iam, "iam.role", role, props, old)

    def _set_policies(self, ctx: Context, props: Properties, old: Properties) -> None:
        iam, role = ctx.client("iam"), ctx.name
        inline = {policy["PolicyName"]: policy["PolicyDocument"] for policy in props.get("Policies", [])}
        before = {policy["PolicyName"]: policy["PolicyDocument"] for policy in old.get("Policies", [])}
        for name, document in inline.items():
            if before.get(name) != document:
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy_text(document))
        for name in before.keys() - inline.keys():
            forget_missing(iam.delete_role_policy, RoleName=role, PolicyName=name)
        managed, attached = props.get("ManagedPolicyArns", []), old.get("ManagedPolicyArns", [])
        for arn in managed:
            if arn not in attached:
                iam.attach_role_policy(RoleName=role, PolicyArn=arn)
        for arn in attached:
            if arn not in managed:
                forget_missing(iam.detach_role_policy, RoleName=role, PolicyArn=arn)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The role's ARN and id."""
        role = ctx.client("iam").get_role(RoleName=ctx.name)["Role"]
        return {"Arn": role["Arn"], "RoleId": role["RoleId"]}

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteRole after removing its own policies; IAM refuses if others have attached policies."""
        self._set_policies(ctx, {}, props)
        forget_missing(ctx.client("iam").delete_role, RoleName=ctx.name)


class Policy(Provider):
    """AWS::IAM::Policy: one inline policy for roles, users and groups."""

    type = "AWS::IAM::Policy"

    def create(self, ctx: Context, props: Properties) -> None:
        """PutRolePolicy, PutUserPolicy, PutGroupPolicy."""
        ctx.created(ctx.name)
        self.update(ctx, props, {})

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Put the policy on its current principals, delete it from its former ones."""
        iam = ctx.client("iam")
        for holders, kind, key in _HOLDERS:
            for holder in props.get(holders, []):
                put = getattr(iam, f"put_{kind}_policy")
                put(
                    **{key: holder},
                    PolicyName=props["PolicyName"],
                    PolicyDocument=policy_text(props["PolicyDocument"]),
                )
            for holder in old.get(holders, []):
                if holder not in props.get(holders, []) or props.get("PolicyName") != old["PolicyName"]:
                    remove = getattr(iam, f"delete_{kind}_policy")
                    forget_missing(remove, **{key: holder}, PolicyName=old["PolicyName"])

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The generated id."""
        return {"Id": ctx.physical_id}

    def delete(self, ctx: Context, props: Properties) -> None:
        """Delete the policy from all its principals."""
        self.update(ctx, {}, props)


class RolePolicy(Provider):
    """AWS::IAM::RolePolicy, one inline policy of one role: ``Ref`` gives the names of both."""

    type = "AWS::IAM::RolePolicy"

    def create(self, ctx: Context, props: Properties) -> None:
        """PutRolePolicy, unless the role has a policy of the name."""
        iam, names = ctx.client("iam"), pick(props, "RoleName", "PolicyName")
        identifier = f"{props['PolicyName']}|{props['RoleName']}"
        refuse_existing(self.type, identifier, lambda: iam.get_role_policy(**names))
        self.update(ctx, props, {})
        ctx.created(identifier)

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """PutRolePolicy."""
        ctx.client("iam").put_role_policy(
            **pick(props, "RoleName", "PolicyName"),
            PolicyDocument=policy_text(props.get("PolicyDocument", {})),
        )

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteRolePolicy."""
        forget_missing(ctx.client("iam").delete_role_policy, **pick(props, "RoleName", "PolicyName"))


class InstanceProfile(Provider):
    """AWS::IAM::InstanceProfile: ``Ref`` gives its name."""

    type = "AWS::IAM::InstanceProfile"
    name_property = "InstanceProfileName"
    name_limit = 128

    def create(self, ctx: Context, props: Properties) -> None:
        """CreateInstanceProfile, then AddRoleToInstanceProfile."""
        ctx.client("iam").create_instance_profile(InstanceProfileName=ctx.name, **pick(props, "Path"))
        ctx.created(ctx.name)
        self.update(ctx, props, {"Roles": []})

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Remove the role, add the other one."""
        iam = ctx.client("iam")
        for role in old["Roles"]:
            if role not in props["Roles"]:
                forget_missing(
                    iam.remove_role_from_instance_profile, InstanceProfileName=ctx.name, RoleName=role
                )
        for role in props["Roles"]:
            if role not in old["Roles"]:
                iam.add_role_to_instance_profile(InstanceProfileName=ctx.name, RoleName=role)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The ARN."""
        profile = ctx.client("iam").get_instance_profile(InstanceProfileName=ctx.name)["InstanceProfile"]
        return {"Arn": profile["Arn"]}

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteInstanceProfile after its role is out of it."""
        self.update(ctx, {"Roles": []}, props)
        forget_missing(ctx.client("iam").delete_instance_profile, InstanceProfileName=ctx.name)


class ManagedPolicy(Provider):
    """AWS::IAM::ManagedPolicy: ``Ref`` gives its ARN."""

    type = "AWS::IAM::ManagedPolicy"
    name_property = "ManagedPolicyName"
    name_limit = 128

    def create(self, ctx: Context, props: Properties) -> None:
        """CreatePolicy, then AttachRolePolicy, AttachUserPolicy and AttachGroupPolicy."""
        iam = ctx.client("iam")
        arn = iam.create_policy(
            PolicyName=ctx.name,
            PolicyDocument=policy_text(props["PolicyDocument"]),
            **pick(props, "Path", "Description"),
        )["Policy"]["Arn"]
        ctx.created(arn)
        self._attach(ctx, props, {})

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Create a new default version and delete the old one; change who the policy is attached to."""
        iam = ctx.client("iam")
        if props["PolicyDocument"] != old["PolicyDocument"]:
            document = policy_text(props["PolicyDocument"])
            iam.create_policy_version(PolicyArn=ctx.physical_id, PolicyDocument=document, SetAsDefault=True)
            self._delete_versions(ctx)
        self._attach(ctx, props, old)

    def _attach(self, ctx: Context, props: Properties, old: Properties) -> None:
        iam = ctx.client("iam")
        for holders, kind, key in _HOLDERS:
            for holder in props.get(holders, []):
                if holder not in old.get(holders, []):
                    getattr(iam, f"attach_{kind}_policy")(**{key: holder}, PolicyArn=ctx.physical_id)
            for holder in old.get(holders, []):
                if holder not in props.get(holders, []):
                    detach = getattr(iam, f"detach_{kind}_policy")
                    forget_missing(detach, **{key: holder}, PolicyArn=ctx.physical_id)

    def _delete_versions(self, ctx: Context) -> None:
        iam = ctx.client("iam")
        for version in iam.list_policy_versions(PolicyArn=ctx.physical_id)["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=ctx.physical_id, VersionId=version["VersionId"])

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The members of GetPolicy."""
        policy = ctx.client("iam").get_policy(PolicyArn=ctx.physical_id)["Policy"]
        keys = (
            "AttachmentCount",
            "DefaultVersionId",
            "IsAttachable",
            "PermissionsBoundaryUsageCount",
            "PolicyId",
        )
        dates = {key: policy[key].isoformat() for key in ("CreateDate", "UpdateDate") if key in policy}
        return {"PolicyArn": ctx.physical_id, **pick(policy, *keys), **dates}

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeletePolicy after its versions, detached from every principal the template attached it to."""
        iam = ctx.client("iam")
        self._attach(ctx, {}, props)
        self._delete_versions(ctx)
        forget_missing(iam.delete_policy, PolicyArn=ctx.physical_id)
