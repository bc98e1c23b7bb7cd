"""Resources found by their tags, through unmodified boto3."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

KEY = "team-of-tagging"
"""A key of these tests alone: other tests tag resources of the same account."""


@pytest.fixture
def tagged(client: Callable[[str], Any]) -> Iterator[dict[str, str]]:
    """ARNs of resources of several services with the same tag, by service."""
    tag = [{"Key": KEY, "Value": "tagging"}]
    bucket = "tagging-test-bucket"
    client("s3").create_bucket(Bucket=bucket)
    client("s3").put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tag})
    client("logs").create_log_group(logGroupName="/tagging/test", tags={KEY: "tagging"})
    rule = client("events").put_rule(Name="tagging-test", ScheduleExpression="rate(1 day)", Tags=tag)
    repository = client("ecr").create_repository(repositoryName="tagging-test", tags=tag)["repository"]
    commits = client("codecommit").create_repository(repositoryName="tagging-test", tags={KEY: "tagging"})
    client("cloudwatch").put_metric_alarm(
        AlarmName="tagging-test", MetricName="m", Namespace="n", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold", Tags=tag,
    )  # fmt: skip
    yield {
        "s3": f"arn:aws:s3:::{bucket}",
        "logs": client("logs")
        .describe_log_groups(logGroupNamePrefix="/tagging/test")["logGroups"][0]["arn"]
        .removesuffix(":*"),
        "events": rule["RuleArn"],
        "ecr": repository["repositoryArn"],
        "codecommit": commits["repositoryMetadata"]["Arn"],
        "cloudwatch": client("cloudwatch").describe_alarms(AlarmNames=["tagging-test"])["MetricAlarms"][0][
            "AlarmArn"
        ],
    }
    client("s3").delete_bucket(Bucket=bucket)
    client("logs").delete_log_group(logGroupName="/tagging/test")
    client("events").delete_rule(Name="tagging-test")
    client("ecr").delete_repository(repositoryName="tagging-test")
    client("codecommit").delete_repository(repositoryName="tagging-test")
    client("cloudwatch").delete_alarms(AlarmNames=["tagging-test"])


def found(client: Callable[[str], Any], **request: Any) -> list[str]:
    pages = client("resourcegroupstaggingapi").get_paginator("get_resources").paginate(**request)
    return [one["ResourceARN"] for page in pages for one in page["ResourceTagMappingList"]]


def test_resources_of_every_service_are_found_by_tag(
    client: Callable[[str], Any], tagged: dict[str, str]
) -> None:
    assert sorted(found(client, TagFilters=[{"Key": KEY, "Values": ["tagging"]}])) == sorted(tagged.values())


def test_a_deleted_resource_is_no_longer_found(client: Callable[[str], Any], tagged: dict[str, str]) -> None:
    client("events").delete_rule(Name="tagging-test")
    assert tagged["events"] not in found(client, TagFilters=[{"Key": KEY}])


def test_types_narrow_the_list(client: Callable[[str], Any], tagged: dict[str, str]) -> None:
    assert found(client, TagFilters=[{"Key": KEY}], ResourceTypeFilters=["ecr:repository", "s3"]) == [
        tagged["ecr"],
        tagged["s3"],
    ]


def test_pages_cover_everything_once(client: Callable[[str], Any], tagged: dict[str, str]) -> None:
    assert len(found(client, TagFilters=[{"Key": KEY}], ResourcesPerPage=2)) == len(tagged)


def test_every_filter_must_match(client: Callable[[str], Any], tagged: dict[str, str]) -> None:
    assert not found(client, TagFilters=[{"Key": KEY}, {"Key": "other"}])


def test_keys_and_values_are_listed(client: Callable[[str], Any], tagged: dict[str, str]) -> None:
    tagging = client("resourcegroupstaggingapi")
    assert KEY in tagging.get_tag_keys()["TagKeys"]
    assert tagging.get_tag_values(Key=KEY)["TagValues"] == ["tagging"]


def test_more_than_twenty_values_are_refused(client: Callable[[str], Any]) -> None:
    with pytest.raises(ClientError, match="length less than or equal to 20"):
        found(client, TagFilters=[{"Key": KEY, "Values": [str(n) for n in range(21)]}])
