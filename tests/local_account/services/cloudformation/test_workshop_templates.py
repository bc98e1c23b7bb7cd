"""The workshop's own templates can be created and deleted, deployed as its scripts deploy them."""

import base64
import io
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.instructor import content
from lab_helpers.instructor.deploy import Uploaded, upload
from lab_helpers.names import Names
from lab_helpers.stacks import deploy_stack
from tests.checkout import ROOT
from tests.local_account.account_process import AccountProcess
from tests.local_account.services.cloudformation.stack_maker import StackMaker
from tests.zips import zipped

pytestmark = pytest.mark.slow

EARLIER = ROOT / "tests" / "cfn" / "earlier" / "m.yml"
"""The top stack of labs that were deployed when it nested nothing."""
CFN = ROOT / "cfn"
Client = Callable[[str], Any]
LIFECYCLE_SCRIPT = "#!/bin/bash\necho provisioned > provision.status\n"


def aws(environment: dict[str, str], *args: str) -> str:
    done = subprocess.run(["aws", *args], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def uploaded(local_account: AccountProcess, lab_id: str, template: Path = CFN / "m.yml") -> Uploaded:
    """Upload a template, and a package whose lifecycle scripts do next to nothing."""
    scripts = {f"lifecycle-config/on-{when}.sh": LIFECYCLE_SCRIPT for when in ("create", "start")}
    account = local_account.client("sts").get_caller_identity()["Account"]
    content = zipped(scripts)
    return upload(
        local_account.client, Names(lab_id), "us-east-1", account, content=content, template=template
    )


@pytest.fixture(scope="module")
def top_stack(local_account: AccountProcess) -> Any:
    """The top stack of the lab ``cfn``, as launched in the console."""
    local_account.client("s3").create_bucket(Bucket="cfn-mlops-assets")
    cloudformation = local_account.client("cloudformation")
    there = uploaded(local_account, "cfn")
    values = {"NamePrefix": "cfn-", "PackageUri": there.package_uri}
    cloudformation.create_stack(
        StackName="cfn-mlops",
        TemplateURL=there.template_url,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName="cfn-mlops", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    yield cloudformation.describe_stacks(StackName="cfn-mlops")["Stacks"][0]
    cloudformation.delete_stack(StackName="cfn-mlops")


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def shared(top: dict[str, str]) -> list[str]:
    """The parameters that both pipelines' templates share."""
    return [
        "NamePrefix=cfn-",
        f"BucketName={top['BucketName']}",
        f"PipelineRoleArn={top['PipelineRoleArn']}",
        f"EventsRoleArn={top['EventsRoleArn']}",
    ]


def deploy(environment: dict[str, str], stack: str, template: Path, *parameters: str) -> str:
    time.sleep(1)  # the AWS CLI's names for change sets have a resolution of one second
    argv = ["cloudformation", "deploy", "--stack-name", stack, "--template-file", str(template)]
    return aws(environment, *argv, "--no-fail-on-empty-changeset", "--parameter-overrides", *parameters)


def test_top_stack(top_stack: dict[str, Any], client: Client) -> None:
    assert top_stack["StackStatus"] == "CREATE_COMPLETE"
    instance = client("sagemaker").describe_notebook_instance(NotebookInstanceName="cfn-mlops")
    assert instance["NotebookInstanceStatus"] == "InService"
    assert instance["RoleArn"] == outputs(top_stack)["NotebookRoleArn"]
    bucket = outputs(top_stack)["BucketName"]
    policy = client("s3").get_bucket_policy(Bucket=bucket)["Policy"]
    assert "aws:SecureTransport" in policy
    repositories = client("ecr").describe_repositories(repositoryNames=["cfn-scikit-base", "cfn-iris-model"])
    uris = {repository["repositoryUri"] for repository in repositories["repositories"]}
    assert uris == {
        outputs(top_stack)["BaseImageRepositoryUri"],
        outputs(top_stack)["ModelImageRepositoryUri"],
    }


def test_content_of_workshop_studio_deploys_from_its_assets(client: Client, tmp_path: Path) -> None:
    content.write(ROOT, tmp_path / "workshop")
    scripts = {f"lifecycle-config/on-{when}.sh": LIFECYCLE_SCRIPT for when in ("create", "start")}
    bucket, prefix = "ws-event-2009c59b-6c7-us-east-1", "371c6734-2735/assets/"
    s3, cloudformation = client("s3"), client("cloudformation")
    s3.create_bucket(Bucket=bucket)
    for asset in (tmp_path / "workshop" / "assets").iterdir():
        body = zipped(scripts) if asset.suffix == ".zip" else asset.read_bytes()
        s3.put_object(Bucket=bucket, Key=f"{prefix}{asset.name}", Body=body)
    s3.put_object(Bucket=bucket, Key="m.yml", Body=(tmp_path / "workshop/static/m.yml").read_bytes())
    values = {"NamePrefix": "event-", "PackageUri": f"s3://{bucket}/{prefix}{content.PACKAGE}"}
    cloudformation.create_stack(
        StackName="event-mlops",
        TemplateURL=f"https://{bucket}.s3.us-east-1.amazonaws.com/m.yml",
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName="event-mlops", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    policies = client("iam").list_attached_role_policies(RoleName="event-mlops-notebook")["AttachedPolicies"]
    assert "event-mlops-notebook-work" in {one["PolicyName"] for one in policies}
    cloudformation.delete_stack(StackName="event-mlops")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="event-mlops", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def test_a_lab_from_before_is_updated_and_keeps_all_that_it_has(
    local_account: AccountProcess, stacks: StackMaker
) -> None:
    cloudformation, iam = local_account.client("cloudformation"), local_account.client("iam")
    tags = {"mlops-workshop:lab": "old", "mlops-workshop:expires": "2040-01-01T00:00:00Z"}
    expires = {"ExpiresAt": tags["mlops-workshop:expires"]}

    def deploy_lab(template: Path) -> str:
        there = uploaded(local_account, "old", template)
        values = {"NamePrefix": "old-", "PackageUri": there.package_uri, **expires}
        return deploy_stack(cloudformation, "old-mlops", there.template_url, parameters=values, tags=tags)

    def notebook_policies() -> tuple[list[str], list[str]]:
        role = {"RoleName": "old-mlops-notebook"}
        attached = iam.list_attached_role_policies(**role)["AttachedPolicies"]
        inline = iam.list_role_policies(**role)["PolicyNames"]
        return sorted(inline), sorted(one["PolicyName"] for one in attached)

    def role_ids() -> dict[str, str]:
        listed = iam.list_roles()["Roles"]
        return {one["RoleName"]: one["RoleId"] for one in listed if one["RoleName"].startswith("old-")}

    assert deploy_lab(EARLIER) == "created"
    before, roles = stacks.physical("old-mlops"), role_ids()
    assert notebook_policies() == (["deploy", "work"], [])

    assert deploy_lab(CFN / "m.yml") == "updated"
    after = stacks.physical("old-mlops")
    assert after.keys() - before.keys() == {"NotebookPolicies", "MLOpsTester"}
    assert before.items() <= after.items()
    assert roles.items() <= role_ids().items(), "a role was replaced"
    purposes = (
        *("deploy", "monitor", "operate", "registry", "releases"),
        *("reset", "sdk", "stacks", "work"),
    )
    names = [Names("old").policy(purpose) for purpose in purposes]
    assert notebook_policies() == ([], names)
    for role in roles:
        found = {tag["Key"]: tag["Value"] for tag in iam.list_role_tags(RoleName=role)["Tags"]}
        assert tags.items() <= found.items(), role
    assert deploy_lab(CFN / "m.yml") == "unchanged"

    assert stacks.delete("old-mlops")["StackStatus"] == "DELETE_COMPLETE"
    left = iam.list_policies(Scope="Local")["Policies"]
    assert not [one["PolicyName"] for one in left if one["PolicyName"].startswith("old-")]


def test_image_pipeline(top_stack: dict[str, Any], local_account: AccountProcess, stacks: StackMaker) -> None:
    top = outputs(top_stack)
    parameters = [
        *shared(top),
        "ImageName=scikit-base",
        "BranchName=scikit_base",
        f"ImageRepositoryUri={top['BaseImageRepositoryUri']}",
        f"RepositoryName={top['RepositoryName']}",
        f"CodeBuildRoleArn={top['CodeBuildRoleArn']}",
    ]
    deploy(local_account.environment, "cfn-scikit-base", CFN / "build-image.yml", *parameters)
    pipeline = local_account.client("codepipeline").get_pipeline(name="cfn-scikit-base")["pipeline"]
    assert [stage["name"] for stage in pipeline["stages"]] == ["Source", "Build"]
    rule = local_account.client("events").describe_rule(Name="cfn-scikit-base-push")
    assert "scikit_base" in rule["EventPattern"]

    again = deploy(local_account.environment, "cfn-scikit-base", CFN / "build-image.yml", *parameters)
    assert "No changes to deploy" in again
    more = [*parameters, "BuildTimeoutInMinutes=30"]
    deploy(local_account.environment, "cfn-scikit-base", CFN / "build-image.yml", *more)
    project = local_account.client("codebuild").batch_get_projects(names=["cfn-scikit-base"])["projects"][0]
    assert project["timeoutInMinutes"] == 30
    assert stacks.delete("cfn-scikit-base")["StackStatus"] == "DELETE_COMPLETE"


def test_training_pipeline(
    top_stack: dict[str, Any], local_account: AccountProcess, stacks: StackMaker, tmp_path: Path
) -> None:
    top, packaged = outputs(top_stack), tmp_path / "packaged.yml"
    aws(
        local_account.environment,
        "cloudformation",
        "package",
        f"--template-file={CFN / 'train-model-pipeline.yml'}",
        "--s3-bucket=cfn-mlops-assets",
        f"--output-template-file={packaged}",
    )
    parameters = [
        *shared(top),
        f"DeployRoleArn={top['DeployRoleArn']}",
        f"LauncherRoleArn={top['LauncherRoleArn']}",
        f"MonitorRoleArn={top['MonitorRoleArn']}",
        f"TesterRoleArn={top['TesterRoleArn']}",
        f"SageMakerRoleArn={top['SageMakerRoleArn']}",
    ]
    deploy(local_account.environment, "cfn-iris-train-pipeline", packaged, *parameters)
    functions = local_account.client("lambda")
    launcher = functions.get_function_configuration(FunctionName="cfn-mlops-job-launcher-iris-model")
    assert launcher["State"] == "Active"
    rule = local_account.client("events").describe_rule(Name="cfn-mlops-job-monitor-iris-model")
    assert rule["State"] == "DISABLED"
    code = launcher["CodeSha256"]
    assert "No changes to deploy" in deploy(
        local_account.environment, "cfn-iris-train-pipeline", packaged, *parameters
    )
    assert functions.get_function_configuration(FunctionName=launcher["FunctionName"])["CodeSha256"] == code
    assert stacks.delete("cfn-iris-train-pipeline")["StackStatus"] == "DELETE_COMPLETE"


def test_an_endpoint_that_cannot_start_is_rolled_back(top_stack: dict[str, Any], stacks: StackMaker) -> None:
    top = outputs(top_stack)
    values = {
        "NamePrefix": "cfn-",
        "ExecutionId": "00000000-0000-0000-0000-000000000000",
        "ImageUri": f"{top['ModelImageRepositoryUri']}@sha256:{'0' * 64}",
        "ModelDataUrl": f"s3://{top['BucketName']}/nothing/model.tar.gz",
        "ExecutionRoleArn": top["SageMakerRoleArn"],
    }
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    template = (CFN / "deploy-model-dev.yml").read_text()
    stack = stacks.create("cfn-iris-model-dev", template, Parameters=parameters)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    failures = [event for event in stacks.events("cfn-iris-model-dev") if event[1] == "CREATE_FAILED"]
    assert failures[0][0] == "Model"
    assert "not found" in failures[0][2]


def pushed_image(local_account: AccountProcess, uri: str) -> str:
    """Push the small serving image of the SageMaker tests; return it by digest."""
    import docker

    engine = docker.from_env()
    tag = f"{uri}:latest"
    engine.images.build(path=str(CFN.parent / "tests/local_account/services/sagemaker/image"), tag=tag)
    authorization = local_account.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(authorization["authorizationToken"]).decode().partition(":")
    credentials = {"username": user, "password": password}
    for line in engine.images.push(uri, "latest", auth_config=credentials, stream=True, decode=True):
        assert "error" not in line, line
    engine.images.remove(tag)
    images = local_account.client("ecr").describe_images(repositoryName=uri.partition("/")[2])["imageDetails"]
    return f"{uri}@{images[0]['imageDigest']}"


@pytest.mark.docker
def test_releases_to_prd_keep_the_endpoint(
    top_stack: dict[str, Any], local_account: AccountProcess, stacks: StackMaker
) -> None:
    top, template = outputs(top_stack), (CFN / "deploy-model-prd.yml").read_text()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz"):
        pass
    s3 = local_account.client("s3")
    key = "training/output/model.tar.gz"
    version = s3.put_object(Bucket=top["BucketName"], Key=key, Body=archive.getvalue())["VersionId"]
    values = {
        "NamePrefix": "cfn-",
        "ImageUri": pushed_image(local_account, top["ModelImageRepositoryUri"]),
        "ModelDataUrl": f"s3://{top['BucketName']}/{key}",
        "ExecutionRoleArn": top["SageMakerRoleArn"],
        "BucketName": top["BucketName"],
        "BakeSeconds": "0",
    }

    def parameters(release: int) -> list[dict[str, str]]:
        execution = f"{release:08d}-0000-0000-0000-000000000000"
        named = {**values, "ExecutionId": execution}
        return [{"ParameterKey": name, "ParameterValue": value} for name, value in named.items()]

    first = stacks.create("cfn-iris-model-prd", template, Parameters=parameters(1))
    assert first["StackStatus"] == "CREATE_COMPLETE", stacks.failures("cfn-iris-model-prd")
    before = stacks.physical("cfn-iris-model-prd")
    second = stacks.update("cfn-iris-model-prd", template, Parameters=parameters(2))
    assert second["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("cfn-iris-model-prd")
    after = stacks.physical("cfn-iris-model-prd")
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"Model", "EndpointConfig"}
    sagemaker = local_account.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName="cfn-iris-model-prd")
    assert endpoint["EndpointConfigName"].endswith("00000002-0000-0000-0000-000000000000")
    configs = sagemaker.list_endpoint_configs(NameContains="cfn-")["EndpointConfigs"]
    assert [config["EndpointConfigArn"] for config in configs] == [after["EndpointConfig"]]
    assert stacks.delete("cfn-iris-model-prd")["StackStatus"] == "DELETE_COMPLETE"
    s3.delete_object(Bucket=top["BucketName"], Key=key, VersionId=version)
