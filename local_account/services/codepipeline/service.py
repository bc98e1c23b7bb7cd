"""The operations of AWS CodePipeline."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from local_account.foundation.acting import caller
from local_account.foundation.errors import ServiceError
from local_account.foundation.system_tags import limited
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service
from local_account.services.codepipeline import condition_structure, conditions, jobs, structure, views
from local_account.services.codepipeline.context import ActionFailed, Outcome
from local_account.services.codepipeline.engine import Engine
from local_account.services.codepipeline.polling import Poller
from local_account.services.codepipeline.records import ActionRecord, Execution, Pipeline

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.literals import TriggerTypeType
    from mypy_boto3_codepipeline.type_defs import (
        CreatePipelineInputTypeDef,
        DeletePipelineInputTypeDef,
        DisableStageTransitionInputTypeDef,
        EnableStageTransitionInputTypeDef,
        ExecutionTriggerTypeDef,
        GetJobDetailsInputTypeDef,
        GetPipelineExecutionInputTypeDef,
        GetPipelineInputTypeDef,
        GetPipelineStateInputTypeDef,
        ListActionExecutionsInputTypeDef,
        ListPipelineExecutionsInputTypeDef,
        ListPipelinesInputTypeDef,
        ListRuleExecutionsInputTypeDef,
        ListTagsForResourceInputTypeDef,
        OverrideStageConditionInputTypeDef,
        PipelineDeclarationUnionTypeDef,
        PipelineMetadataTypeDef,
        PipelineSummaryTypeDef,
        PutApprovalResultInputTypeDef,
        PutJobFailureResultInputTypeDef,
        PutJobSuccessResultInputTypeDef,
        RetryStageExecutionInputTypeDef,
        RollbackStageInputTypeDef,
        SourceRevisionOverrideTypeDef,
        StartPipelineExecutionInputTypeDef,
        StopPipelineExecutionInputTypeDef,
        TagResourceInputTypeDef,
        TagTypeDef,
        TransitionStateTypeDef,
        UntagResourceInputTypeDef,
        UpdatePipelineInputTypeDef,
    )
    from mypy_boto3_codepipeline.type_defs import PipelineDeclarationOutputTypeDef as Declaration
    from mypy_boto3_codepipeline.type_defs import StageDeclarationOutputTypeDef as Stage

    from local_account.foundation.account import Account

_MAX_OUTPUT_BYTES = 122_880
_REVISION_TYPES = {
    "CodeCommit": {"COMMIT_ID"},
    "CodeStarSourceConnection": {"COMMIT_ID"},
    "S3": {"S3_OBJECT_VERSION_ID", "S3_OBJECT_KEY"},
}


class CodePipeline(Service):
    """Pipelines, executions, approvals and jobs; see the "AWS CodePipeline API Reference".

    Lacks: `AcknowledgeJob`, `CreateCustomActionType`, `ListActionTypes`, `ListRuleTypes`, `PollForJobs`,
    `PutActionRevision`, `PutWebhook`.
    """

    name = "codepipeline"
    poll_seconds = 60.0
    """Between two looks at a polled source; AWS says "periodically"."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._engine = Engine(account)
        self._pipelines = self._engine.pipelines
        self._listed: tuple[int, list[PipelineSummaryTypeDef]] = (-1, [])
        """The summaries of all pipelines, valid until their table changes."""
        self._records = self._engine.records
        self._poller = Poller(account, self._changed)

    def start(self) -> None:
        """Resume the executions that were in flight."""
        self._engine.recover()
        self._poller.recover(document["pipeline"] for document in self._pipelines.values())
        self.account.tasks.every(self.poll_seconds, "codepipeline-polling", self._poller.poll)

    # --- pipelines

    def create_pipeline(self, params: CreatePipelineInputTypeDef) -> Answer:
        """CreatePipeline: as on AWS, the new pipeline starts at once (trigger type CreatePipeline)."""
        declaration = self._checked(params["pipeline"])
        declaration["version"] = 1
        tags = _limited(params.get("tags") or [])
        name, now = declaration["name"], self.account.now()
        with self._engine.lock:
            if self._pipelines.get(name):
                raise ServiceError(
                    "PipelineNameInUseException", f"A pipeline with the name '{name}' already exists"
                )
            document: Pipeline = {
                "pipeline": declaration, "versions": {"1": declaration}, "created": now, "updated": now,
                "transitions": {}, "tags": tags,
            }  # fmt: skip
            self._pipelines.put(name, document)
        self._poller.watch(declaration)
        if not [v for v in declaration.get("variables") or [] if "defaultValue" not in v]:
            self._start(name, self._by_caller("CreatePipeline"), {}, {}, None)
        return {"pipeline": declaration, "tags": document["tags"]}

    def update_pipeline(self, params: UpdatePipelineInputTypeDef) -> Answer:
        """UpdatePipeline: a new version. Executions in progress are cancelled.

        Differs from AWS: executions in progress are canceled, as on AWS, which does not document when. Here,
        actions that run end first; approvals (`Abandoned`) and executions between stages are given up at
        once. A stage of an execution that is older than the update cannot be retried. Source: CodePipeline
        API Reference, PipelineExecution, status.
        """
        declaration = self._checked(params["pipeline"])
        name = declaration["name"]
        with self._engine.lock:
            self._require(name)
            stages = {stage["name"] for stage in declaration["stages"]}
            with self._pipelines.update(name) as document:
                declaration["version"] = document["pipeline"]["version"] + 1
                document["pipeline"] = declaration
                document["versions"][str(declaration["version"])] = declaration
                document["updated"] = self.account.now()
                document["transitions"] = {
                    transition: state
                    for transition, state in document["transitions"].items()
                    if transition.rpartition("/")[0] in stages
                }
            self._engine.cancel_outdated(name)
        self._poller.watch(declaration)
        return {"pipeline": declaration}

    def get_pipeline(self, params: GetPipelineInputTypeDef) -> Answer:
        """GetPipeline."""
        document = self._require(params["name"])
        version = params.get("version", document["pipeline"]["version"])
        if str(version) not in document["versions"]:
            raise ServiceError(
                "PipelineVersionNotFoundException", f"The pipeline {params['name']} has no version {version}"
            )
        metadata: PipelineMetadataTypeDef = {
            "pipelineArn": self.account.arn("codepipeline", params["name"]),
            "created": document["created"],
            "updated": document["updated"],
        }
        return {"pipeline": document["versions"][str(version)], "metadata": metadata}

    def delete_pipeline(self, params: DeletePipelineInputTypeDef) -> Answer:
        """DeletePipeline: with all its executions; not an error if the pipeline does not exist."""
        with self._engine.lock:
            self._pipelines.delete(params["name"])
            self._records.forget(params["name"])
        self._poller.forget(params["name"])
        return {}

    def list_pipelines(self, params: ListPipelinesInputTypeDef) -> Answer:
        """ListPipelines."""
        changes = self._pipelines.changes
        if self._listed[0] != changes:  # the documents hold every version's declaration, and are long
            listed: list[PipelineSummaryTypeDef] = [
                {
                    "name": document["pipeline"]["name"],
                    "version": document["pipeline"]["version"],
                    "pipelineType": document["pipeline"]["pipelineType"],
                    "executionMode": document["pipeline"]["executionMode"],
                    "created": document["created"],
                    "updated": document["updated"],
                }
                for document in self._pipelines.values()
            ]
            self._listed = (changes, sorted(listed, key=lambda entry: entry["name"]))
        return _page(
            "pipelines",
            self._listed[1],
            params.get("maxResults", 1000),
            params.get("nextToken"),
        )

    def get_pipeline_state(self, params: GetPipelineStateInputTypeDef) -> Answer:
        """GetPipelineState."""
        document = self._require(params["name"])
        with self._engine.lock:
            return views.pipeline_state(document, self._records)

    def disable_stage_transition(self, params: DisableStageTransitionInputTypeDef) -> Answer:
        """DisableStageTransition: executions wait before the stage, or do not leave it (Outbound)."""
        self._set_transition(params, params["reason"])
        return {}

    def enable_stage_transition(self, params: EnableStageTransitionInputTypeDef) -> Answer:
        """EnableStageTransition: waiting executions move on."""
        self._set_transition(params)
        self._engine.reconsider(params["pipelineName"])
        return {}

    # --- executions

    def start_pipeline_execution(self, params: StartPipelineExecutionInputTypeDef) -> Answer:
        """StartPipelineExecution; the trigger is CloudWatchEvent if the rule of a target asks for it."""
        declaration = self._require(params["name"])["pipeline"]
        given = {entry["name"]: entry["value"] for entry in params.get("variables") or []}
        overrides = {entry["actionName"]: entry for entry in params.get("sourceRevisions") or []}
        for entry in overrides.values():
            _check_revision(declaration, entry)
        token = params.get("clientRequestToken")
        cause = self._by_caller("StartPipelineExecution")
        execution = self._start(declaration["name"], cause, given, overrides, token)
        return {"pipelineExecutionId": execution}

    def stop_pipeline_execution(self, params: StopPipelineExecutionInputTypeDef) -> Answer:
        """StopPipelineExecution: wait for the running actions, or abandon them."""
        with self._engine.lock:
            execution = self._execution(params["pipelineName"], params["pipelineExecutionId"])
            abandon = params.get("abandon", False)
            before = execution["stop"]
            if execution["status"] == "Stopping" and not (abandon and before and not before["abandon"]):
                raise ServiceError(
                    "DuplicatedStopRequestException",
                    f"The execution {execution['id']} is already stopping; you can still abandon it",
                )
            if execution["status"] not in ("InProgress", "Stopping"):
                raise ServiceError(
                    "PipelineExecutionNotStoppableException",
                    f"The execution {execution['id']} cannot be stopped: it is {execution['status']}",
                )
            self._engine.stop_execution(execution, params.get("reason", ""), abandon=abandon)
        return {"pipelineExecutionId": execution["id"]}

    def retry_stage_execution(self, params: RetryStageExecutionInputTypeDef) -> Answer:
        """RetryStageExecution: of a stage that failed or was stopped."""
        name, stage = params["pipelineName"], params["stageName"]
        self._check_stage(name, stage)
        with self._engine.lock:
            execution = self._execution(params["pipelineName"], params["pipelineExecutionId"])
            state = execution["stages"].get(stage)
            if execution["version"] != self._require(name)["pipeline"]["version"]:
                raise ServiceError(
                    "StageNotRetryableException",
                    f"The stage {stage} of the execution {execution['id']} cannot be retried: the pipeline "
                    "has been updated since the execution began, start a new one",
                )
            if state is None or state["status"] not in ("Failed", "Stopped"):
                raise ServiceError(
                    "StageNotRetryableException",
                    f"The stage {stage} of the execution {execution['id']} cannot be retried: it is "
                    f"{state['status'] if state else 'not reached yet'}",
                )
            if newer := self._is_outrun(execution, stage):
                raise ServiceError(
                    "NotLatestPipelineExecutionException",
                    f"A later execution ({newer}) has entered the stage {stage}: "
                    f"the execution {execution['id']} is out of date, start a new one",
                )
            self._engine.retry_stage(execution, stage, params["retryMode"])
        return {"pipelineExecutionId": execution["id"]}

    def rollback_stage(self, params: RollbackStageInputTypeDef) -> Answer:
        """RollbackStage: a new execution of the type ROLLBACK runs the stage as the target ran it.

        Raises ServiceError PipelineExecutionOutdatedException for a target of an older structure of the
        pipeline, UnableToRollbackStageException for one that did not succeed in the stage, or while another
        execution is in it.
        """
        name, stage = params["pipelineName"], params["stageName"]
        self._check_stage(name, stage)
        with self._engine.lock:
            target = self._execution(name, params["targetPipelineExecutionId"])
            cause = self._by_caller("ManualRollback")
            return {"pipelineExecutionId": self._engine.roll_back(name, stage, target, cause)}

    def override_stage_condition(self, params: OverrideStageConditionInputTypeDef) -> Answer:
        """OverrideStageCondition: go on although the rules have not ended.

        Raises ServiceError NotLatestPipelineExecutionException for an execution that is not the last in the
        stage, ConditionNotOverridableException if no such condition is being checked or its result is SKIP.
        """
        name, stage = params["pipelineName"], params["stageName"]
        self._check_stage(name, stage)
        kind: conditions.Kind = "beforeEntry" if params["conditionType"] == "BEFORE_ENTRY" else "onSuccess"
        with self._engine.lock:
            execution = self._records.get(params["pipelineExecutionId"])
            if execution is None or stage not in execution["stages"] or self._is_outrun(execution, stage):
                raise ServiceError(
                    "NotLatestPipelineExecutionException",
                    f"The execution {params['pipelineExecutionId']} is not the latest in the stage {stage}",
                )
            run = conditions.current(execution, stage, kind)
            if run is None or run["status"] != "InProgress" or run["result"] == "SKIP":
                why = "is not being checked" if run is None or run["result"] != "SKIP" else "skips the stage"
                raise ServiceError(
                    "ConditionNotOverridableException",
                    f"The condition {kind} of the stage {stage} cannot be overridden: it {why}",
                )
            self._engine.conditions.override(execution, run)
        return {}

    def list_rule_executions(self, params: ListRuleExecutionsInputTypeDef) -> Answer:
        """ListRuleExecutions: newest first."""
        name, wanted = params["pipelineName"], params.get("filter", {})
        latest = wanted.get("latestInPipelineExecution")
        execution_id = wanted.get("pipelineExecutionId") or (latest and latest["pipelineExecutionId"])
        only_latest = latest is not None and latest["startTimeRange"] == "Latest"
        self._require(name)
        with self._engine.lock:
            chosen = [self._execution(name, execution_id)] if execution_id else self._records.of(name)
            listed = [
                detail
                for execution in chosen
                for detail in views.rule_executions(
                    execution, self.account.config.region, only_latest=only_latest
                )
            ]
        listed.sort(key=lambda detail: detail["startTime"], reverse=True)
        return _page("ruleExecutionDetails", listed, params.get("maxResults", 100), params.get("nextToken"))

    def get_pipeline_execution(self, params: GetPipelineExecutionInputTypeDef) -> Answer:
        """GetPipelineExecution."""
        with self._engine.lock:
            return {
                "pipelineExecution": views.execution(
                    self._execution(params["pipelineName"], params["pipelineExecutionId"])
                )
            }

    def list_pipeline_executions(self, params: ListPipelineExecutionsInputTypeDef) -> Answer:
        """ListPipelineExecutions: newest first; `succeededInStage` means in the current structure."""
        version = self._require(params["pipelineName"])["pipeline"]["version"]
        succeeded_in = params.get("filter", {}).get("succeededInStage", {}).get("stageName")
        with self._engine.lock:
            listed = [
                views.summary(execution)
                for execution in reversed(self._records.of(params["pipelineName"]))
                if succeeded_in is None or _succeeded(execution, succeeded_in, version)
            ]
        return _page(
            "pipelineExecutionSummaries", listed, params.get("maxResults", 100), params.get("nextToken")
        )

    def list_action_executions(self, params: ListActionExecutionsInputTypeDef) -> Answer:
        """ListActionExecutions: newest first."""
        name, wanted = params["pipelineName"], params.get("filter", {})
        latest = wanted.get("latestInPipelineExecution")
        execution_id = wanted.get("pipelineExecutionId") or (latest and latest["pipelineExecutionId"])
        only_latest = latest is not None and latest.get("startTimeRange") == "Latest"
        self._require(name)
        with self._engine.lock:
            chosen = self._records.of(name)
            if execution_id:
                chosen = [self._execution(name, execution_id)]
            listed = [
                record["detail"]
                for execution in chosen
                for record in execution["actions"]
                if not (only_latest and record.get("retried"))
            ]
            listed = [detail.copy() for detail in sorted(listed, key=lambda d: d["startTime"], reverse=True)]
        return _page("actionExecutionDetails", listed, params.get("maxResults", 100), params.get("nextToken"))

    # --- approvals and jobs

    def put_approval_result(self, params: PutApprovalResultInputTypeDef) -> Answer:
        """PutApprovalResult: only the token that GetPipelineState shows now is accepted."""
        stage = self._check_stage(params["pipelineName"], params["stageName"])
        if params["actionName"] not in [action["name"] for action in stage["actions"]]:
            raise ServiceError(
                "ActionNotFoundException", f"The stage {stage['name']} has no action {params['actionName']}"
            )
        result, now = params["result"], self.account.now()
        with self._engine.lock:
            execution, record = self._approval(params)
            record["detail"]["updatedBy"] = self._caller_arn()
            outcome: Outcome | ActionFailed = Outcome(summary=result["summary"] or None)
            if result["status"] == "Rejected":
                self._engine.update(
                    execution["id"], record["detail"]["actionExecutionId"], summary=result["summary"] or None
                )
                outcome = ActionFailed("JobFailed", result["summary"] or "The approval was rejected")
            self._engine.finish(execution["id"], record["detail"]["actionExecutionId"], outcome)
        return {"approvedAt": now}

    def put_job_success_result(self, params: PutJobSuccessResultInputTypeDef) -> Answer:
        """PutJobSuccessResult: with a continuation token, the function is invoked again shortly after."""
        if params.get("outputVariables") and params.get("continuationToken"):
            raise ServiceError(
                "ValidationException",
                "outputVariables can be included only when there is no continuation token on the request",
            )
        size = sum(len(k) + len(v) for k, v in (params.get("outputVariables") or {}).items())
        if size > _MAX_OUTPUT_BYTES:
            raise ServiceError(
                "OutputVariablesSizeExceededException",
                f"The output variables have {size} bytes: at most {_MAX_OUTPUT_BYTES} are allowed",
            )
        with self._engine.lock:
            if self._engine.conditions.answer(params["jobId"], None):
                return {}
            execution, record = self._open_job(params["jobId"])
            details = params.get("executionDetails") or {}
            self._engine.update(
                execution["id"],
                record["detail"]["actionExecutionId"],
                external_id=details.get("externalExecutionId"),
                summary=details.get("summary"),
                percent=details.get("percentComplete"),
            )
            if token := params.get("continuationToken"):
                self._engine.continue_job(execution, record, token)
                return {}
            outcome = Outcome(variables=params.get("outputVariables") or {}, artifacts=record["outputs"])
            self._engine.finish(execution["id"], record["detail"]["actionExecutionId"], outcome)
        return {}

    def put_job_failure_result(self, params: PutJobFailureResultInputTypeDef) -> Answer:
        """PutJobFailureResult."""
        failure = params["failureDetails"]
        with self._engine.lock:
            said = ActionFailed(failure["type"], failure["message"], failure.get("externalExecutionId"))
            if self._engine.conditions.answer(params["jobId"], said):
                return {}
            execution, record = self._open_job(params["jobId"])
            self._engine.finish(execution["id"], record["detail"]["actionExecutionId"], said)
        return {}

    def get_job_details(self, params: GetJobDetailsInputTypeDef) -> Answer:
        """GetJobDetails."""
        with self._engine.lock:
            execution, record = self._job(params["jobId"])
            context = self._engine.context(execution, record)
        detail = record["detail"]
        data = jobs.job_data(context, record["job"]) | {
            "actionTypeId": detail["input"]["actionTypeId"],
            "artifactCredentials": jobs.credentials(context),
            "pipelineContext": {
                "pipelineName": execution["pipeline"],
                "pipelineArn": self.account.arn("codepipeline", execution["pipeline"]),
                "pipelineExecutionId": execution["id"],
                "stage": {"name": detail["stageName"]},
                "action": {"name": detail["actionName"], "actionExecutionId": detail["actionExecutionId"]},
            },
        }
        account_id = self.account.config.account_id
        return {"jobDetails": {"id": params["jobId"], "data": data, "accountId": account_id}}

    # --- tags

    def tag_resource(self, params: TagResourceInputTypeDef) -> Answer:
        """TagResource."""
        keys = {tag["key"] for tag in params["tags"]}
        with self._tagged(params["resourceArn"]) as document:
            kept = [t for t in document["tags"] if t["key"] not in keys]
            document["tags"] = _limited([*kept, *params["tags"]])
        return {}

    def untag_resource(self, params: UntagResourceInputTypeDef) -> Answer:
        """UntagResource."""
        with self._tagged(params["resourceArn"]) as document:
            document["tags"] = [t for t in document["tags"] if t["key"] not in params["tagKeys"]]
        return {}

    def list_tags_for_resource(self, params: ListTagsForResourceInputTypeDef) -> Answer:
        """ListTagsForResource."""
        with self._tagged(params["resourceArn"]) as document:
            tags = document["tags"]
        return _page("tags", tags, params.get("maxResults", 100), params.get("nextToken"))

    # --- inside

    def _checked(self, given: PipelineDeclarationUnionTypeDef) -> Declaration:
        declaration = structure.with_defaults(given)
        structure.check(declaration, self.account.config.region)
        condition_structure.check(declaration, self.account.config.region)
        self._poller.check(declaration)
        try:
            self.account.check_role(declaration["roleArn"], "codepipeline.amazonaws.com")
        except ServiceError as error:
            raise ServiceError(
                "InvalidStructureException",
                f"CodePipeline is not authorized to perform AssumeRole on role {declaration['roleArn']}: "
                f"{error.message}",
            ) from error
        return declaration

    def _changed(self, name: str, action: str, token: str) -> None:
        """Start a pipeline because a polled source has changed."""
        if self._pipelines.get(name):
            sources = self._pipelines.require(name)["pipeline"]["stages"][0]["actions"]
            found = next(one for one in sources if one["name"] == action)
            detail = found["configuration"].get("ConnectionArn")
            cause: ExecutionTriggerTypeDef = {
                "triggerType": "WebhookV2" if detail else "PollForSourceChanges",
                "triggerDetail": detail or action,
            }
            self._start(name, cause, {}, {}, token)

    def _by_caller(self, trigger: TriggerTypeType) -> ExecutionTriggerTypeDef:
        who = caller()
        if who and who.source and trigger == "StartPipelineExecution":
            return {"triggerType": "CloudWatchEvent", "triggerDetail": who.source}
        return {"triggerType": trigger, "triggerDetail": self._caller_arn()}

    def _caller_arn(self) -> str:
        who = caller()
        return who.arn if who else f"arn:aws:iam::{self.account.config.account_id}:root"

    def _start(
        self,
        name: str,
        cause: ExecutionTriggerTypeDef,
        given: dict[str, str],
        overrides: dict[str, SourceRevisionOverrideTypeDef],
        token: str | None,
    ) -> str:
        declared = self._require(name)["pipeline"].get("variables") or []
        if unknown := sorted(given.keys() - {variable["name"] for variable in declared}):
            raise ServiceError(
                "ValidationException", f"The pipeline {name} does not declare a variable {unknown[0]}"
            )
        defaults = {v["name"]: v["defaultValue"] for v in declared if v.get("defaultValue") is not None}
        values = defaults | given
        if missing := [v["name"] for v in declared if v["name"] not in values]:
            raise ServiceError(
                "ValidationException", f"The variable {missing[0]} of {name} has no default: give it a value"
            )
        return self._engine.start_execution(name, cause, values, overrides, token)

    def _require(self, name: str) -> Pipeline:
        document = self._pipelines.get(name)
        if document is None:
            raise ServiceError(
                "PipelineNotFoundException",
                f"Account '{self.account.config.account_id}' does not have a pipeline with name '{name}'",
            )
        return document

    def _check_stage(self, pipeline: str, stage: str) -> Stage:
        declaration = self._require(pipeline)["pipeline"]
        for found in declaration["stages"]:
            if found["name"] == stage:
                return found
        raise ServiceError("StageNotFoundException", f"The pipeline {pipeline} has no stage {stage}")

    def _execution(self, name: str, execution_id: str) -> Execution:
        self._require(name)
        execution = self._records.get(execution_id)
        if execution is None or execution["pipeline"] != name:
            raise ServiceError(
                "PipelineExecutionNotFoundException", f"The pipeline {name} has no execution {execution_id}"
            )
        return execution

    def _is_outrun(self, execution: Execution, stage: str) -> str:
        """Return the id of a later execution that has entered a stage; empty if there is none."""
        entered = execution["stages"][stage]["entered"]
        newer = [
            other["id"]
            for other in self._records.of(execution["pipeline"])
            if stage in other["stages"] and other["stages"][stage]["entered"] > entered
        ]
        return newer[-1] if newer and execution["mode"] != "PARALLEL" else ""

    def _approval(self, params: PutApprovalResultInputTypeDef) -> tuple[Execution, ActionRecord]:
        for execution in self._records.of(params["pipelineName"]):
            for record in execution["actions"]:
                detail = record["detail"]
                place = (detail["stageName"], detail["actionName"])
                if record.get("token") != params["token"] or place != (
                    params["stageName"],
                    params["actionName"],
                ):
                    continue
                if detail["status"] != "InProgress":
                    raise ServiceError(
                        "ApprovalAlreadyCompletedException",
                        f"The approval {params['actionName']} of the execution {execution['id']} has already "
                        f"ended: {detail['status']}",
                    )
                return execution, record
        raise ServiceError(
            "InvalidApprovalTokenException",
            f"The token does not belong to a pending approval {params['actionName']}: "
            "get the token with GetPipelineState",
        )

    def _job(self, job_id: str) -> tuple[Execution, ActionRecord]:
        found = self._records.of_job(job_id)
        if found is None:
            raise ServiceError("JobNotFoundException", f"The job {job_id} does not exist")
        return found

    def _open_job(self, job_id: str) -> tuple[Execution, ActionRecord]:
        execution, record = self._job(job_id)
        if record["detail"]["status"] != "InProgress":
            raise ServiceError(
                "InvalidJobStateException",
                f"The job {job_id} has already ended: its action is {record['detail']['status']}",
            )
        return execution, record

    def _set_transition(
        self, params: EnableStageTransitionInputTypeDef | DisableStageTransitionInputTypeDef, reason: str = ""
    ) -> None:
        """Enable a transition, or disable it for a reason."""
        self._check_stage(params["pipelineName"], params["stageName"])
        state: TransitionStateTypeDef = {
            "enabled": not reason,
            "lastChangedAt": self.account.now(),
            "lastChangedBy": self._caller_arn(),
        }
        if reason:
            state["disabledReason"] = reason
        with self._pipelines.update(params["pipelineName"]) as document:
            document["transitions"][f"{params['stageName']}/{params['transitionType']}"] = state

    def _tagged(self, arn: str) -> AbstractContextManager[Pipeline]:
        name = arn.rpartition(":")[2]
        if self._pipelines.get(name) is None:
            raise ServiceError("ResourceNotFoundException", f"{arn} does not exist")
        return self._pipelines.update(name)


def _check_revision(declaration: Declaration, entry: SourceRevisionOverrideTypeDef) -> None:
    for action in declaration["stages"][0]["actions"]:
        if action["name"] == entry["actionName"]:
            provider = action["actionTypeId"]["provider"]
            if entry["revisionType"] not in _REVISION_TYPES[provider]:
                raise ServiceError(
                    "ValidationException",
                    f"The {provider} source action {entry['actionName']} takes no {entry['revisionType']}",
                )
            allowed = action["configuration"].get("AllowOverrideForS3ObjectKey", "false").lower() == "true"
            if entry["revisionType"] == "S3_OBJECT_KEY" and not allowed:
                raise ServiceError(
                    "ValidationException",
                    f"The source action {entry['actionName']} does not allow S3_OBJECT_KEY: "
                    "set its AllowOverrideForS3ObjectKey to true",
                )
            return
    raise ServiceError("ValidationException", f"The pipeline has no source action {entry['actionName']}")


def _succeeded(execution: Execution, stage: str, version: int) -> bool:
    run = execution["stages"].get(stage)
    return run is not None and run["status"] == "Succeeded" and execution["version"] == version


def _limited(tags: Sequence[TagTypeDef]) -> list[TagTypeDef]:
    limited({tag["key"]: tag["value"] for tag in tags}, "TooManyTagsException")
    return list(tags)


def _page(member: str, items: Sequence[object], size: int, token: str | None) -> Answer:
    listed, token = page(items, token, size, "InvalidNextTokenException")
    return {member: listed, "nextToken": token}
