"""Many executions of the shipped training pipeline, whose events are unreliable, each judged exactly once.

The template, the launcher and the monitor are the workshop's own. The stages that deploy are taken out of the
pipeline once its stack is there: an execution goes from its upload through TrainApproval to DeployApproval.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from botocore.exceptions import ClientError

from lab_helpers.names import Names
from lab_helpers.stacks import deploy_stack
from lab_helpers.templates import body, package
from tests.checkout import ROOT
from tests.local_account.account_process import AccountProcess
from tests.local_account.iam_roles import make_role
from tests.local_account.services.lambda_.settling import settle
from tests.zips import zipped

BUCKET = "judged"
KEY = "training/source/trainingjob.zip"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
AT_ONCE = 4
"""Uploads whose executions have not ended; a pipeline queues 50."""
SETTLED_SECONDS = 60.0
"""In which everything must have been noticed: many of the account's minutes."""
MINIMUM = 0.9
ENDED = ("Succeeded", "Failed", "Stopped", "Superseded", "Cancelled")
_SERVICES = ("codepipeline", "lambda", "cloudformation", "events", "sagemaker")
_STAGES = ("Source", "Train", "TrainApproval", "DeployApproval")
_ROLES = ("Pipeline", "Deploy", "Launcher", "Monitor", "Tester", "Events", "SageMaker")


@dataclass(frozen=True)
class Planned:
    """What one upload trains, and what must come of it."""

    number: int
    accuracy: float
    """No two have the same, so that a judgment tells whose it is; 0 for a job that fails."""
    seconds: float
    release: bool
    """What the person at DeployApproval says."""

    @property
    def good(self) -> bool:
        """Whether TrainApproval must approve it."""
        return self.accuracy >= MINIMUM

    @property
    def version(self) -> list[str]:
        """The approval states of its versions in the model registry."""
        if not self.accuracy:
            return []
        return ["Approved" if self.good and self.release else "Rejected"]


def planned(number: int) -> Planned:
    """Return the plan of an upload; every tenth job fails, and every third model is not good enough."""
    accuracy = 0.0 if number % 10 == 9 else (0.5 if number % 3 == 1 else MINIMUM) + number / 10_000
    return Planned(number, round(accuracy, 4), (number * 7 % 10) / 10, number % 4 != 0)


@dataclass
class Judging:
    """The pipeline in one account, and what was uploaded."""

    account: AccountProcess
    log: Path
    uploads: dict[str, Planned] = field(default_factory=dict)
    """By the version of the uploaded object."""
    executions: dict[str, Planned] = field(default_factory=dict)
    """By the execution's id, as soon as it is seen."""
    names: Names = field(default_factory=lambda: Names(""))
    known: set[str] = field(default_factory=set)
    """Executions that no upload has started."""

    def prepare(self) -> None:
        """Deploy the template, with an image that is never run."""
        client = self.account.client
        s3, pipelines = client("s3"), client("codepipeline")
        role = make_role(client("iam"), "judging", *(f"{name}.amazonaws.com" for name in _SERVICES))
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        notify: dict[str, dict[str, str]] = {"EventBridgeConfiguration": {}}
        s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=notify)
        s3.put_object(Bucket=BUCKET, Key="training/data/rows.csv", Body=b"1,2\n")
        self._push_image()
        template = package(ROOT / "cfn" / "train-model-pipeline.yml", s3, BUCKET, "functions")
        values = {"BucketName": BUCKET, **{f"{one}RoleArn": role for one in _ROLES}}
        stack = self.names.train_stack
        deploy_stack(client("cloudformation"), stack, body(template), parameters=values, tags={})
        for kind in ("job-launcher", "job-monitor"):
            settle(client("lambda"), f"mlops-{kind}-iris-model")
        pipeline = pipelines.get_pipeline(name=self.names.train_pipeline)["pipeline"]
        pipeline["stages"] = [stage for stage in pipeline["stages"] if stage["name"] in _STAGES]
        pipeline["stages"][-1]["actions"][0]["configuration"] = {}  # it names what TestDev has found
        pipelines.update_pipeline(pipeline=pipeline)
        self.known = {one["pipelineExecutionId"] for one in self._listed()}

    def _push_image(self) -> None:
        ecr = self.account.client("ecr")
        ecr.create_repository(repositoryName="iris-model")
        data = ecr.get_authorization_token()["authorizationData"][0]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        root, content = f"{data['proxyEndpoint']}/v2/iris-model", b"{}"
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        about = {"mediaType": "application/octet-stream", "size": len(content), "digest": digest}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": about, "layers": [about]}
        for method, path, sent in (
            ("POST", f"blobs/uploads/?digest={digest}", content),
            ("PUT", "manifests/latest", json.dumps(manifest).encode()),
        ):
            head = {"Content-Type": MANIFEST} if method == "PUT" else {}
            answer = requests.request(
                method, f"{root}/{path}", data=sent, headers=head, auth=(user, password), timeout=30
            )
            answer.raise_for_status()

    def run(self, count: int) -> None:
        """Upload, answer DeployApproval, and return once every execution has ended."""
        number, progress = 0, time.monotonic()
        while True:
            listed = self._listed()
            ended = [one["pipelineExecutionId"] for one in listed if one["status"] in ENDED]
            if number < count and number - len(ended) < AT_ONCE:
                self._upload(planned(number))
                number += 1
                progress = time.monotonic()
            elif number == count == len(ended):
                return
            elif not self._decide() and time.monotonic() - progress > SETTLED_SECONDS + len(listed) * 0.05:
                raise TimeoutError(f"{number} uploads, {len(ended)} executions have ended: {self._stuck()}")
            else:
                time.sleep(0.05)

    def _upload(self, plan: Planned) -> None:
        source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/training/data/"}}
        job = {
            "HyperParameters": {"accuracy": str(plan.accuracy), "seconds": str(plan.seconds)},
            "InputDataConfig": [{"ChannelName": "training", "DataSource": source}],
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "QualityGate": {"MinimumAccuracy": MINIMUM, "MinimumRecall": 0.5, "MaximumAccuracyDrop": 1},
        }
        templates = {f"deploy-model-{stage}.yml": "Resources: {}" for stage in ("dev", "prd")}
        content = zipped({"trainingjob.json": json.dumps(job), **templates})
        put = self.account.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=content)
        self.uploads[put["VersionId"]] = plan

    def _listed(self) -> list[dict[str, Any]]:
        pages = self.account.client("codepipeline").get_paginator("list_pipeline_executions")
        found = [
            one
            for page in pages.paginate(pipelineName=self.names.train_pipeline)
            for one in page["pipelineExecutionSummaries"]
            if one["pipelineExecutionId"] not in self.known
        ]
        for one in found:
            for source in one.get("sourceRevisions", []):
                if plan := self.uploads.get(source.get("revisionId", "")):
                    self.executions[one["pipelineExecutionId"]] = plan
        return found

    def _decide(self) -> bool:
        """Answer DeployApproval if it waits; return whether it did."""
        api, name = self.account.client("codepipeline"), self.names.train_pipeline
        stage = api.get_pipeline_state(name=name)["stageStates"][-1]
        execution = stage.get("latestExecution", {}).get("pipelineExecutionId")
        token = stage["actionStates"][0].get("latestExecution", {}).get("token")
        if not token or execution not in self.executions:
            return False
        status = "Approved" if self.executions[execution].release else "Rejected"
        try:
            api.put_approval_result(
                pipelineName=name, stageName="DeployApproval", actionName="DeployApproval", token=token,
                result={"status": status, "summary": execution},
            )  # fmt: skip
        except ClientError as error:
            if "ApprovalToken" not in str(error) and "AlreadyCompleted" not in str(error):
                raise
        return True

    def _stuck(self) -> list[str]:
        states = self.account.client("codepipeline").get_pipeline_state(name=self.names.train_pipeline)
        return [f"{one['stageName']}: {one.get('latestExecution')}" for one in states["stageStates"]]

    def noted(self) -> list[dict[str, Any]]:
        """Return the lines of the account's log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def problems(self) -> list[str]:
        """Return what is wrong, once nothing is or the time is over."""
        wrong = [*self._wrong()]
        deadline = time.monotonic() + SETTLED_SECONDS
        while wrong and time.monotonic() < deadline:
            time.sleep(0.25)
            wrong = [*self._wrong()]
        return wrong

    def _wrong(self) -> Iterator[str]:
        answers = [one for one in self.noted() if one.get("stage") == "TrainApproval"]
        accepted = Counter(one["token"] for one in answers if one["answer"] == "accepted")
        if len(accepted) != len(self.uploads) or accepted.total() != len(self.uploads):
            yield f"{accepted.total()} answers to {len(accepted)} approvals of {len(self.uploads)} executions"
        if unknown := {one["token"] for one in answers} - accepted.keys():
            yield f"answers to {len(unknown)} approvals that never took one"
        counts = Counter(self.executions.values())
        yield from (
            f"{plan}: {counts[plan]} executions" for plan in self.uploads.values() if counts[plan] != 1
        )
        versions = self._versions()
        for execution, plan in self.executions.items():
            action = self.approval(execution)
            if not action:
                yield f"{execution}, {plan}: TrainApproval was not reached: {self._summary(execution)}"
                continue
            status = "Succeeded" if plan.good else "Failed"
            detail = action["output"]["executionResult"]
            said = detail.get("externalExecutionSummary", "")
            own = f"{plan.accuracy:.4g}" if plan.accuracy else "the data are gone"
            if action["status"] != status or own not in said or execution not in said:
                yield f"{execution}, {plan}: {action['status']}: {said}"
            if versions.get(execution, []) != plan.version:
                yield f"{execution}, {plan}: versions {versions.get(execution, [])}, not {plan.version}"
        rule = self.account.client("events").describe_rule(Name="mlops-job-monitor-iris-model")
        if rule["State"] != "DISABLED":
            yield "the monitor is awake, and nothing is left to do"

    def _versions(self) -> dict[str, list[str]]:
        pages = self.account.client("sagemaker").get_paginator("list_model_packages")
        found: dict[str, list[str]] = {}
        for page in pages.paginate(ModelPackageGroupName="iris-model"):
            for one in page["ModelPackageSummaryList"]:
                execution = one["ModelPackageDescription"].rpartition(" ")[2]
                found.setdefault(execution, []).append(one["ModelApprovalStatus"])
        return found

    def approval(self, execution: str) -> dict[str, Any]:
        """Return how TrainApproval was answered in an execution, nothing if it did not get there."""
        found = self.account.client("codepipeline").list_action_executions(
            pipelineName=self.names.train_pipeline, filter={"pipelineExecutionId": execution}
        )["actionExecutionDetails"]
        approvals = [dict(one) for one in found if one["stageName"] == "TrainApproval"]
        assert len(approvals) < 2, approvals
        return approvals[0] if approvals else {}

    def _summary(self, execution: str) -> str:
        found = self.account.client("codepipeline").list_action_executions(
            pipelineName=self.names.train_pipeline, filter={"pipelineExecutionId": execution}
        )["actionExecutionDetails"]
        return "; ".join(str(one.get("output", {}).get("executionResult")) for one in found)

    def seconds(self) -> list[tuple[float, int]]:
        """Return how long each judgment took, and the number of its upload, quickest first.

        It begins when the job has ended and the approval waits, whatever comes later.
        """
        api = self.account.client("sagemaker")
        taken = []
        for execution, plan in self.executions.items():
            if not (action := self.approval(execution)):
                continue
            job = api.describe_training_job(TrainingJobName=f"iris-model-{execution}")
            since = max(job["TrainingEndTime"], action["startTime"])
            taken.append(((action["lastUpdateTime"] - since).total_seconds(), plan.number))
        return sorted(taken)

    def summary(self) -> str:
        """Return what happened to the events, and how long the judgments took, in two lines."""
        noted = self.noted()
        fates = [one["delays"] for one in noted if "delays" in one]
        answers = Counter(
            one["answer"] for one in noted if one.get("stage") == "TrainApproval" and "answer" in one
        )
        taken = self.seconds()
        slowest = ", ".join(f"{one:.2f} s (upload {number})" for one, number in taken[:-4:-1])
        return (
            f"{len(self.executions)} executions; of {len(fates)} events {fates.count([])} were lost, "
            f"{sum(len(one) > 1 for one in fates)} doubled, {sum(any(one) for one in fates)} late; "
            f"answers: {dict(answers)}\n"
            f"from the job's end to the answer: median {statistics.median(one for one, _ in taken):.2f} s, "
            f"slowest {slowest}"
        )


@contextmanager
def judging(directory: Path, seed: int | None) -> Iterator[Judging]:
    """A pipeline in an account of its own; without a seed, its events are reliable."""
    log = directory / "events.log"
    log.touch()
    given = {"EVENTS_LOG": str(log), **({} if seed is None else {"EVENTS_SEED": str(seed)})}
    account = AccountProcess(directory / "state", ("-m", "tests.faults.unreliable_account"))
    os.environ.update(given)
    try:
        lab = Judging(account.start(), log)
        lab.prepare()
        yield lab
    finally:
        account.stop()
        for name in given:
            del os.environ[name]
