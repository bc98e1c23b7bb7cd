"""A trial build: whether the account may build at all, whatever its quotas say."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers.instructor.doctor.findings import Finding, error, ok
from lab_helpers.instructor.doctor.room import Room

if TYPE_CHECKING:
    from mypy_boto3_codebuild import CodeBuildClient
    from mypy_boto3_codebuild.type_defs import BuildTypeDef

NAME = "mlops-workshop-doctor"
"""Of the project and the role, which exist only while the build runs."""
TRUST_SECONDS = 60.0
"""A new role can take some seconds until CodeBuild may assume it."""
BUILD_SECONDS = 600.0
_SUPPORT = (
    "write to AWS Support: new accounts may be allowed no builds, although Service Quotas shows others "
    "(choose Account and billing, CodeBuild)"
)


def trial_build(
    room: Room, sleep: Callable[[float], None] = time.sleep, seconds: float = BUILD_SECONDS
) -> Iterator[Finding]:
    """Run a build that does nothing, in the environment of the workshop's builds; it takes a minute on AWS.

    AWS limits the builds of new accounts with a value that Service Quotas does not show (StartBuild,
    "Cannot have more than 0 builds in queue for the account").
    """
    iam, codebuild = room.clients("iam"), room.clients("codebuild")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "codebuild.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    with ExitStack() as made:
        with suppress(iam.exceptions.EntityAlreadyExistsException):  # left by an interrupted doctor
            iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=document)
        made.callback(iam.delete_role, RoleName=NAME)
        _create_project(codebuild, room.arn("iam", f"role/{NAME}"), sleep)
        made.callback(codebuild.delete_project, name=NAME)
        try:
            build = codebuild.start_build(projectName=NAME)["build"]
        except codebuild.exceptions.AccountLimitExceededException as refusal:
            yield error("trial build", refusal.response["Error"]["Message"], _SUPPORT)
            return
        began = time.monotonic()
        while not build["buildComplete"] and time.monotonic() - began < seconds:
            sleep(1)
            (build,) = codebuild.batch_get_builds(ids=[build["id"]])["builds"]
        yield _finding(build, time.monotonic() - began)


def _create_project(codebuild: CodeBuildClient, role: str, sleep: Callable[[float], None]) -> None:
    deadline = time.monotonic() + TRUST_SECONDS
    while True:
        try:
            codebuild.create_project(
                name=NAME,
                source={
                    "type": "NO_SOURCE",
                    "buildspec": "version: 0.2\nphases: {build: {commands: ['true']}}",
                },
                artifacts={"type": "NO_ARTIFACTS"},
                environment={
                    "type": "LINUX_CONTAINER",
                    "computeType": "BUILD_GENERAL1_SMALL",
                    "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
                },
                logsConfig={"cloudWatchLogs": {"status": "DISABLED"}},
                serviceRole=role,
            )
        except codebuild.exceptions.ResourceAlreadyExistsException:
            return
        except ClientError as failure:
            if "AssumeRole" not in str(failure) or time.monotonic() > deadline:
                raise
            sleep(2)
        else:
            return


def _finding(build: BuildTypeDef, seconds: float) -> Finding:
    if not build["buildComplete"]:
        return error("trial build", f"it is still {build['currentPhase']} after {seconds:.0f} s", _SUPPORT)
    if build["buildStatus"] != "SUCCEEDED":
        said = [c.get("message", "") for phase in build["phases"] for c in phase.get("contexts", [])]
        return error("trial build", f"{build['buildStatus']}: {' '.join(filter(None, said))}", _SUPPORT)
    return ok("trial build", f"succeeded in {seconds:.0f} s")
