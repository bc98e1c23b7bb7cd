"""How to delete one resource of each kind. A resource that is already gone is never an error.

Operation names are boto3's. BusyError means: try again in a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from lab_helpers.aws_errors import is_busy, is_gone
from lab_helpers.clients import Clients
from lab_helpers.resources import Resource

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef


class BusyError(RuntimeError):
    """The service cannot delete the resource now; the message says why."""


def delete(clients: Clients, one: Resource) -> None:
    """Delete a resource, or what must be deleted before it. For stacks, see `stacks.delete_stack`.

    Raises BusyError while the service is working on the resource, botocore's ClientError for other refusals.
    """
    try:
        _DELETE[one.kind](clients, one.id)
    except ClientError as error:
        if is_gone(error):
            return
        if is_busy(error):
            raise BusyError(str(error)) from error
        raise


def _endpoint(clients: Clients, name: str) -> None:
    """Request the deletion. Raises BusyError until the endpoint is gone."""
    clients("sagemaker").delete_endpoint(EndpointName=name)
    raise BusyError(f"endpoint {name} is being deleted")


def _endpoint_config(clients: Clients, name: str) -> None:
    clients("sagemaker").delete_endpoint_config(EndpointConfigName=name)


def _model(clients: Clients, name: str) -> None:
    clients("sagemaker").delete_model(ModelName=name)


def _model_package_group(clients: Clients, name: str) -> None:
    """Delete the group's versions first: a group that has any is not deleted, and neither is its stack."""
    sagemaker = clients("sagemaker")
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=name)
    for one in [one for page in pages for one in page["ModelPackageSummaryList"]]:
        sagemaker.delete_model_package(ModelPackageName=one["ModelPackageArn"])
    sagemaker.delete_model_package_group(ModelPackageGroupName=name)


def _training_job(clients: Clients, name: str) -> None:
    clients("sagemaker").delete_training_job(TrainingJobName=name)


def _tuning_job(clients: Clients, name: str) -> None:
    """Delete the job; its training jobs stay. Raises BusyError while it runs."""
    sagemaker = clients("sagemaker")
    described = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    if (status := described["HyperParameterTuningJobStatus"]) in {"InProgress", "Stopping"}:
        raise BusyError(f"tuning job {name} is {status}")
    sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


def _transform_job(clients: Clients, name: str) -> None:
    """Wait for the end of a job that was stopped: it cannot be deleted. Raises BusyError while it runs."""
    status = clients("sagemaker").describe_transform_job(TransformJobName=name)["TransformJobStatus"]
    if status in {"InProgress", "Stopping"}:
        raise BusyError(f"transform job {name} is {status}")


def _processing_job(clients: Clients, name: str) -> None:
    """Wait for the end of a job that was stopped: AWS keeps the job. Raises BusyError while it runs."""
    status = clients("sagemaker").describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"]
    if status in {"InProgress", "Stopping"}:
        raise BusyError(f"processing job {name} is {status}")


def _notebook_instance(clients: Clients, name: str) -> None:
    """Stop the instance, then delete it. Raises BusyError until it is stopped."""
    sagemaker = clients("sagemaker")
    status = sagemaker.describe_notebook_instance(NotebookInstanceName=name)["NotebookInstanceStatus"]
    if status == "InService":
        sagemaker.stop_notebook_instance(NotebookInstanceName=name)
    elif status in {"Stopped", "Failed"}:
        sagemaker.delete_notebook_instance(NotebookInstanceName=name)
    raise BusyError(f"notebook instance {name} is {status}")


def _lifecycle_config(clients: Clients, name: str) -> None:
    clients("sagemaker").delete_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name)


DIMENSION: Final = "sagemaker:variant:DesiredInstanceCount"


def _scalable_target(clients: Clients, resource_id: str) -> None:
    clients("application-autoscaling").deregister_scalable_target(
        ServiceNamespace="sagemaker", ResourceId=resource_id, ScalableDimension=DIMENSION
    )


def _scaling_policy(clients: Clients, identity: str) -> None:
    resource_id, _, name = identity.partition(":")
    clients("application-autoscaling").delete_scaling_policy(
        ServiceNamespace="sagemaker", ResourceId=resource_id, ScalableDimension=DIMENSION, PolicyName=name
    )


def _alarm(clients: Clients, name: str) -> None:
    clients("cloudwatch").delete_alarms(AlarmNames=[name])


def _pipeline(clients: Clients, name: str) -> None:
    clients("codepipeline").delete_pipeline(name=name)


def _project(clients: Clients, name: str) -> None:
    clients("codebuild").delete_project(name=name)


def _function(clients: Clients, name: str) -> None:
    clients("lambda").delete_function(FunctionName=name)


def _rule(clients: Clients, name: str) -> None:
    events = clients("events")
    targets = [one["Id"] for one in events.list_targets_by_rule(Rule=name)["Targets"]]
    if targets:
        events.remove_targets(Rule=name, Ids=targets)
    events.delete_rule(Name=name)


def _repository(clients: Clients, name: str) -> None:
    clients("codecommit").delete_repository(repositoryName=name)


def _registry(clients: Clients, name: str) -> None:
    clients("ecr").delete_repository(repositoryName=name, force=True)


def empty_bucket(clients: Clients, name: str) -> None:
    """Delete every version, delete marker and unfinished upload of a bucket."""
    s3 = clients("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        doomed: list[ObjectIdentifierTypeDef] = [
            {"Key": one["Key"], "VersionId": one["VersionId"]}
            for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        ]
        if doomed:
            answer = s3.delete_objects(Bucket=name, Delete={"Objects": doomed, "Quiet": True})
            if failed := answer.get("Errors"):
                raise BusyError(
                    f"{failed[0]['Key']} in {name}: {failed[0].get('Message', failed[0]['Code'])}"
                )
    for unfinished in s3.get_paginator("list_multipart_uploads").paginate(Bucket=name):
        for one in unfinished.get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=name, Key=one["Key"], UploadId=one["UploadId"])


def _bucket(clients: Clients, name: str) -> None:
    empty_bucket(clients, name)
    clients("s3").delete_bucket(Bucket=name)


def _log_group(clients: Clients, name: str) -> None:
    clients("logs").delete_log_group(logGroupName=name)


def _log_stream(clients: Clients, identity: str) -> None:
    group, _, stream = identity.partition(":")
    clients("logs").delete_log_stream(logGroupName=group, logStreamName=stream)


def _role(clients: Clients, name: str) -> None:
    iam = clients("iam")
    for inline in iam.get_paginator("list_role_policies").paginate(RoleName=name):
        for policy in inline["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
    for attached in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
        for managed in attached["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=managed["PolicyArn"])
    for profiles in iam.get_paginator("list_instance_profiles_for_role").paginate(RoleName=name):
        for profile in profiles["InstanceProfiles"]:
            iam.remove_role_from_instance_profile(
                InstanceProfileName=profile["InstanceProfileName"], RoleName=name
            )
    iam.delete_role(RoleName=name)


def _policy(clients: Clients, arn: str) -> None:
    """Detach the policy from its roles and delete it with its versions."""
    iam = clients("iam")
    for page in iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn, EntityFilter="Role"):
        for role in page["PolicyRoles"]:
            iam.detach_role_policy(RoleName=role["RoleName"], PolicyArn=arn)
    for versions in iam.get_paginator("list_policy_versions").paginate(PolicyArn=arn):
        for version in versions["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)


_DELETE: dict[str, Callable[[Clients, str], object]] = {
    "endpoint": _endpoint,
    "endpoint-config": _endpoint_config,
    "model": _model,
    "model-package-group": _model_package_group,
    "training-job": _training_job,
    "tuning-job": _tuning_job,
    "transform-job": _transform_job,
    "processing-job": _processing_job,
    "notebook-instance": _notebook_instance,
    "notebook-instance-lifecycle-config": _lifecycle_config,
    "scalable-target": _scalable_target,
    "scaling-policy": _scaling_policy,
    "alarm": _alarm,
    "pipeline": _pipeline,
    "project": _project,
    "function": _function,
    "rule": _rule,
    "codecommit-repository": _repository,
    "ecr-repository": _registry,
    "bucket": _bucket,
    "log-group": _log_group,
    "log-stream": _log_stream,
    "role": _role,
    "policy": _policy,
}
