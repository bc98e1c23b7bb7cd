"""What a CodeBuild build printed and where it went wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab_helpers import causes
from lab_helpers.errors import WorkshopError
from lab_helpers.lab import Lab

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""Colors and cursor movements that programs write for terminals."""


_WELL = {"SUCCEEDED", "", "IN_PROGRESS"}
LONGEST_LOG = 1_000
"""Lines at the end of a failed build's log that are searched for the cause."""


class BuildNotFound(WorkshopError, LookupError):  # noqa: N818
    """CodeBuild has no build with this id."""


@dataclass(frozen=True)
class Build:
    """A build as CodeBuild BatchGetBuilds describes it; `phases` are (name, status, seconds, message)."""

    id: str
    status: str
    phases: tuple[tuple[str, str, float, str], ...]
    log_group: str
    log_stream: str

    @property
    def phase(self) -> str:
        """The phase that is running, such as `BUILD`; empty once the build has ended."""
        running = (name for name, status, *_ in self.phases if status in {"", "IN_PROGRESS"})
        return next((name for name in running if name != "COMPLETED"), "")

    @property
    def failed_phase(self) -> str:
        """The phase that failed; empty if none did."""
        return next((name for name, status, *_ in self.phases if status not in _WELL), "")

    @property
    def failure(self) -> str:
        """The phase that failed and why; empty if none failed."""
        for name, status, _, message in self.phases:
            if status not in _WELL:
                return f"phase {name} {status.lower()}: {message}".rstrip(": ")
        return ""


def describe(lab: Lab, build_id: str) -> Build:
    """Return the build with this id (`project:uuid`); raises BuildNotFound if there is none."""
    builds = lab.client("codebuild").batch_get_builds(ids=[build_id])["builds"]
    if not builds:
        raise BuildNotFound(f"there is no build {build_id}")
    build = builds[0]
    phases = tuple(
        (
            phase["phaseType"],
            phase.get("phaseStatus", ""),
            float(phase.get("durationInSeconds", 0)),
            " ".join(context.get("message", "") for context in phase.get("contexts", [])),
        )
        for phase in build.get("phases", [])
    )
    logs = build.get("logs", {})
    return Build(
        id=build["id"],
        status=build["buildStatus"],
        phases=phases,
        log_group=logs.get("groupName", ""),
        log_stream=logs.get("streamName", ""),
    )


def log_lines(lab: Lab, build: Build, count: int = 20) -> list[str]:
    """Return the last `count` lines that the build wrote to CloudWatch Logs."""
    if not build.log_group or not build.log_stream:
        return []
    return stream_lines(lab, build.log_group, build.log_stream, count)


def cause(lab: Lab, build: Build) -> causes.Cause:
    """Return why a failed build failed, by its log."""
    return causes.find(log_lines(lab, build, LONGEST_LOG))


def stream_lines(lab: Lab, group: str, stream: str, count: int) -> list[str]:
    """Return the last `count` lines of a log stream; empty if it does not exist (Logs GetLogEvents)."""
    logs = lab.client("logs")
    try:
        events = logs.get_log_events(
            logGroupName=group, logStreamName=stream, startFromHead=False, limit=min(max(count, 1), 10_000)
        )["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    text = ANSI.sub("", "\n".join(event["message"].rstrip("\n") for event in events))
    return text.split("\n")[-count:] if text else []
