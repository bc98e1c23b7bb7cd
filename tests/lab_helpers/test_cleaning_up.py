"""Notebook 99: what bills now, and the deletion of what a learner has made."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab_helpers import charges, removal
from lab_helpers.errors import Interrupted
from lab_helpers.instructor.inventory import listers
from lab_helpers.instructor.inventory.listers import Place
from tests.lab_helpers import fakes

TIME = fakes.START
ARN = "arn:aws:sagemaker:us-east-1:123456789012:anything"


class Stacks:
    """CloudFormation with the stacks of a lab; each look at one takes it a step further."""

    def __init__(self, **statuses: list[str]) -> None:
        self.statuses = {name.replace("_", "-"): list(found) for name, found in statuses.items()}
        self.deleted: list[str] = []
        self.client = fakes.FakeClient(
            "cloudformation", describe_stacks=self._describe, delete_stack=self._delete
        )

    def _describe(self, StackName: str) -> dict[str, Any]:
        name = StackName.rpartition("/")[2]
        if name not in self.statuses:
            message = f"Stack with id {name} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        found = self.statuses[name]
        status = found.pop(0) if len(found) > 1 else found[0]
        stack = {"StackName": name, "StackId": f"arn/{name}", "CreationTime": TIME, "StackStatus": status}
        return {"Stacks": [stack | {"StackStatusReason": "the role is gone"}]}

    def _delete(self, StackName: str) -> dict[str, Any]:
        name = StackName.rpartition("/")[2]
        self.deleted.append(name)
        if "DELETE_FAILED" not in self.statuses[name]:
            self.statuses[name] = ["DELETE_IN_PROGRESS", "DELETE_COMPLETE"]
        return {}


def idle_pipelines() -> fakes.FakeClient:
    return fakes.FakeClient(
        "codepipeline", list_pipeline_executions=lambda **_: {"pipelineExecutionSummaries": []}
    )


def missing(**_: str) -> dict[str, Any]:
    raise ClientError(
        {"Error": {"Code": "ValidationException", "Message": 'Could not find "arn:aws:…"'}}, "Delete"
    )


def jobs(*names: str, checks: Sequence[str] = ()) -> dict[str, fakes.Handler]:
    """Return what lists running jobs of these names: training, tuning, transform and processing jobs."""

    def summaries(member: str, kind: str, names: Sequence[str] = names, **more: Any) -> fakes.Handler:
        found = [
            {f"{kind}Name": name, f"{kind}Arn": ARN, f"{kind}Status": "InProgress", "CreationTime": TIME}
            | more
            for name in names
        ]
        return lambda **_: {member: found}

    counters: dict[str, Any] = {
        "TrainingJobStatusCounters": {},
        "ObjectiveStatusCounters": {},
        "Strategy": "Grid",
    }
    return {
        "list_training_jobs": summaries("TrainingJobSummaries", "TrainingJob"),
        "list_hyper_parameter_tuning_jobs": summaries(
            "HyperParameterTuningJobSummaries", "HyperParameterTuningJob", **counters
        ),
        "list_transform_jobs": summaries("TransformJobSummaries", "TransformJob"),
        "list_processing_jobs": summaries("ProcessingJobSummaries", "ProcessingJob", checks),
    }


def sagemaker(**handlers: fakes.Handler) -> fakes.FakeClient:
    """SageMaker without jobs and without what notebooks 03a and 06 make, unless `handlers` say otherwise."""
    nothing: dict[str, fakes.Handler] = {
        **jobs(),
        "delete_endpoint": missing,
        "delete_endpoint_config": missing,
        "delete_model": missing,
        "describe_endpoint": missing,
        "list_model_packages": missing,
        "list_endpoints": lambda **_: {"Endpoints": []},
        "list_endpoint_configs": lambda **_: {"EndpointConfigs": []},
        "list_models": lambda **_: {"Models": []},
    }
    return fakes.FakeClient("sagemaker", **nothing | handlers)


def idle_others() -> dict[str, Any]:
    """What notebook 06 could have left elsewhere: nothing."""
    return {
        "cloudwatch": fakes.FakeClient("cloudwatch", describe_alarms=lambda **_: {"MetricAlarms": []}),
        "s3": fakes.FakeClient("s3", list_objects_v2=lambda **_: {}),
    }


def remove(tmp_path: Path, stacks: Stacks, **options: Any) -> None:
    lab = fakes.lab(
        tmp_path,
        cloudformation=stacks.client,
        codepipeline=idle_pipelines(),
        sagemaker=sagemaker(),
        **idle_others(),
    )
    removal.remove(lab, sleep=lambda _: None, **options)


def test_endpoints_go_before_the_pipelines_and_what_is_not_there_is_skipped(tmp_path: Path) -> None:
    stacks = Stacks(
        iris_model_prd=["CREATE_COMPLETE"],
        iris_train_pipeline=["UPDATE_COMPLETE"],
        scikit_base=["ROLLBACK_COMPLETE"],
    )
    remove(tmp_path, stacks)
    assert stacks.deleted == ["iris-model-prd", "iris-train-pipeline", "scikit-base"]


def test_the_versions_of_the_model_go_before_the_stack_whose_group_has_them(tmp_path: Path) -> None:
    stacks = Stacks(iris_model_prd=["CREATE_COMPLETE"], iris_train_pipeline=["UPDATE_COMPLETE"])
    versions = [f"{ARN}/{number}" for number in (2, 1)]

    def delete(ModelPackageName: str) -> dict[str, Any]:
        assert stacks.deleted == ["iris-model-prd"]
        versions.remove(ModelPackageName)
        return {}

    client = sagemaker(
        list_model_packages=lambda ModelPackageGroupName: {
            "ModelPackageSummaryList": [
                {"ModelPackageArn": arn, "CreationTime": TIME, "ModelPackageStatus": "Completed"}
                for arn in versions
            ]
        },
        delete_model_package=delete,
    )
    removal.remove(
        fakes.lab(
            tmp_path,
            cloudformation=stacks.client,
            codepipeline=idle_pipelines(),
            sagemaker=client,
            **idle_others(),
        ),
        sleep=lambda _: None,
    )
    assert versions == []
    assert stacks.deleted == ["iris-model-prd", "iris-train-pipeline"]


def test_an_update_is_waited_for_because_cloudformation_refuses_to_delete_then(tmp_path: Path) -> None:
    stacks = Stacks(iris_model_prd=["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"])
    remove(tmp_path, stacks)
    assert stacks.deleted == ["iris-model-prd"]


def test_a_stack_that_is_being_deleted_is_not_deleted_again(tmp_path: Path) -> None:
    stacks = Stacks(iris_model_prd=["DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS", "DELETE_COMPLETE"])
    remove(tmp_path, stacks)
    assert stacks.deleted == []


def test_a_deletion_that_failed_before_is_tried_again_and_then_says_why(tmp_path: Path) -> None:
    stacks = Stacks(iris_model_prd=["DELETE_FAILED", "DELETE_FAILED", "DELETE_IN_PROGRESS", "DELETE_FAILED"])
    with pytest.raises(removal.RemovalError, match="iris-model-prd could not be deleted: the role is gone"):
        remove(tmp_path, stacks)
    assert stacks.deleted == ["iris-model-prd"]


def test_a_stack_that_stays_is_named(tmp_path: Path) -> None:
    stacks = Stacks(iris_model_prd=["UPDATE_IN_PROGRESS"])
    with pytest.raises(removal.RemovalError, match="iris-model-prd: still there after"):
        remove(tmp_path, stacks, timeout=0)


def test_an_interrupted_deletion_says_how_to_go_on(tmp_path: Path) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    stacks = Stacks(iris_model_prd=["UPDATE_IN_PROGRESS"])
    lab = fakes.lab(
        tmp_path,
        cloudformation=stacks.client,
        codepipeline=idle_pipelines(),
        sagemaker=sagemaker(),
        **idle_others(),
    )
    with pytest.raises(Interrupted, match="Run this cell again"):
        removal.remove(lab, sleep=interrupt)


def test_what_is_running_is_stopped_before_anything_is_deleted(tmp_path: Path) -> None:
    stopped: list[str] = []
    executions = [
        {"pipelineExecutionId": "a" * 36, "status": "InProgress"},
        {"pipelineExecutionId": "b" * 36, "status": "Succeeded"},
    ]

    def stop_execution(**asked: Any) -> dict[str, Any]:
        stopped.append(asked["pipelineExecutionId"])
        return {"pipelineExecutionId": asked["pipelineExecutionId"]}

    def stop_job(**asked: str) -> dict[str, Any]:
        stopped.append(" ".join(f"{kind} {name}" for kind, name in asked.items()))
        return {}

    lab = fakes.lab(
        tmp_path,
        cloudformation=Stacks().client,
        codepipeline=fakes.FakeClient(
            "codepipeline",
            list_pipeline_executions=lambda pipelineName: {
                "pipelineExecutionSummaries": executions if "train" in pipelineName else []
            },
            stop_pipeline_execution=stop_execution,
        ),
        sagemaker=sagemaker(
            **jobs(
                "iris-model-sdk-1",
                "bea-iris-model-sdk-1",
                checks=("iris-model-check-1", "bea-iris-model-check-1"),
            ),
            stop_hyper_parameter_tuning_job=stop_job,
            stop_training_job=stop_job,
            stop_transform_job=stop_job,
            stop_processing_job=stop_job,
        ),
        **idle_others(),
    )
    removal.remove(lab)
    assert stopped == [
        "a" * 36,
        "HyperParameterTuningJobName iris-model-sdk-1",  # it would start other training jobs
        "TrainingJobName iris-model-sdk-1",
        "TransformJobName iris-model-sdk-1",
        "ProcessingJobName iris-model-check-1",
    ], "another lab's jobs go on"


def test_what_notebook_03a_has_left_is_deleted_though_no_stack_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deleted: list[str] = []

    def delete(**asked: str) -> dict[str, Any]:
        deleted.extend(asked)
        return {}

    client = sagemaker(delete_endpoint=delete, delete_model=delete)
    removal.remove(
        fakes.lab(
            tmp_path,
            cloudformation=Stacks().client,
            codepipeline=idle_pipelines(),
            sagemaker=client,
            **idle_others(),
        )
    )
    assert deleted == ["EndpointName", "ModelName"]
    assert "deleted the endpoint iris-model-sdk" in capsys.readouterr().out


def test_what_bills_is_the_labs_own_with_its_price(tmp_path: Path) -> None:
    endpoints = [
        {"EndpointName": name, "EndpointArn": ARN, "CreationTime": TIME, "LastModifiedTime": TIME,
         "EndpointStatus": status}
        for name, status in (
            ("iris-model-dev", "InService"), ("iris-model-prd", "Failed"),
            ("bea-iris-model-dev", "InService"),
        )
    ]  # fmt: skip
    client = fakes.FakeClient(
        "sagemaker",
        list_endpoints=lambda **_: {"Endpoints": endpoints},
        describe_endpoint=lambda EndpointName: {
            **endpoints[0],
            "EndpointConfigName": "config",
            "ProductionVariants": [{"VariantName": "AllTraffic", "CurrentInstanceCount": 2}],
        },
        describe_endpoint_config=lambda EndpointConfigName: {
            "EndpointConfigName": EndpointConfigName,
            "EndpointConfigArn": ARN,
            "CreationTime": TIME,
            "ProductionVariants": [
                {"VariantName": "AllTraffic", "ModelName": "m", "InstanceType": "ml.m5.large"}
            ],
        },
        **jobs(
            "iris-model-sdk-1",
            "bea-iris-model-sdk-1",
            checks=("iris-model-check-1", "bea-iris-model-check-1"),
        ),
        describe_training_job=lambda TrainingJobName: {
            "TrainingJobName": TrainingJobName,
            "TrainingJobArn": ARN,
            "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m"},
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Training",
            "AlgorithmSpecification": {"TrainingInputMode": "File"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {},
            "CreationTime": TIME,
        },
        describe_transform_job=lambda TransformJobName: {
            "TransformJobName": TransformJobName,
            "TransformJobArn": ARN,
            "TransformJobStatus": "InProgress",
            "ModelName": "m",
            "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b"}}},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 2},
            "CreationTime": TIME,
        },
        describe_processing_job=lambda ProcessingJobName: {
            "ProcessingJobName": ProcessingJobName,
            "ProcessingJobArn": ARN,
            "ProcessingJobStatus": "InProgress",
            "ProcessingResources": {
                "ClusterConfig": {"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 5}
            },
            "AppSpecification": {"ImageUri": "image"},
            "CreationTime": TIME,
        },
        describe_notebook_instance=lambda NotebookInstanceName: {
            "NotebookInstanceName": NotebookInstanceName,
            "NotebookInstanceStatus": "InService",
            "InstanceType": "ml.unheard.of",
        },
    )
    found = charges.running(fakes.lab(tmp_path, sagemaker=client))
    assert [(one.kind, one.name, one.count) for one in found] == [
        ("endpoint", "iris-model-dev", 2),
        ("transform", "iris-model-sdk-1", 2),
        ("training", "iris-model-sdk-1", 1),
        ("processing", "iris-model-check-1", 1),
        ("tuning", "iris-model-sdk-1", 0),
        ("notebook", "mlops", 1),
    ]
    prices = [one.hourly or Decimal(0) for one in found]
    assert prices[1] == 2 * prices[2] > 0, "an hour of either costs the same"
    assert prices[3] > 0, "the type that notebook 07 asks for has a price"
    shown = repr(charges.table(found))
    assert f"{sum(prices):.3f} USD per hour" in shown
    assert "unknown" in shown
    assert "in its training jobs" in shown


def test_every_variant_of_an_endpoint_bills_and_so_does_its_shadow(tmp_path: Path) -> None:
    name = "iris-model-safe-0a1b2c"
    summary = {"EndpointName": name, "EndpointArn": ARN, "CreationTime": TIME, "LastModifiedTime": TIME,
               "EndpointStatus": "InService"}  # fmt: skip

    def variant(name: str) -> dict[str, str]:
        return {"VariantName": name, "ModelName": "m", "InstanceType": "ml.m5.large"}

    client = fakes.FakeClient(
        "sagemaker",
        **jobs(),
        list_endpoints=lambda **_: {"Endpoints": [summary]},
        describe_endpoint=lambda EndpointName: {
            **summary,
            "EndpointConfigName": "config",
            "ProductionVariants": [
                {"VariantName": "A", "CurrentInstanceCount": 2},
                {"VariantName": "B", "CurrentInstanceCount": 1},
            ],
            "ShadowProductionVariants": [{"VariantName": "C", "CurrentInstanceCount": 1}],
        },
        describe_endpoint_config=lambda EndpointConfigName: {
            "EndpointConfigName": EndpointConfigName,
            "EndpointConfigArn": ARN,
            "CreationTime": TIME,
            "ProductionVariants": [variant("A"), variant("B")],
            "ShadowProductionVariants": [variant("C")],
        },
        describe_notebook_instance=lambda NotebookInstanceName: {
            "NotebookInstanceName": NotebookInstanceName,
            "NotebookInstanceStatus": "Stopped",
        },
    )
    found = charges.running(fakes.lab(tmp_path, sagemaker=client))
    assert sorted(one.count for one in found) == [1, 1, 2]
    place = Place({"sagemaker": client}.__getitem__, "us-east-1", "123456789012")  # type: ignore[arg-type]
    (listed,) = listers.endpoints(place)
    assert (listed.billable, listed.quantity) == ("endpoint:ml.m5.large", 4), "an instructor sees the sum"
