"""Log streams and metric filters in stacks."""

from collections.abc import Callable
from typing import Any

from tests.local_account.services.cloudformation.stack_maker import StackMaker

TEMPLATE = """
Parameters: {Pattern: {Type: String, Default: ERROR}}
Resources:
  Group: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /cfn/filtered}}
  Stream: {Type: AWS::Logs::LogStream, Properties: {LogGroupName: !Ref Group, LogStreamName: first}}
  Filter:
    Type: AWS::Logs::MetricFilter
    Properties:
      LogGroupName: !Ref Group
      FilterName: calls
      FilterPattern: !Sub '{ $.level = "${Pattern}" }'
      MetricTransformations:
        - MetricName: calls
          MetricNamespace: cfn
          MetricValue: "1"
          Dimensions: [{Key: Level, Value: $.level}]
Outputs:
  Stream: {Value: !Ref Stream}
  Filter: {Value: !Ref Filter}
"""


def test_streams_and_metric_filters_are_created_changed_and_deleted(
    stacks: StackMaker, client: Callable[[str], Any]
) -> None:
    logs = client("logs")
    stack = stacks.create("filtered", TEMPLATE)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("filtered")
    assert stacks.outputs("filtered") == {"Stream": "first", "Filter": "calls"}
    streams = logs.describe_log_streams(logGroupName="/cfn/filtered")["logStreams"]
    assert [one["logStreamName"] for one in streams] == ["first"]

    def filters() -> list[dict[str, Any]]:
        return list(logs.describe_metric_filters(logGroupName="/cfn/filtered")["metricFilters"])

    (made,) = filters()
    assert made["filterPattern"] == '{ $.level = "ERROR" }'
    assert made["metricTransformations"][0]["dimensions"] == {"Level": "$.level"}

    pattern = [{"ParameterKey": "Pattern", "ParameterValue": "WARN"}]
    assert stacks.update("filtered", Parameters=pattern)["StackStatus"] == "UPDATE_COMPLETE"
    assert [one["filterPattern"] for one in filters()] == ['{ $.level = "WARN" }']

    without = TEMPLATE.split("  Filter:\n    Type", maxsplit=1)[0]
    assert stacks.update("filtered", without)["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("filtered")
    assert filters() == []
    assert stacks.delete("filtered")["StackStatus"] == "DELETE_COMPLETE"
    assert logs.describe_log_groups(logGroupNamePrefix="/cfn/filtered")["logGroups"] == []


def test_a_filter_that_exists_is_not_taken_over(stacks: StackMaker, client: Callable[[str], Any]) -> None:
    logs = client("logs")
    logs.create_log_group(logGroupName="/cfn/has-one")
    logs.put_metric_filter(
        logGroupName="/cfn/has-one",
        filterName="calls",
        filterPattern="",
        metricTransformations=[{"metricName": "n", "metricNamespace": "cfn", "metricValue": "1"}],
    )
    body = TEMPLATE.replace("!Ref Group", "/cfn/has-one").replace("/cfn/filtered", "/cfn/not-this")
    assert stacks.create("takes-over", body)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "already exists" in stacks.failures("takes-over")
    (kept,) = logs.describe_metric_filters(logGroupName="/cfn/has-one")["metricFilters"]
    assert kept["filterPattern"] == ""
