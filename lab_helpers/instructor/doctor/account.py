"""Checks of the account: credentials, region, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from lab_helpers.commands import typed
from lab_helpers.instructor import regions
from lab_helpers.instructor.doctor.findings import Finding, error, ok, warning
from lab_helpers.instructor.doctor.room import Room

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import SubnetTypeDef

SKEW_WARNING, SKEW_ERROR = 60, 300
"""Seconds. AWS rejects requests more than five minutes off (IAM User Guide, "Signature Version 4")."""
_NO_SKEW = {"RequestTimeTooSkewed", "RequestExpired"}


def credentials(room: Room) -> Iterator[Finding]:
    """Whether AWS accepts the credentials (GetCallerIdentity)."""
    try:
        arn = room.identity["Arn"]
    except NoCredentialsError:
        yield error("credentials", "no credentials found", _set_credentials())
        return
    except ClientError as failure:
        code = failure.response["Error"]["Code"]
        yield error(
            "credentials",
            f"AWS rejects them: {code}",
            f"they have expired or are wrong: {_set_credentials()}",
        )
        return
    except BotoCoreError as failure:
        yield error(
            "credentials",
            f"AWS does not answer: {failure}",
            "check the network, AWS_ENDPOINT_URL and the region",
        )
        return
    if arn.endswith(":root") and not room.is_local:
        yield warning(
            "credentials",
            f"the root user of account {room.account}",
            "use an IAM role or user: the root user's permissions can't be limited",
        )
    else:
        yield ok("credentials", f"{arn.rpartition(':')[2]} in account {room.account}")


def region(room: Room) -> Iterator[Finding]:
    """Whether the region has every service of the workshop, according to botocore."""
    session = boto3.Session()
    needed = {"sagemaker", "codebuild", "codepipeline", "ecr", "lambda", "events"}
    if room.uses_codecommit:
        needed.add("codecommit")
    lacking = sorted(
        one for one in needed if room.region not in session.get_available_regions(one, room.partition)
    )
    if lacking == ["codecommit"]:
        yield error(
            "region",
            f"{room.region} lacks codecommit",
            "deploy with `--parameter SourceProvider=S3`, and give the doctor `--source-provider S3`",
        )
    elif lacking:
        yield error(
            "region",
            f"{room.region} lacks {', '.join(lacking)}",
            "choose another region, such as us-east-1 or ap-northeast-1",
        )
    elif missing := regions.LACKING.get(room.region):
        yield warning(
            "region",
            f"CloudFormation may lack {', '.join(missing)} in {room.region}",
            "choose another region, or try it: aws cloudformation describe-type --type RESOURCE "
            f"--type-name {missing[0]} --region {room.region}",
        )
    else:
        yield ok("region", f"{room.region} has all services")


def clock(room: Room) -> Iterator[Finding]:
    """Whether this machine's clock agrees with AWS's (the Date header of a response)."""
    remedy = "set the clock: `timedatectl set-ntp true`"
    try:
        headers = room.clients("sts").get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]
    except ClientError as failure:
        if failure.response["Error"]["Code"] in _NO_SKEW:
            yield error("clock", "AWS rejects requests because of their time", remedy)
            return
        headers = failure.response["ResponseMetadata"]["HTTPHeaders"]
    told = headers.get("date")
    if not told:
        yield warning("clock", "the response has no Date header", "compare by hand: `date -u`")
        return
    skew = abs((datetime.now(UTC) - parsedate_to_datetime(told)).total_seconds())
    if skew > SKEW_ERROR:
        yield error("clock", f"{skew:.0f} s off: AWS rejects requests more than {SKEW_ERROR} s off", remedy)
    elif skew > SKEW_WARNING:
        yield warning("clock", f"{skew:.0f} s off", remedy)
    else:
        yield ok("clock", "agrees with AWS's")


def codecommit(room: Room) -> Iterator[Finding]:
    """Whether the account can have repositories, if the labs use them.

    CodeCommit took no new customers from July 2024 to November 2025; the account of one could list
    repositories and not create any. Labs can keep their source in S3 instead.
    """
    if not room.uses_codecommit:
        yield ok("CodeCommit", "is not used: labs keep their repositories in S3")
        return
    try:
        listed = room.clients("codecommit").list_repositories()["repositories"]
    except ClientError as failure:
        message = failure.response["Error"].get("Message", "")
        if "not allowed" in message or "OperationNotAllowed" in failure.response["Error"]["Code"]:
            yield error(
                "CodeCommit",
                "is not available in this account",
                "deploy with `--parameter SourceProvider=S3`: each lab keeps its repository in its bucket",
            )
            return
        raise
    yield ok("CodeCommit", f"repositories in use: {len(listed)}")


def network(room: Room) -> Iterator[Finding]:
    """Whether notebook instances can reach the internet.

    Without a subnet they use SageMaker's own network (SageMaker Developer Guide, "Connect a notebook
    instance in a VPC to external resources"); with one, the subnet's route table decides.
    """
    if not room.subnet:
        yield ok("network", "SageMaker's own: no VPC is needed")
        return
    ec2 = room.clients("ec2")
    try:
        (subnet,) = ec2.describe_subnets(SubnetIds=[room.subnet])["Subnets"]
    except ClientError as failure:
        if "NotFound" not in failure.response["Error"]["Code"]:
            raise
        yield error(
            "network",
            f"the subnet {room.subnet} does not exist in {room.region}",
            "give one that exists: `aws ec2 describe-subnets`",
        )
        return
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}])
    here = {one["GroupId"] for one in groups["SecurityGroups"]}
    if not room.security_groups or not set(room.security_groups) <= here:
        yield error(
            "network",
            f"SecurityGroupIds must belong to the subnet's VPC {subnet['VpcId']}",
            f"choose from {', '.join(sorted(here)[:5])} (at most five)",
        )
        return
    way = _way_out(ec2, subnet)
    if way:
        yield ok("network", f"{room.subnet} reaches the internet through {way}")
    else:
        yield error(
            "network",
            f"{room.subnet} has no route to the internet",
            "add a route 0.0.0.0/0 to a NAT gateway, or leave the subnet out",
        )


def _way_out(ec2: EC2Client, subnet: SubnetTypeDef) -> str:
    """Return the target of a subnet's default route, from its own route table or else the VPC's main one."""
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}])[
        "RouteTables"
    ]
    own = [t for t in tables if any(a.get("SubnetId") == subnet["SubnetId"] for a in t["Associations"])]
    main = [t for t in tables if any(a.get("Main") for a in t["Associations"])]
    for table in own or main:
        for route in table["Routes"]:
            if route.get("DestinationCidrBlock") == "0.0.0.0/0" and route.get("State", "active") == "active":
                return str(
                    route.get("NatGatewayId")
                    or route.get("TransitGatewayId")
                    or route.get("GatewayId")
                    or route.get("NetworkInterfaceId")
                    or ""
                )
    return ""


def _set_credentials() -> str:
    local = f'eval "$({typed("local env")})"'
    return f"set them with `aws configure` or `aws sso login`, or for the local account with `{local}`"
