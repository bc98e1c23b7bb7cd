"""Labs are deleted whatever state they are in, and nothing else is."""

import json
import random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab_helpers.deletion_order import in_order
from lab_helpers.instructor.clean import step_of
from tests.interrupting import Interrupted
from tests.lab_helpers.instructor.clean.small_labs import THRESHOLD, Room, log_group, policy

pytestmark = pytest.mark.slow

INTERRUPTIONS = 25


def assert_gone(room: Room, lab_id: str) -> None:
    """Clean a lab and check that nothing of it is left."""
    cleaned = room.clean(lab_id)
    assert cleaned.empty, (cleaned.remaining, cleaned.faults)
    assert room.owned(lab_id) == []


def test_everything_of_a_lab_is_deleted_and_other_labs_stay(room: Room) -> None:
    for lab_id in ("one", "other"):
        room.make(lab_id)
    others = room.kinds("other")

    assert_gone(room, "one")

    assert room.kinds("other") == others
    assert_gone(room, "one")  # doing it again is not an error


def test_resources_with_similar_names_stay(room: Room) -> None:
    room.make("look")
    ecr = room.clients("ecr")
    for name in ("look-scikit-base-copy", "alook-scikit-base"):
        ecr.create_repository(repositoryName=name)
    room.role("look-mlops-admin")

    assert_gone(room, "look")

    names = ["look-scikit-base-copy", "alook-scikit-base"]
    assert len(ecr.describe_repositories(repositoryNames=names)["repositories"]) == 2
    assert room.clients("iam").get_role(RoleName="look-mlops-admin")


def test_what_costs_most_goes_first_and_roles_last(room: Room) -> None:
    room.make("order")
    room.stack("order-mlops", {"Logs": log_group("/aws/sagemaker/Endpoints/order-iris-model-prd")})
    room.stack("order-iris-model-dev", {"Logs": log_group("/aws/codebuild/order-iris-model")})

    kinds = [one.kind if one.kind != "stack" else one.id for one in in_order(room.owned("order"))]

    assert kinds.index("order-iris-model-dev") < kinds.index("rule") < kinds.index("order-mlops")
    assert kinds[-1] == "role"
    assert all(step_of(one) is not None for one in room.owned("order"))
    assert_gone(room, "order")


# --- broken states


def test_a_stack_whose_deletion_failed(room: Room) -> None:
    """DELETE_FAILED: its bucket is not empty."""
    bucket = room.bucket("delfailed")
    properties = {"BucketName": bucket, "VersioningConfiguration": {"Status": "Enabled"}}
    room.stack("delfailed-mlops", {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}})
    room.clients("s3").put_object(Bucket=bucket, Key="training/x", Body=b"x")
    room.clients("cloudformation").delete_stack(StackName="delfailed-mlops")
    assert room.at_rest("delfailed-mlops") == "DELETE_FAILED"

    assert_gone(room, "delfailed")


def test_a_stack_that_was_never_complete(room: Room) -> None:
    """ROLLBACK_COMPLETE: its second resource cannot be created."""
    room.clients("logs").create_log_group(logGroupName="/aws/lambda/never-mlops-job-monitor-iris-model")
    resources = {
        "Good": log_group("/aws/codebuild/never-iris-model"),
        "Taken": log_group("/aws/lambda/never-mlops-job-monitor-iris-model"),
    }
    assert room.stack("never-iris-train-pipeline", resources) == "ROLLBACK_COMPLETE"

    assert_gone(room, "never")


def test_a_stack_whose_rollback_failed(room: Room) -> None:
    """UPDATE_ROLLBACK_FAILED: the resource to update was deleted by hand, so it cannot be restored either."""
    name = "/aws/codebuild/rolled-iris-model"
    room.stack("rolled-iris-model", {"Logs": log_group(name)})
    room.clients("logs").delete_log_group(logGroupName=name)
    body = json.dumps({"Resources": {"Logs": log_group(name, days=30)}})
    room.clients("cloudformation").update_stack(StackName="rolled-iris-model", TemplateBody=body)
    assert room.at_rest("rolled-iris-model") == "UPDATE_ROLLBACK_FAILED"

    assert_gone(room, "rolled")


def test_a_stack_whose_resources_were_deleted_by_hand(room: Room) -> None:
    name = "/aws/codebuild/byhand-iris-model"
    room.stack("byhand-iris-model", {"Logs": log_group(name)})
    room.clients("logs").delete_log_group(logGroupName=name)

    assert_gone(room, "byhand")


def test_a_stack_whose_role_was_deleted(room: Room) -> None:
    """CloudFormation deletes a stack with the role that created it, and refuses if the role is gone."""
    role = room.role("norole-mlops-deploy", {"mlops-workshop:lab": "norole"})
    tags = [{"Key": "mlops-workshop:lab", "Value": "norole"}]
    name = "norole-iris-model-dev"
    iam, cloudformation = room.clients("iam"), room.clients("cloudformation")
    iam.put_role_policy(
        RoleName="norole-mlops-deploy", PolicyName="own", PolicyDocument=policy("cloudwatch:*")
    )
    alarm = {"AlarmName": "norole-iris-model-prd-server-errors", **THRESHOLD}
    resources = {"Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm}}
    assert room.stack(name, resources, RoleARN=role, Tags=tags) == "CREATE_COMPLETE"
    iam.delete_role_policy(RoleName="norole-mlops-deploy", PolicyName="own")
    iam.delete_role(RoleName="norole-mlops-deploy")
    with pytest.raises(ClientError):
        cloudformation.delete_stack(StackName=name)

    assert_gone(room, "norole")


def test_a_stack_that_is_protected(room: Room) -> None:
    name = "guarded-iris-model"
    room.stack(
        name, {"Logs": log_group("/aws/codebuild/guarded-iris-model")}, EnableTerminationProtection=True
    )

    assert_gone(room, "guarded")


def test_leftovers_of_a_lab_without_any_stack(room: Room) -> None:
    """Only untagged resources that services created by themselves, and a role."""
    logs = room.clients("logs")
    logs.create_log_group(logGroupName="/aws/sagemaker/Endpoints/ghost-iris-model-prd")
    if not logs.describe_log_groups(logGroupNamePrefix="/aws/sagemaker/TrainingJobs")["logGroups"]:
        logs.create_log_group(logGroupName="/aws/sagemaker/TrainingJobs")
    execution = "0a1b2c3d-0000-4000-8000-000000000009"
    streams = (f"ghost-iris-model-{execution}/algo-1", "somebody-else/algo-1")
    for stream in streams:
        logs.create_log_stream(logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream)
    room.role("ghost-mlops-notebook", {"mlops-workshop:lab": "ghost"})
    assert len([one for one in room.owned() if one.lab_id == "ghost"]) == 3

    assert_gone(room, "ghost")

    left = logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs")["logStreams"]
    assert [one["logStreamName"] for one in left] == ["somebody-else/algo-1"]


def test_what_remains_is_named_with_the_reason(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    from lab_helpers import deletions

    room.make("left")

    def refuse(_clients: Any, name: str) -> None:
        said = f"not authorized to delete {name}"
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": said}}, "DeleteRepository")

    with monkeypatch.context() as patch:
        patch.setitem(deletions._DELETE, "ecr-repository", refuse)
        cleaned = room.clean("left")

    assert [(one.kind, one.id) for one in cleaned.remaining] == [("ecr-repository", "left-scikit-base")]
    assert "not authorized to delete left-scikit-base" in cleaned.faults[0]
    assert_gone(room, "left")


# --- interruptions


@pytest.mark.parametrize("seed", range(INTERRUPTIONS))
def test_interrupted_anywhere_the_same_command_completes_it(room: Room, seed: int) -> None:
    lab_id = f"int{seed}"
    room.make(lab_id)
    room.stack(f"{lab_id}-iris-model", {"Logs": log_group(f"/aws/codebuild/{lab_id}-iris-model")})
    number = random.Random(seed).randint(1, 60)  # a complete cleanup takes about seventy calls

    try:
        room.clean(lab_id, clients=Interrupted(room.clients, number))
    except KeyboardInterrupt:
        pass
    else:
        pytest.fail(f"it ended before call {number}")

    assert_gone(room, lab_id)
