"""A pipeline that could not work is rejected at its creation, with the reason."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.services.codepipeline import declare
from tests.local_account.services.codepipeline.pipeline_lab import PipelineLab

Change = Callable[[dict[str, Any]], object]


def second_actions(pipeline: dict[str, Any], *actions: dict[str, Any]) -> None:
    pipeline["stages"][1]["actions"] = list(actions)


CASES: list[tuple[str, str, Change]] = [
    ("InvalidStructureException", "minimum of 2 stages", lambda p: p["stages"].pop()),
    (
        "InvalidStructureException",
        "stage names must be unique",
        lambda p: p["stages"][1].update(name="Source"),
    ),
    ("InvalidStructureException", "first stage .* only source", lambda p: p["stages"].reverse()),
    (
        "InvalidStructureException",
        "Source actions may only occur in the first stage",
        lambda p: p["stages"].append({**p["stages"][0], "name": "Again"}),
    ),
    (
        "InvalidStructureException",
        "action names must be unique",
        lambda p: second_actions(p, declare.approval(), declare.approval()),
    ),
    (
        "InvalidStructureException",
        "input artifact Nothing is not the output",
        lambda p: second_actions(
            p,
            declare.action("B", "Build", "CodeBuild", inputs=["Nothing"], configuration={"ProjectName": "x"}),
        ),
    ),
    (
        "InvalidStructureException",
        "input artifact Other is not the output",
        lambda p: second_actions(
            p,
            declare.action(
                "A",
                "Build",
                "CodeBuild",
                inputs=["Src"],
                outputs=["Other"],
                configuration={"ProjectName": "x"},
            ),
            declare.action("B", "Build", "CodeBuild", inputs=["Other"], configuration={"ProjectName": "x"}),
        ),
    ),
    (
        "InvalidStructureException",
        "output artifact name Src must be unique",
        lambda p: second_actions(
            p,
            declare.action(
                "B", "Build", "CodeBuild", inputs=["Src"], outputs=["Src"], configuration={"ProjectName": "x"}
            ),
        ),
    ),
    (
        "InvalidStructureException",
        "namespace Src is also the name of an artifact",
        lambda p: p["stages"][0]["actions"][0].update(namespace="Src"),
    ),
    (
        "InvalidActionDeclarationException",
        "Deploy AWS ECS 1 is not available",
        lambda p: second_actions(p, declare.action("D", "Deploy", "ECS")),
    ),
    (
        "InvalidActionDeclarationException",
        "has 0 input artifacts",
        lambda p: second_actions(
            p, declare.action("B", "Build", "CodeBuild", configuration={"ProjectName": "x"})
        ),
    ),
    (
        "InvalidActionDeclarationException",
        "missing the configuration FunctionName",
        lambda p: second_actions(p, declare.action("B", "Invoke", "Lambda")),
    ),
    (
        "InvalidActionDeclarationException",
        "unknown configuration Shout",
        lambda p: second_actions(p, declare.approval(configuration={"Shout": "x"})),
    ),
    (
        "InvalidActionDeclarationException",
        "NotificationArn .* notifies no topic of an approval",
        lambda p: second_actions(p, declare.approval(configuration={"NotificationArn": "arn:aws:sns:a:b:c"})),
    ),
    (
        "InvalidActionDeclarationException",
        "no earlier action has the namespace Later",
        lambda p: second_actions(p, declare.approval(configuration={"CustomData": "#{Later.X}"})),
    ),
    (
        "InvalidActionDeclarationException",
        r"#\{variables.X\}, which does not exist",
        lambda p: second_actions(p, declare.approval(configuration={"CustomData": "#{variables.X}"})),
    ),
    (
        "InvalidActionDeclarationException",
        "ActionMode CREATE_UPDATE needs the configuration RoleArn, TemplatePath",
        lambda p: second_actions(
            p,
            declare.action(
                "D",
                "Deploy",
                "CloudFormation",
                configuration={"ActionMode": "CREATE_UPDATE", "StackName": "s"},
            ),
        ),
    ),
    (
        "InvalidActionDeclarationException",
        "PollForSourceChanges is 'no', which is neither true nor false",
        lambda p: p["stages"][0]["actions"][0]["configuration"].update(PollForSourceChanges="no"),
    ),
    (
        "InvalidActionDeclarationException",
        "timeoutInMinutes is available to manual approvals only",
        lambda p: second_actions(
            p,
            declare.action(
                "B",
                "Build",
                "CodeBuild",
                inputs=["Src"],
                configuration={"ProjectName": "x"},
                timeoutInMinutes=5,
            ),
        ),
    ),
    (
        "InvalidStructureException",
        "need pipelineType V2",
        lambda p: p.update(pipelineType="V1"),
    ),
    (
        "InvalidStructureException",
        "either artifactStore or artifactStores",
        lambda p: p.pop("artifactStore"),
    ),
    (
        "InvalidStructureException",
        "not authorized to perform AssumeRole",
        lambda p: p.update(roleArn="arn:aws:iam::123456789012:role/nobody"),
    ),
    (
        "InvalidStageDeclarationException",
        "blockers is not supported",
        lambda p: p["stages"][1].update(blockers=[{"name": "b", "type": "Schedule"}]),
    ),
]


@pytest.mark.parametrize(("code", "reason", "change"), CASES, ids=[case[1] for case in CASES])
def test_a_pipeline_that_cannot_work_is_rejected(
    lab: PipelineLab, code: str, reason: str, change: Change
) -> None:
    pipeline = lab.declaration(lab.source(), declare.stage("Next", declare.approval()))
    change(pipeline)
    with pytest.raises(ClientError, match=reason) as refused:
        lab.api.create_pipeline(pipeline=pipeline)
    assert refused.value.response["Error"]["Code"] == code
    assert pipeline["name"] not in [found["name"] for found in lab.api.list_pipelines()["pipelines"]]


def test_pipelines_have_versions_and_tags(lab: PipelineLab) -> None:
    name = lab.quiet(lab.source(), declare.stage("Next", declare.approval()))
    pipeline = lab.api.get_pipeline(name=name)["pipeline"]
    assert (pipeline["version"], pipeline["executionMode"]) == (1, "QUEUED")
    pipeline["stages"][1]["name"] = "Renamed"
    assert lab.api.update_pipeline(pipeline=pipeline)["pipeline"]["version"] == 2
    assert lab.api.get_pipeline(name=name)["pipeline"]["stages"][1]["name"] == "Renamed"
    old = lab.api.get_pipeline(name=name, version=1)
    assert old["pipeline"]["stages"][1]["name"] == "Next"
    arn = old["metadata"]["pipelineArn"]
    lab.api.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    lab.api.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert lab.api.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "b", "value": "2"}]
    with pytest.raises(lab.api.exceptions.PipelineNameInUseException):
        lab.api.create_pipeline(pipeline=pipeline)
    lab.api.delete_pipeline(name=name)
    with pytest.raises(lab.api.exceptions.PipelineNotFoundException):
        lab.api.get_pipeline_state(name=name)
