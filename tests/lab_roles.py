"""The roles of a lab with their policies, as CloudFormation would create them.

Evaluated by the local account's own intrinsic functions; nothing is deployed."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_helpers.names import Names
from local_account.services.cloudformation import parameters
from local_account.services.cloudformation.intrinsics import Scope
from local_account.services.cloudformation.template import parse
from tests.checkout import ROOT

TOP = ROOT / "cfn" / "m.yml"
ACCOUNT = "123456789012"
# Resource attributes that occur in policies: service and resource of an ARN.
_ARNS = {
    "AWS::IAM::Role": ("iam", "role/{RoleName}"),
    "AWS::S3::Bucket": ("s3", "{BucketName}"),
    "AWS::ECR::Repository": ("ecr", "repository/{RepositoryName}"),
    "AWS::CodeCommit::Repository": ("codecommit", "{RepositoryName}"),
}


@dataclass(frozen=True)
class Place:
    """Where a lab is deployed."""

    region: str = "us-east-1"
    partition: str = "aws"

    def arn(self, service: str, resource: str) -> str:
        region = "" if service in {"iam", "s3"} else self.region
        account = "" if service == "s3" else ACCOUNT
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"


@dataclass
class Role:
    """A role and its policy documents by name."""

    inline: dict[str, dict[str, Any]] = field(default_factory=dict)
    managed: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [*self.inline.values(), *self.managed.values()]


class _Deployed:
    """The values of `Ref` and `Fn::GetAtt`, without resources."""

    def __init__(self, place: Place) -> None:
        self.place, self.scope = place, None  # type: Place, Any

    def attribute(self, logical_id: str, name: str) -> str:
        resource = self.scope.active()[logical_id]
        if name != "Arn":
            return f"{logical_id}.{name}"
        service, text = _ARNS[resource["Type"]]
        own = {key: self.scope.value(v) for key, v in resource["Properties"].items() if key.endswith("Name")}
        return self.place.arn(service, text.format(**own))

    def ref(self, logical_id: str) -> str:
        return self.attribute(logical_id, "Arn").rpartition(":")[2]


def _resources(path: Path, given: dict[str, str], stack: str, place: Place) -> Iterator[tuple[str, Any]]:
    """Yield type and evaluated properties of every resource that concerns policies."""
    text = path.read_text()
    template = parse(text, re.findall(r"^    Type: (AWS::\S+)$", text, re.MULTILINE))
    pairs = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
    values = parameters.typed(template, parameters.resolve(template, pairs, None))
    pseudo = {
        "AWS::AccountId": ACCOUNT,
        "AWS::Partition": place.partition,
        "AWS::Region": place.region,
        "AWS::StackName": stack,
        "AWS::StackId": place.arn("cloudformation", f"stack/{stack}/0a1b2c3d-0000-4000-8000-000000000001"),
        "AWS::URLSuffix": "amazonaws.com",
    }
    deployed = _Deployed(place)
    deployed.scope = scope = Scope(template, values, pseudo, deployed, lambda _: "", lambda _: [])
    for resource in scope.active().values():
        if resource["Type"] in {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::CloudFormation::Stack"}:
            yield resource["Type"], scope.value(resource["Properties"])


def roles(lab_id: str, place: Place | None = None, top: Path = TOP) -> dict[str, Role]:
    """Return the roles of a lab by name; those of the top stack include the policies that it nests."""
    place, names = place or Place(), Names(lab_id)
    given = {
        "NamePrefix": names.prefix,
        "PackageUri": f"s3://{names.assets_bucket(place.region, ACCOUNT)}/package/workshop.zip",
    }
    found = list(_resources(top, given, names.top_stack, place))
    managed = {
        place.arn("iam", f"policy/{policy['ManagedPolicyName']}"): policy
        for kind, nested in found
        if kind == "AWS::CloudFormation::Stack"
        for _, policy in _resources(top.parent / nested["TemplateURL"], nested["Parameters"], "nested", place)
    }
    return {
        role["RoleName"]: Role(
            {one["PolicyName"]: one["PolicyDocument"] for one in role.get("Policies", [])},
            {
                managed[arn]["ManagedPolicyName"]: managed[arn]["PolicyDocument"]
                for arn in role.get("ManagedPolicyArns", [])
            },
        )
        for kind, role in found
        if kind == "AWS::IAM::Role"
    }


def size(document: dict[str, Any]) -> int:
    """Return the number of characters of a policy, as IAM counts them.

    "IAM doesn't count white space when calculating the size of a policy" (IAM User Guide, "IAM and AWS STS
    quotas", IAM and STS character limits).
    """
    return len(re.sub(r"\s", "", json.dumps(document)))


def grants(role: Role) -> set[tuple[str, str, str, str]]:
    """Return every permission of a role as single effect, action, resource and condition."""

    def listed(value: Any) -> list[str]:
        return value if isinstance(value, list) else [value]

    return {
        (one["Effect"], action, resource, json.dumps(one.get("Condition", {}), sort_keys=True))
        for document in role.documents
        for one in document["Statement"]
        for action in listed(one["Action"])
        for resource in listed(one["Resource"])
    }
