import json
import subprocess
import zipfile
from base64 import b64encode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from lab_helpers import console, keys
from lab_helpers.instructor.deploy import (
    Uploaded,
    launch_link,
    start_instance,
    upload,
    wait_until_provisioned,
    why_again,
)
from lab_helpers.instructor.fleet.progress import ProvisionReports
from lab_helpers.instructor.package import package
from lab_helpers.names import Names
from lab_helpers.nested_stacks import deploy_over_leftovers
from lab_helpers.stacks import DeployError, StackEvent, deploy_stack, find_stack
from local_account.foundation.daemon import Daemon
from tests.sessions import make_client
from tests.waiting import eventually

TOPIC = {
    "Type": "AWS::Logs::LogGroup",
    "Properties": {"LogGroupName": {"Ref": "Name"}, "RetentionInDays": {"Ref": "Days"}},
}
PARAMETERS = {"Name": {"Type": "String"}, "Days": {"Type": "Number", "Default": "7"}}


@pytest.fixture(scope="session")
def clients(daemon: Daemon) -> Callable[[str], Any]:
    environment = daemon.environment()
    return lambda service: make_client(
        service,
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "cfn/build-image.yml",
        "cfn/m.yml",
        "lab_helpers/x.py",
        "notebooks/01_a.ipynb",
        "requirements.txt",
        "requirements-sdk.txt",
        "secret.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    (tmp_path / "lifecycle-config").mkdir()
    script = tmp_path / "lifecycle-config" / "on-start.sh"
    script.write_text("#!/bin/bash\n")
    script.chmod(0o755)
    return tmp_path


def test_the_package_holds_what_the_instance_needs_and_is_the_same_for_the_same_tree(tree: Path) -> None:
    first = package(tree)
    (tree / "cfn" / "m.yml").touch()
    (tree / "lab_helpers" / "__pycache__").mkdir()
    (tree / "lab_helpers" / "__pycache__" / "x.pyc").write_text("compiled")
    assert package(tree) == first
    with zipfile.ZipFile(BytesIO(first)) as archive:
        names = archive.namelist()
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert names == sorted(
        [
            "cfn/build-image.yml",
            "lab_helpers/x.py",
            "lifecycle-config/on-start.sh",
            "notebooks/01_a.ipynb",
            "requirements.txt",
            "requirements-sdk.txt",
        ]
    )
    assert modes["lifecycle-config/on-start.sh"] & 0o111
    assert not modes["cfn/build-image.yml"] & 0o111
    (tree / "cfn" / "build-image.yml").write_text("changed")
    assert package(tree) != first


def test_what_an_instance_does_not_need_does_not_outdate_its_lab(tree: Path) -> None:
    first = package(tree)
    for name in (
        "cfn/m.yml",
        "lab_helpers/instructor/x.py",
        "lab_helpers/cli/local/x.py",
        "local_account/x.py",
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("changed")
    assert package(tree) == first


def test_the_package_leaves_out_ignored_files_and_includes_uncommitted_ones(tree: Path) -> None:
    (tree / ".gitignore").write_text("*.csv\n")
    (tree / "notebooks" / "big.csv").write_text("1")
    subprocess.run(["git", "init", "--quiet", str(tree)], check=True)
    with zipfile.ZipFile(BytesIO(package(tree))) as archive:
        assert "notebooks/big.csv" not in archive.namelist()
        assert "notebooks/01_a.ipynb" in archive.namelist()


def test_an_upload_returns_whether_the_package_changed_and_its_bucket_is_private(
    clients: Callable[[str], Any], tree: Path
) -> None:
    names, account = Names("up"), "123456789012"

    def put(content: bytes) -> Uploaded:
        return upload(clients, names, "us-east-1", account, content=content, template=tree / "cfn" / "m.yml")

    assert [put(content).changed for content in (b"1", b"1", b"2")] == [False, False, True]
    uploaded = put(b"2")
    assert uploaded.package_uri == "s3://up-mlops-assets-us-east-1-123456789012/package/workshop.zip"
    bucket = "up-mlops-assets-us-east-1-123456789012"
    blocked = clients("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}
    assert clients("s3").get_object(Bucket=bucket, Key="package/workshop.zip")["Body"].read() == b"2"
    link = launch_link(console.of(clients("cloudformation")), names, uploaded)
    assert "region=us-east-1#/stacks/new?stackName=up-mlops&templateURL=https%3A%2F%2F" in link
    assert "param_NamePrefix=up-" in link


class Deployed:
    """Deploys a template from a bucket as the test's own stack."""

    def __init__(self, clients: Callable[[str], Any], name: str) -> None:
        self.clients, self.name = clients, name
        self.seen: list[StackEvent] = []
        clients("s3").create_bucket(Bucket="templates")

    def __call__(self, resources: dict[str, Any], **parameters: str) -> str:
        template = {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Parameters": PARAMETERS,
            "Resources": resources,
        }
        self.clients("s3").put_object(Bucket="templates", Key=self.name, Body=json.dumps(template))
        return deploy_stack(
            self.clients("cloudformation"),
            self.name,
            f"https://templates.s3.us-east-1.amazonaws.com/{self.name}",
            parameters={"Name": self.name, **parameters},
            tags={"mlops-workshop:lab": "default"},
            watch=self.seen.append,
        )


@pytest.fixture
def stack(clients: Callable[[str], Any], request: pytest.FixtureRequest) -> Deployed:
    return Deployed(clients, "stack-" + request.node.name.replace("_", "-")[5:60].strip("-"))


def test_a_stack_is_created_then_unchanged_then_updated_and_keeps_parameters(
    stack: Deployed, clients: Callable[[str], Any]
) -> None:
    assert stack({"Topic": TOPIC}, Days="14") == "created"
    shown = [event.status for event in stack.seen if event.resource == "Topic"]
    assert (shown[0], shown[-1]) == ("CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    assert stack({"Topic": TOPIC}) == "unchanged"
    del stack.seen[:]
    assert stack({"Topic": TOPIC}, Days="30") == "updated"
    assert {event.status for event in stack.seen} >= {"UPDATE_COMPLETE"}
    assert not any(event.status.startswith("CREATE") for event in stack.seen), (
        "old events are not shown again"
    )


def test_a_failed_stack_names_its_resource_and_reason_and_is_created_again(
    stack: Deployed, clients: Callable[[str], Any]
) -> None:
    bad = {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 4}}
    with pytest.raises(
        DeployError, match=r"is ROLLBACK_COMPLETE\. What failed:\n  Wrong \(AWS::Logs::LogGroup\)"
    ):
        stack({"Topic": TOPIC, "Wrong": bad})
    found = find_stack(clients("cloudformation"), stack.name)
    assert found is not None
    assert found["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stack({"Topic": TOPIC}) == "created"


def test_log_groups_that_outlived_their_stack_do_not_stop_the_next(
    clients: Callable[[str], Any],
) -> None:
    prefix = "leftover-"
    groups = {
        name: {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": {"Fn::Sub": f"/x/${{Prefix}}{name}-${{M}}"}},
        }
        for name in ("One", "Two")
    }
    template = {
        "Parameters": {"Prefix": {"Type": "String"}, "M": {"Type": "String", "Default": "m"}},
        "Resources": groups,
    }
    for name in groups:
        clients("logs").create_log_group(logGroupName=f"/x/{prefix}{name}-m", tags={"from": "before"})
    assert deploy_over_leftovers(clients, "leftover", template, {"Prefix": prefix}, {}) == "created"


class Reporter:
    """Writes the reports of a lab's notebook instance."""

    def __init__(self, clients: Callable[[str], Any], names: Names) -> None:
        self._s3, self._bucket = clients("s3"), names.bucket("us-east-1", "123456789012")
        self._s3.create_bucket(Bucket=self._bucket)
        self.reports = ProvisionReports(clients, names, "us-east-1", "123456789012")

    def tell(self, status: str, minute: int = 0) -> None:
        told = {"status": status, "at": f"2026-01-01T00:{minute:02}:00+00:00"}
        self._s3.put_object(Bucket=self._bucket, Key=keys.PROVISION, Body=json.dumps(told))


def test_an_instance_is_provisioned_again_if_that_failed_or_a_nested_stack_is_gone(
    clients: Callable[[str], Any],
) -> None:
    names = Names("gone")
    told = Reporter(clients, names)
    log_group = {"Resources": {"Topic": {"Type": "AWS::Logs::LogGroup"}}}
    for name in (names.base_stack, names.model_stack):
        deploy_stack(clients("cloudformation"), name, json.dumps(log_group), parameters={}, tags={})
    assert why_again(clients, names, told.reports.newest()) == ""
    for status, why in (
        ("running", ""),
        ("ready", f"{names.train_stack} is missing or failed"),
        ("failed: kernel: no space left", "provisioning failed earlier (kernel: no space left)"),
    ):
        told.tell(status)
        assert why_again(clients, names, told.reports.newest()) == why


def test_what_was_reported_before_a_start_is_not_its_outcome(clients: Callable[[str], Any]) -> None:
    names = Names("before")
    told = Reporter(clients, names)

    def wait() -> None:
        wait_until_provisioned(clients("cloudformation"), names, told.reports, lambda _: None)

    told.tell("failed: tools: no route to host", minute=1)
    with pytest.raises(DeployError, match="provisioning failed: tools: no route to host\nThe same command"):
        wait()
    told.reports.starting()
    assert told.reports.newest() is None
    told.tell("ready", minute=2)
    wait()
    told.reports.starting()
    told.tell("failed: kernel: no space left", minute=3)
    with pytest.raises(DeployError, match="provisioning failed: kernel: no space left"):
        wait()


def test_an_instance_that_failed_earlier_is_started_once_more_and_its_new_failure_reported(
    clients: Callable[[str], Any],
) -> None:
    sagemaker, name, said, starts = clients("sagemaker"), "failed-before", list[str](), list[None]()
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = clients("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    sagemaker.create_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName=name,
        OnStart=[{"Content": b64encode(b"#!/bin/bash\nexit 3\n").decode()}],
    )
    sagemaker.create_notebook_instance(
        NotebookInstanceName=name,
        InstanceType="ml.t3.medium",
        RoleArn=role["Role"]["Arn"],
        LifecycleConfigName=name,
    )

    def status() -> bool:
        found = sagemaker.describe_notebook_instance(NotebookInstanceName=name)
        return bool(found["NotebookInstanceStatus"] == "Failed")

    eventually(status, 60)
    with pytest.raises(DeployError, match=f"notebook instance {name} failed: "):
        start_instance(sagemaker, name, False, said.append, lambda: starts.append(None))
    assert len(starts) == 1
    assert said[0].endswith("Failed")

    sagemaker.update_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName=name,
        OnStart=[{"Content": b64encode(b"#!/bin/bash\n").decode()}],
    )
    start_instance(sagemaker, name, False, said.append)
    assert said[-1].endswith("InService")


def test_an_operation_of_an_interrupted_run_is_waited_for(
    stack: Deployed, clients: Callable[[str], Any]
) -> None:
    template = {"Parameters": PARAMETERS, "Resources": {"Topic": TOPIC}}
    clients("cloudformation").create_stack(
        StackName=stack.name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": "Name", "ParameterValue": stack.name}],
    )
    assert stack({"Topic": TOPIC}, Days="30") == "updated"


def test_a_stack_that_does_not_exist_is_none(clients: Callable[[str], Any]) -> None:
    assert find_stack(clients("cloudformation"), "nothing") is None
