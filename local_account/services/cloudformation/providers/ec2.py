"""AWS::EC2::SecurityGroup."""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    Provider,
    ResourceError,
    forget_missing,
    pick,
)
from local_account.services.cloudformation.providers.tags import retag

_ALL_EGRESS = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


class SecurityGroup(Provider):
    """AWS::EC2::SecurityGroup: ``Ref`` gives its id."""

    type = "AWS::EC2::SecurityGroup"
    name_property = "GroupName"
    name_limit = 255

    def create(self, ctx: Context, props: Properties) -> None:
        """CreateSecurityGroup, then its rules and tags."""
        ec2 = ctx.client("ec2")
        group = ec2.create_security_group(
            GroupName=ctx.name, Description=props["GroupDescription"], **pick(props, "VpcId")
        )["GroupId"]
        ctx.created(group)
        if props.get("SecurityGroupEgress"):
            # A new group allows all outbound traffic; egress rules in the template replace that.
            ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[_ALL_EGRESS])
        self._authorize(ctx, props)
        retag(ctx.client_for_tags("ec2", props.get("Tags", [])), "ec2", group, props, {})

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Remove the old rules, add the new ones."""
        ec2, group = ctx.client("ec2"), ctx.physical_id
        if props.get("SecurityGroupIngress") != old.get("SecurityGroupIngress"):
            if before := _permissions(old, "SecurityGroupIngress"):
                ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=before)
            self._authorize(ctx, pick(props, "SecurityGroupIngress"))
        if props.get("SecurityGroupEgress") != old.get("SecurityGroupEgress"):
            before = _permissions(old, "SecurityGroupEgress") or [_ALL_EGRESS]
            ec2.revoke_security_group_egress(GroupId=group, IpPermissions=before)
            after = _permissions(props, "SecurityGroupEgress") or [_ALL_EGRESS]
            ec2.authorize_security_group_egress(GroupId=group, IpPermissions=after)
        retag(ec2, "ec2", group, props, old)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """Its id and its VPC."""
        group = ctx.client("ec2").describe_security_groups(GroupIds=[ctx.physical_id])["SecurityGroups"][0]
        return {"GroupId": ctx.physical_id, "Id": ctx.physical_id, "VpcId": group["VpcId"]}

    def extra_attributes(self) -> set[str]:
        """The VPC."""
        return {"VpcId"}

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteSecurityGroup."""
        forget_missing(ctx.client("ec2").delete_security_group, GroupId=ctx.physical_id)

    def _authorize(self, ctx: Context, props: Properties) -> None:
        ec2, group = ctx.client("ec2"), ctx.physical_id
        if ingress := _permissions(props, "SecurityGroupIngress"):
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=ingress)
        if egress := _permissions(props, "SecurityGroupEgress"):
            ec2.authorize_security_group_egress(GroupId=group, IpPermissions=egress)


def _permissions(props: Properties, name: str) -> list[Properties]:
    return [permission(rule) for rule in props.get(name, [])]


def permission(rule: Properties) -> Properties:
    """Return a rule of a template as the operations on security groups take it."""
    about = {"Description": rule["Description"]} if "Description" in rule else {}
    ports = pick(rule, "IpProtocol", "FromPort", "ToPort")
    if "CidrIp" in rule:
        return {**ports, "IpRanges": [{"CidrIp": rule["CidrIp"], **about}]}
    if "CidrIpv6" in rule:
        return {**ports, "Ipv6Ranges": [{"CidrIpv6": rule["CidrIpv6"], **about}]}
    group = rule.get("SourceSecurityGroupId") or rule.get("DestinationSecurityGroupId")
    if group is None:
        raise ResourceError("A security group rule needs a CidrIp, a CidrIpv6 or the id of another group")
    return {**ports, "UserIdGroupPairs": [{"GroupId": group, **about}]}
