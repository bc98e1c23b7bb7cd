"""The networks that people's templates bring are kept, described, and deleted again."""

from collections.abc import Callable
from typing import Any

from tests.local_account.services.cloudformation.stack_maker import StackMaker

NETWORK = """
Parameters: {Names: {Type: String, Default: "true"}}
Resources:
  Net:
    Type: AWS::EC2::VPC
    Properties:
      CidrBlock: 10.20.0.0/16
      EnableDnsSupport: true
      EnableDnsHostnames: !Ref Names
      Tags: [{Key: Name, Value: brought}]
  Door: {Type: AWS::EC2::InternetGateway}
  DoorOfNet:
    Type: AWS::EC2::VPCGatewayAttachment
    Properties: {VpcId: !Ref Net, InternetGatewayId: !Ref Door}
  Open:
    Type: AWS::EC2::Subnet
    Properties:
      VpcId: !Ref Net
      CidrBlock: !Select [0, !Cidr [!GetAtt Net.CidrBlock, 2, 8]]
      AvailabilityZone: !Select [0, !GetAZs '']
      MapPublicIpOnLaunch: true
  Closed:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: !Ref Net, CidrBlock: 10.20.1.0/24, AvailabilityZone: !GetAtt Open.AvailabilityZone}
  Address: {Type: AWS::EC2::EIP, DependsOn: DoorOfNet, Properties: {Domain: vpc}}
  Translation:
    Type: AWS::EC2::NatGateway
    Properties: {AllocationId: !GetAtt Address.AllocationId, SubnetId: !Ref Open}
  Out: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Net}}
  Inner: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Net}}
  Default:
    Type: AWS::EC2::Route
    DependsOn: DoorOfNet
    Properties: {RouteTableId: !Ref Out, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Door}
  Translated:
    Type: AWS::EC2::Route
    Properties: {RouteTableId: !Ref Inner, DestinationCidrBlock: 0.0.0.0/0, NatGatewayId: !Ref Translation}
  OpenOut:
    Type: AWS::EC2::SubnetRouteTableAssociation
    Properties: {SubnetId: !Ref Open, RouteTableId: !Ref Out}
  Group: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: brought, VpcId: !Ref Net}}
  Within:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: {GroupId: !Ref Group, IpProtocol: "-1", SourceSecurityGroupId: !Ref Group}
  Storage:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcId: !Ref Net
      ServiceName: !Sub com.amazonaws.${AWS::Region}.s3
      RouteTableIds: [!Ref Inner]
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: "*", Action: "s3:GetObject", Resource: "*"}]
Outputs:
  Net: {Value: !Ref Net}
  Group: {Value: !GetAtt Net.DefaultSecurityGroup}
  Address: {Value: !Ref Address}
"""
PROFILE = """
Resources:
  Trusted:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]
  Reading:
    Type: AWS::IAM::RolePolicy
    Properties:
      RoleName: !Ref Trusted
      PolicyName: reading
      PolicyDocument: {Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "*"}]}
  Profile: {Type: AWS::IAM::InstanceProfile, Properties: {Path: /, Roles: [!Ref Trusted]}}
Outputs: {Arn: {Value: !GetAtt Profile.Arn}, Role: {Value: !Ref Trusted}}
"""


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}


def test_a_network_is_made_changed_and_deleted(client: Callable[[str], Any], stacks: StackMaker) -> None:
    ec2 = client("ec2")
    before = len(ec2.describe_vpcs()["Vpcs"])

    stack = stacks.create("network", NETWORK)

    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("network")
    made, names = outputs(stack), stacks.physical("network")
    (vpc,) = ec2.describe_vpcs(VpcIds=[made["Net"]])["Vpcs"]
    assert {"Key": "Name", "Value": "brought"} in vpc["Tags"]
    inside = [{"Name": "vpc-id", "Values": [made["Net"]]}]
    (first, second) = sorted(
        ec2.describe_subnets(Filters=inside)["Subnets"], key=lambda one: one["CidrBlock"]
    )
    assert (first["CidrBlock"], first["MapPublicIpOnLaunch"]) == ("10.20.0.0/24", True)
    assert second["MapPublicIpOnLaunch"] is False
    (table,) = ec2.describe_route_tables(RouteTableIds=[names["Inner"]])["RouteTables"]
    assert names["Translation"] in {route.get("NatGatewayId") for route in table["Routes"]}
    (group,) = ec2.describe_security_groups(GroupIds=[names["Group"]])["SecurityGroups"]
    assert group["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == names["Group"]
    assert names["Default"] == f"{names['Out']}|0.0.0.0/0"
    assert names["Address"] == made["Address"]

    no_names = [{"ParameterKey": "Names", "ParameterValue": "false"}]
    changed = stacks.update("network", Parameters=no_names)
    assert changed["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("network")
    said = ec2.describe_vpc_attribute(VpcId=made["Net"], Attribute="enableDnsHostnames")
    assert said["EnableDnsHostnames"] == {"Value": False}

    assert stacks.delete("network")["StackStatus"] == "DELETE_COMPLETE", stacks.failures("network")
    assert len(ec2.describe_vpcs()["Vpcs"]) == before


def test_a_public_gateway_needs_an_address(stacks: StackMaker) -> None:
    template = "Resources: {N: {Type: AWS::EC2::NatGateway, Properties: {SubnetId: subnet-1}}}"

    assert stacks.create("network-address", template)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "must include the AllocationId parameter" in stacks.failures("network-address")


def test_a_role_has_policies_and_a_profile_that_are_written_apart(
    client: Callable[[str], Any], stacks: StackMaker
) -> None:
    iam = client("iam")

    stack = stacks.create("profile", PROFILE, Capabilities=["CAPABILITY_IAM"])

    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("profile")
    made = outputs(stack)
    (profile,) = iam.list_instance_profiles_for_role(RoleName=made["Role"])["InstanceProfiles"]
    assert profile["Arn"] == made["Arn"]
    assert iam.list_role_policies(RoleName=made["Role"])["PolicyNames"] == ["reading"]
    assert stacks.delete("profile")["StackStatus"] == "DELETE_COMPLETE", stacks.failures("profile")
