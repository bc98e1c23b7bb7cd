"""The CodeBuild action ("AWS CodeBuild build and test action reference")."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local_account.services.codepipeline import artifacts
from local_account.services.codepipeline.context import ActionFailed, Context, Outcome
from local_account.services.codepipeline.records import Artifact

if TYPE_CHECKING:
    from mypy_boto3_codebuild import CodeBuildClient
    from mypy_boto3_codebuild.type_defs import (
        BuildTypeDef,
        EnvironmentVariableTypeDef,
        PhaseContextTypeDef,
        ProjectArtifactsTypeDef,
        StartBuildInputTypeDef,
    )

BUILD_POLL_SECONDS = 0.25


def codebuild(context: Context) -> Outcome:
    """Start a build of the input artifacts and wait; its exported variables become output variables."""
    client: CodeBuildClient = context.client("codebuild")
    try:
        build = client.start_build(**_request(context))["build"]
    except client.exceptions.ClientError as error:
        fault = error.response["Error"]
        raise ActionFailed(
            "JobFailed", f"Error calling startBuild: {fault['Message']} ({fault['Code']})"
        ) from error
    build_id, config = build["id"], context.account.config
    url = f"{config.console_url}/codebuild/home?region={config.region}#/builds/{build_id}/view/new"
    context.update(external_id=build_id, url=url)
    found: list[BuildTypeDef] = []

    def completed() -> bool:
        try:
            found[:] = client.batch_get_builds(ids=[build_id])["builds"]
        except client.exceptions.ClientError as error:
            fault = error.response["Error"]
            raise ActionFailed(
                "JobFailed",
                f"Error calling batchGetBuilds: {fault['Message']} ({fault['Code']})",
                build_id,
            ) from error
        return not found or bool(found[0]["buildComplete"])

    context.wait_until(completed, BUILD_POLL_SECONDS)
    if not found:
        raise ActionFailed("JobFailed", f"The build {build_id} was deleted", build_id)
    if found[0]["buildStatus"] != "SUCCEEDED":
        raise ActionFailed("JobFailed", _reason(found[0]), build_id)
    return Outcome(
        variables={entry["name"]: entry["value"] for entry in found[0]["exportedEnvironmentVariables"]},
        artifacts=context.outputs,
        external_id=build_id,
        url=url,
    )


def _request(context: Context) -> StartBuildInputTypeDef:
    inputs = [entry["name"] for entry in context.action["inputArtifacts"]]
    primary = context.configuration.get("PrimarySource", inputs[0])
    if primary not in inputs:
        raise ActionFailed(
            "ConfigurationError", f"PrimarySource {primary} is not an input artifact of the action"
        )
    targets = [_target(name, location) for name, location in context.outputs.items()]
    several = len(targets) > 1
    none: ProjectArtifactsTypeDef = {"type": "CODEPIPELINE"}
    request: StartBuildInputTypeDef = {
        "projectName": context.configuration["ProjectName"],
        "sourceTypeOverride": "CODEPIPELINE",
        "sourceVersion": _arn(artifacts.input_artifact(context, primary)),
        "secondarySourcesOverride": [
            {
                "type": "CODEPIPELINE",
                "sourceIdentifier": name,
                "location": _arn(artifacts.input_artifact(context, name)),
            }
            for name in inputs
            if name != primary
        ],
        "artifactsOverride": targets[0] if targets and not several else none,
        "secondaryArtifactsOverride": targets if several else [],
    }
    if "EnvironmentVariables" in context.configuration:
        request["environmentVariablesOverride"] = _variables(context.configuration["EnvironmentVariables"])
    return request


def _variables(text: str) -> list[EnvironmentVariableTypeDef]:
    try:
        return [
            {"name": entry["name"], "value": entry["value"], "type": entry.get("type", "PLAINTEXT")}
            for entry in json.loads(text)
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise ActionFailed(
            "ConfigurationError",
            f"EnvironmentVariables must be a JSON list of objects with name, value and type: {error!r}",
        ) from error


def _target(name: str, location: Artifact) -> ProjectArtifactsTypeDef:
    path, _, last = location["key"].rpartition("/")
    return {
        "type": "CODEPIPELINE",
        "location": location["bucket"],
        "path": path,
        "name": last,
        "packaging": "ZIP",
        "artifactIdentifier": name,
    }


def _arn(artifact: Artifact) -> str:
    return f"arn:aws:s3:::{artifact['bucket']}/{artifact['key']}"


def _reason(build: BuildTypeDef) -> str:
    status = build["buildStatus"]
    for phase in build["phases"]:
        if phase.get("phaseStatus") == status:
            nothing: list[PhaseContextTypeDef] = [{}]
            contexts = phase.get("contexts") or nothing
            return (
                f"Build terminated with state: {status}. Phase: {phase['phaseType']}, "
                f"Code: {contexts[0].get('statusCode', '')}, Message: {contexts[0].get('message', '')}"
            )
    return f"Build terminated with state: {status}"
