"""Events reach the targets of the rules that match them, if the target allows it."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.local_account.account_process import AccountProcess
from tests.local_account.iam_roles import make_role
from tests.local_account.services.events.recorder import Recorder
from tests.waiting import Eventually

pytestmark = pytest.mark.slow

Rule = Callable[..., str]
Client = Callable[[str], Any]


def put(events: Any, source: str, **detail: Any) -> None:
    entry = {"Source": source, "DetailType": "note", "Detail": json.dumps(detail)}
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0


def failures(client: Client, rule: str, metric: str = "FailedInvocations") -> float:
    now = datetime.now(UTC)
    points = client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Events",
        MetricName=metric,
        Dimensions=[{"Name": "RuleName", "Value": rule}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=10),
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


def test_a_matching_event_invokes_the_function(
    rule: Rule, events: Any, recorder: Callable[[str], Recorder], eventually: Eventually, client: Client
) -> None:
    function = recorder("plain-target")
    function.permit(rule("plain", {"source": ["delivery.plain"], "detail": {"n": [{"numeric": [">", 1]}]}}))
    events.put_targets(Rule="plain", Targets=[{"Id": "t", "Arn": function.arn}])
    put(events, "delivery.plain", n=1)
    put(events, "delivery.plain", n=2, text="ü")
    [event] = eventually(function.received)
    assert event["detail"] == {"n": 2, "text": "ü"}
    assert (event["source"], event["detail-type"], event["version"]) == ("delivery.plain", "note", "0")
    assert (event["account"], event["region"], event["resources"]) == ("123456789012", "us-east-1", [])
    assert set(event) == {
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"
    }  # fmt: skip
    assert eventually(lambda: failures(client, "plain", "Invocations")) == 1


def test_a_disabled_rule_delivers_nothing(
    rule: Rule, events: Any, recorder: Callable[[str], Recorder], eventually: Eventually
) -> None:
    function = recorder("switched-target")
    function.permit(rule("switched-off", {"source": ["delivery.switched"]}, State="DISABLED"))
    events.put_targets(Rule="switched-off", Targets=[{"Id": "t", "Arn": function.arn}])
    put(events, "delivery.switched", n=1)
    events.enable_rule(Name="switched-off")
    put(events, "delivery.switched", n=2)
    eventually(function.received)
    time.sleep(0.3)
    assert [event["detail"]["n"] for event in function.received()] == [2]


def test_each_target_gets_its_own_input(
    rule: Rule, events: Any, recorder: Callable[[str], Recorder], eventually: Eventually
) -> None:
    function = recorder("shaped-target")
    function.permit(rule("shaped", {"source": ["delivery.shaped"]}))
    transformer = {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '{"text": "n is <n>"}'}
    events.put_targets(
        Rule="shaped",
        Targets=[
            {"Id": "constant", "Arn": function.arn, "Input": '{"constant": true}'},
            {"Id": "part", "Arn": function.arn, "InputPath": "$.detail"},
            {"Id": "template", "Arn": function.arn, "InputTransformer": transformer},
        ],
    )
    put(events, "delivery.shaped", n=7)
    received = eventually(lambda: found if len(found := function.received()) == 3 else None)
    for wanted in ({"constant": True}, {"n": 7}, {"text": "n is 7"}):
        assert wanted in received


def test_a_function_without_permission_for_the_rule_is_not_invoked(
    rule: Rule,
    recorder: Callable[[str], Recorder],
    eventually: Eventually,
    client: Client,
    local_account: AccountProcess,
) -> None:
    events = client("events")
    function = recorder("forbidding-target")
    rule("forbidden", {"source": ["delivery.forbidden"]})
    function.permit("arn:aws:events:us-east-1:123456789012:rule/another")
    events.put_targets(Rule="forbidden", Targets=[{"Id": "t", "Arn": function.arn}])
    put(events, "delivery.forbidden")
    assert eventually(lambda: failures(client, "forbidden")) == 1
    assert function.received() == []
    log = (local_account.state.parent / f"{local_account.state.name}.log").read_text()
    assert "does not allow events.amazonaws.com to invoke it for" in log


def test_a_deleted_function_counts_as_a_failure(
    rule: Rule, events: Any, eventually: Eventually, client: Client
) -> None:
    rule("gone", {"source": ["delivery.gone"]})
    arn = "arn:aws:lambda:us-east-1:123456789012:function:gone"
    events.put_targets(Rule="gone", Targets=[{"Id": "t", "Arn": arn}])
    put(events, "delivery.gone")
    assert eventually(lambda: failures(client, "gone")) == 1


def test_a_pipeline_is_started_at_the_revision_of_the_event(
    rule: Rule, events: Any, eventually: Eventually, client: Client
) -> None:
    s3, pipelines = client("s3"), client("codepipeline")
    bucket = "pipeline-source"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    role = make_role(client("iam"), "started", "codepipeline.amazonaws.com", "events.amazonaws.com")
    source = {
        "name": "Source",
        "actionTypeId": {"category": "Source", "owner": "AWS", "provider": "S3", "version": "1"},
        "outputArtifacts": [{"name": "Input"}],
        "configuration": {"S3Bucket": bucket, "S3ObjectKey": "in.zip", "PollForSourceChanges": "false"},
    }
    approval = {
        "name": "Approve",
        "actionTypeId": {"category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1"},
    }
    pipelines.create_pipeline(
        pipeline={
            "name": "started-by-rule",
            "roleArn": role,
            "pipelineType": "V2",
            "executionMode": "QUEUED",
            "artifactStore": {"type": "S3", "location": bucket},
            "stages": [
                {"name": "Source", "actions": [source]},
                {"name": "Approve", "actions": [approval]},
            ],
        }
    )
    rule(
        "starts",
        {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [bucket]}, "object": {"key": ["in.zip"]}},
        },
    )
    template = '{"sourceRevisions": [{"actionName": "Source", "revisionType": "S3_OBJECT_VERSION_ID", '
    template += '"revisionValue": <version>}]}'
    events.put_targets(
        Rule="starts",
        Targets=[
            {
                "Id": "pipeline",
                "Arn": "arn:aws:codepipeline:us-east-1:123456789012:started-by-rule",
                "RoleArn": role,
                "InputTransformer": {
                    "InputPathsMap": {"version": "$.detail.object.version-id"},
                    "InputTemplate": template,
                },
            }
        ],
    )
    versions = [s3.put_object(Bucket=bucket, Key="in.zip", Body=text)["VersionId"] for text in (b"1", b"2")]

    def executions() -> Any:
        found = pipelines.list_pipeline_executions(pipelineName="started-by-rule")
        own = [
            item
            for item in found["pipelineExecutionSummaries"]
            if item["trigger"]["triggerType"] != "CreatePipeline"
        ]
        return len(own) == 2 and all(item["sourceRevisions"] for item in own) and own

    started = eventually(executions)
    assert {item["sourceRevisions"][0]["revisionId"] for item in started} == set(versions)
    arn = events.describe_rule(Name="starts")["Arn"]
    assert {tuple(item["trigger"].values()) for item in started} == {("CloudWatchEvent", arn)}
    pipelines.delete_pipeline(name="started-by-rule")


def test_accepted_events_are_delivered_after_a_crash(
    own_account: AccountProcess, eventually: Eventually, recorder_class: type[Recorder]
) -> None:
    account = own_account.start()
    role = make_role(account.client("iam"), "r", "lambda.amazonaws.com")
    function = recorder_class(account.client, "after-the-crash", role)
    events = account.client("events")
    arn = events.put_rule(Name="r", EventPattern='{"source": ["crash"]}')["RuleArn"]
    function.permit(arn)
    events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": function.arn}])
    time.sleep(0.3)  # moto's snapshot lags by a tenth of a second
    for number in range(10):
        put(events, "crash", n=number)
    account.stop(9)
    account.start()
    again = recorder_class.__new__(recorder_class)
    again.__dict__ |= {"name": function.name, "_client": account.client, "_s3": account.client("s3")}
    eventually(lambda: {event["detail"]["n"] for event in again.received()} == set(range(10)), seconds=30)
    assert account.client("events").describe_rule(Name="r")["State"] == "ENABLED"
