"""The records of builds and their phases, saved after every transition."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from mypy_boto3_codebuild.literals import BuildPhaseTypeType, StatusTypeType
    from mypy_boto3_codebuild.type_defs import (
        BuildTypeDef,
        ProjectArtifactsTypeDef,
        StartBuildInputTypeDef,
    )

    from local_account.foundation.account import Account

TABLE = "codebuild.builds"


class BuildRequest(TypedDict):
    """What a build was asked for: what RetryBuild repeats, and where its artifacts go."""

    params: StartBuildInputTypeDef
    artifacts: ProjectArtifactsTypeDef
    secondaryArtifacts: list[ProjectArtifactsTypeDef]


class BuildDocument(TypedDict):
    """A build in the form of BatchGetBuilds, with its request."""

    build: BuildTypeDef
    request: BuildRequest


class Builds:
    """Builds by id (``project:uuid``) in the form of BatchGetBuilds, each with its StartBuild request."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._table = account.store.table(TABLE, BuildDocument)

    def create(self, build: BuildTypeDef, request: BuildRequest) -> None:
        """Record a new build and the StartBuild request that RetryBuild will repeat."""
        with self._account.store.together():
            self._table.put(build["id"], {"build": build, "request": request})
            self._publish(build)

    def get(self, build_id: str) -> BuildTypeDef | None:
        """Return a build, or None."""
        document = self._table.get(build_id)
        return document["build"] if document else None

    def request(self, build_id: str) -> BuildRequest:
        """Return the StartBuild request of a build; raise KeyError if there is none."""
        return self._table.require(build_id)["request"]

    def all(self) -> list[BuildTypeDef]:
        """Return all builds, oldest first."""
        return [document["build"] for document in self._table.values()]

    def of(self, project: str) -> list[BuildTypeDef]:
        """Return the builds of a project, oldest first."""
        return [document["build"] for document in self._table.values(f"{project}:")]

    def ids(self, project: str | None = None) -> list[str]:
        """Return the ids of the builds, of one project or of all, oldest first."""
        return self._table.keys("" if project is None else f"{project}:")

    def delete(self, build_id: str) -> None:
        """Delete the record of a build."""
        self._table.delete(build_id)

    def change(self, build_id: str, change: Callable[[BuildTypeDef], object]) -> BuildTypeDef:
        """Let ``change`` modify a build, and save it."""
        with self._table.update(build_id) as document:
            build: BuildTypeDef = document["build"]
            change(build)
        return build

    def enter(self, build_id: str, phase: BuildPhaseTypeType) -> None:
        """End the current phase (successfully, unless its end was recorded) and begin another."""
        now = self._account.now()

        def change(build: BuildTypeDef) -> None:
            _end(build, "SUCCEEDED", now)
            build["phases"].append({"phaseType": phase, "startTime": now})
            build["currentPhase"] = phase

        self.change(build_id, change)

    def leave(self, build_id: str, status: StatusTypeType, code: str = "", message: str = "") -> None:
        """End the current phase."""
        now = self._account.now()
        self.change(build_id, lambda build: _end(build, status, now, code, message))

    def complete(self, build_id: str, status: StatusTypeType) -> BuildTypeDef:
        """End the build; publish ``CodeBuild Build State Change``."""
        now = self._account.now()

        def change(build: BuildTypeDef) -> None:
            _end(build, "SUCCEEDED", now)
            build["phases"].append({"phaseType": "COMPLETED", "startTime": now})
            build |= {
                "currentPhase": "COMPLETED",
                "buildStatus": status,
                "buildComplete": True,
                "endTime": now,
            }

        with self._table.lock, self._account.store.together():
            build = self.change(build_id, change)
            self._publish(build)
        return build

    def _publish(self, build: BuildTypeDef) -> None:
        """Publish as documented in "Build state change notifications" (CodeBuild User Guide)."""
        phases = [
            {
                "phase-type": phase["phaseType"],
                "phase-context": [
                    f"{context['statusCode']}: {context['message']}" for context in phase.get("contexts", [])
                ],
                "start-time": _event_time(phase["startTime"]),
                **({"phase-status": phase["phaseStatus"]} if "phaseStatus" in phase else {}),
                **({"end-time": _event_time(phase["endTime"])} if "endTime" in phase else {}),
                **(
                    {"duration-in-seconds": phase["durationInSeconds"]}
                    if "durationInSeconds" in phase
                    else {}
                ),
            }
            for phase in build["phases"]
        ]
        logs = build.get("logs", {})
        environment = build["environment"]
        self._account.bus.publish(
            "aws.codebuild",
            "CodeBuild Build State Change",
            {
                "build-status": build["buildStatus"],
                "project-name": build["projectName"],
                "build-id": build["arn"],
                "current-phase": build["currentPhase"],
                "current-phase-context": "[]",
                "version": "1",
                "additional-information": {
                    "artifact": {"location": build.get("artifacts", {}).get("location", "")},
                    "environment": {
                        "image": environment["image"],
                        "privileged-mode": environment["privilegedMode"],
                        "compute-type": environment["computeType"],
                        "type": environment["type"],
                        "environment-variables": environment["environmentVariables"],
                    },
                    "timeout-in-minutes": build["timeoutInMinutes"],
                    "build-complete": build["buildComplete"],
                    "build-number": build["buildNumber"],
                    "initiator": build["initiator"],
                    "build-start-time": _event_time(build["startTime"]),
                    "source": {
                        "type": build["source"]["type"],
                        "location": build["source"].get("location", ""),
                    },
                    "source-version": build.get("sourceVersion", ""),
                    "logs": {
                        "group-name": logs.get("groupName"),
                        "stream-name": logs.get("streamName"),
                        "deep-link": logs.get("deepLink"),
                    },
                    "phases": phases,
                },
            },
            [build["arn"]],
        )


def _end(
    build: BuildTypeDef, status: StatusTypeType, now: datetime, code: str = "", message: str = ""
) -> None:
    phase = build["phases"][-1]
    if "phaseStatus" in phase:
        return
    phase |= {
        "phaseStatus": status,
        "endTime": now,
        "durationInSeconds": int((now - phase["startTime"]).total_seconds()),
        "contexts": [{"statusCode": code, "message": message}],
    }


def _event_time(moment: datetime) -> str:
    return moment.strftime("%b %-d, %Y %-I:%M:%S %p")
