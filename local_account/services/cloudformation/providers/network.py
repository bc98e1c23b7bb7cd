"""The parts of a VPC: AWS::EC2::VPC, Subnet, InternetGateway, RouteTable, NatGateway and what joins them.

Kept only: resources of EC2 (VPCs, subnets, gateways, routes, endpoints of VPCs, security groups) are
described and can be referred to. No traffic passes through them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    ResourceError,
    call,
    forget_missing,
    pick,
    without,
)
from local_account.services.cloudformation.providers.ec2 import permission
from local_account.services.cloudformation.providers.simple import SimpleProvider
from local_account.services.cloudformation.providers.tags import retag


class _Part(SimpleProvider):
    """A resource of EC2 with an id of its own, which ``Ref`` gives."""

    service = "ec2"
    apart: ClassVar[tuple[str, ...]] = ("Tags",)
    switches: ClassVar[Mapping[str, str]] = {}
    """Properties that are on or off, each set by an operation of its own after the creation."""
    id_attribute: ClassVar[str]
    """The name by which ``Fn::GetAtt`` gives the id."""

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Leave out tags and switches."""
        return without(props, "Tags", *self.switches)

    def finish(self, ctx: Context, props: Properties) -> None:
        """Set the switches and the tags."""
        self._switch(ctx, props, {})
        retag(ctx.client_for_tags("ec2", props.get("Tags", [])), "ec2", ctx.physical_id, props, {})

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Change switches and tags."""
        self.refuse_changes(props, old, "Tags", *self.switches)
        self._switch(ctx, props, old)
        retag(ctx.client("ec2"), "ec2", ctx.physical_id, props, old)

    def _switch(self, ctx: Context, props: Properties, old: Properties) -> None:
        ec2 = ctx.client("ec2")
        for name, operation in self.switches.items():
            if name in props and props[name] != old.get(name):
                getattr(ec2, operation)(**{self.key: ctx.physical_id, name: {"Value": props[name]}})
            elif name in old and name not in props:
                raise ResourceError(
                    f"Say what {name} should be: its removal is not supported by the local account"
                )

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The id."""
        return {self.id_attribute: ctx.physical_id}

    def delete(self, ctx: Context, props: Properties) -> None:
        """Call ``delete_with``."""
        forget_missing(getattr(ctx.client("ec2"), self.delete_with), **{self.key: ctx.physical_id})


class VPC(_Part):
    """AWS::EC2::VPC: ``Ref`` gives its id."""

    type = "AWS::EC2::VPC"
    key, ref, id_attribute = "VpcId", ("Vpc", "VpcId"), "VpcId"
    create_with, delete_with = "create_vpc", "delete_vpc"
    switches: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("EnableDnsSupport", "EnableDnsHostnames"), "modify_vpc_attribute"
    )
    apart = ("Tags", *switches)
    lacking = ("Ipv4IpamPoolId", "Ipv4NetmaskLength", "VpcEncryptionControl")

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """Its id, its addresses, and what it began with."""
        ec2, inside = ctx.client("ec2"), [{"Name": "vpc-id", "Values": [ctx.physical_id]}]
        vpc = ec2.describe_vpcs(VpcIds=[ctx.physical_id])["Vpcs"][0]
        groups = ec2.describe_security_groups(
            Filters=[*inside, {"Name": "group-name", "Values": ["default"]}]
        )["SecurityGroups"]
        lists = ec2.describe_network_acls(Filters=[*inside, {"Name": "default", "Values": ["true"]}])
        return {
            "VpcId": ctx.physical_id,
            "CidrBlock": vpc["CidrBlock"],
            "CidrBlockAssociations": [one["AssociationId"] for one in vpc["CidrBlockAssociationSet"]],
            "DefaultNetworkAcl": lists["NetworkAcls"][0]["NetworkAclId"],
            "DefaultSecurityGroup": groups[0]["GroupId"],
            "Ipv6CidrBlocks": [],
        }

    def extra_attributes(self) -> set[str]:
        """Its addresses."""
        return {"CidrBlock"}


class Subnet(_Part):
    """AWS::EC2::Subnet: ``Ref`` gives its id."""

    type = "AWS::EC2::Subnet"
    key, ref, id_attribute = "SubnetId", ("Subnet", "SubnetId"), "SubnetId"
    create_with, delete_with = "create_subnet", "delete_subnet"
    switches: ClassVar[Mapping[str, str]] = {"MapPublicIpOnLaunch": "modify_subnet_attribute"}
    apart = ("Tags", *switches)
    lacking = (
        *("AvailabilityZoneId", "Ipv4IpamPoolId", "Ipv4NetmaskLength", "Ipv6CidrBlock", "Ipv6IpamPoolId"),
        *("Ipv6Native", "Ipv6NetmaskLength", "OutpostArn"),
    )

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """Its id, where it is, its addresses, and the list that is associated with it."""
        ec2 = ctx.client("ec2")
        subnet = ec2.describe_subnets(SubnetIds=[ctx.physical_id])["Subnets"][0]
        lists = ec2.describe_network_acls(
            Filters=[{"Name": "association.subnet-id", "Values": [ctx.physical_id]}]
        )["NetworkAcls"]
        association = next(
            one["NetworkAclAssociationId"]
            for one in lists[0]["Associations"]
            if one["SubnetId"] == ctx.physical_id
        )
        return {
            "SubnetId": ctx.physical_id,
            **pick(subnet, "AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "VpcId"),
            "NetworkAclAssociationId": association,
            "Ipv6CidrBlocks": [],
        }

    def extra_attributes(self) -> set[str]:
        """Where it is, and its addresses."""
        return {"AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "VpcId"}


class InternetGateway(_Part):
    """AWS::EC2::InternetGateway: ``Ref`` gives its id."""

    type = "AWS::EC2::InternetGateway"
    key, ref = "InternetGatewayId", ("InternetGateway", "InternetGatewayId")
    id_attribute = "InternetGatewayId"
    create_with, delete_with = "create_internet_gateway", "delete_internet_gateway"


class RouteTable(_Part):
    """AWS::EC2::RouteTable: ``Ref`` gives its id."""

    type = "AWS::EC2::RouteTable"
    key, ref, id_attribute = "RouteTableId", ("RouteTable", "RouteTableId"), "RouteTableId"
    create_with, delete_with = "create_route_table", "delete_route_table"


class NatGateway(_Part):
    """AWS::EC2::NatGateway: ``Ref`` gives its id."""

    type = "AWS::EC2::NatGateway"
    key, ref, id_attribute = "NatGatewayId", ("NatGateway", "NatGatewayId"), "NatGatewayId"
    create_with, delete_with = "create_nat_gateway", "delete_nat_gateway"
    lacking = (
        *("AvailabilityMode", "AvailabilityZoneAddresses", "PrivateIpAddress", "SecondaryAllocationIds"),
        *("SecondaryPrivateIpAddressCount", "SecondaryPrivateIpAddresses", "VpcId"),
    )

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Raise ResourceError without what the operation requires, and moto does not."""
        if props.get("ConnectivityType", "public") == "public" and "AllocationId" not in props:
            raise ResourceError(
                "The request must include the AllocationId parameter. Add the required parameter and retry "
                "the request."
            )
        return super().parameters(ctx, props)


class Endpoint(_Part):
    """AWS::EC2::VPCEndpoint: ``Ref`` gives its id."""

    type = "AWS::EC2::VPCEndpoint"
    key, ref, id_attribute = "VpcEndpointId", ("VpcEndpoint", "VpcEndpointId"), "Id"
    create_with, delete_with = "create_vpc_endpoint", "delete_vpc_endpoints"
    lacking = (
        "DnsOptions",
        "IpAddressType",
        "ResourceConfigurationArn",
        "ServiceNetworkArn",
        "ServiceRegion",
    )

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Say the default, with which moto cannot delete an endpoint."""
        return {"VpcEndpointType": "Gateway", **super().parameters(ctx, props)}

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The members of DescribeVpcEndpoints."""
        (found,) = ctx.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[ctx.physical_id])["VpcEndpoints"]
        names = found.get("DnsEntries", [])
        return {
            "Id": ctx.physical_id,
            "CreationTimestamp": found["CreationTimestamp"].isoformat(),
            "DnsEntries": [f"{one.get('HostedZoneId', '')}:{one['DnsName']}" for one in names],
            "NetworkInterfaceIds": found.get("NetworkInterfaceIds", []),
        }

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteVpcEndpoints."""
        forget_missing(ctx.client("ec2").delete_vpc_endpoints, VpcEndpointIds=[ctx.physical_id])


class ElasticIP(_Part):
    """AWS::EC2::EIP: ``Ref`` gives the address."""

    type = "AWS::EC2::EIP"
    key, ref, id_attribute = "AllocationId", ("PublicIp",), "PublicIp"
    create_with, delete_with = "allocate_address", "release_address"
    lacking = ("Address", "IpamPoolId", "NetworkBorderGroup", "PublicIpv4Pool")

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """For a VPC, if the template does not say."""
        return {"Domain": "vpc", **super().parameters(ctx, props)}

    def finish(self, ctx: Context, props: Properties) -> None:
        """Set the tags, which belong to the allocation."""
        client = ctx.client_for_tags("ec2", props.get("Tags", []))
        retag(client, "ec2", self._allocation(ctx), props, {})

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Change the tags."""
        self.refuse_changes(props, old, "Tags")
        retag(ctx.client("ec2"), "ec2", self._allocation(ctx), props, old)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The address, and the id of its allocation."""
        return {"PublicIp": ctx.physical_id, "AllocationId": self._allocation(ctx)}

    def delete(self, ctx: Context, props: Properties) -> None:
        """ReleaseAddress."""
        forget_missing(ctx.client("ec2").release_address, AllocationId=ctx.attributes["AllocationId"])

    @staticmethod
    def _allocation(ctx: Context) -> str:
        (address,) = ctx.client("ec2").describe_addresses(PublicIps=[ctx.physical_id])["Addresses"]
        return str(address["AllocationId"])


class GatewayAttachment(SimpleProvider):
    """AWS::EC2::VPCGatewayAttachment: ``Ref`` gives an id of CloudFormation's own."""

    type = "AWS::EC2::VPCGatewayAttachment"
    service, key = "ec2", "InternetGatewayId"
    create_with, delete_with = "attach_internet_gateway", "detach_internet_gateway"

    def create(self, ctx: Context, props: Properties) -> None:
        """AttachInternetGateway."""
        call(ctx.client("ec2"), self.create_with, props)
        ctx.created(f"IGW|{props['VpcId']}")

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Attach another gateway instead."""
        self.delete(ctx, old)
        call(ctx.client("ec2"), self.create_with, props)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """Its type."""
        return {"AttachmentType": "IGW"}

    def delete(self, ctx: Context, props: Properties) -> None:
        """DetachInternetGateway."""
        forget_missing(ctx.client("ec2").detach_internet_gateway, **pick(props, "InternetGatewayId", "VpcId"))


class Route(SimpleProvider):
    """AWS::EC2::Route: ``Ref`` gives the table and the destination."""

    type = "AWS::EC2::Route"
    service, key = "ec2", "RouteTableId"
    create_with, delete_with = "create_route", "delete_route"
    lacking = ("CoreNetworkArn", "LocalGatewayId", "OdbNetworkArn")
    _destinations = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")

    def create(self, ctx: Context, props: Properties) -> None:
        """CreateRoute."""
        call(ctx.client("ec2"), self.create_with, props)
        ctx.created(f"{props['RouteTableId']}|{self._destination(props)}")

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """ReplaceRoute."""
        call(ctx.client("ec2"), "replace_route", props)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The destination."""
        return {"CidrBlock": self._destination(props)}

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteRoute."""
        forget_missing(ctx.client("ec2").delete_route, **pick(props, "RouteTableId", *self._destinations))

    def _destination(self, props: Properties) -> str:
        return str(next((props[name] for name in self._destinations if name in props), ""))


class RouteTableAssociation(SimpleProvider):
    """AWS::EC2::SubnetRouteTableAssociation: ``Ref`` gives its id."""

    type = "AWS::EC2::SubnetRouteTableAssociation"
    service, key, ref = "ec2", "AssociationId", ("AssociationId",)
    create_with, delete_with = "associate_route_table", "disassociate_route_table"

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Subnet and table."""
        return props

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The id."""
        return {"Id": ctx.physical_id}

    def delete(self, ctx: Context, props: Properties) -> None:
        """DisassociateRouteTable."""
        forget_missing(ctx.client("ec2").disassociate_route_table, AssociationId=ctx.physical_id)


class _GroupRule(SimpleProvider):
    """A rule of a security group that the template writes apart from the group: ``Ref`` gives its id."""

    service, key = "ec2", "GroupId"
    ref = ("SecurityGroupRules", 0, "SecurityGroupRuleId")  # type: ignore[assignment]
    apart = ("IpProtocol", "Description", "CidrIpv6", "SourceSecurityGroupId", "DestinationSecurityGroupId")

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """The rule as the operation takes it."""
        return {"GroupId": props["GroupId"], "IpPermissions": [permission(props)]}

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The id."""
        return {"Id": ctx.physical_id}

    def delete(self, ctx: Context, props: Properties) -> None:
        """Revoke the rule."""
        forget_missing(getattr(ctx.client("ec2"), self.delete_with), **self.parameters(ctx, props))


class Ingress(_GroupRule):
    """AWS::EC2::SecurityGroupIngress."""

    type = "AWS::EC2::SecurityGroupIngress"
    create_with, delete_with = "authorize_security_group_ingress", "revoke_security_group_ingress"
    lacking = ("GroupName", "SourceSecurityGroupName", "SourceSecurityGroupOwnerId")


class Egress(_GroupRule):
    """AWS::EC2::SecurityGroupEgress."""

    type = "AWS::EC2::SecurityGroupEgress"
    create_with, delete_with = "authorize_security_group_egress", "revoke_security_group_egress"
