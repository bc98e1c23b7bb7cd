"""What makes the conditions of stages valid.

Contract: CodePipeline User Guide, "Configure conditions for a stage".

Refuses (CreatePipeline, UpdatePipeline): conditions of the source stage; rules other than VariableCheck,
DeploymentWindow, CloudWatchAlarm and LambdaInvoke.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local_account.services.codepipeline import rules, structure, variables

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import ConditionOutputTypeDef as Condition
    from mypy_boto3_codepipeline.type_defs import PipelineDeclarationOutputTypeDef as Declaration
    from mypy_boto3_codepipeline.type_defs import RuleDeclarationOutputTypeDef as Rule

_RESULTS = {"beforeEntry": ("FAIL", "SKIP"), "onSuccess": ("FAIL", "ROLLBACK"), "onFailure": ("ROLLBACK",)}
"""The results that a condition of each kind can have ("Configure conditions for a stage")."""
_SKIPPING = ("LambdaInvoke", "VariableCheck")
"""The rules of a condition that skips a stage."""


def check(pipeline: Declaration, region: str) -> None:
    """Raise ServiceError with the reason if a condition of a stage (with its defaults) is not valid."""
    known = {variables.RESERVED_NAMESPACE, variables.PIPELINE_NAMESPACE}
    for number, stage in enumerate(pipeline["stages"]):
        own = {action["namespace"] for action in stage["actions"] if "namespace" in action}
        for kind, results in _RESULTS.items():
            found: Mapping[str, Any] = stage.get(kind) or {}  # type: ignore[assignment]
            where = f"Stage {stage['name']}: {kind}"
            if found:
                _check_place(where, pipeline, first=number == 0)
            if kind == "onFailure":
                _check_failure(where, found, pipeline["executionMode"])
            for condition in found.get("conditions", []):
                if (result := condition.get("result")) not in results:
                    raise structure.stage_fault(
                        f"{where}: the result {result} is not one of {', '.join(results)}"
                    )
                _check_rollback(where, result, pipeline["executionMode"])
                namespaces = known if kind == "beforeEntry" else known | own
                _check_rules(where, condition, namespaces, pipeline, region)
        known |= own


def _check_rules(
    where: str, condition: Condition, namespaces: set[str], pipeline: Declaration, region: str
) -> None:
    declared, found = pipeline.get("variables") or [], condition.get("rules", [])
    structure.unique([rule["name"] for rule in found], f"{where}: the names of rules must be unique")
    for rule in found:
        _check_rule(f"{where}: rule {rule['name']}", rule, condition.get("result", ""), region)
        for name, text in rule.get("configuration", {}).items():
            for namespace, key in variables.references(text):
                structure.check_reference(f"{where}: {name}", namespace, key, namespaces, declared)


def _check_place(where: str, pipeline: Declaration, *, first: bool) -> None:
    if pipeline["pipelineType"] != "V2":
        raise structure.stage_fault(f"{where}: conditions need pipelineType V2")
    if first:
        raise structure.stage_fault(f"{where} of the source stage is not supported by the local account")


def _check_failure(where: str, found: Mapping[str, Any], mode: str) -> None:
    result = found.get("result")
    if found.get("conditions") and (result == "RETRY" or found.get("retryConfiguration")):
        raise structure.stage_fault(f"{where}: automatic retry cannot be used with conditions")
    if result not in (None, "ROLLBACK", "RETRY"):
        raise structure.stage_fault(f"{where}: the result {result} is not one of ROLLBACK, RETRY")
    if found.get("retryConfiguration") and result != "RETRY":
        raise structure.stage_fault(f"{where}: retryConfiguration needs the result RETRY")
    _check_rollback(where, result, mode)


def _check_rollback(where: str, result: str | None, mode: str) -> None:
    if result == "ROLLBACK" and mode == "PARALLEL":
        raise structure.stage_fault(
            f"{where}: the result ROLLBACK is not available for the execution mode PARALLEL"
        )


def _check_rule(where: str, rule: Rule, result: str, region: str) -> None:
    if result == "SKIP" and rule["ruleTypeId"]["provider"] not in _SKIPPING:
        raise structure.stage_fault(f"{where}: only {' and '.join(_SKIPPING)} can skip a stage")
    if rule.get("region", region) != region:
        raise structure.stage_fault(f"{where}: the local account only has the region {region}")
    try:
        rules.check_declaration(rule)
    except rules.RuleFaultError as error:
        raise structure.stage_fault(f"{where}: {error}") from error
