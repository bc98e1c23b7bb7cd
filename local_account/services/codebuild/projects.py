"""Build projects: what CreateProject accepts, and how StartBuild overrides it.

Refuses (CreateProject, UpdateProject, StartBuild): `vpcConfig`, `fileSystemLocations`, `logsConfig/s3Logs`,
sources other than S3, CodeCommit, CodePipeline and none, environments other than Linux, and environment
variables from Parameter Store or Secrets Manager.

Differs from AWS (CreateProject, UpdateProject): of an environment `certificate`, `computeConfiguration`,
`dockerServer`, `fleet`, `hostKernel` and `registryCredential`, of a source `auth`, `buildStatusConfig`,
`gitSubmodulesConfig`, `insecureSsl` and `reportBuildStatus`, of artifacts `bucketOwnerAccess` and
`encryptionDisabled`, of a cache `modes` and `cacheNamespace`, and `buildBatchConfig` are kept and have no
effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, cast

from local_account.foundation.errors import ServiceError
from local_account.services.codebuild.buildspec import BuildspecError, is_inline, parse

if TYPE_CHECKING:
    from mypy_boto3_codebuild.type_defs import (
        CreateProjectInputTypeDef,
        EnvironmentVariableTypeDef,
        ProjectEnvironmentUnionTypeDef,
        ProjectSourceTypeDef,
        ProjectTypeDef,
        StartBuildInputTypeDef,
    )

SOURCES = {"CODEPIPELINE", "CODECOMMIT", "S3", "NO_SOURCE"}
COMPUTE_TYPES = {
    "LINUX_CONTAINER": {
        "BUILD_GENERAL1_SMALL", "BUILD_GENERAL1_MEDIUM", "BUILD_GENERAL1_LARGE",
        "BUILD_GENERAL1_XLARGE", "BUILD_GENERAL1_2XLARGE",
    },
    "ARM_CONTAINER": {
        "BUILD_GENERAL1_SMALL", "BUILD_GENERAL1_MEDIUM", "BUILD_GENERAL1_LARGE",
        "BUILD_GENERAL1_XLARGE", "BUILD_GENERAL1_2XLARGE",
    },
}  # fmt: skip
_OVERRIDES = {
    "buildspecOverride": ("source", "buildspec"),
    "sourceTypeOverride": ("source", "type"),
    "sourceLocationOverride": ("source", "location"),
    "gitCloneDepthOverride": ("source", "gitCloneDepth"),
    "environmentTypeOverride": ("environment", "type"),
    "imageOverride": ("environment", "image"),
    "computeTypeOverride": ("environment", "computeType"),
    "privilegedModeOverride": ("environment", "privilegedMode"),
    "imagePullCredentialsTypeOverride": ("environment", "imagePullCredentialsType"),
    "serviceRoleOverride": ("serviceRole",),
    "timeoutInMinutesOverride": ("timeoutInMinutes",),
    "queuedTimeoutInMinutesOverride": ("queuedTimeoutInMinutes",),
    "encryptionKeyOverride": ("encryptionKey",),
    "logsConfigOverride": ("logsConfig",),
    "cacheOverride": ("cache",),
    "artifactsOverride": ("artifacts",),
    "secondaryArtifactsOverride": ("secondaryArtifacts",),
    "secondarySourcesOverride": ("secondarySources",),
    "secondarySourcesVersionOverride": ("secondarySourceVersions",),
    "autoRetryLimitOverride": ("autoRetryLimit",),
    "sourceVersion": ("sourceVersion",),
}
_PLAIN = {"projectName", "environmentVariablesOverride", "idempotencyToken"}


class ProjectDocument(TypedDict):
    """A project in the form of BatchGetProjects, and how many builds it has had."""

    project: ProjectTypeDef
    builds: int


def invalid(message: str) -> ServiceError:
    """Return the error that every operation of CodeBuild raises for bad input."""
    return ServiceError("InvalidInputException", message)


def with_defaults(project: Mapping[str, Any], encryption_key: str) -> ProjectTypeDef:
    """Return a project as BatchGetProjects shows it, with the defaults documented for CreateProject."""
    environment = {
        "environmentVariables": [],
        "privilegedMode": False,
        "imagePullCredentialsType": "CODEBUILD",
    }
    whole = {
        "timeoutInMinutes": 60,
        "queuedTimeoutInMinutes": 480,
        "encryptionKey": encryption_key,
        "cache": {"type": "NO_CACHE"},
        "badge": {"badgeEnabled": False},
        "secondarySources": [],
        "secondaryArtifacts": [],
        "secondarySourceVersions": [],
        "tags": [],
        "projectVisibility": "PRIVATE",
        **{name: value for name, value in project.items() if name != "badgeEnabled"},
        "environment": environment | project["environment"],
    }
    return cast("ProjectTypeDef", whole)


def check(project: ProjectTypeDef | CreateProjectInputTypeDef) -> None:
    """Raise InvalidInputException for what CodeBuild rejects and for what the local account lacks."""
    _check_source(project["source"], "source")
    for source in project.get("secondarySources") or []:
        _check_source(source, "secondarySources")
        if not source.get("sourceIdentifier"):
            raise invalid("every secondary source needs a sourceIdentifier")
    kind, artifacts = project["source"]["type"], project["artifacts"]["type"]
    if (kind == "CODEPIPELINE") != (artifacts == "CODEPIPELINE"):
        raise invalid(
            f"source type {kind} and artifacts type {artifacts} cannot be combined: "
            "if one is CODEPIPELINE, both must be"
        )
    for target in [project["artifacts"], *(project.get("secondaryArtifacts") or [])]:
        if target is not project["artifacts"] and not target.get("artifactIdentifier"):
            raise invalid("every secondary artifact needs an artifactIdentifier")
        if target["type"] == "S3" and not (target.get("location") and target.get("name", project["name"])):
            raise invalid("artifacts of type S3 need a location: the name of the bucket")
    _check_environment(project["environment"])
    network = project.get("vpcConfig")
    if network and network.get("vpcId"):
        raise invalid("vpcConfig is not supported by the local account: builds run on this machine")
    if project.get("fileSystemLocations"):
        raise invalid("fileSystemLocations is not supported by the local account")
    logs = project.get("logsConfig", {}).get("s3Logs")
    if logs and logs["status"] == "ENABLED":
        raise invalid("logsConfig/s3Logs is not supported by the local account: use cloudWatchLogs")


def _check_source(source: ProjectSourceTypeDef, where: str) -> None:
    kind = source["type"]
    if kind not in SOURCES:
        raise invalid(
            f"{where}/type {kind} is not supported by the local account: use {', '.join(sorted(SOURCES))}"
        )
    if kind in ("CODECOMMIT", "S3") and not source.get("location"):
        raise invalid(f"{where}/location is missing: a source of type {kind} needs it")
    buildspec = source.get("buildspec", "")
    if kind == "NO_SOURCE" and where == "source" and not is_inline(buildspec):
        raise invalid(f"{where}/buildspec must hold the buildspec itself when the source type is NO_SOURCE")
    if is_inline(buildspec):
        try:
            parse(buildspec)
        except BuildspecError as error:
            raise invalid(f"{where}/buildspec is not valid: {error}") from error


def _check_environment(environment: ProjectEnvironmentUnionTypeDef) -> None:
    kind, compute = environment["type"], environment["computeType"]
    if kind not in COMPUTE_TYPES:
        raise invalid(
            f"environment/type {kind} is not supported by the local account: use {', '.join(COMPUTE_TYPES)}"
        )
    if compute not in COMPUTE_TYPES[kind]:
        raise invalid(f"environment/computeType {compute} is not available for {kind}")
    for variable in environment.get("environmentVariables") or []:
        if variable.get("type", "PLAINTEXT") != "PLAINTEXT":
            raise invalid(
                f"the environment variable {variable['name']} has type {variable['type']}, which is not "
                "supported by the local account: use PLAINTEXT"
            )


def override(project: ProjectTypeDef, request: StartBuildInputTypeDef) -> ProjectTypeDef:
    """Return the project with the changes that a StartBuild request makes for one build."""
    if unknown := sorted(request.keys() - _OVERRIDES.keys() - _PLAIN):
        raise invalid(f"{unknown[0]} is not supported by the local account")
    asked: Mapping[str, Any] = request
    result: dict[str, Any] = {
        **project,
        "source": {**project["source"]},
        "environment": {**project["environment"]},
    }
    for name, path in _OVERRIDES.items():
        if name in asked:
            place = result
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = asked[name]
    result["environment"]["environmentVariables"] = merge_variables(
        project["environment"]["environmentVariables"], request.get("environmentVariablesOverride") or []
    )
    return cast("ProjectTypeDef", result)


def merge_variables(
    project: Iterable[EnvironmentVariableTypeDef], overrides: Iterable[EnvironmentVariableTypeDef]
) -> list[EnvironmentVariableTypeDef]:
    """Merge environment variables; StartBuild takes precedence over the project (page "env/variables")."""
    merged: dict[str, EnvironmentVariableTypeDef] = {
        variable["name"]: {"type": "PLAINTEXT", **variable} for variable in project
    }
    merged |= {variable["name"]: {"type": "PLAINTEXT", **variable} for variable in overrides}
    return list(merged.values())
