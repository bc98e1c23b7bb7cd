"""What starts the training pipeline: which rule it was, and the rules as they are and as declared."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab_helpers import triggers
from lab_helpers.executions import ExecutionNotFound
from tests.checkout import ROOT
from tests.lab_helpers import fakes

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import ExecutionTriggerTypeDef

sys.path.insert(0, str(ROOT / "cfn" / "functions"))
from launcher import trigger as of_launcher

RULE = "arn:aws:events:us-east-1:123456789012:rule/"
DRIFT: ExecutionTriggerTypeDef = {
    "triggerType": "CloudWatchEvent",
    "triggerDetail": f"{RULE}iris-train-drift",
}
ANA: ExecutionTriggerTypeDef = {
    "triggerType": "StartPipelineExecution",
    "triggerDetail": "arn:aws:sts::123456789012:assumed-role/mlops-notebook/ana",
}


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (DRIFT, "rule iris-train-drift"),
        (ANA, "StartPipelineExecution by ana"),
        ({"triggerType": "CreatePipeline"}, "CreatePipeline"),
        ({}, ""),
    ],
)
def test_lessons_and_launcher_describe_a_trigger_in_the_same_words(
    trigger: ExecutionTriggerTypeDef, words: str
) -> None:
    assert triggers.described(trigger) == of_launcher.described(trigger) == words
    assert triggers.rule(trigger) == of_launcher.rule(trigger) == words.partition("rule ")[2]


def pipeline(*triggered: tuple[str, ExecutionTriggerTypeDef]) -> Any:
    """Return a client of CodePipeline with these executions, the newest first."""
    summaries = [
        {
            "pipelineExecutionId": name,
            "status": "InProgress",
            "startTime": fakes.START,
            "trigger": trigger,
        }
        for name, trigger in triggered
    ]
    return fakes.FakeClient(
        "codepipeline",
        list_pipeline_executions=lambda **_: {"pipelineExecutionSummaries": summaries},
    )


def test_the_execution_of_a_rule_is_the_first_that_it_started_since(tmp_path: Path) -> None:
    client = pipeline(("later", DRIFT), ("mine", DRIFT), ("by hand", ANA), ("old", DRIFT))
    lab = fakes.lab(tmp_path, codepipeline=client)

    assert triggers.started_by(lab, "iris-train-drift", {"old"}) == "mine"


def test_a_rule_that_starts_nothing_is_named_with_what_to_do(tmp_path: Path) -> None:
    lab = fakes.lab(tmp_path, codepipeline=pipeline(("by hand", ANA)))

    with pytest.raises(
        ExecutionNotFound, match=r"(?s)iris-train-labels started no execution .*check that it is"
    ):
        triggers.started_by(lab, "iris-train-labels", set(), timeout=0, sleep=lambda _: None)


def test_the_list_of_executions_says_what_started_each(tmp_path: Path) -> None:
    lab = fakes.lab(tmp_path, codepipeline=pipeline(("two", DRIFT), ("one", ANA), ("zero", {})))

    shown = repr(triggers.listed(lab))

    assert "rule iris-train-drift" in shown and "StartPipelineExecution by ana" in shown
    assert "not known" in shown


def test_retraining_is_switched_on_and_then_back_to_what_is_declared(tmp_path: Path) -> None:
    states = {"ana-iris-train-drift": "DISABLED", "ana-iris-train-labels": "DISABLED"}
    parameters = {"RetrainOnDrift": "DISABLED", "RetrainOnLabels": "ENABLED", "ImageTag": "latest"}
    stack = {
        "StackName": "ana-iris-train-pipeline",
        "CreationTime": fakes.START,
        "StackStatus": "CREATE_COMPLETE",
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    }

    def switch(state: str) -> Any:
        return lambda Name: states.update({Name: state}) or {}

    lab = fakes.lab(
        tmp_path,
        "ana",
        cloudformation=fakes.FakeClient("cloudformation", describe_stacks=lambda **_: {"Stacks": [stack]}),
        events=fakes.FakeClient(
            "events",
            enable_rule=switch("ENABLED"),
            disable_rule=switch("DISABLED"),
            describe_rule=lambda Name: {"State": states[Name]},
        ),
    )

    triggers.enable(lab)
    assert set(states.values()) == {"ENABLED"}
    triggers.restore(lab)
    assert states == {"ana-iris-train-drift": "DISABLED", "ana-iris-train-labels": "ENABLED"}
    assert triggers.states(lab) == states
