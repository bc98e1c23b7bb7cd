"""What belongs to which lab, and what belongs to none."""

import json
from typing import Any

import pytest

from lab_helpers.instructor.inventory import expirations, listers
from lab_helpers.instructor.inventory.ownership import by_name
from lab_helpers.names import Names
from tests.lab_helpers.fakes import FakeClient
from tests.lab_helpers.instructor.clean.small_labs import EXECUTION, Room, policy

PLACE = ("us-east-1", "123456789012")


@pytest.fixture(scope="module")
def lab(room: Room) -> Names:
    return room.make("inv")


def test_everything_of_a_lab_is_listed_with_or_without_its_tag(room: Room, lab: Names) -> None:
    assert room.kinds("inv") == {
        ("bucket", room.bucket("inv")),
        ("ecr-repository", "inv-scikit-base"),
        ("codecommit-repository", "inv-mlops"),
        ("rule", "inv-scikit-base-push"),
        ("log-group", "/aws/codebuild/inv-scikit-base"),
        ("log-group", "/aws/sagemaker/Endpoints/inv-iris-model-dev"),
        ("notebook-instance-lifecycle-config", "inv-mlops"),
        ("model-package-group", "inv-iris-model"),
        ("alarm", "inv-iris-model-prd-server-errors"),
        ("role", "inv-mlops-sagemaker"),
    }


def test_a_lab_without_a_stack_is_found_without_being_requested(room: Room, lab: Names) -> None:
    assert {(one.kind, one.id) for one in room.owned() if one.lab_id == "inv"} == room.kinds("inv")


def test_a_resource_says_what_it_costs_while_it_exists(room: Room, lab: Names) -> None:
    keys = {one.kind: one.billable for one in room.owned("inv")}

    assert keys["alarm"] == "cloudwatch:alarm-month"
    assert keys["role"] is None


def test_look_alikes_belong_to_no_lab(room: Room, lab: Names) -> None:
    """Names that contain those of a lab, and names of a lab for which there is no other evidence."""
    ecr, codecommit, logs = (room.clients(name) for name in ("ecr", "codecommit", "logs"))
    for name in ("inv-scikit-base-copy", "xinv-scikit-base", "scikit-base-2", "team-iris-model"):
        ecr.create_repository(repositoryName=name)
    for name in ("inv-mlops2", "team-mlops"):
        codecommit.create_repository(repositoryName=name)
    logs.create_log_group(logGroupName="/aws/sagemaker/Endpoints/inv-iris-model-dev-blue")
    room.clients("s3").create_bucket(Bucket=f"inv-mlops-{room.region}-999999999999")
    room.role("team-mlops-notebook")

    foreign = {"inv-scikit-base-copy", "xinv-scikit-base", "scikit-base-2", "team-iris-model", "inv-mlops2"}
    foreign |= {"team-mlops", "team-mlops-notebook", "/aws/sagemaker/Endpoints/inv-iris-model-dev-blue"}
    foreign.add(f"inv-mlops-{room.region}-999999999999")
    assert not foreign & {one.id for one in [*room.owned(), *room.owned("inv")]}


def test_the_tag_wins_over_the_name(room: Room) -> None:
    """A resource with another lab's tag belongs to that lab."""
    tags = [{"Key": "mlops-workshop:lab", "Value": "tagged"}]
    room.clients("ecr").create_repository(repositoryName="whatever", tags=tags)

    assert room.kinds("tagged") == {("ecr-repository", "whatever")}


def test_roles_of_a_lab_in_another_region_do_not_belong_to_this_one(room: Room) -> None:
    room.role("far-mlops-monitor", {"mlops-workshop:lab": "far"}, region="eu-west-1")
    room.role("near-mlops-monitor", {"mlops-workshop:lab": "near"})
    room.role("bare-mlops-monitor")

    assert room.kinds("far") == set()
    assert room.kinds("bare") == set()
    assert room.kinds("near") == {("role", "near-mlops-monitor")}
    assert ("role", "near-mlops-monitor") in {(one.kind, one.id) for one in room.owned()}


def test_an_untagged_orphan_is_recognized_by_the_resources_that_its_policies_name(room: Room) -> None:
    """Managed policies have no tags here, nor do the roles of a lab launched from the console."""
    iam = room.clients("iam")

    def leave(lab_id: str, region: str) -> str:
        arn = f"arn:aws:codepipeline:{region}:{room.account}:{lab_id}-iris-train-pipeline"
        document = policy("codepipeline:GetPipeline", arn)
        room.role(f"{lab_id}-mlops-monitor")
        iam.put_role_policy(RoleName=f"{lab_id}-mlops-monitor", PolicyName="own", PolicyDocument=document)
        name = f"{lab_id}-mlops-notebook-deploy"
        return str(iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"])

    here, there = leave("orphan", room.region), leave("distant", "eu-west-1")
    iam.attach_role_policy(RoleName="orphan-mlops-monitor", PolicyArn=here)
    foreign = policy("s3:GetObject", f"arn:aws:s3:::{room.bucket('orphan')}/*")
    iam.create_policy(PolicyName="orphan-mlops-notebook-operate", PolicyDocument=foreign)

    assert room.kinds("orphan") == {("role", "orphan-mlops-monitor"), ("policy", here)}
    assert room.kinds("distant") == set()
    room.clean("orphan")
    assert room.kinds("orphan") == set()
    assert there in {one["Arn"] for one in iam.list_policies(Scope="Local")["Policies"]}


def test_a_nested_stack_is_listed_only_if_it_was_left_behind(room: Room) -> None:
    s3, cloudformation = room.clients("s3"), room.clients("cloudformation")
    s3.create_bucket(Bucket="nested-templates")
    queue = {"Resources": {"Group": {"Type": "AWS::Logs::LogGroup", "DeletionPolicy": "Retain"}}}
    s3.put_object(Bucket="nested-templates", Key="inner", Body=json.dumps(queue))
    tags = [{"Key": "mlops-workshop:lab", "Value": "outer"}]
    url = f"https://nested-templates.s3.{room.region}.amazonaws.com/inner"
    inner = {"Type": "AWS::CloudFormation::Stack", "DeletionPolicy": "Retain",
             "Properties": {"TemplateURL": url, "Tags": tags}}  # fmt: skip
    room.stack("outer-mlops", {"Inner": inner}, Tags=tags)
    assert {one for one in room.kinds("outer") if one[0] == "stack"} == {("stack", "outer-mlops")}

    cloudformation.delete_stack(StackName="outer-mlops")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="outer-mlops", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    ((_, left),) = {one for one in room.kinds("outer") if one[0] == "stack"}
    assert left.startswith("outer-mlops-Inner-")
    room.clean("outer")
    assert room.kinds("outer") == set()


def test_a_lab_expires_with_the_last_of_its_resources(room: Room) -> None:
    tags = {"mlops-workshop:lab": "old", "mlops-workshop:expires": "2020-01-01T00:00:00Z"}
    later = {**tags, "mlops-workshop:expires": "2020-01-02T00:00:00Z"}
    never = {"mlops-workshop:lab": "kept", "mlops-workshop:expires": "never"}
    for name, given in (("old-mlops", tags), ("old-more", later), ("kept-mlops", never)):
        room.clients("codecommit").create_repository(repositoryName=name, tags=given)

    found = expirations(room.clients)
    assert found["old"].isoformat() == "2020-01-02T00:00:00+00:00"
    assert "kept" not in found


@pytest.mark.parametrize(
    ("kind", "name", "lab"),
    [
        ("stack", "mlops", ""),
        ("stack", "ana-iris-model-dev", "ana"),
        ("policy", "ana-mlops-notebook-stacks", "ana"),
        ("policy", "mlops-notebook-anything", None),
        ("bucket", "mlops-assets-us-east-1-123456789012", ""),
        ("bucket", "ana-mlops-us-east-1-123456789012", "ana"),
        ("bucket", "ana-mlops-eu-west-1-123456789012", None),
        ("endpoint", "iris-model-dev", ""),
        ("endpoint", "iris-model-canary", None),
        ("model", f"ana-iris-model-prd-{EXECUTION}", "ana"),
        ("model", "ana-iris-model-mine", None),
        ("model-package-group", "ana-iris-model", "ana"),
        ("model-package-group", "ana-iris-model-2", None),
        ("alarm", "TargetTracking-endpoint/ana-iris-model-prd/variant/AllTraffic-AlarmHigh-1", "ana"),
        ("alarm", "TargetTracking-table/ana-iris-model-prd", None),
        ("log-stream", f"/aws/sagemaker/TrainingJobs:ana-iris-model-{EXECUTION}/algo-1", "ana"),
        ("log-stream", "/aws/sagemaker/NotebookInstances:ana-mlops/LifecycleConfigOnStart", "ana"),
        ("log-stream", "/aws/sagemaker/TrainingJobs:somebody-else/algo-1", None),
        ("endpoint", "ana-iris-model-sdk", "ana"),
        ("endpoint-config", "ana-iris-model-sdk", "ana"),
        ("model", "iris-model-sdk", ""),
        ("training-job", "iris-model-sdk-20261130204805", ""),
        ("training-job", "ana-iris-model-sdk-261130-2048-001-17aa0e4e", "ana"),
        ("training-job", "ana-iris-model-mine", None),
        ("tuning-job", "ana-iris-model-sdk-261130-2048", "ana"),
        ("tuning-job", "ana-iris-model-261130", None),
        ("transform-job", "iris-model-sdk-20261130204805", ""),
        ("processing-job", "ana-iris-model-check-20261130204805", "ana"),
        ("log-stream", "/aws/sagemaker/TransformJobs:ana-iris-model-sdk-1/i-0123456789-5e1f", "ana"),
        ("log-group", "/aws/sagemaker/Endpoints/ana-iris-model-sdk", "ana"),
        ("endpoint", "iris-model-safe-0a1b2c", ""),
        ("endpoint-config", "ana-iris-model-safe-0a1b2c-good", "ana"),
        ("model", "ana-iris-model-safe-0a1b2c-shuffled", "ana"),
        ("alarm", "ana-iris-model-safe-0a1b2c-wrong-answers", "ana"),
        ("scalable-target", "ana-iris-model-safe-0a1b2c", "ana"),
        ("log-group", "/aws/sagemaker/Endpoints/ana-iris-model-safe-0a1b2c", "ana"),
        ("policy", "ana-mlops-notebook-registry", "ana"),
        ("policy", "ana-mlops-notebook-releases", "ana"),
        ("role", "ana-mlops-notebook", "ana"),
        ("role", "ana-mlops-admin", None),
        ("function", "mlops-job-launcher-iris-model", ""),
        ("ecr-repository", "Ana-scikit-base", None),
        ("ecr-repository", "abcdefghijk-scikit-base", None),  # eleven characters are too long for a lab id
    ],
)
def test_a_name_identifies_its_lab(kind: str, name: str, lab: str | None) -> None:
    found = by_name(kind, name, *PLACE)

    assert (found.lab_id if found else None) == lab


def test_buckets_are_listed_in_pages_as_s3_demands_of_accounts_with_many() -> None:
    """S3 refuses a list without a page size where the quota is above 10,000 (Amazon S3 User Guide)."""

    def answer(MaxBuckets: int, **_: Any) -> dict[str, Any]:
        assert MaxBuckets <= 10_000
        return {"Buckets": [{"Name": "ana-mlops-eu-west-1-123456789012"}]}

    s3 = FakeClient("s3", list_buckets=answer)
    clients: Any = lambda _: s3  # noqa: E731
    place = listers.Place(clients, "eu-west-1", "123456789012")

    (found,) = listers.buckets(place)
    assert found.arn == "arn:aws:s3:::ana-mlops-eu-west-1-123456789012"
