"""Requests are checked against the service's own model before an operation sees them."""

import json
from contextlib import nullcontext
from typing import Any

import pytest
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from local_account.foundation.errors import ServiceError
from local_account.gateway import protocol


def request(
    target: str = "", body: Any = None, path: str = "/", method: str = "POST", **headers: str
) -> Request:
    data = body if isinstance(body, str | bytes) else json.dumps(body or {})
    sent = Headers({"X-Amz-Target": target, **headers})
    return EnvironBuilder(path=path, method=method, data=data, headers=sent).get_request()


def checked(service: str, sent: Request) -> dict[str, Any]:
    call = protocol.find_operation(service, sent)
    params = protocol.parse(call, sent)
    protocol.validate(call, params, "ValidationException")
    return params


def test_json_parameters_are_read() -> None:
    sent = request("CodeBuild_20161006.BatchGetBuilds", {"ids": ["a:1"]})
    assert checked("codebuild", sent) == {"ids": ["a:1"]}


def test_query_parameters_are_read() -> None:
    sent = request(body="Action=DescribeStacks&StackName=mlops&Version=2010-05-15")
    assert checked("cloudformation", sent) == {"StackName": "mlops"}


def test_rest_paths_and_headers_are_read() -> None:
    sent = request(
        body=b"\x00\x01",
        path="/endpoints/iris-model-dev/invocations",
        **{"Content-Type": "application/x-npy", "X-Amzn-SageMaker-Custom-Attributes": "algorithm=logistic"},
    )
    params = checked("sagemaker-runtime", sent)
    assert params["EndpointName"] == "iris-model-dev"
    assert params["Body"] == b"\x00\x01"
    assert params["CustomAttributes"] == "algorithm=logistic"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({}, "Value null at 'ids' failed to satisfy constraint: Member must not be null"),
        ({"ids": []}, r"Value '\[\]' at 'ids' .*: Member must have length greater than or equal to 1"),
        (
            {"ids": [""]},
            r"Value '\[\]' at 'ids' .*: Member must satisfy constraint: \[Member must have length greater "
            r"than or equal to 1, Member must not be null\]",
        ),
    ],
)
def test_a_bad_request_is_told_its_fault(body: dict[str, Any], fault: str) -> None:
    with pytest.raises(ServiceError, match=fault) as raised:
        checked("codebuild", request("CodeBuild_20161006.BatchGetBuilds", body))
    assert raised.value.code == "ValidationException"


def test_a_wrong_type_cannot_be_deserialized() -> None:
    with pytest.raises(ServiceError, match="Invalid type for parameter ids") as raised:
        checked("codebuild", request("CodeBuild_20161006.BatchGetBuilds", {"ids": "one"}))
    assert raised.value.code == "SerializationException"


@pytest.mark.parametrize(
    ("target", "body", "fault"),
    [
        (
            "PutEvents",
            {"Entries": [{"Source": "s"}] * 11},
            "'entries' failed to satisfy constraint: Member must have length less than or equal to 10",
        ),
        (
            "PutTargets",
            {"Rule": "r", "Targets": [{"Id": "?", "Arn": "a"}]},
            r"Value '\?' at 'targets.1.member.id' .* pattern: \[\\.\\-_A-Za-z0-9\]\+",
        ),
        (
            "PutTargets",
            {"Rule": "r", "Targets": [{"Id": "i", "Arn": "a", "InputTransformer": {
                "InputTemplate": "t", "InputPathsMap": {"a.b": "$"}}}]},
            r"Value '\{a.b=\$\}' at 'targets.1.member.inputTransformer.inputPathsMap' failed to satisfy "
            r"constraint: Map keys must satisfy constraint: \[Member must have length less than or equal to "
            r"256, Member must have length greater than or equal to 1, Member must satisfy regular",
        ),
        (
            "PutTargets",
            {"Rule": "r", "Targets": [{"Id": "i", "Arn": "a", "InputTransformer": {
                "InputTemplate": "t", "InputPathsMap": {f"k{n}": "$" for n in range(101)}}}]},
            "'targets.1.member.inputTransformer.inputPathsMap' .* length less than or equal to 100",
        ),
        (
            "PutRule",
            {"Name": "?" * 65},
            r"2 validation errors .*: Value '\?+' at 'name' .* pattern: .*; Value '\?+' at 'name' .* 64",
        ),
        (
            "PutTargets",
            {"Rule": "r", "Targets": [{"Id": "i", "Arn": "a", "RunCommandParameters": {"RunCommandTargets": [
                {"Key": "#", "Values": ["v"]}]}}]},
            r"Value '#' at 'targets.1.member.runCommandParameters.runCommandTargets.1.member.key' .* pattern",
        ),
    ],
)  # fmt: skip
def test_constraints_are_checked_in_the_words_of_aws(target: str, body: dict[str, Any], fault: str) -> None:
    with pytest.raises(ServiceError, match=fault):
        checked("events", request(f"AWSEvents.{target}", body))


def test_enumerations_are_checked() -> None:
    body = {"TrainingJobName": "a", "ResourceConfig": {"InstanceType": "ml.huge", "VolumeSizeInGB": 1}}
    body |= {
        "OutputDataConfig": {"S3OutputPath": "s3://b"},
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
    }
    body |= {"RoleArn": "arn:aws:iam::123456789012:role/mlops", "StoppingCondition": {}}
    with pytest.raises(ServiceError, match=r"'ml.huge' at 'resourceConfig.instanceType' .* enum value set"):
        checked("sagemaker", request("SageMaker.CreateTrainingJob", body))


@pytest.mark.parametrize(
    "body",
    ["{", "[1]", '"x"', '{"ids": ' + "[" * 50_000, r'{"ids": ["\ud800"]}', r'{"ids": ["\uDC00\uD800"]}'],
)
def test_a_malformed_body_is_a_serialization_exception(body: str) -> None:
    with pytest.raises(ServiceError) as raised:
        checked("codebuild", request("CodeBuild_20161006.BatchGetBuilds", body))
    assert raised.value.code == "SerializationException"


def test_text_outside_the_basic_plane_is_read() -> None:
    sent = request("CodeBuild_20161006.BatchGetBuilds", r'{"ids": ["\ud83d\ude00", "\\ud800"]}')
    assert checked("codebuild", sent) == {"ids": ["\U0001f600", r"\ud800"]}


@pytest.mark.parametrize(("transformations", "refused"), [(1, False), (2, True)])
def test_the_length_of_a_list_is_checked(transformations: int, refused: bool) -> None:
    one = {"metricName": "m", "metricNamespace": "n", "metricValue": "1"}
    body = {
        "logGroupName": "g",
        "filterName": "f",
        "filterPattern": "",
        "metricTransformations": [one] * transformations,
    }
    with pytest.raises(ServiceError, match="length less than or equal to 1") if refused else nullcontext():
        checked("logs", request("Logs_20140328.PutMetricFilter", body))


def test_an_operation_that_the_model_lacks_is_unknown() -> None:
    with pytest.raises(ServiceError) as raised:
        protocol.find_operation("codebuild", request("CodeBuild_20161006.Nothing"))
    assert raised.value.code == "UnknownOperationException"


def test_an_error_keeps_its_documented_status() -> None:
    call = protocol.find_operation("lambda", request(path="/2015-03-31/functions/f", method="GET"))
    response = protocol.answer_error(call, ServiceError("ResourceNotFoundException", "no f"), "id")
    assert response.status_code == 404
    assert response.headers["X-Amzn-Errortype"] == "ResourceNotFoundException"
