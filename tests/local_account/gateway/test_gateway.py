"""The gateway answers in the protocol of the requested service, whatever the request."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest
import requests
from botocore.exceptions import ClientError
from werkzeug.test import Client as Browser

from local_account.gateway.gateway import Gateway
from tests.local_account.account_process import AccountProcess
from tests.sessions import make_client

Client = Callable[[str], Any]
SIGNED = (
    "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
)


def post(
    endpoint_url: str, service: str, target: str, body: str, kind: str = "application/x-amz-json-1.1"
) -> requests.Response:
    headers = {"Authorization": SIGNED.format(service), "X-Amz-Target": target, "Content-Type": kind}
    return requests.post(endpoint_url, data=body.encode(), headers=headers, timeout=5)


def test_an_unsupported_operation_is_named(client: Client) -> None:
    with pytest.raises(
        ClientError, match=r"events\.CreateArchive is not supported by the local account"
    ) as refused:
        client("events").create_archive(
            ArchiveName="a", EventSourceArn="arn:aws:events:us-east-1:123456789012:x"
        )
    assert refused.value.response["Error"]["Code"] == "UnsupportedOperation"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize("service", ["dynamodb", "sqs", "stepfunctions"])
def test_an_unsupported_service_is_named(client: Client, service: str) -> None:
    calls = {
        "dynamodb": "list_tables",
        "sqs": "list_queues",
        "stepfunctions": "list_state_machines",
    }
    with pytest.raises(ClientError, match="is not supported by the local account") as refused:
        getattr(client(service), calls[service])()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] < 500, "clients retry server errors"


def test_an_operation_that_moto_lacks_is_named(client: Client) -> None:
    with pytest.raises(ClientError, match="is not supported by the local account") as refused:
        client("ec2").describe_ipam_pools()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] < 500


def test_an_unknown_operation_is_refused(local_account: AccountProcess) -> None:
    answer = post(local_account.endpoint_url, "events", "AWSEvents.Explode", "{}")
    assert answer.status_code == 400
    assert answer.json()["__type"].endswith("UnknownOperationException")
    path = {"headers": {"Authorization": SIGNED.format("lambda")}, "timeout": 5}
    answer = requests.get(f"{local_account.endpoint_url}/2015-03-31/nothing-here", **path)  # type: ignore[arg-type]
    assert answer.status_code == 400
    assert answer.headers["X-Amzn-Errortype"] == "UnknownOperationException"


@pytest.mark.parametrize("body", ["{", "[]", '"text"', "\x00\x01", ""])
def test_a_malformed_body_is_refused(local_account: AccountProcess, body: str) -> None:
    answer = post(local_account.endpoint_url, "events", "AWSEvents.PutRule", body)
    assert answer.status_code == 400
    assert answer.json()["__type"].endswith(("SerializationException", "ValidationException"))


def test_wrong_parameters_are_all_named(local_account: AccountProcess) -> None:
    body = json.dumps({"Name": "not a name!", "State": "OFF"})
    answer = post(local_account.endpoint_url, "events", "AWSEvents.PutRule", body)
    assert answer.status_code == 400
    message = answer.text
    assert "2 validation errors detected" in message
    assert "'name'" in message
    assert "'state'" in message


class Open:
    """A guard that lets everything through."""

    def caller(self, *_: Any) -> None:
        return None

    def check(self, *_: Any) -> None: ...


class Broken:
    """A backend that fails."""

    services = ("iam",)

    def handle(self, *_: Any) -> Any:
        raise RuntimeError("out of order")


def test_a_failure_inside_moto_is_an_error_that_clients_can_read() -> None:
    account = SimpleNamespace(config=SimpleNamespace(state_dir=Path("state")))
    gateway = Gateway(cast("Any", account), {}, Open(), cast("Any", Broken()))
    headers = {"Authorization": SIGNED.format("iam")}
    answer = Browser(gateway).post("/", data={"Action": "ListRoles"}, headers=headers)
    assert answer.status_code == 500
    assert "<Code>InternalFailure</Code><Message>RuntimeError: out of order</Message>" in answer.text


def test_each_answer_has_a_request_id(local_account: AccountProcess, client: Client) -> None:
    first = client("events").list_rules()["ResponseMetadata"]["RequestId"]
    second = client("events").list_rules()["ResponseMetadata"]["RequestId"]
    assert first
    assert first != second
    refused = post(local_account.endpoint_url, "events", "AWSEvents.Explode", "{}")
    assert refused.headers["x-amzn-RequestId"]


def test_errors_are_typed_for_boto3(client: Client) -> None:
    events, functions = client("events"), client("lambda")
    with pytest.raises(events.exceptions.ResourceNotFoundException):
        events.describe_rule(Name="no-such-rule")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_function(FunctionName="no-such-function")
    with pytest.raises(client("cloudformation").exceptions.ClientError, match="does not exist"):
        client("cloudformation").describe_stacks(StackName="no-such-stack")


def test_retries_are_not_provoked(local_account: AccountProcess) -> None:
    """A client with its own retry settings gets its answer at once."""
    events = make_client(
        "events",
        endpoint_url=local_account.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with pytest.raises(ClientError) as refused:
        events.list_archives()
    assert refused.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def test_it_listens_on_loopback_only(local_account: AccountProcess) -> None:
    assert local_account.process is not None
    listeners = [
        connection.laddr
        for connection in psutil.Process(local_account.process.pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address.port for address in listeners} >= {
        local_account.ports[name] for name in ("gateway_port", "git_port", "registry_port")
    }
    assert {address.ip for address in listeners} == {"127.0.0.1"}


def test_a_client_that_hangs_up_does_not_affect_others(local_account: AccountProcess, client: Client) -> None:
    with socket.create_connection(("127.0.0.1", local_account.ports["gateway_port"])) as gone:
        gone.sendall(b"PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    assert client("events").list_event_buses()["EventBuses"]


def test_a_slow_client_does_not_hold_up_others(local_account: AccountProcess, client: Client) -> None:
    with socket.create_connection(("127.0.0.1", local_account.ports["gateway_port"])) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        assert client("events").list_event_buses()["EventBuses"]


def test_the_status_names_the_services(local_account: AccountProcess) -> None:
    status = requests.get(f"{local_account.endpoint_url}/_local_account", timeout=5).json()
    assert {"s3", "lambda", "events", "sagemaker", "codepipeline"} <= set(status["services"])
    assert status["account_id"] == "123456789012"
