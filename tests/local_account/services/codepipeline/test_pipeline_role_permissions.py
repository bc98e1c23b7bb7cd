"""An action whose role lacks a permission fails as docs/permissions.md says."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_account.permission_tables import Entry, entries, role_without
from tests.local_account.services.codepipeline.declare import action, approval, stage
from tests.local_account.services.codepipeline.pipeline_lab import PipelineLab

pytestmark = pytest.mark.slow

ENTRIES = entries("CodePipeline")
TEMPLATE = """
Resources:
  Group:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: %s}
"""


def commit(lab: PipelineLab, role: str) -> dict[str, Any]:
    name = f"repository-{lab.id}"
    lab.client("codecommit").create_repository(repositoryName=name)
    lab.client("codecommit").put_file(
        repositoryName=name, branchName="work", filePath="a.txt", fileContent=b"a"
    )
    configuration = {"RepositoryName": name, "BranchName": "work", "PollForSourceChanges": "false"}
    return action("It", "Source", "CodeCommit", outputs=["Out"], roleArn=role, configuration=configuration)


def read(lab: PipelineLab, role: str) -> dict[str, Any]:
    configuration = {"S3Bucket": lab.bucket, "S3ObjectKey": "source.zip", "PollForSourceChanges": "false"}
    return action("It", "Source", "S3", outputs=["Out"], roleArn=role, configuration=configuration)


def connected(lab: PipelineLab, role: str, service: str = "codeconnections") -> dict[str, Any]:
    """Return a source behind a connection: it is pending, so a role that may use it fails in another way."""
    made = lab.client(service).create_connection(ProviderType="GitHub", ConnectionName=f"c-{lab.id}")
    configuration = {
        "ConnectionArn": made["ConnectionArn"],
        "FullRepositoryId": "octo/app",
        "BranchName": "main",
        "DetectChanges": "false",
    }
    return action(
        "It",
        "Source",
        "CodeStarSourceConnection",
        outputs=["Out"],
        roleArn=role,
        configuration=configuration,
    )


def connected_as_before(lab: PipelineLab, role: str) -> dict[str, Any]:
    return connected(lab, role, "codestar-connections")


def build(lab: PipelineLab, role: str) -> dict[str, Any]:
    return action(
        "It", "Build", "CodeBuild", inputs=["Src"], roleArn=role,
        configuration={"ProjectName": lab.project()},
    )  # fmt: skip


def invoke(lab: PipelineLab, role: str) -> dict[str, Any]:
    function = lab.function("def handler(event, context): return 1")
    return action(
        "It", "Invoke", "Lambda", inputs=["Src"], roleArn=role, configuration={"FunctionName": function}
    )


def deploy(lab: PipelineLab, role: str, template: str = "good.yml") -> dict[str, Any]:
    configuration = {
        "ActionMode": "CREATE_UPDATE",
        "StackName": f"stack-{lab.id}",
        "RoleArn": lab.role,
        "TemplatePath": f"Src::{template}",
    }
    return action("It", "Deploy", "CloudFormation", inputs=["Src"], roleArn=role, configuration=configuration)


def fail(lab: PipelineLab, role: str) -> dict[str, Any]:
    lab.client("logs").create_log_group(logGroupName=f"/taken/{lab.id}")
    return deploy(lab, role, "bad.yml")


ACTIONS: dict[str, Callable[[PipelineLab, str], dict[str, Any]]] = {
    "it reads a commit": commit,
    "it reads an object": read,
    "it reads the version that an event names": read,
    "it reads a commit behind a connection": connected,
    "it reads a commit behind a connection with the service's old name": connected_as_before,
    "it stores a source": read,
    "it builds": build,
    "it waits for a build": build,
    "it invokes a function": invoke,
    "it reads a template": deploy,
    "it deploys a stack": deploy,
    "a stack has failed": fail,
}


def test_every_row_has_an_action() -> None:
    assert {entry.when for entry in ENTRIES} == set(ACTIONS)


@pytest.mark.parametrize("entry", ENTRIES, ids=[f"{one.when}-{one.permission}" for one in ENTRIES])
def test_an_action_without_a_permission_fails_as_documented(lab: PipelineLab, entry: Entry) -> None:
    principals = ("codepipeline.amazonaws.com", "cloudformation.amazonaws.com")
    role = role_without(lab.client("iam"), f"rest-{lab.id}", entry.permission, *principals)
    it = ACTIONS[entry.when](lab, role)
    version = lab.upload(
        {
            "buildspec.yml": "version: 0.2\nphases: {build: {commands: ['true']}}",
            "good.yml": TEMPLATE % f"/new/{lab.id}",
            "bad.yml": TEMPLATE % f"/taken/{lab.id}",
        }
    )
    first = it["actionTypeId"]["category"] == "Source"
    stages = [stage("It", it), stage("Gate", approval())] if first else [lab.source(), stage("It", it)]
    name = lab.create(*stages)
    execution = lab.executions(name)[0]["pipelineExecutionId"]
    if "version" in entry.when:
        lab.pending(name, "Gate", execution)  # without a version, the permission is not needed
        revision = {
            "actionName": "It",
            "revisionType": "S3_OBJECT_VERSION_ID",
            "revisionValue": version,
        }
        execution = lab.start(name, sourceRevisions=[revision])

    assert lab.ended(name, execution)["status"] == "Failed"
    error = lab.actions(name, execution)["It"]["output"]["executionResult"]["errorDetails"]
    assert error["code"] == entry.code, error
    assert entry.words in error["message"], error
    assert "AWS::Logs::LogGroup" not in error["message"], json.dumps(error)


def test_the_permission_of_the_other_name_does_not_matter(lab: PipelineLab) -> None:
    """IAM compares service prefixes: `codestar-connections:*` says nothing about a newer connection."""
    permission = "codestar-connections:UseConnection"
    role = role_without(lab.client("iam"), f"rest-{lab.id}", permission, "codepipeline.amazonaws.com")

    name = lab.quiet(stage("It", connected(lab, role)), stage("Gate", approval()))

    [first] = lab.executions(name)
    assert "is not available: its status is PENDING" in lab.error(name, first["pipelineExecutionId"], "It")
