"""The clients of one run: each remembers what was acknowledged, and goes on when the account is back."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.faults.lab import ARTIFACTS, FLOW, POLLED, Lab
from tests.zips import zipped

_REFUSED = ("Disk full", "ThrottlingException", "ServiceUnavailable", "was stopped", "is stopping")
ENDED = ("Succeeded", "Failed", "Stopped", "Superseded", "Cancelled")


def call(operation: str, client: Any, **request: Any) -> Any:
    """Make a request with a client."""
    return getattr(client, operation)(**request)


def put_note(name: str, events: Any) -> None:
    """Publish an event of our own; it has been accepted when this returns."""
    entry = {"Source": "faults", "DetailType": "note", "Detail": json.dumps({"n": name})}
    if events.put_events(Entries=[entry])["FailedEntryCount"]:
        raise BotoCoreError


def lost(error: Exception) -> bool:
    """Whether a request was not answered, or refused for lack of room: it may be made again."""
    return not isinstance(error, ClientError) or any(text in str(error) for text in _REFUSED)


class Requests:
    """What a run asks of an account in threads, again until it is acknowledged."""

    def __init__(self, client: Callable[[str], Any], number: int, chance: random.Random) -> None:
        self.number, self.chance = number, chance
        self.problems: list[str] = []
        self.reasons: list[str] = []
        """Why what the run waits for failed, as it says."""
        self.objects: dict[str, tuple[str, bytes]] = {}
        """Acknowledged: the version and the content by key; and notes by name."""
        self.notes: list[str] = []
        self.done = threading.Event()
        self._client = client

    def _thread(self, part: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=self._guarded, args=(part,), daemon=True)

    def _guarded(self, part: Callable[[], None]) -> None:
        try:
            part()
        except Exception as error:
            self.problems.append(f"{part.__name__}: {type(error).__name__}: {error}")

    def _insist(self, service: str, call: Callable[[Any], Any]) -> Any:
        """Make a request until it is acknowledged."""
        while not self.done.is_set():
            try:
                return call(self._client(service))
            except (BotoCoreError, ClientError) as error:
                if not lost(error):
                    raise
            self.done.wait(0.1)
        raise TimeoutError("the run is over")

    def _note_and_put(self, name: str, bucket: str) -> None:
        """Publish an event, and store an object of some size."""
        self._insist("events", partial(put_note, name))
        self.notes.append(name)
        body = name.encode() * self.chance.choice((1, 1_000, 20_000))
        key = f"kept/{name}"
        answer = self._insist("s3", partial(call, "put_object", Bucket=bucket, Key=key, Body=body))
        self.objects[key] = (answer["VersionId"], body)


class Work(Requests):
    """One run: a push, an upload, events, objects, invocations, an alarm; approvals and retries."""

    def __init__(self, lab: Lab, number: int, chance: random.Random) -> None:
        super().__init__(lab.client, number, chance)
        self.lab = lab
        self.labels: list[str] = []
        self.lines: list[str] = []
        self.commit_id, self.upload, self.alarm = "", "", ""
        self.approved: set[str] = set()
        """Executions whose approval was acknowledged."""
        parts = (self._push, self._put, self._alarm, self._polled, self._drive)
        self._threads = [self._thread(part) for part in parts]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def requested(self, seconds: float) -> bool:
        """Wait until every request was acknowledged; return whether it was."""
        deadline = time.monotonic() + seconds
        for thread in self._threads[:-1]:
            thread.join(max(0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads[:-1])

    def end(self) -> None:
        """Stop approving and retrying."""
        self.done.set()
        self._threads[-1].join(90)

    def _push(self) -> None:
        commit = self.lab.commit(self.number)
        while not self.done.is_set():
            pushed = self.lab.git("push", "-q", "origin", "HEAD:main")
            if pushed.returncode == 0:
                self.commit_id = commit
                return
            self.done.wait(0.1)

    def _put(self) -> None:
        group = {"logGroupName": "faults", "logStreamName": "lines"}
        for number in range(8):
            name = f"{self.number}-{number}"
            self._note_and_put(name, ARTIFACTS)
            asked = {"FunctionName": "events", "InvocationType": "Event"}
            payload = json.dumps({"label": name}).encode()
            self._insist("lambda", partial(call, "invoke", **asked, Payload=payload))
            self.labels.append(name)
            line = [{"timestamp": int(time.time() * 1000), "message": name}]
            self._insist("logs", partial(call, "put_log_events", **group, logEvents=line))
            self.lines.append(name)

    def _alarm(self) -> None:
        name = f"alarm-{self.number}"
        self._insist(
            "cloudwatch",
            lambda api: api.put_metric_alarm(
                AlarmName=name, Namespace="faults", MetricName=name, Statistic="Sum", Period=60,
                EvaluationPeriods=1, Threshold=0, ComparisonOperator="GreaterThanThreshold",
            ),
        )  # fmt: skip
        self._insist(
            "cloudwatch",
            lambda api: api.put_metric_data(
                Namespace="faults", MetricData=[{"MetricName": name, "Value": 1.0}]
            ),
        )
        self.alarm = name

    def _polled(self) -> None:
        body = zipped({"n": str(self.number)})
        answer = self._insist("s3", lambda s3: s3.put_object(Bucket=ARTIFACTS, Key="polled.zip", Body=body))
        self.upload = answer["VersionId"]

    def _drive(self) -> None:
        """Approve what waits, and retry what the fault has failed, as a participant does."""
        while not self.done.wait(0.15):
            try:
                for name in (FLOW, POLLED):
                    self._look(name)
            except (BotoCoreError, ClientError) as error:
                if not lost(error) and "NotLatestPipelineExecution" not in str(error):
                    self.problems.append(f"drive: {error}")

    def _look(self, name: str) -> None:
        api = self.lab.client("codepipeline")
        for one in executions(api, name):
            execution, status = one["pipelineExecutionId"], one["status"]
            if execution in self.lab.known or status not in ("Failed", "InProgress"):
                continue
            for found in api.get_pipeline_state(name=name)["stageStates"]:
                latest = found.get("latestExecution", {})
                if latest.get("pipelineExecutionId") != execution:
                    continue
                if status == "Failed" and latest["status"] == "Failed":
                    api.retry_stage_execution(
                        pipelineName=name,
                        stageName=found["stageName"],
                        pipelineExecutionId=execution,
                        retryMode="FAILED_ACTIONS",
                    )
                token = found["actionStates"][0].get("latestExecution", {}).get("token")
                if found["stageName"] == "Gate" and token and execution not in self.approved:
                    self._approve(api, token, execution)

    def _approve(self, api: Any, token: str, execution: str) -> None:
        result = {"status": "Approved", "summary": "ok"}
        try:
            api.put_approval_result(
                pipelineName=FLOW, stageName="Gate", actionName="Approve", token=token, result=result
            )
        except ClientError as error:  # an answer was lost
            if "ApprovalAlreadyCompleted" not in str(error) and "InvalidApprovalToken" not in str(error):
                raise
        self.approved.add(execution)


def executions(api: Any, name: str) -> list[dict[str, Any]]:
    """Return the last executions of a pipeline, newest first."""
    found = api.list_pipeline_executions(pipelineName=name, maxResults=20)
    return list(found["pipelineExecutionSummaries"])
