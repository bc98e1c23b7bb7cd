"""What makes a pipeline declaration valid.

Rules: page "CodePipeline pipeline structure reference" and the action structure reference of each provider.

Differs from AWS (PutJobSuccessResult): `currentRevision` has no effect.

Differs from AWS (CreatePipeline, UpdatePipeline): the `encryptionKey` of an artifact store is kept and has no
effect.

Refuses (CreatePipeline, UpdatePipeline): actions other than Source S3, CodeCommit and
CodeStarSourceConnection, Build and Test CodeBuild, Invoke Lambda, Approval Manual, Deploy CloudFormation;
triggers of connections; other regions; full clones, batch builds and notifications by SNS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from local_account.foundation.errors import ServiceError
from local_account.services.codepipeline import variables

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import ActionDeclarationOutputTypeDef as Action
    from mypy_boto3_codepipeline.type_defs import (
        InputArtifactTypeDef,
        PipelineDeclarationUnionTypeDef,
        PipelineVariableDeclarationTypeDef,
    )
    from mypy_boto3_codepipeline.type_defs import PipelineDeclarationOutputTypeDef as Declaration
    from mypy_boto3_codepipeline.type_defs import StageDeclarationOutputTypeDef as Stage


@dataclass(frozen=True)
class Provider:
    """What an action of one provider accepts: minimum and maximum of artifacts, configuration keys."""

    inputs: tuple[int, int] = (0, 0)
    outputs: tuple[int, int] = (0, 0)
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()


_CODEBUILD = Provider(
    (1, 5),
    (0, 5),
    frozenset({"ProjectName"}),
    frozenset({"PrimarySource", "EnvironmentVariables", "BatchEnabled", "CombineArtifacts"}),
)
PROVIDERS: Mapping[tuple[str, str], Provider] = {
    ("Source", "CodeCommit"): Provider(
        outputs=(1, 1),
        required=frozenset({"RepositoryName", "BranchName"}),
        optional=frozenset({"PollForSourceChanges", "OutputArtifactFormat"}),
    ),
    ("Source", "S3"): Provider(
        outputs=(1, 1),
        required=frozenset({"S3Bucket", "S3ObjectKey"}),
        optional=frozenset({"PollForSourceChanges", "AllowOverrideForS3ObjectKey"}),
    ),
    ("Source", "CodeStarSourceConnection"): Provider(
        outputs=(1, 1),
        required=frozenset({"ConnectionArn", "FullRepositoryId", "BranchName"}),
        optional=frozenset({"OutputArtifactFormat", "DetectChanges"}),
    ),
    ("Build", "CodeBuild"): _CODEBUILD,
    ("Test", "CodeBuild"): _CODEBUILD,
    ("Invoke", "Lambda"): Provider(
        (0, 5), (0, 5), frozenset({"FunctionName"}), frozenset({"UserParameters"})
    ),
    ("Approval", "Manual"): Provider(
        optional=frozenset({"CustomData", "ExternalEntityLink", "NotificationArn"})
    ),
    ("Deploy", "CloudFormation"): Provider(
        (0, 10),
        (0, 1),
        frozenset({"ActionMode", "StackName"}),
        frozenset(
            {
                "Capabilities",
                "ChangeSetName",
                "RoleArn",
                "TemplatePath",
                "OutputFileName",
                "ParameterOverrides",
                "TemplateConfiguration",
            }
        ),
    ),
}
_MOST = 50
"""Stages of a pipeline, and actions of a stage ("Quotas in AWS CodePipeline")."""
ACTION_MODES = {
    "CREATE_UPDATE": {"RoleArn", "TemplatePath"},
    "REPLACE_ON_FAILURE": {"RoleArn", "TemplatePath"},
    "DELETE_ONLY": {"RoleArn"},
    "CHANGE_SET_REPLACE": {"RoleArn", "TemplatePath", "ChangeSetName"},
    "CHANGE_SET_EXECUTE": {"ChangeSetName"},
}


def _structure(message: str) -> ServiceError:
    return ServiceError("InvalidStructureException", message)


def stage_fault(message: str) -> ServiceError:
    """Return the error for a stage that is not valid."""
    return ServiceError("InvalidStageDeclarationException", message)


def _action_fault(message: str) -> ServiceError:
    return ServiceError("InvalidActionDeclarationException", message)


def with_defaults(pipeline: PipelineDeclarationUnionTypeDef) -> Declaration:
    """Return a declaration as GetPipeline shows it."""
    stages = [
        {
            **stage,
            "actions": [
                {"runOrder": 1, "configuration": {}, "inputArtifacts": [], "outputArtifacts": [], **action}
                for action in stage["actions"]
            ],
        }
        for stage in pipeline["stages"]
    ]
    whole = {"pipelineType": "V1", "executionMode": "SUPERSEDED", **pipeline, "stages": stages}
    return cast("Declaration", whole)


def groups(stage: Stage) -> list[list[Action]]:
    """Return the actions of a stage in the order in which they run; those in one list run in parallel."""
    orders = sorted({action["runOrder"] for action in stage["actions"]})
    return [[action for action in stage["actions"] if action["runOrder"] == order] for order in orders]


def is_polled(action: Action) -> bool:
    """Return whether CodePipeline looks for changes of a source itself: it does, unless told not to."""
    provider = PROVIDERS[action["actionTypeId"]["category"], action["actionTypeId"]["provider"]]
    return any(
        setting in provider.optional and action["configuration"].get(setting, "true").lower() == "true"
        for setting in ("PollForSourceChanges", "DetectChanges")
    )


def artifact_bucket(pipeline: Declaration, region: str) -> str:
    """Return the bucket of the artifact store."""
    store = pipeline.get("artifactStore") or pipeline["artifactStores"][region]
    return str(store["location"])


def check(pipeline: Declaration, region: str) -> None:
    """Raise ServiceError with the reason if the declaration (with its defaults) is not valid."""
    _check_head(pipeline, region)
    stages = pipeline["stages"]
    unique([stage["name"] for stage in stages], "stage names must be unique in a pipeline")
    if len(stages) < 2:
        raise _structure("Pipeline has only 1 stage(s). There should be a minimum of 2 stages in a pipeline")
    if len(stages) > _MOST:
        raise _structure(f"Pipeline has {len(stages)} stages: at most {_MOST} are allowed")
    for number, stage in enumerate(stages):
        _check_stage(stage, first=number == 0)
    _check_flow(stages, pipeline.get("variables") or [], region)


def _check_head(pipeline: Declaration, region: str) -> None:
    if bool(pipeline.get("artifactStore")) == bool(pipeline.get("artifactStores")):
        raise _structure("A pipeline must have either artifactStore or artifactStores, and not both")
    if pipeline.get("artifactStores") and set(pipeline["artifactStores"]) != {region}:
        raise _structure(f"artifactStores must have the pipeline's region ({region}) only")
    if pipeline["pipelineType"] == "V1" and (
        pipeline["executionMode"] != "SUPERSEDED" or pipeline.get("variables") or pipeline.get("triggers")
    ):
        raise _structure("Execution modes other than SUPERSEDED, variables and triggers need pipelineType V2")
    if pipeline.get("triggers"):
        raise _structure(
            "triggers (filters of branches, tags and files) are not supported by the local account: without "
            "them, a CodeStarSourceConnection source starts the pipeline at each push to its branch"
        )
    unique([v["name"] for v in pipeline.get("variables") or []], "variable names must be unique")


def _check_stage(stage: Stage, *, first: bool) -> None:
    where = f"Stage {stage['name']}"
    if not stage["actions"]:
        raise stage_fault(f"{where} has no actions")
    if len(stage["actions"]) > _MOST:
        raise stage_fault(f"{where} has {len(stage['actions'])} actions: at most {_MOST} are allowed")
    if stage.get("blockers"):
        raise stage_fault(f"{where}: blockers is not supported by the local account")
    unique([a["name"] for a in stage["actions"]], f"{where}: action names must be unique in a stage")
    for action in stage["actions"]:
        is_source = action["actionTypeId"]["category"] == "Source"
        if is_source != first:
            raise _structure(
                "The first stage of a pipeline must contain only source actions"
                if first
                else "Source actions may only occur in the first stage of a pipeline"
            )
        _check_action(action)


def _check_action(action: Action) -> None:
    kind, configuration = action["actionTypeId"], action["configuration"]
    where = f"Action {action['name']}"
    provider = PROVIDERS.get((kind["category"], kind["provider"]))
    if provider is None or kind["owner"] != "AWS" or kind["version"] != "1":
        named = "{category} {owner} {provider} {version}".format(**kind)
        known = ", ".join(f"{category} {name}" for category, name in PROVIDERS)
        raise _action_fault(
            f"{where}: the action type {named} is not available in the local account; available: "
            f"{known} (owner AWS, version 1)"
        )
    for direction, count, (least, most) in (
        ("input", len(action["inputArtifacts"]), provider.inputs),
        ("output", len(action["outputArtifacts"]), provider.outputs),
    ):
        if not least <= count <= most:
            raise _action_fault(
                f"{where} has {count} {direction} artifacts: {kind['provider']} requires {least} to {most}"
            )
    if missing := sorted(provider.required - configuration.keys()):
        raise _action_fault(f"{where} is missing the configuration {', '.join(missing)}")
    if unknown := sorted(configuration.keys() - provider.required - provider.optional):
        raise _action_fault(f"{where} has the unknown configuration {', '.join(unknown)}")
    for name in ("commands", "environmentVariables", "outputVariables"):
        if action.get(name):
            raise _action_fault(f"{where}: {name} belongs to the Commands action, which is not supported")
    if "timeoutInMinutes" in action and kind["category"] != "Approval":
        raise _action_fault(f"{where}: timeoutInMinutes is available to manual approvals only")
    _check_values(where, configuration)
    _check_configuration(where, action["inputArtifacts"], configuration)


_BOOLEANS = (
    "PollForSourceChanges",
    "DetectChanges",
    "AllowOverrideForS3ObjectKey",
    "BatchEnabled",
    "CombineArtifacts",
)
# Each of these values is AWS's default: what is left out means the same.
_ONLY_VALUES = {
    "OutputArtifactFormat": ("code_zip", "the local account does not support full clones as artifacts"),
    "BatchEnabled": ("false", "the local account does not support batch builds"),
    "NotificationArn": ("", "the local account notifies no topic of an approval: remove it"),
}


def _check_configuration(
    where: str, inputs: list[InputArtifactTypeDef], configuration: Mapping[str, str]
) -> None:
    if "ProjectName" in configuration and len(inputs) > 1 and not configuration.get("PrimarySource"):
        raise _action_fault(f"{where} has several input artifacts: it needs the configuration PrimarySource")
    if (mode := configuration.get("ActionMode")) is not None:
        if mode not in ACTION_MODES:
            raise _action_fault(f"{where}: ActionMode {mode} is not one of {', '.join(ACTION_MODES)}")
        if missing := sorted(ACTION_MODES[mode] - configuration.keys()):
            raise _action_fault(f"{where}: ActionMode {mode} needs the configuration {', '.join(missing)}")
    for name in ("EnvironmentVariables", "ParameterOverrides"):
        if name in configuration:
            _check_json(where, name, configuration[name], list if name == "EnvironmentVariables" else dict)
    for name in ("TemplatePath", "TemplateConfiguration"):
        if name in configuration and "::" not in configuration[name]:
            raise _action_fault(f"{where}: {name} must be ArtifactName::FileName")
        if name in configuration:
            artifact = configuration[name].partition("::")[0]
            if artifact not in {entry["name"] for entry in inputs}:
                raise _action_fault(
                    f"{where}: {name} refers to {artifact}, which is not an input artifact of the action"
                )


def _check_values(where: str, configuration: Mapping[str, str]) -> None:
    for name in _BOOLEANS:
        if configuration.get(name, "false").lower() not in ("true", "false"):
            raise _action_fault(
                f"{where}: {name} is {configuration[name]!r}, which is neither true nor false"
            )
    for name, (value, why) in _ONLY_VALUES.items():
        if configuration.get(name, value).lower() != value:
            raise _action_fault(f"{where}: {name} {configuration[name]} is not supported: {why}")


def _check_json(where: str, name: str, text: str, kind: type) -> None:
    try:
        if not isinstance(json.loads(text), kind):
            raise _action_fault(f"{where}: {name} must be a JSON {'list' if kind is list else 'object'}")
    except ValueError as error:
        raise _action_fault(f"{where}: {name} is not valid JSON: {error}") from error


def _check_flow(stages: list[Stage], declared: list[PipelineVariableDeclarationTypeDef], region: str) -> None:
    """Check that what an action consumes comes from an earlier action."""
    produced: set[str] = set()
    names = {e["name"] for stage in stages for a in stage["actions"] for e in a["outputArtifacts"]}
    namespaces = {variables.RESERVED_NAMESPACE, variables.PIPELINE_NAMESPACE}
    for action, siblings in _in_order(stages):
        where = f"Action {action['name']}"
        for entry in action["inputArtifacts"]:
            if entry["name"] not in produced:
                raise _structure(
                    f"{where}: the input artifact {entry['name']} is not the output of an earlier action"
                )
        for name, text in action["configuration"].items():
            for namespace, key in variables.references(text):
                check_reference(f"{where}: {name}", namespace, key, namespaces, declared)
        if action.get("region", region) != region:
            raise _action_fault(f"{where}: the local account only has the region {region}")
        if action.get("namespace") in names:
            raise _structure(f"{where}: the namespace {action['namespace']} is also the name of an artifact")
        if action is siblings[-1]:
            _add_outputs(siblings, produced, namespaces)


def check_reference(
    where: str, namespace: str, key: str, known: set[str], declared: list[PipelineVariableDeclarationTypeDef]
) -> None:
    """Raise ServiceError for a reference to a variable that cannot be known."""
    if namespace not in known:
        raise _action_fault(
            f"{where} refers to #{{{namespace}.{key}}}, but no earlier action has the namespace {namespace}"
        )
    if (namespace == variables.RESERVED_NAMESPACE and key != "PipelineExecutionId") or (
        namespace == variables.PIPELINE_NAMESPACE and key not in {v["name"] for v in declared}
    ):
        raise _action_fault(f"{where} refers to #{{{namespace}.{key}}}, which does not exist")


def _add_outputs(siblings: list[Action], produced: set[str], namespaces: set[str]) -> None:
    for action in siblings:
        for entry in action["outputArtifacts"]:
            if entry["name"] in produced:
                raise _structure(f"The output artifact name {entry['name']} must be unique in the pipeline")
            produced.add(entry["name"])
        if namespace := action.get("namespace"):
            if namespace in namespaces:
                raise _structure(f"The namespace {namespace} is reserved, or used by another action")
            namespaces.add(namespace)


def _in_order(stages: list[Stage]) -> Iterator[tuple[Action, list[Action]]]:
    for stage in stages:
        for group in groups(stage):
            for action in group:
                yield action, group


def unique(names: list[str], message: str) -> None:
    """Raise ServiceError if a name stands twice."""
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise _structure(f"{message}: {', '.join(double)}")
