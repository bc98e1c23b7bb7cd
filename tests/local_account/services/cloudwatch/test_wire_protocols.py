"""CloudWatch answers older SDKs, which send forms, and newer ones, which send CBOR, as it answers JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader

from tests.local_account.services.served import Served

NOW = datetime.now(UTC).replace(second=7, microsecond=0)


def speaking(protocol: str, served: Served, folder: Path) -> Any:
    """Return a client whose model has only one protocol."""
    model = Loader().load_service_model("cloudwatch", "service-2")
    model = {**model, "metadata": {**model["metadata"], "protocol": protocol, "protocols": [protocol]}}
    path = folder / "cloudwatch" / model["metadata"]["apiVersion"] / "service-2.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(model))
    session = botocore.session.Session()
    session.register_component("data_loader", Loader(extra_search_paths=[str(folder)]))
    return session.create_client(
        "cloudwatch",
        region_name="us-east-1",
        endpoint_url=served.account.client("cloudwatch").meta.endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture(params=["smithy-rpc-v2-cbor", "json", "query"])
def client(request: pytest.FixtureRequest, served: Served, tmp_path: Path) -> Any:
    return speaking(request.param, served, tmp_path)


def test_data_goes_in_and_comes_out(client: Any, request: pytest.FixtureRequest) -> None:
    namespace = f"Wire/{request.node.callspec.params['client']}"
    data = [
        {"MetricName": "m", "Timestamp": NOW - timedelta(minutes=5), "Value": value} for value in (1, 2.5)
    ]
    client.put_metric_data(Namespace=namespace, MetricData=data)

    points = client.get_metric_statistics(
        Namespace=namespace,
        MetricName="m",
        StartTime=NOW - timedelta(days=1),
        EndTime=NOW,  # 1,440 minutes, though neither time is a whole minute
        Period=60,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]

    assert [(point["Sum"], point["SampleCount"]) for point in points] == [(3.5, 2.0)]
    assert points[0]["Timestamp"] == (NOW - timedelta(minutes=5)).replace(second=0)
    assert client.list_metrics(Namespace=namespace)["Metrics"][0]["MetricName"] == "m"


def test_errors_have_the_code_by_which_clients_name_them(client: Any) -> None:
    with pytest.raises(ClientError) as missing:
        client.set_alarm_state(AlarmName="missing", StateValue="OK", StateReason="test")
    with pytest.raises(client.exceptions.ClientError) as unfit:
        client.describe_alarms(MaxRecords=101)

    assert missing.value.response["Error"]["Code"] == "ResourceNotFound"
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert unfit.value.response["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused_as_a_value(client: Any, number: str) -> None:
    with pytest.raises(ClientError) as datum:
        client.put_metric_data(Namespace="Wire", MetricData=[{"MetricName": "m", "Value": float(number)}])
    with pytest.raises(ClientError) as several:
        client.put_metric_data(
            Namespace="Wire", MetricData=[{"MetricName": "m", "Values": [1.0, float(number)]}]
        )
    with pytest.raises(ClientError) as threshold:
        client.put_metric_alarm(
            AlarmName="wire",
            Namespace="Wire",
            MetricName="m",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanThreshold",
            Threshold=float(number),
        )

    # CloudWatch API Reference, MetricDatum: "Special values (for example, NaN, +Infinity, -Infinity) are not
    # supported."
    assert datum.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert "MetricData.member.1.Value is invalid" in datum.value.response["Error"]["Message"]
    assert several.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert threshold.value.response["Error"]["Code"] == "ValidationError"


def test_a_bare_nan_is_not_json(service_client: Callable[[str], Any]) -> None:
    request = Request(
        service_client("cloudwatch").meta.endpoint_url,
        data=b'{"Namespace": "Wire", "MetricData": [{"MetricName": "m", "Value": NaN}]}',
        headers={
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/monitoring/aws4_request",
        },
    )
    with pytest.raises(HTTPError) as refused:
        urlopen(request)

    assert b"SerializationException" in refused.value.read()


def test_a_body_that_is_not_cbor_is_refused(served: Served, service_client: Callable[[str], Any]) -> None:
    url = service_client("cloudwatch").meta.endpoint_url
    request = Request(
        f"{url}/service/GraniteServiceVersion20100801/operation/DescribeAlarms",
        data=b"\xff\xff",
        headers={
            "Smithy-Protocol": "rpc-v2-cbor",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/monitoring/aws4_request",
        },
    )
    with pytest.raises(HTTPError) as refused:
        urlopen(request)

    assert refused.value.code == 400
    assert b"SerializationException" in refused.value.read()
