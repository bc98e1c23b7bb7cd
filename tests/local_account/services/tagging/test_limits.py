"""A resource has at most fifty tags ("Tag naming limits and requirements"), whoever sets them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.iam_roles import make_role

Client = Callable[[str], Any]


def listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def alarm(client: Client, name: str, tags: dict[str, str]) -> str:
    client("cloudwatch").put_metric_alarm(
        AlarmName=name, MetricName="m", Namespace="n", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold", Tags=listed(tags),
    )  # fmt: skip
    return str(client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["AlarmArn"])


def rule(client: Client, name: str, tags: dict[str, str]) -> str:
    pattern = json.dumps({"source": [name]})
    return str(client("events").put_rule(Name=name, EventPattern=pattern, Tags=listed(tags))["RuleArn"])


def repository(client: Client, name: str, tags: dict[str, str]) -> str:
    made = client("codecommit").create_repository(repositoryName=name, tags=tags)
    return str(made["repositoryMetadata"]["Arn"])


def images(client: Client, name: str, tags: dict[str, str]) -> str:
    made = client("ecr").create_repository(repositoryName=name, tags=listed(tags))
    return str(made["repository"]["repositoryArn"])


def pipeline(client: Client, name: str, tags: dict[str, str]) -> str:
    def stage(category: str, provider: str, **members: Any) -> dict[str, Any]:
        kind = {"category": category, "owner": "AWS", "provider": provider, "version": "1"}
        return {"name": category, "actions": [{"name": "a", "actionTypeId": kind, **members}]}

    configuration = {"RepositoryName": name, "BranchName": "main", "PollForSourceChanges": "false"}
    output = [{"name": "o"}]
    declaration = {
        "name": name,
        "roleArn": make_role(client("iam"), f"{name}-{len(tags)}", "codepipeline.amazonaws.com"),
        "artifactStore": {"type": "S3", "location": "tag-limits"},
        "stages": [
            stage("Source", "CodeCommit", configuration=configuration, outputArtifacts=output),
            stage("Approval", "Manual"),
        ],
    }
    lower = [{"key": key, "value": value} for key, value in tags.items()]
    client("codepipeline").create_pipeline(pipeline=declaration, tags=lower)
    return str(client("codepipeline").get_pipeline(name=name)["metadata"]["pipelineArn"])


def tag(service: Any, arn: str, tags: dict[str, str]) -> None:
    """TagResource, in the form of the service."""
    match service.meta.service_model.service_name:
        case "cloudwatch" | "events":
            service.tag_resource(ResourceARN=arn, Tags=listed(tags))
        case "ecr":
            service.tag_resource(resourceArn=arn, tags=listed(tags))
        case "codecommit":
            service.tag_resource(resourceArn=arn, tags=tags)
        case _:
            lower = [{"key": key, "value": value} for key, value in tags.items()]
            service.tag_resource(resourceArn=arn, tags=lower)


@pytest.mark.parametrize(
    ("service", "make", "code"),
    [
        ("cloudwatch", alarm, "InvalidParameterValue"),
        ("events", rule, "ValidationException"),
        ("codecommit", repository, "TooManyTagsException"),
        ("ecr", images, "TooManyTagsException"),
        ("codepipeline", pipeline, "TooManyTagsException"),
    ],
)
def test_fifty_tags_and_not_one_more(
    client: Client, service: str, make: Callable[[Client, str, dict[str, str]], str], code: str
) -> None:
    fifty = {f"key{number}": "value" for number in range(50)}
    with pytest.raises(ClientError) as error:
        make(client, "tag-limits", fifty | {"another": "value"})
    assert error.value.response["Error"]["Code"] == code
    arn = make(client, "tag-limits", fifty)  # nothing is left of what was refused
    tag(client(service), arn, {"key0": "other"})
    with pytest.raises(ClientError) as error:
        tag(client(service), arn, {"another": "value"})
    assert error.value.response["Error"]["Code"] == code
    (found,) = client("resourcegroupstaggingapi").get_resources(ResourceARNList=[arn])[
        "ResourceTagMappingList"
    ]
    assert {one["Key"]: one["Value"] for one in found["Tags"]} == fifty | {"key0": "other"}
