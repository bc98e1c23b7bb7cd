"""Stage conditions: rules are checked before a stage, after its success, and after its failure."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError

from local_account.services.codepipeline.rules import _window, is_open
from tests.local_account.account_process import AccountProcess
from tests.local_account.permission_tables import Entry, entries, role_without
from tests.local_account.services.codepipeline import declare
from tests.local_account.services.codepipeline.pipeline_lab import PipelineLab

pytestmark = pytest.mark.slow

WHO = {"Variable": "#{variables.who}", "Value": "Ana", "Operator": "EQ"}
NEVER = {"Cron": "0 0 0 1 JAN ? 2199"}


def rule(name: str, provider: str, configuration: dict[str, str], **members: Any) -> dict[str, Any]:
    kind = {"category": "Rule", "owner": "AWS", "provider": provider, "version": "1"}
    return {"name": name, "ruleTypeId": kind, "configuration": configuration, **members}


def condition(result: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"conditions": [{"result": result, "rules": list(rules)}]}


def gate(lab: PipelineLab, create: Callable[..., str] | None = None, **conditions: Any) -> str:
    """Create a pipeline with a stage Gate with conditions and a stage Last, an approval in each."""
    return (create or lab.quiet)(
        lab.source(namespace="Source"),
        {**declare.stage("Gate", declare.approval()), **conditions},
        declare.stage("Last", declare.approval()),
        variables=[{"name": "who", "defaultValue": "Ben"}],
    )


def start(lab: PipelineLab, name: str, who: str = "Ana") -> str:
    return lab.start(name, variables=[{"name": "who", "value": who}])


def rules_of(lab: PipelineLab, name: str, execution: str) -> dict[str, dict[str, Any]]:
    found = lab.api.list_rule_executions(pipelineName=name, filter={"pipelineExecutionId": execution})
    return {one["ruleName"]: one for one in found["ruleExecutionDetails"]}


def checking(lab: PipelineLab, name: str, execution: str, rule_name: str) -> None:
    """Wait until a rule is being checked."""
    lab.eventually(lambda: rules_of(lab, name, execution).get(rule_name, {}).get("status") == "InProgress")


def test_a_stage_is_entered_only_if_every_rule_succeeds(lab: PipelineLab) -> None:
    other = {"Variable": "#{Source.VersionId}", "Value": "[A-Za-z0-9_.-]+", "Operator": "MATCHES"}
    entry = condition("FAIL", rule("IsAna", "VariableCheck", WHO), rule("IsThere", "VariableCheck", other))
    name = gate(lab, beforeEntry=entry)
    version = lab.upload({"a.txt": "a"})
    good = start(lab, name)
    lab.pending(name, "Gate", good)
    state = lab.state(name, "Gate")["beforeEntryConditionState"]
    assert state["latestExecution"]["status"] == "Succeeded"
    (checked,) = state["conditionStates"]
    assert [one["ruleName"] for one in checked["ruleStates"]] == ["IsAna", "IsThere"]
    assert {one["latestExecution"]["status"] for one in checked["ruleStates"]} == {"Succeeded"}
    detail = rules_of(lab, name, good)["IsThere"]
    assert detail["input"]["resolvedConfiguration"]["Variable"] == version
    assert (detail["stageName"], detail["status"]) == ("Gate", "Succeeded")
    lab.api.stop_pipeline_execution(pipelineName=name, pipelineExecutionId=good, abandon=True)

    bad = start(lab, name, "Ben")
    ended = lab.ended(name, bad)
    assert ended["status"] == "Failed"
    assert "beforeEntry of stage Gate failed" in ended["statusSummary"]
    assert lab.state(name, "Gate")["latestExecution"]["status"] == "Failed"
    assert lab.state(name, "Gate")["beforeEntryConditionState"]["latestExecution"]["status"] == "Failed"
    found = rules_of(lab, name, bad)
    assert {one: found[one]["status"] for one in found} == {"IsAna": "Failed", "IsThere": "Succeeded"}
    assert "Approve" not in lab.actions(name, bad)


def test_an_entry_condition_can_skip_its_stage(lab: PipelineLab) -> None:
    name = gate(lab, beforeEntry=condition("SKIP", rule("IsAna", "VariableCheck", WHO)))
    lab.upload({"a.txt": "a"})
    execution = start(lab, name, "Ben")
    lab.answer(name, "Last", lab.pending(name, "Last", execution))
    assert lab.ended(name, execution)["status"] == "Succeeded"
    assert lab.state(name, "Gate")["latestExecution"]["status"] == "Skipped"
    with pytest.raises(lab.api.exceptions.UnableToRollbackStageException):
        lab.api.rollback_stage(pipelineName=name, stageName="Gate", targetPipelineExecutionId=execution)
    with pytest.raises(lab.api.exceptions.StageNotRetryableException):
        lab.api.retry_stage_execution(
            pipelineName=name, stageName="Gate", pipelineExecutionId=execution, retryMode="ALL_ACTIONS"
        )


def test_an_alarm_after_success_rolls_the_stage_back(lab: PipelineLab) -> None:
    cloudwatch, alarm = lab.client("cloudwatch"), f"alarm-{lab.id}"
    cloudwatch.put_metric_alarm(
        AlarmName=alarm, Namespace="n", MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
    )  # fmt: skip
    name = gate(lab, onSuccess=condition("ROLLBACK", rule("Quiet", "CloudWatchAlarm", {"AlarmName": alarm})))
    first_version = lab.upload({"a.txt": "1"})
    first = start(lab, name)
    lab.answer(name, "Gate", lab.pending(name, "Gate", first))
    lab.answer(name, "Last", lab.pending(name, "Last", first))
    lab.ended(name, first)

    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="of the test")
    lab.upload({"a.txt": "2"})
    second = start(lab, name)
    lab.answer(name, "Gate", lab.pending(name, "Gate", second))
    assert lab.ended(name, second)["status"] == "Failed"
    assert "in the state ALARM" in rules_of(lab, name, second)["Quiet"]["output"]["executionResult"][
        "externalExecutionSummary"
    ]  # fmt: skip
    back = lab.executions(name)[0]
    assert back["trigger"] == {"triggerType": "AutomatedRollback", "triggerDetail": second}
    assert back["rollbackMetadata"] == {"rollbackTargetPipelineExecutionId": first}
    assert [one["revisionId"] for one in back["sourceRevisions"]] == [first_version]
    rollback = back["pipelineExecutionId"]
    lab.answer(name, "Gate", lab.pending(name, "Gate", rollback))
    assert lab.ended(name, rollback)["status"] == "Failed"  # the alarm is still on
    assert lab.executions(name)[0]["pipelineExecutionId"] == rollback


def test_a_failure_rolls_back_or_is_tried_once_more(lab: PipelineLab) -> None:
    lab.upload({"a.txt": "1"})
    name = gate(lab, lab.create, onFailure={"result": "ROLLBACK"})
    (first,) = (one["pipelineExecutionId"] for one in lab.executions(name))
    lab.answer(name, "Gate", lab.pending(name, "Gate", first))
    lab.answer(name, "Last", lab.pending(name, "Last", first))
    lab.ended(name, first)
    second = start(lab, name)
    lab.answer(name, "Gate", lab.pending(name, "Gate", second), "Rejected")
    assert lab.ended(name, second)["status"] == "Failed"
    back = lab.executions(name)[0]
    assert back["rollbackMetadata"]["rollbackTargetPipelineExecutionId"] == first
    lab.answer(name, "Gate", lab.pending(name, "Gate", back["pipelineExecutionId"]))
    assert lab.ended(name, back["pipelineExecutionId"])["status"] == "Succeeded"

    declaration = lab.api.get_pipeline(name=name)["pipeline"]
    retry = {"result": "RETRY", "retryConfiguration": {"retryMode": "ALL_ACTIONS"}}
    declaration["stages"][1]["onFailure"] = retry
    lab.api.update_pipeline(pipeline=declaration)
    third = start(lab, name)
    token = lab.pending(name, "Gate", third)
    lab.answer(name, "Gate", token, "Rejected")
    again = lab.eventually(lambda: found if (found := lab.pending(name, "Gate", third)) != token else None)
    assert lab.state(name, "Gate")["retryStageMetadata"] == {
        "autoStageRetryAttempt": 1, "latestRetryTrigger": "AutomatedStageRetry",
    }  # fmt: skip
    lab.answer(name, "Gate", again, "Rejected")
    assert lab.ended(name, third)["status"] == "Failed"


def test_a_function_answers_for_a_rule(lab: PipelineLab) -> None:
    function = lab.function(
        """
        import boto3

        def handler(event, context):
            job = event["CodePipeline.job"]
            codepipeline = boto3.client("codepipeline")
            if job["data"]["actionConfiguration"]["configuration"]["UserParameters"] == "Ana":
                codepipeline.put_job_success_result(jobId=job["id"])
            else:
                details = {"type": "JobFailed", "message": "not Ana"}
                codepipeline.put_job_failure_result(jobId=job["id"], failureDetails=details)
        """
    )
    asked = {"FunctionName": function, "UserParameters": "#{variables.who}"}
    inputs = {"inputArtifacts": [{"name": "Src"}]}
    name = gate(lab, beforeEntry=condition("FAIL", rule("Ask", "LambdaInvoke", asked, **inputs)))
    lab.upload({"a.txt": "a"})
    good = start(lab, name)
    lab.pending(name, "Gate", good)
    lab.api.stop_pipeline_execution(pipelineName=name, pipelineExecutionId=good, abandon=True)
    bad = start(lab, name, "Ben")
    assert lab.ended(name, bad)["status"] == "Failed"
    result = rules_of(lab, name, bad)["Ask"]["output"]["executionResult"]
    assert result["errorDetails"] == {"code": "JobFailed", "message": "not Ana"}


def test_what_cannot_be_checked_is_an_error(lab: PipelineLab) -> None:
    missing = rule("There", "CloudWatchAlarm", {"AlarmName": f"none-{lab.id}"})
    name = gate(lab, beforeEntry=condition("FAIL", missing))
    lab.upload({"a.txt": "a"})
    execution = start(lab, name)
    assert lab.ended(name, execution)["status"] == "Failed"
    assert lab.state(name, "Gate")["beforeEntryConditionState"]["latestExecution"]["status"] == "Errored"
    details = rules_of(lab, name, execution)["There"]["output"]["executionResult"]["errorDetails"]
    assert details["code"] == "ConfigurationError"


@pytest.mark.parametrize(
    ("entry", "provider"),
    [
        (entry, provider)
        for entry in entries("Others")
        for provider in ("CloudWatchAlarm", "LambdaInvoke")
        if f"the rule `{provider}`" in entry.when
    ],
    ids=lambda one: str(getattr(one, "permission", one)),
)
def test_a_rule_needs_a_role_that_may_look(lab: PipelineLab, entry: Entry, provider: str) -> None:
    role = role_without(lab.client("iam"), f"rest-{lab.id}", entry.permission, "codepipeline.amazonaws.com")
    function = lab.function("def handler(event, context): return 1") if provider == "LambdaInvoke" else ""
    configuration = {"FunctionName": function} if function else {"AlarmName": "any"}
    name = gate(lab, beforeEntry=condition("FAIL", rule("Look", provider, configuration, roleArn=role)))
    lab.upload({"a.txt": "a"})
    execution = start(lab, name)
    assert lab.ended(name, execution)["status"] == "Failed"
    error = rules_of(lab, name, execution)["Look"]["output"]["executionResult"]["errorDetails"]
    assert error["code"] == entry.code
    assert entry.words in error["message"]


def test_a_condition_that_waits_outlives_the_account_and_can_be_overridden(
    own_account: AccountProcess, lab_of: Callable[[AccountProcess], PipelineLab]
) -> None:
    lab = lab_of(own_account.start())
    window = rule("Window", "DeploymentWindow", NEVER)
    lab.upload({"a.txt": "a"})
    name = gate(lab, lab.create, beforeEntry=condition("FAIL", window))
    (execution,) = (one["pipelineExecutionId"] for one in lab.executions(name))
    checking(lab, name, execution, "Window")
    own_account.stop()
    lab = lab_of(own_account.start())
    checking(lab, name, execution, "Window")
    override = {"pipelineName": name, "stageName": "Gate", "pipelineExecutionId": execution}
    with pytest.raises(lab.api.exceptions.ConditionNotOverridableException):
        lab.api.override_stage_condition(**override, conditionType="ON_SUCCESS")
    lab.api.override_stage_condition(**override, conditionType="BEFORE_ENTRY")
    lab.answer(name, "Gate", lab.pending(name, "Gate", execution))
    assert rules_of(lab, name, execution)["Window"]["status"] == "Abandoned"
    assert lab.state(name, "Gate")["beforeEntryConditionState"]["latestExecution"]["status"] == "Overridden"
    with pytest.raises(lab.api.exceptions.ConditionNotOverridableException):
        lab.api.override_stage_condition(**override, conditionType="BEFORE_ENTRY")


def test_a_stopped_execution_waits_for_no_condition(lab: PipelineLab) -> None:
    name = gate(lab, beforeEntry=condition("FAIL", rule("Window", "DeploymentWindow", NEVER)))
    lab.upload({"a.txt": "a"})
    execution = start(lab, name)
    checking(lab, name, execution, "Window")
    lab.api.stop_pipeline_execution(pipelineName=name, pipelineExecutionId=execution)
    assert lab.ended(name, execution)["status"] == "Stopped"
    assert rules_of(lab, name, execution)["Window"]["status"] == "Abandoned"


@pytest.mark.parametrize(
    ("conditions", "members", "words"),
    [
        (
            {"beforeEntry": condition("ROLLBACK", rule("r", "VariableCheck", WHO))},
            {},
            "not one of FAIL, SKIP",
        ),
        ({"onSuccess": condition("SKIP", rule("r", "VariableCheck", WHO))}, {}, "not one of FAIL, ROLLBACK"),
        ({"beforeEntry": condition("SKIP", rule("r", "DeploymentWindow", NEVER))}, {}, "can skip a stage"),
        ({"beforeEntry": condition("FAIL", rule("r", "Commands", {}))}, {}, "not supported"),
        ({"beforeEntry": condition("FAIL", rule("r", "DeploymentWindow", {"Cron": "0 9"}))}, {}, "Cron has"),
        (
            {"beforeEntry": condition("FAIL", rule("r", "VariableCheck", {**WHO, "Variable": "#{No.x}"}))},
            {},
            "no earlier action has the namespace No",
        ),
        ({"onFailure": {"result": "SKIP"}}, {}, "not one of ROLLBACK, RETRY"),
        (
            {
                "onFailure": {
                    "result": "RETRY",
                    **condition("ROLLBACK", rule("r", "VariableCheck", WHO)),
                }
            },
            {},
            "automatic retry cannot be used with conditions",
        ),
        ({"onFailure": {"result": "ROLLBACK"}}, {"executionMode": "PARALLEL"}, "not available for"),
        (
            {"onFailure": {"result": "ROLLBACK"}},
            {"executionMode": "SUPERSEDED", "pipelineType": "V1"},
            "need pipelineType V2",
        ),
    ],
)
def test_conditions_that_are_not_valid_are_refused(
    lab: PipelineLab, conditions: dict[str, Any], members: dict[str, str], words: str
) -> None:
    variables = [] if members.get("pipelineType") else [{"name": "who", "defaultValue": "Ben"}]
    declaration = lab.declaration(
        lab.source(),
        {**declare.stage("Gate", declare.approval()), **conditions},
        **members,
        **({"variables": variables} if variables else {}),
    )
    with pytest.raises(ClientError, match=words) as refused:
        lab.api.create_pipeline(pipeline=declaration)
    assert refused.value.response["Error"]["Code"] in (
        "InvalidStageDeclarationException", "InvalidActionDeclarationException",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cron", "zone", "opened"),
    [
        ("* * 9-17 ? * MON-FRI *", "UTC", True),
        ("* * 9-17 ? * MON-FRI", "America/Los_Angeles", False),
        ("* 0/15 * * * ?", "UTC", True),
        ("* 1/15 * * * ?", "UTC", False),
        ("* * * ? * SAT,SUN", "UTC", False),
    ],
)
def test_a_deployment_window_is_in_its_time_zone(cron: str, zone: str, opened: bool) -> None:
    monday = datetime(2026, 11, 30, 9, 30, 20, tzinfo=UTC)
    assert is_open(_window(cron), monday.astimezone(ZoneInfo(zone))) is opened
