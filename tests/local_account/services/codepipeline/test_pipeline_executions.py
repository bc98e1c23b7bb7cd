"""Executions move through their stages in turn, and wait, stop and continue as documented."""

import json
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.local_account.account_process import AccountProcess
from tests.local_account.services.codepipeline import declare
from tests.local_account.services.codepipeline.pipeline_lab import PipelineLab

pytestmark = pytest.mark.slow


def test_creating_a_pipeline_starts_it(lab: PipelineLab) -> None:
    name = lab.quiet(lab.source(), declare.stage("Gate", declare.approval()))
    (first,) = lab.executions(name)
    assert first["trigger"]["triggerType"] == "CreatePipeline"
    reason = lab.error(name, first["pipelineExecutionId"], "Source")
    assert (
        reason == f"The object with key 'source.zip' in the bucket '{lab.bucket}' cannot be read: NoSuchKey"
    )


def test_an_approval_is_given_with_its_token_once(lab: PipelineLab) -> None:
    configuration = {
        "CustomData": "look at #{Source.VersionId}",
        "ExternalEntityLink": "https://example.com/r",
    }
    name = lab.quiet(
        lab.source(namespace="Source"), declare.stage("Gate", declare.approval(configuration=configuration))
    )
    version = lab.upload({"a.txt": "a"})
    execution = lab.start(name)
    token = lab.pending(name, "Gate", execution)
    state = lab.state(name, "Gate")
    assert state["actionStates"][0]["entityUrl"] == "https://example.com/r"
    details = lab.actions(name, execution)
    assert details["Approve"]["input"]["resolvedConfiguration"]["CustomData"] == f"look at {version}"
    assert details["Source"]["output"]["outputVariables"]["VersionId"] == version
    with pytest.raises(lab.api.exceptions.InvalidApprovalTokenException):
        lab.answer(name, "Gate", str(uuid.uuid4()))
    with pytest.raises(lab.api.exceptions.StageNotFoundException):
        lab.answer(name, "Nowhere", token)
    lab.answer(name, "Gate", token, summary="fine with me")
    assert lab.ended(name, execution)["status"] == "Succeeded"
    latest = lab.state(name, "Gate")["actionStates"][0]["latestExecution"]
    assert (latest["status"], latest["summary"]) == ("Succeeded", "fine with me")
    assert "token" not in latest
    with pytest.raises(lab.api.exceptions.ApprovalAlreadyCompletedException):
        lab.answer(name, "Gate", token)


def test_a_rejected_approval_fails_the_execution_and_keeps_earlier_results(lab: PipelineLab) -> None:
    name = lab.quiet(
        lab.source(), declare.stage("Gate", declare.approval()), declare.stage("After", declare.approval())
    )
    lab.upload({"a.txt": "a"})
    execution = lab.start(name)
    lab.answer(name, "Gate", lab.pending(name, "Gate", execution), "Rejected", "recall too low")
    ended = lab.ended(name, execution)
    assert ended["status"] == "Failed"
    assert "recall too low" in ended["statusSummary"]
    assert lab.state(name, "Source")["latestExecution"]["status"] == "Succeeded"
    assert lab.state(name, "Gate")["latestExecution"]["status"] == "Failed"
    assert "latestExecution" not in lab.state(name, "After")
    assert "Approve" in lab.actions(name, execution)


def test_two_executions_in_quick_succession_both_finish(lab: PipelineLab) -> None:
    name = lab.quiet(lab.source(), declare.stage("Gate", declare.approval()))
    versions = [lab.upload({"n.txt": str(n)}) for n in range(2)]
    first, second = (
        lab.start(
            name,
            sourceRevisions=[
                {"actionName": "Source", "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": version}
            ],
        )
        for version in versions
    )
    token = lab.pending(name, "Gate", first)
    waiting = lab.eventually(lambda: lab.state(name, "Gate")["inboundExecutions"])
    assert [entry["pipelineExecutionId"] for entry in waiting] == [second]
    assert lab.execution(name, second)["status"] == "InProgress"
    lab.answer(name, "Gate", token)
    assert lab.ended(name, first)["status"] == "Succeeded"
    other = lab.pending(name, "Gate", second)
    assert other != token
    with pytest.raises(lab.api.exceptions.ApprovalAlreadyCompletedException):
        lab.answer(name, "Gate", token, "Rejected")
    lab.answer(name, "Gate", other)
    assert lab.ended(name, second)["status"] == "Succeeded"
    for execution, version in zip((first, second), versions, strict=True):
        assert lab.execution(name, execution)["artifactRevisions"][0]["revisionId"] == version


def test_the_same_request_token_starts_one_execution(lab: PipelineLab) -> None:
    name = lab.quiet(lab.source(), declare.stage("Gate", declare.approval()))
    lab.upload({"a.txt": "a"})
    token = uuid.uuid4().hex
    first = lab.start(name, clientRequestToken=token)
    assert lab.start(name, clientRequestToken=token) == first


def test_superseded_executions_give_way_to_the_newest(lab: PipelineLab) -> None:
    name = lab.quiet(lab.source(), declare.stage("Gate", declare.approval()), executionMode="SUPERSEDED")
    lab.upload({"a.txt": "a"})
    first = lab.start(name)
    token = lab.pending(name, "Gate", first)
    second = lab.start(name)
    lab.eventually(lambda: lab.state(name, "Gate")["inboundExecutions"])
    third = lab.start(name)
    assert lab.ended(name, second)["status"] == "Superseded"
    lab.answer(name, "Gate", token)
    lab.answer(name, "Gate", lab.pending(name, "Gate", third))
    assert [lab.ended(name, e)["status"] for e in (first, third)] == ["Succeeded", "Succeeded"]


def test_parallel_executions_do_not_wait_for_each_other(lab: PipelineLab) -> None:
    name = lab.quiet(lab.source(), declare.stage("Gate", declare.approval()), executionMode="PARALLEL")
    lab.upload({"a.txt": "a"})
    first = lab.start(name)
    lab.pending(name, "Gate", first)  # the state shows the last execution
    second = lab.start(name)
    lab.answer(name, "Gate", lab.pending(name, "Gate", second))
    assert lab.ended(name, second)["status"] == "Succeeded"
    assert lab.execution(name, first)["status"] == "InProgress"


def test_stop_and_wait_lets_the_running_action_end_and_goes_no_further(lab: PipelineLab) -> None:
    name = lab.quiet(
        lab.source(), declare.stage("Gate", declare.approval()), declare.stage("After", declare.approval())
    )
    lab.upload({"a.txt": "a"})
    execution = lab.start(name)
    token = lab.pending(name, "Gate", execution)
    request = {"pipelineName": name, "pipelineExecutionId": execution}
    lab.api.stop_pipeline_execution(**request, reason="lunch")
    assert lab.execution(name, execution)["status"] == "Stopping"
    with pytest.raises(lab.api.exceptions.DuplicatedStopRequestException):
        lab.api.stop_pipeline_execution(**request)
    lab.answer(name, "Gate", token)
    assert lab.ended(name, execution)["status"] == "Stopped"
    assert lab.executions(name)[0]["stopTrigger"] == {"reason": "lunch"}
    assert "latestExecution" not in lab.state(name, "After")
    with pytest.raises(lab.api.exceptions.PipelineExecutionNotStoppableException):
        lab.api.stop_pipeline_execution(**request)


def test_stop_and_abandon_ends_at_once_and_the_stage_can_be_retried(lab: PipelineLab) -> None:
    name = lab.quiet(lab.source(), declare.stage("Gate", declare.approval()))
    lab.upload({"a.txt": "a"})
    execution = lab.start(name)
    token = lab.pending(name, "Gate", execution)
    lab.api.stop_pipeline_execution(pipelineName=name, pipelineExecutionId=execution, abandon=True)
    assert lab.ended(name, execution)["status"] == "Stopped"
    assert lab.actions(name, execution)["Approve"]["status"] == "Abandoned"
    with pytest.raises(lab.api.exceptions.ApprovalAlreadyCompletedException):
        lab.answer(name, "Gate", token)
    retry = {"pipelineName": name, "pipelineExecutionId": execution, "retryMode": "FAILED_ACTIONS"}
    with pytest.raises(lab.api.exceptions.StageNotRetryableException):
        lab.api.retry_stage_execution(**retry, stageName="Source")
    lab.api.retry_stage_execution(**retry, stageName="Gate")
    lab.answer(name, "Gate", lab.pending(name, "Gate", execution))
    assert lab.ended(name, execution)["status"] == "Succeeded"


@pytest.mark.parametrize(("mode", "runs"), [("FAILED_ACTIONS", [1, 2]), ("ALL_ACTIONS", [2, 2])])
def test_a_failed_stage_is_retried(lab: PipelineLab, mode: str, runs: list[int]) -> None:
    name = lab.quiet(
        lab.source(),
        declare.stage("Gate", declare.approval("First"), declare.approval(runOrder=2)),
    )
    lab.upload({"a.txt": "a"})
    execution = lab.start(name)

    def approve_first() -> None:
        where = {"pipelineName": name, "stageName": "Gate", "actionName": "First"}
        token = lab.pending(name, "Gate", execution)
        lab.api.put_approval_result(**where, token=token, result={"status": "Approved", "summary": ""})

    def second_token() -> str:
        token: str = lab.eventually(
            lambda: lab.state(name, "Gate")["actionStates"][1].get("latestExecution", {}).get("token")
        )
        return token

    approve_first()
    lab.answer(name, "Gate", second_token(), "Rejected")
    assert lab.ended(name, execution)["status"] == "Failed"
    lab.api.retry_stage_execution(
        pipelineName=name, stageName="Gate", pipelineExecutionId=execution, retryMode=mode
    )
    if mode == "ALL_ACTIONS":
        approve_first()
    lab.answer(name, "Gate", second_token())
    assert lab.ended(name, execution)["status"] == "Succeeded"
    listed = lab.api.list_action_executions(pipelineName=name, filter={"pipelineExecutionId": execution})[
        "actionExecutionDetails"
    ]
    names = [detail["actionName"] for detail in listed]
    assert [names.count("First"), names.count("Approve")] == runs
    assert lab.state(name, "Gate")["retryStageMetadata"]["manualStageRetryAttempt"] == 1


def test_a_failed_execution_is_out_of_date_once_a_later_one_is_in_its_stage(lab: PipelineLab) -> None:
    name = lab.quiet(lab.source(), declare.stage("Gate", declare.approval()))
    lab.upload({"a.txt": "a"})
    first = lab.start(name)
    lab.answer(name, "Gate", lab.pending(name, "Gate", first), "Rejected")
    lab.pending(name, "Gate", lab.start(name))
    with pytest.raises(lab.api.exceptions.NotLatestPipelineExecutionException):
        lab.api.retry_stage_execution(
            pipelineName=name, stageName="Gate", pipelineExecutionId=first, retryMode="FAILED_ACTIONS"
        )


def test_executions_wait_before_a_disabled_transition(lab: PipelineLab) -> None:
    name = lab.quiet(lab.source(), declare.stage("Gate", declare.approval()))
    lab.upload({"a.txt": "a"})
    where = {"pipelineName": name, "stageName": "Gate", "transitionType": "Inbound"}
    lab.api.disable_stage_transition(**where, reason="freeze")
    execution = lab.start(name)
    lab.eventually(lambda: lab.state(name, "Gate")["inboundExecutions"])
    state = lab.state(name, "Gate")
    assert state["inboundTransitionState"]["disabledReason"] == "freeze"
    assert "latestExecution" not in state
    lab.api.enable_stage_transition(**where)
    lab.pending(name, "Gate", execution)


def test_pipeline_variables_have_defaults_and_values(lab: PipelineLab) -> None:
    name = lab.create(
        lab.source(),
        declare.stage("Gate", declare.approval(configuration={"CustomData": "#{variables.A}#{variables.B}"})),
        variables=[{"name": "A", "defaultValue": "a"}, {"name": "B"}],
    )
    lab.upload({"a.txt": "a"})
    with pytest.raises(ClientError, match="The variable B of pipeline-"):
        lab.start(name)
    with pytest.raises(ClientError, match="does not declare a variable C"):
        lab.start(name, variables=[{"name": "C", "value": "c"}])
    execution = lab.start(name, variables=[{"name": "B", "value": "b"}])
    lab.pending(name, "Gate", execution)
    assert lab.actions(name, execution)["Approve"]["input"]["resolvedConfiguration"] == {"CustomData": "ab"}
    assert lab.execution(name, execution)["variables"] == [
        {"name": "A", "resolvedValue": "a"},
        {"name": "B", "resolvedValue": "b"},
    ]


def test_every_transition_is_an_event(lab: PipelineLab) -> None:
    function = lab.function("def handler(event, context): print(__import__('json').dumps(event))")
    events, rule = lab.client("events"), f"rule-{lab.id}"
    pattern = {"source": ["aws.codepipeline"], "detail": {"pipeline": [f"pipeline-{lab.id}"]}}
    rule_arn = events.put_rule(Name=rule, EventPattern=json.dumps(pattern))["RuleArn"]
    arn = lab.client("lambda").get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    lab.client("lambda").add_permission(
        FunctionName=function, StatementId="events", Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com", SourceArn=rule_arn,
    )  # fmt: skip
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": arn}])
    lab.upload({"a.txt": "a"})
    name = lab.create(lab.source(), declare.stage("Gate", declare.approval()))
    execution = lab.executions(name)[0]["pipelineExecutionId"]
    lab.answer(name, "Gate", lab.pending(name, "Gate", execution), "Rejected", "no")
    lab.ended(name, execution)
    logs = lab.client("logs")

    def seen() -> set[tuple[str, str, str]] | None:
        found = set()
        if not logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{function}")["logGroups"]:
            return None
        for entry in logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]:
            if entry["message"].startswith("{"):
                event = json.loads(entry["message"])
                detail = event["detail"]
                assert detail["execution-id"] == execution
                assert event["resources"] == [f"arn:aws:codepipeline:us-east-1:123456789012:{name}"]
                level = event["detail-type"].split()[1]
                found.add((level, detail.get("action") or detail.get("stage") or "", detail["state"]))
        return found if ("Pipeline", "", "FAILED") in found and len(found) >= 10 else None

    assert lab.eventually(seen, 20) == {
        ("Pipeline", "", "STARTED"), ("Stage", "Source", "STARTED"), ("Action", "Source", "STARTED"),
        ("Action", "Source", "SUCCEEDED"), ("Stage", "Source", "SUCCEEDED"), ("Stage", "Gate", "STARTED"),
        ("Action", "Approve", "STARTED"), ("Action", "Approve", "FAILED"), ("Stage", "Gate", "FAILED"),
        ("Pipeline", "", "FAILED"),
    }  # fmt: skip


def test_the_aws_cli_reads_the_state(lab: PipelineLab, local_account: AccountProcess) -> None:
    name = lab.quiet(lab.source(), declare.stage("Gate", declare.approval()))
    lab.upload({"a.txt": "a"})
    execution = lab.start(name)
    lab.pending(name, "Gate", execution)
    done = subprocess.run(
        ["aws", "codepipeline", "get-pipeline-state", "--name", name, "--query",
         "stageStates[?stageName=='Gate'].latestExecution.pipelineExecutionId", "--output", "text"],
        env=local_account.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == execution


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_executions_resume_after_the_account_ended(
    own_account: AccountProcess, lab_of: Callable[[AccountProcess], PipelineLab], how: int
) -> None:
    lab = lab_of(own_account.start())
    lab.upload({"buildspec.yml": "version: 0.2\nphases: {build: {commands: [sleep 34.88]}}"})
    build = declare.action(
        "Build", "Build", "CodeBuild", inputs=["Src"], configuration={"ProjectName": lab.project()}
    )
    approving = lab.create(lab.source(), declare.stage("Gate", declare.approval()), name="approving")
    building = lab.create(lab.source(), declare.stage("Build", build), name="building")
    pending = lab.executions(approving)[0]["pipelineExecutionId"]
    token = lab.pending(approving, "Gate", pending)
    queued = lab.start(approving)
    in_build = lab.executions(building)[0]["pipelineExecutionId"]
    lab.eventually(lambda: lab.state(building, "Build")["actionStates"][0].get("latestExecution"))
    latest = lab.eventually(
        lambda: lab.state(building, "Build")["actionStates"][0]["latestExecution"].get("externalExecutionId")
    )
    assert latest.startswith("project-")
    lab.eventually(lambda: lab.state(approving, "Gate")["inboundExecutions"])
    time.sleep(0.3)
    own_account.stop(how)
    own_account.start()
    lab.client, lab.api = own_account.client, own_account.client("codepipeline")

    assert lab.ended(building, in_build)["status"] == "Failed"
    assert re.search(
        "The local account (was stopped|ended) while this action ran", lab.error(building, in_build, "Build")
    )
    assert lab.pending(approving, "Gate", pending) == token
    lab.answer(approving, "Gate", token)
    assert lab.ended(approving, pending)["status"] == "Succeeded"
    lab.answer(approving, "Gate", lab.pending(approving, "Gate", queued))
    assert lab.ended(approving, queued)["status"] == "Succeeded"
    retry = {"pipelineName": building, "stageName": "Build", "retryMode": "FAILED_ACTIONS"}
    lab.api.retry_stage_execution(**retry, pipelineExecutionId=in_build)
    lab.eventually(lambda: lab.actions(building, in_build)["Build"]["status"] == "InProgress")
    lab.api.stop_pipeline_execution(pipelineName=building, pipelineExecutionId=in_build, abandon=True)
