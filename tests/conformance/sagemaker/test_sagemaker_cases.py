"""Jobs, data capture, repositories, model registry: what becomes of records, which requests are valid.

- capture: a ``body`` of a content ``type``, captured with the media types for ``csv`` and ``json``, and
  EnableCapture (``enable``; null leaves it out); expected is ``endpointInput``.
- processing: ``records`` of an object with the filters ``input`` and ``output`` and a ``join``, and the
  model's ``answer``; expected are the ``payload`` that the model gets and the ``output`` that is stored.
- tuning: ranges (``choices``, ``integers``, ``numbers``; a number stands for that many), ``most`` training
  jobs, ``parallel`` of them, ``metrics`` that are defined beside the objective ``score``, ``static``
  hyperparameters and ``more`` of the configuration; expected is how many ``jobs`` there will be at most.
- repositories, model_packages, processing_jobs: requests about them. ``{n}``: see ``requests.named``. A
  CreateProcessingJob has what is required already.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from local_account.foundation.account import Account
from local_account.foundation.config import AccountConfig
from local_account.foundation.errors import ServiceError
from local_account.services.sagemaker import SageMaker
from local_account.services.sagemaker.data_capture import DataCapture, Invocation, Payload
from local_account.services.sagemaker.data_processing import ProcessingError, data_processing
from tests.conformance.cases import Case, identify, load
from tests.conformance.requests import ask, named
from tests.local_account.account_process import AccountProcess
from tests.local_account.iam_roles import make_role


@pytest.mark.parametrize("case", load("sagemaker/processing"), ids=identify)
def test_processing(case: Case) -> None:
    asked = case.input
    kind = asked.get("type", "text/csv")
    request: Any = {
        "TransformInput": {"ContentType": kind, "SplitType": asked.get("split", "Line")},
        "TransformOutput": {"Accept": kind, "AssembleWith": asked.get("assemble", "Line")},
        "DataProcessing": {
            "InputFilter": asked.get("input", "$"),
            "OutputFilter": asked.get("output", "$"),
            "JoinSource": asked.get("join", "None"),
        },
    }
    records = [one.encode() for one in asked["records"]]
    try:
        processing = data_processing(request)
        payload = processing.for_model(records).decode()
        output = processing.for_output(records, asked["answer"].encode()).decode()
    except ServiceError as error:
        case.check({"error": error.message if case.account == "refuses" else error.code})
    except ProcessingError:
        case.check({"error": "failed"})
    else:
        case.check({"payload": payload, "output": output})


@pytest.mark.parametrize("case", load("sagemaker/capture"), ids=identify)
def test_capture(case: Case) -> None:
    asked = case.input
    header = {"CsvContentTypes": asked.get("csv"), "JsonContentTypes": asked.get("json")}
    config: Any = {
        "EnableCapture": asked.get("enable", True),
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://bucket/prefix",
        "CaptureOptions": [{"CaptureMode": "Input"}],
        "CaptureContentTypeHeader": {key: value for key, value in header.items() if value},
    }
    config = {key: value for key, value in config.items() if value is not None}
    capture = DataCapture.of(config)
    payload = Payload(asked["type"], asked["body"].encode())
    line = capture and capture.line(Invocation(0.0, payload, payload, None, None))
    case.check(json.loads(line)["captureData"]["endpointInput"] if line else None)


@pytest.fixture(scope="module")
def sagemaker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SageMaker]:
    state = tmp_path_factory.mktemp("state")
    account = Account(AccountConfig(state))
    yield SageMaker(account)
    account.store.close()


@pytest.mark.parametrize("case", load("sagemaker/tuning"), ids=identify)
def test_tuning(case: Case, sagemaker: SageMaker) -> None:
    asked = case.input

    def ranges(member: str) -> list[dict[str, Any]]:
        given = asked.get(member, {})
        if isinstance(given, int):
            given = {f"{member}{number}": ["1", "2"] for number in range(given)}
        return [
            {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": (*scale, "Auto")[0]}
            for name, (low, high, *scale) in given.items()
        ]

    choices = {
        name: [str(one) for one in range(values)] if isinstance(values, int) else values
        for name, values in asked.get("choices", {}).items()
    }
    metrics = asked.get("metrics", ["score"])
    names = [f"m{number}" for number in range(metrics)] if isinstance(metrics, int) else metrics
    limits = {"MaxParallelTrainingJobs": asked.get("parallel", 1)}
    if "most" in asked:
        limits["MaxNumberOfTrainingJobs"] = asked["most"]
    request: Any = {
        "HyperParameterTuningJobName": "t",
        "HyperParameterTuningJobConfig": {
            "Strategy": asked.get("strategy", "Grid"),
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": limits,
            "ParameterRanges": {
                "CategoricalParameterRanges": [
                    {"Name": name, "Values": one} for name, one in choices.items()
                ],
                "IntegerParameterRanges": ranges("integers"),
                "ContinuousParameterRanges": ranges("numbers"),
            },
            **asked.get("more", {}),
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {"MetricDefinitions": [{"Name": one, "Regex": "x"} for one in names]},
            "StaticHyperParameters": asked.get("static", {}),
        },
    }
    try:
        job = sagemaker._tuning_document(request, "arn")
    except ServiceError as error:
        case.check({"error": error.message if case.account == "refuses" else error.code})
    else:
        case.check({"jobs": job["maximum"]})


@pytest.mark.parametrize("case", load("sagemaker/repositories"), ids=identify)
def test_repositories(case: Case, account: AccountProcess) -> None:
    ask(named(case), account.client("sagemaker"), {}, lambda _, value: value)


@pytest.mark.parametrize("case", load("sagemaker/model_packages"), ids=identify)
def test_model_packages(case: Case, account: AccountProcess) -> None:
    ask(named(case), account.client("sagemaker"), {}, lambda _, value: value)


@pytest.mark.parametrize("case", load("sagemaker/processing_jobs"), ids=identify)
def test_processing_jobs(case: Case, account: AccountProcess) -> None:
    required = {
        "ProcessingJobName": "{n}",
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
        },
        "AppSpecification": {"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/check:latest"},
        "RoleArn": make_role(account.client("iam"), f"case-{case.id}"[:64], "sagemaker.amazonaws.com"),
    }
    steps = [
        [operation, {**required, **params} if operation == "CreateProcessingJob" else params, *name]
        for operation, params, *name in case.input
    ]
    client = account.client("sagemaker", parameter_validation=False)  # the account refuses, not boto3
    ask(named(replace(case, input=steps)), client, {}, lambda _, value: value)
