"""What must be true of a run once nothing goes wrong any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from docker.errors import DockerException

from tests.faults.lab import ARTIFACTS, FLOW, POLLED, SEEN, STACK, Lab
from tests.faults.work import Work, executions


def left_after(seconds: float, look: Callable[[], Iterator[str]]) -> list[str]:
    """Return what is still wrong after so many seconds; nothing as soon as nothing is."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            wrong = [*look()]
        except (BotoCoreError, ClientError, DockerException, OSError) as error:
            wrong = [f"checks: {type(error).__name__}: {error}"]
        if not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(0.25)


def changed(s3: Any, bucket: str, objects: Mapping[str, tuple[str, bytes]]) -> Iterator[str]:
    """Yield which versions of objects do not have the content with which they were acknowledged."""
    for key, (version, body) in objects.items():
        found = s3.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read()
        if found != body:
            yield f"{key} {version} has {len(found)} bytes, not its {len(body)}"


class Checks:
    """Compares what an account has with what its clients were told."""

    def __init__(self, lab: Lab, work: Work) -> None:
        self._lab, self._work = lab, work
        self._seen: set[str] = set()
        """What functions saw: parts joined by slashes, without the id of the invocation."""

    def problems(self, seconds: float) -> list[str]:
        """Return what is still wrong after so many seconds; nothing as soon as nothing is."""
        return left_after(seconds, self._unsettled)

    def _unsettled(self) -> Iterator[str]:
        pages = self._lab.client("s3").get_paginator("list_objects_v2").paginate(Bucket=SEEN)
        keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
        self._seen = {key.rpartition("/")[0] for key in keys}
        yield from self._pipeline(FLOW, self._work.commit_id)
        yield from self._pipeline(POLLED, self._work.upload)
        yield from self._builds()
        yield from self._stack()
        yield from self._writes()
        for kind, labels in (("note", self._work.notes), ("async", self._work.labels)):
            yield from self._look(f"{kind}/{label}" for label in labels)
        objects = self._work.objects.items()
        yield from self._look(f"object/{key.replace('/', '|')}/{version}" for key, (version, _) in objects)
        yield from self._look([f"alarm/{self._work.alarm}/ALARM"])

    def _look(self, wanted: Any) -> Iterator[str]:
        for one in wanted:
            if one not in self._seen:
                yield f"never delivered: {one}"

    def _pipeline(self, name: str, revision: str) -> Iterator[str]:
        api, found = self._lab.client("codepipeline"), 0
        for one in executions(api, name):
            execution = one["pipelineExecutionId"]
            if execution in self._lab.known:
                continue
            revisions = [source.get("revisionId") for source in one.get("sourceRevisions", [])]
            found += revision in revisions
            if one["status"] != "Succeeded":
                yield f"{name}: execution {execution} is {one['status']}: {one.get('statusSummary')}"
                continue
            yield from self._look([f"Pipeline/{execution}//1/STARTED"])
            about = [one for one in self._seen if one.startswith(f"Pipeline/{execution}//")]
            if not any(one.endswith("/SUCCEEDED") for one in about):
                yield f"never delivered: the end of {name} {execution}"
            yield from self._actions(api, name, execution)
        if found != 1:
            yield f"{name}: {found} executions of {revision}, not 1"

    def _actions(self, api: Any, name: str, execution: str) -> Iterator[str]:
        answer = api.list_action_executions(
            pipelineName=name, filter={"pipelineExecutionId": execution}, maxResults=100
        )
        for detail in answer["actionExecutionDetails"]:
            about = f"{detail['actionName']} {detail['actionExecutionId']}"
            prefix = f"Action/{execution}/{detail['actionExecutionId']}/"
            states = sorted(s.rpartition("/")[2] for s in self._seen if s.startswith(prefix))
            end = detail["status"].upper()
            if states != sorted(("STARTED", end)):
                yield f"events of {about} ({detail['status']}): {states}"
            if detail["actionName"] == "Approve" and execution in self._work.approved and end != "SUCCEEDED":
                yield f"{about} was approved and is {detail['status']}"

    def _builds(self) -> Iterator[str]:
        api = self._lab.client("codebuild")
        ids = api.list_builds_for_project(projectName="build")["ids"][:30]
        for build in api.batch_get_builds(ids=ids)["builds"] if ids else []:
            number = build["id"].rpartition(":")[2]
            if not build["buildComplete"]:
                yield f"build {build['id']} is {build['buildStatus']}"
                continue
            yield from self._look([f"build/{number}/{build['buildStatus']}"])

    def _stack(self) -> Iterator[str]:
        stacks = self._lab.client("cloudformation").describe_stacks()["Stacks"]
        for stack in stacks:
            if stack["StackStatus"].endswith("IN_PROGRESS"):
                yield f"stack is {stack['StackStatus']}"
        outputs = [o["OutputValue"] for s in stacks if s["StackName"] == STACK for o in s.get("Outputs", [])]
        if outputs != [str(self._work.number)]:
            yield f"stack has {outputs}, not {self._work.number}"
        groups = self._lab.client("logs").describe_log_groups(logGroupNamePrefix="faults-")["logGroups"]
        if [one["logGroupName"] for one in groups] != [f"faults-{self._work.number}"]:
            yield f"log groups are {[one['logGroupName'] for one in groups]}"

    def _writes(self) -> Iterator[str]:
        yield from changed(self._lab.client("s3"), ARTIFACTS, self._work.objects)
        pages = self._lab.client("logs").get_paginator("filter_log_events").paginate(logGroupName="faults")
        lines = {one["message"] for page in pages for one in page["events"]}
        for line in self._work.lines:
            if line not in lines:
                yield f"line {line} is lost"
        tip = self._lab.client("codecommit").get_branch(repositoryName="source", branchName="main")
        if tip["branch"]["commitId"] != self._work.commit_id:
            yield f"main is {tip['branch']['commitId']}, not {self._work.commit_id}"
