"""CloudWatch through unmodified boto3: data in, statistics out, alarms that change by themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError

from tests.local_account.services.served import Served
from tests.waiting import Eventually

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.literals import StateValueType
    from mypy_boto3_cloudwatch.type_defs import (
        AlarmHistoryItemTypeDef,
        DatapointTypeDef,
        DimensionTypeDef,
        MetricAlarmTypeDef,
        MetricDataQueryTypeDef,
        MetricDatumTypeDef,
    )

HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
DIMENSIONS: list[DimensionTypeDef] = [
    {"Name": "EndpointName", "Value": "e"},
    {"Name": "VariantName", "Value": "v"},
]


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


@pytest.fixture(scope="session")
def cloudwatch(service_client: Callable[[str], Any]) -> CloudWatchClient:
    client: CloudWatchClient = service_client("cloudwatch")
    return client


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    return f"Tests/{request.node.name.split('[')[0]}"


def put(cloudwatch: CloudWatchClient, namespace: str, when: datetime, **datum: Any) -> None:
    datum |= {"MetricName": "m", "Dimensions": DIMENSIONS, "Timestamp": when}
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=cast("list[MetricDatumTypeDef]", [datum]))


def statistics(
    cloudwatch: CloudWatchClient, namespace: str, start: datetime, **changes: Any
) -> list[DatapointTypeDef]:
    request: dict[str, Any] = {
        "Namespace": namespace,
        "MetricName": "m",
        "Dimensions": DIMENSIONS,
        "StartTime": start,
        "EndTime": start + timedelta(minutes=10),
        "Period": 60,
        **({} if "ExtendedStatistics" in changes else {"Statistics": ["Sum", "SampleCount"]}),
    }
    return cloudwatch.get_metric_statistics(**(request | changes))["Datapoints"]


def test_statistics_come_by_whole_minutes_and_by_second(cloudwatch: CloudWatchClient, namespace: str) -> None:
    begin = HOUR + timedelta(seconds=30)
    for seconds, value in ((0, 1.0), (0, 2.0), (29, 3.0), (30, 10.0)):
        put(cloudwatch, namespace, begin + timedelta(seconds=seconds), Value=value, Unit="Count")
    minutes = begin.replace(second=0), begin + timedelta(seconds=30)
    assert statistics(cloudwatch, namespace, begin, Statistics=["Sum"]) == [
        {"Timestamp": minutes[0], "Sum": 6.0, "Unit": "Count"},
        {"Timestamp": minutes[1], "Sum": 10.0, "Unit": "Count"},
    ]
    assert statistics(cloudwatch, namespace, begin, ExtendedStatistics=["p50"]) == [
        {"Timestamp": minutes[0], "Unit": "Count", "ExtendedStatistics": {"p50": 2.0}},
        {"Timestamp": minutes[1], "Unit": "Count", "ExtendedStatistics": {"p50": 10.0}},
    ]
    fine = statistics(
        cloudwatch, namespace, begin, Period=1, EndTime=begin + timedelta(seconds=30), Statistics=["Sum"]
    )
    assert [point["Sum"] for point in fine] == [3.0, 3.0]
    assert statistics(cloudwatch, namespace, begin, Dimensions=DIMENSIONS[:1]) == []


def test_metric_data_of_several_metrics(cloudwatch: CloudWatchClient, namespace: str) -> None:
    begin = HOUR
    for minute in range(3):
        put(
            cloudwatch,
            namespace,
            begin + timedelta(minutes=minute),
            Values=[100.0, 900.0 + minute],
            Counts=[98.0, 2.0],
        )
    queries: list[MetricDataQueryTypeDef] = [
        {
            "Id": stat.lower(),
            "MetricStat": {
                "Metric": {"Namespace": namespace, "MetricName": "m", "Dimensions": DIMENSIONS},
                "Period": 60,
                "Stat": stat,
            },
        }
        for stat in ("SampleCount", "p99", "p50")
    ]
    found = cloudwatch.get_metric_data(
        MetricDataQueries=queries, StartTime=begin, EndTime=begin + timedelta(minutes=2)
    )["MetricDataResults"]
    assert [result["Values"] for result in found] == [[100.0] * 2, [901.0, 900.0], [100.0] * 2]
    assert found[0]["Timestamps"] == [begin + timedelta(minutes=1), begin]
    assert found[0]["Label"] == "m SampleCount"
    (listed,) = cloudwatch.list_metrics(Namespace=namespace, Dimensions=[{"Name": "VariantName"}])["Metrics"]
    assert listed["Dimensions"] == DIMENSIONS


def query(namespace: str, stat: str) -> MetricDataQueryTypeDef:
    metric = {"Namespace": namespace, "MetricName": "m", "Dimensions": DIMENSIONS}
    asked = {"Id": stat.lower(), "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}
    return cast("MetricDataQueryTypeDef", asked)


def test_metric_data_comes_in_pages_of_max_datapoints(cloudwatch: CloudWatchClient, namespace: str) -> None:
    for minute in range(3):
        put(cloudwatch, namespace, HOUR + timedelta(minutes=minute), Value=float(minute))
    found: dict[str, list[float]] = {"sum": [], "maximum": []}
    sizes, token = [], None
    while token != "":
        page = cloudwatch.get_metric_data(
            MetricDataQueries=[query(namespace, "Sum"), query(namespace, "Maximum")],
            StartTime=HOUR,
            EndTime=HOUR + timedelta(minutes=5),
            ScanBy="TimestampAscending",
            MaxDatapoints=4,
            **cast("Any", {"NextToken": token} if token else {}),
        )
        for result in page["MetricDataResults"]:
            found[result["Id"]] += result["Values"]
        sizes.append(sum(len(result["Values"]) for result in page["MetricDataResults"]))
        token = page.get("NextToken", "")

    assert found == {"sum": [0.0, 1.0, 2.0], "maximum": [0.0, 1.0, 2.0]}
    assert sizes == [4, 2]


@pytest.mark.parametrize("most", [0, -1])
def test_pages_without_datapoints_are_refused(
    cloudwatch: CloudWatchClient, namespace: str, most: int
) -> None:
    with pytest.raises(ClientError, match=r"InvalidParameterValue.*MaxDatapoints must be 1 or more"):
        cloudwatch.get_metric_data(
            MetricDataQueries=[query(namespace, "Sum")],
            StartTime=HOUR,
            EndTime=HOUR + timedelta(minutes=5),
            MaxDatapoints=most,
        )


def test_data_in_several_units_are_not_added(cloudwatch: CloudWatchClient, namespace: str) -> None:
    for unit in ("Seconds", "Milliseconds"):
        put(cloudwatch, namespace, HOUR, Value=2.0, Unit=unit)

    (result,) = cloudwatch.get_metric_data(
        MetricDataQueries=[query(namespace, "Sum")], StartTime=HOUR, EndTime=HOUR + timedelta(minutes=1)
    )["MetricDataResults"]

    assert result["Values"] == [2.0]
    assert [message["Code"] for message in result["Messages"]] == ["MultipleUnits"]


@pytest.mark.parametrize(
    ("changes", "error_code"),
    [
        ({"Period": 7}, "InvalidParameterValue"),
        ({"ExtendedStatistics": ["tm99"]}, "InvalidParameterValue"),
        ({"Period": 1, "EndTime": HOUR + timedelta(days=1)}, "InvalidParameterCombination"),
        ({"EndTime": HOUR - timedelta(days=1)}, "InvalidParameterValue"),
    ],
)
def test_invalid_requests_for_statistics_are_refused(
    cloudwatch: CloudWatchClient, namespace: str, changes: Any, error_code: str
) -> None:
    with pytest.raises(ClientError) as error:
        statistics(cloudwatch, namespace, HOUR, **changes)
    assert code(error) == error_code


WHERE = "MetricData.member.2"
NOW = datetime.now(UTC)
SET = {"SampleCount": 2.0, "Sum": 3.0, "Minimum": 1.0, "Maximum": 2.0}


@pytest.mark.parametrize(
    ("datum", "message"),
    [
        (
            {},
            "MissingParameter: At least one of the parameters {w}.Value or {w}.StatisticValues must be "
            "specified.",
        ),
        (
            {"Value": 1.0, "Values": [1.0]},
            "InvalidParameterCombination: The parameters {w}.Value and {w}.Values are mutually exclusive and "
            "you have specified both.",
        ),
        (
            {"Value": 1.0, "StatisticValues": SET},
            "InvalidParameterCombination: The parameters {w}.Value and {w}.StatisticValues are mutually "
            "exclusive and you have specified both.",
        ),
        (
            {"Values": [1.0, 2.0], "Counts": [1.0]},
            "InvalidParameterValue: The parameters {w}.Values and {w}.Counts must be of the same size.",
        ),
        (
            {"Values": [1.0] * 151},
            "InvalidParameterValue: The collection {w}.Values must not have a size greater than 150.",
        ),
        (
            {"Values": [1.0], "Counts": [-1.0]},
            "InvalidParameterValue: The value -1.0 for parameter {w}.Counts is invalid.",
        ),
        (
            {"Value": 1e300},
            "InvalidParameterValue: The value 1e+300 for parameter {w}.Value is invalid.",
        ),
        (
            {"StatisticValues": {**SET, "Minimum": 3.0}},
            "InvalidParameterValue: The parameter {w}.StatisticValues.Maximum must be greater than "
            "{w}.StatisticValues.Minimum.",
        ),
        (
            {"Value": 1.0, "Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]},
            "InvalidParameterValue: No metric may specify the same dimension name twice.",
        ),
        (
            {"Value": 1.0, "StorageResolution": 5},
            "InvalidParameterValue: The value 5 for parameter {w}.StorageResolution is invalid.",
        ),
        (
            {"Value": 1.0, "Timestamp": NOW - timedelta(days=15)},
            "InvalidParameterValue: The parameter {w}.Timestamp must specify a time within the past two "
            "weeks.",
        ),
        (
            {"Value": 1.0, "Timestamp": NOW + timedelta(hours=3)},
            "InvalidParameterValue: The parameter {w}.Timestamp must specify a time within the past two "
            "weeks.",
        ),
    ],
)
def test_an_invalid_request_leaves_nothing_behind(
    cloudwatch: CloudWatchClient, namespace: str, datum: dict[str, Any], message: str
) -> None:
    data: Any = [{"MetricName": "m", "Value": 1.0}, {"MetricName": "m", **datum}]
    with pytest.raises(ClientError) as error:
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
    found = error.value.response["Error"]
    assert f"{found['Code']}: {found['Message']}" == message.replace("{w}", WHERE)
    assert cloudwatch.list_metrics(Namespace=namespace)["Metrics"] == []


def test_a_request_has_a_thousand_metrics_at_most(cloudwatch: CloudWatchClient, namespace: str) -> None:
    metric: Any = {"MetricName": "m", "Value": 1.0}
    with pytest.raises(ClientError) as error:
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[metric] * 1001)
    assert code(error) == "InvalidParameterValue"
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[metric] * 1000)


@pytest.mark.parametrize("ids", [["M1"], ["1m"], ["m", "m"]])
def test_ids_of_queries_are_names_and_unique(
    cloudwatch: CloudWatchClient, namespace: str, ids: list[str]
) -> None:
    queries: list[MetricDataQueryTypeDef] = [{**query(namespace, "Sum"), "Id": name} for name in ids]
    with pytest.raises(ClientError) as error:
        cloudwatch.get_metric_data(
            MetricDataQueries=queries, StartTime=HOUR, EndTime=HOUR + timedelta(minutes=1)
        )
    assert code(error) == "ValidationError"


def test_many_values_are_sent_compressed(cloudwatch: CloudWatchClient, namespace: str) -> None:
    begin = HOUR
    cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {"MetricName": "m", "Dimensions": DIMENSIONS, "Timestamp": begin, "Value": float(number)}
            for number in range(500)
        ],
    )
    (point,) = statistics(cloudwatch, namespace, begin)
    assert (point["SampleCount"], point["Sum"]) == (500, sum(range(500)))


@pytest.fixture
def alarm(
    cloudwatch: CloudWatchClient, namespace: str, request: pytest.FixtureRequest
) -> Iterator[dict[str, Any]]:
    name = request.node.name
    yield {
        "AlarmName": name,
        "Namespace": namespace,
        "MetricName": "m",
        "Dimensions": DIMENSIONS,
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    if cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]:
        cloudwatch.delete_alarms(AlarmNames=[name])


def test_an_alarm_goes_off_by_its_metric(
    cloudwatch: CloudWatchClient,
    namespace: str,
    alarm: dict[str, Any],
    eventually: Eventually,
    served: Served,
) -> None:
    cloudwatch.put_metric_alarm(**alarm)
    name = alarm["AlarmName"]

    def state() -> MetricAlarmTypeDef:
        (found,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return found

    assert eventually(lambda: state()["StateValue"] == "OK")
    put(cloudwatch, namespace, datetime.now(UTC), Value=5.0)
    put(cloudwatch, namespace, datetime.now(UTC), Value=1.0)
    found = eventually(lambda: state() if state()["StateValue"] == "ALARM" else None)
    assert "[6.0 (" in found["StateReason"]
    assert json.loads(found["StateReasonData"])["threshold"] == 5.0
    history = cloudwatch.describe_alarm_history(AlarmName=name)["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in history] == [
        "Alarm updated from OK to ALARM",
        "Alarm updated from INSUFFICIENT_DATA to OK",
        f'Alarm "{name}" created',
    ]
    (event,) = [one for one in served.bus.details(alarmName=name) if one["state"]["value"] == "ALARM"]
    assert event["previousState"]["value"] == "OK"
    cloudwatch.put_metric_alarm(**alarm | {"AlarmDescription": "another"})
    assert (state()["StateValue"], state()["AlarmDescription"]) == ("ALARM", "another")


def test_the_history_says_that_an_action_was_not_carried_out(
    cloudwatch: CloudWatchClient, alarm: dict[str, Any]
) -> None:
    """A function that nobody invokes must not look like a notification."""
    function = "arn:aws:lambda:us-east-1:123456789012:function:mlops-alarms"
    policy = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/sagemaker/x:policyName/p"
    cloudwatch.put_metric_alarm(**alarm | {"AlarmActions": [function], "OKActions": [policy]})
    name = alarm["AlarmName"]

    def set_state(state: StateValueType) -> None:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")

    def actions() -> list[AlarmHistoryItemTypeDef]:
        return cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="Action")[
            "AlarmHistoryItems"
        ]

    set_state("ALARM")
    (failed,) = actions()
    assert failed["HistorySummary"].startswith(f"Failed to execute action {function}. Received error: ")
    assert "docs/fidelity.md#cloudwatch" in failed["HistorySummary"]
    data = json.loads(failed["HistoryData"])
    assert (data["actionState"], data["notificationResource"]) == ("Failed", function)
    set_state("ALARM")
    assert len(actions()) == 1, "the state has not changed"
    set_state("OK")
    assert actions()[0]["HistorySummary"].startswith(f"Failed to execute action {policy}")
    cloudwatch.disable_alarm_actions(AlarmNames=[name])
    set_state("ALARM")
    assert len(actions()) == 2


def test_a_state_set_by_hand_lasts_seconds_however_long_the_period_is(
    cloudwatch: CloudWatchClient, alarm: dict[str, Any], eventually: Eventually
) -> None:
    cloudwatch.put_metric_alarm(**alarm | {"Period": 3600})

    def state() -> str:
        return cloudwatch.describe_alarms(AlarmNames=[alarm["AlarmName"]])["MetricAlarms"][0]["StateValue"]

    assert eventually(lambda: state() == "OK")
    cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="a test")
    assert state() == "ALARM"
    assert eventually(lambda: state() == "OK")
    with pytest.raises(ClientError) as error:
        cloudwatch.set_alarm_state(AlarmName="nobody", StateValue="OK", StateReason="a test")
    assert code(error) == "ResourceNotFound"


def test_alarms_are_found_tagged_and_deleted(cloudwatch: CloudWatchClient, alarm: dict[str, Any]) -> None:
    cloudwatch.put_metric_alarm(**alarm, Tags=[{"Key": "a", "Value": "1"}])
    name = alarm["AlarmName"]
    (found,) = cloudwatch.describe_alarms(AlarmNamePrefix=name[:-1])["MetricAlarms"]
    arn = found["AlarmArn"]
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "b", "Value": "2"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    for_metric = {key: alarm[key] for key in ("Namespace", "MetricName", "Dimensions")}
    assert cloudwatch.describe_alarms_for_metric(**for_metric)["MetricAlarms"][0]["AlarmName"] == name
    with pytest.raises(ClientError) as error:
        cloudwatch.delete_alarms(AlarmNames=[name, "nobody"])
    assert code(error) == "ResourceNotFound"
    cloudwatch.delete_alarms(AlarmNames=[name])
    assert cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"Statistic": None},
        {"Period": 7},
        {"TreatMissingData": "maybe"},
        {"DatapointsToAlarm": 2},
        {"ComparisonOperator": "LessThanLowerThreshold"},
        {"Period": 60, "EvaluationPeriods": 1441},
        {"Period": 3600, "EvaluationPeriods": 169},
        {"AlarmActions": ["my-topic"]},
        {"EvaluateLowSampleCountPercentile": "never"},
    ],
)
def test_alarms_that_cannot_be_put(cloudwatch: CloudWatchClient, alarm: dict[str, Any], changes: Any) -> None:
    request = {key: value for key, value in (alarm | changes).items() if value is not None}
    with pytest.raises(ClientError):
        cloudwatch.put_metric_alarm(**request)
    assert cloudwatch.describe_alarms(AlarmNames=[alarm["AlarmName"]])["MetricAlarms"] == []
