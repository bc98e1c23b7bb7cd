"""Stage conditions: rules that are checked before a stage is entered, after it succeeded, or after it failed.

Contract: CodePipeline User Guide, "Configure conditions for a stage".

Differs from AWS (OverrideStageCondition): only a condition whose rules still run can be overridden, which is
all that AWS's guide shows. A failed entry condition fails the stage without its `onFailure`.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, cast

from local_account.services.codepipeline import rules, variables
from local_account.services.codepipeline.context import ActionFailed, Context
from local_account.services.codepipeline.jobs import invoke_lambda
from local_account.services.codepipeline.records import ConditionRun, Execution, Records, RuleRun

if TYPE_CHECKING:
    from threading import RLock

    from mypy_boto3_codepipeline.literals import ConditionExecutionStatusType
    from mypy_boto3_codepipeline.type_defs import ActionDeclarationOutputTypeDef as Action
    from mypy_boto3_codepipeline.type_defs import ConditionOutputTypeDef as Condition
    from mypy_boto3_codepipeline.type_defs import RuleDeclarationOutputTypeDef as Rule
    from mypy_boto3_codepipeline.type_defs import StageDeclarationOutputTypeDef as Stage

    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

Kind = Literal["beforeEntry", "onSuccess", "onFailure"]
TIMEOUT = timedelta(hours=24)
"""For a rule without `timeoutInMinutes`."""
_MET = ("Succeeded", "Overridden")
_INTERRUPTED = "The local account ended while this rule ran: retry the stage with RetryStageExecution"


def is_met(run: ConditionRun) -> bool:
    """Return whether what a condition guards goes on."""
    return run["status"] in _MET


def current(execution: Execution, stage: str, kind: Kind) -> ConditionRun | None:
    """Return the run of a condition in the stage's present run."""
    for run in execution.get("conditions", []):
        if (run["stage"], run["kind"]) == (stage, kind) and not run.get("over"):
            return run
    return None


def declared(stage: Stage, kind: Kind) -> Condition | None:
    """Return the condition of a stage, of which there is one of each kind at most."""
    found = cast("Mapping[str, Mapping[str, list[Condition]]]", stage).get(kind, {}).get("conditions")
    return found[0] if found else None


def forget(execution: Execution, stage: str) -> None:
    """Let the conditions of a stage be checked again: it is retried."""
    for run in execution.get("conditions", []):
        if run["stage"] == stage:
            run["over"] = True


class Conditions:
    """Checks the rules of conditions in threads, and goes on with the execution when they have ended."""

    def __init__(
        self,
        account: Account,
        records: Records,
        lock: RLock,
        proceed: Callable[[Execution], None],
        role_of: Callable[[Execution], str],
    ) -> None:
        self._account = account
        self._records = records
        self._lock = lock
        self._proceed = proceed
        self._role_of = role_of

    def begin(
        self,
        execution: Execution,
        stage: Stage,
        kind: Kind,
        condition: Condition,
        namespaces: Mapping[str, Mapping[str, str]],
    ) -> ConditionRun:
        """Start the rules of a condition, and save the execution."""
        now = self._account.now()
        run: ConditionRun = {
            "stage": stage["name"],
            "kind": kind,
            "result": condition.get("result", "FAIL"),
            "status": "InProgress",
            "changed": now,
            "rules": [_new_rule(rule, now) for rule in condition.get("rules", [])],
        }
        execution.setdefault("conditions", []).append(run)
        for rule in run["rules"]:
            try:
                rule["resolved"] = variables.resolve(rule["declaration"].get("configuration", {}), namespaces)
            except variables.UnresolvedVariableError as error:
                _close(rule, "Failed", now, str(error), "ConfigurationError")
        _settle(run, now)
        self._records.save(execution)
        for rule in run["rules"]:
            if rule["status"] == "InProgress":
                self._spawn(execution, rule)
        return run

    def abandon(self, execution: Execution, stage: str) -> None:
        """Give up the rules of a stage that still run: the stage ends."""
        for run in execution.get("conditions", []):
            if run["stage"] == stage and run["status"] == "InProgress":
                self._give_up(run, "Abandoned")

    def override(self, execution: Execution, run: ConditionRun) -> None:
        """Go on as if the rules had succeeded."""
        self._give_up(run, "Overridden")
        self._records.save(execution)
        self._proceed(execution)

    def answer(self, job_id: str, failure: ActionFailed | None) -> bool:
        """End the rule that has a job, as its function says; return whether there is one that runs."""
        for execution in self._records.running():
            for rule in _running(execution):
                if rule.get("job", {}).get("id") == job_id:
                    result = failure or "The function succeeded"
                    self.finish(execution["id"], rule["id"], result)
                    return True
        return False

    def finish(self, execution_id: str, rule_id: str, result: str | rules.RuleFailed | ActionFailed) -> None:
        """End a rule that still runs, and with the last of them the condition."""
        with self._lock:
            execution = self._records.get(execution_id)
            if execution is None:
                return
            now = self._account.now()
            for run in execution.get("conditions", []):
                for rule in run["rules"]:
                    if rule["id"] == rule_id and rule["status"] == "InProgress":
                        if isinstance(result, str):
                            _close(rule, "Succeeded", now, result)
                        elif isinstance(result, ActionFailed):
                            _close(rule, "Failed", now, str(result), result.code)
                        else:
                            _close(rule, "Failed", now, str(result))
                        _settle(run, now)
                        self._records.save(execution)
                        if run["status"] != "InProgress":
                            self._proceed(execution)
                        return

    def recover(self, execution: Execution) -> None:
        """Take up the rules that ran when the account ended."""
        for rule in _running(execution):
            if rule.get("awaiting"):
                continue
            if "job" in rule:
                _close(rule, "Failed", self._account.now(), _INTERRUPTED, "JobFailed")
            else:
                self._spawn(execution, rule)
        for run in execution.get("conditions", []):
            _settle(run, self._account.now())

    def expire(self, now: datetime) -> None:
        """Fail the rules whose time is up."""
        for execution in self._records.running():
            for rule in list(_running(execution)):
                if now > rule["limit"]:
                    limit = f"{rule['limit']:%Y-%m-%d %H:%M:%S} UTC"
                    said = f"The rule {rule['name']} had no result by {limit}"
                    self.finish(execution["id"], rule["id"], ActionFailed("JobTimedOut", said))

    def _give_up(self, run: ConditionRun, status: ConditionExecutionStatusType) -> None:
        now = self._account.now()
        for rule in run["rules"]:
            if rule["status"] == "InProgress":
                _close(rule, "Abandoned", now)
        run |= {"status": status, "changed": now}

    def _spawn(self, execution: Execution, rule: RuleRun) -> None:
        context = self._context(execution, rule)
        name = f"{execution['pipeline']}/{rule['name']}"
        self._account.tasks.spawn(name, self._check, context, rule)

    def _check(self, context: Context, rule: RuleRun) -> None:
        try:
            if "job" in rule:
                self._await(context.execution_id, rule["id"])
                invoke_lambda(context, rule["job"])
                return
            result: str | rules.RuleFailed | ActionFailed = rules.check(context) or ""
        except (rules.RuleFailed, ActionFailed) as failure:
            result = failure
        except Exception as error:
            log.exception("the rule %s of %s failed", rule["name"], context.pipeline)
            result = ActionFailed("JobFailed", f"{type(error).__name__}: {error}")
        if self._account.tasks.stopping.is_set():
            return  # the next start takes the rule up again
        self.finish(context.execution_id, rule["id"], result)

    def _await(self, execution_id: str, rule_id: str) -> None:
        """Note that the answer of a rule's function comes through the API."""
        with self._lock:
            execution = self._records.get(execution_id)
            for rule in _running(execution) if execution else ():
                if rule["id"] == rule_id and execution:
                    rule["awaiting"] = True
                    self._records.save(execution)

    def _context(self, execution: Execution, rule: RuleRun) -> Context:
        declaration = rule["declaration"]
        kind = declaration["ruleTypeId"]
        action = {
            "name": rule["name"],
            "actionTypeId": {**kind, "category": "Invoke"},
            "inputArtifacts": declaration.get("inputArtifacts", []),
            "outputArtifacts": [],
        }
        return Context(
            account=self._account,
            pipeline=execution["pipeline"],
            role_arn=declaration.get("roleArn") or self._role_of(execution),
            execution_id=execution["id"],
            action=cast("Action", action),
            configuration=rule["resolved"],
            artifacts={name: found.copy() for name, found in execution["artifacts"].items()},
            outputs={},
            source_revision=None,
            update=lambda **_: None,
            tracked=lambda: self._runs(execution["id"], rule["id"]),
        )

    def _runs(self, execution_id: str, rule_id: str) -> bool:
        execution = self._records.get(execution_id)
        return execution is not None and any(one["id"] == rule_id for one in _running(execution))


def _new_rule(declaration: Rule, now: datetime) -> RuleRun:
    minutes = declaration.get("timeoutInMinutes")
    rule: RuleRun = {
        "id": str(uuid.uuid4()),
        "name": declaration["name"],
        "declaration": declaration,
        "resolved": {},
        "status": "InProgress",
        "started": now,
        "changed": now,
        "limit": now + (timedelta(minutes=minutes) if minutes else TIMEOUT),
    }
    if declaration["ruleTypeId"]["provider"] == "LambdaInvoke":
        rule["job"] = {"id": str(uuid.uuid4())}
    return rule


def _running(execution: Execution) -> list[RuleRun]:
    return [
        rule
        for run in execution.get("conditions", [])
        for rule in run["rules"]
        if rule["status"] == "InProgress"
    ]


def _close(
    rule: RuleRun,
    status: Literal["Succeeded", "Failed", "Abandoned"],
    now: datetime,
    summary: str = "",
    code: str = "",
) -> None:
    rule |= {"status": status, "changed": now, "summary": summary}
    if code:
        rule["error"] = {"code": code, "message": summary}


def _settle(run: ConditionRun, now: datetime) -> None:
    """End a condition whose rules have all ended."""
    statuses = {rule["status"] for rule in run["rules"]}
    if run["status"] != "InProgress" or "InProgress" in statuses:
        return
    faults = [rule["name"] for rule in run["rules"] if rule["status"] == "Failed"]
    status: ConditionExecutionStatusType = "Failed" if faults else "Succeeded"
    if any("error" in rule and "job" not in rule for rule in run["rules"]):
        status = "Errored"
    run |= {"status": status, "changed": now}
    if faults:
        run["summary"] = f"Rules that did not succeed: {', '.join(faults)}"
