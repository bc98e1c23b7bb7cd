"""The default lab in its own local account, driven by tests."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab_helpers.names import Names
from local_account.foundation import journal
from local_account.foundation.containers import ACCOUNT_LABEL
from local_account.foundation.daemon import Daemon
from tests.checkout import ROOT
from tests.sessions import make_client
from tests.waiting import eventually
from tests.zips import zipped

REPOSITORY = ROOT
ENDED = {"Succeeded", "Failed", "Stopped", "Superseded", "Cancelled"}


class Workshop:
    """A lab in a local account, and the command that runs it; labs in one directory share the account."""

    def __init__(self, directory: Path, lab_id: str = "") -> None:
        self.state = directory / "state"
        self.state.mkdir(exist_ok=True)
        self.journal = self.state / journal.NAME
        self.journal.touch()
        self.output = directory / f"run{lab_id}"
        self.names = Names(lab_id)
        self.daemon = Daemon(self.state)
        self.said = ""
        self._clients: dict[str, Any] = {}

    def spawn(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start `python -m lab_helpers local …` on this account's state."""
        return subprocess.Popen(
            [sys.executable, "-m", "lab_helpers", "local", *arguments, "--state", str(self.state)],
            cwd=REPOSITORY,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,
        )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m lab_helpers local …` to its end."""
        process = self.spawn(*arguments)
        printed, _ = process.communicate(timeout=900)
        return subprocess.CompletedProcess(process.args, process.returncode, printed)

    def run(self, *options: str) -> None:
        """Run all notebooks, or those that the options name; the output is in `said`."""
        lab = ["--participant", self.names.lab_id] if self.names.lab_id else []
        done = self.command("run", "--port", "0", "--output", str(self.output), *lab, *options)
        self.said = done.stdout
        assert done.returncode == 0, done.stdout[-6000:]

    @property
    def uid(self) -> str:
        """The marker of the account's containers and processes."""
        return self.daemon.config().uid

    def containers(self) -> list[str]:
        """Return the ids of the account's containers, including stopped ones."""
        label = f"label={ACCOUNT_LABEL}={self.uid}"
        done = subprocess.run(
            ["docker", "ps", "-aq", "--filter", label],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **self.daemon.environment()},
        )
        return done.stdout.split()

    def client(self, service: str) -> Any:
        """Return a boto3 client of the account."""
        if service not in self._clients:
            environment = self.daemon.environment()
            self._clients[service] = make_client(
                service,
                endpoint_url=environment["AWS_ENDPOINT_URL"],
                region_name=environment["AWS_REGION"],
                aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            )
        return self._clients[service]

    def jupyterlab_url(self) -> str:
        """Return the URL of the instance's JupyterLab, which starts at the first call."""
        answer = self.client("sagemaker").create_presigned_notebook_instance_url(
            NotebookInstanceName=self.names.notebook_instance
        )
        return str(answer["AuthorizedUrl"])

    @property
    def bucket(self) -> str:
        """Name of the lab's bucket."""
        config = self.daemon.config()
        return self.names.bucket(config.region, config.account_id)

    def uploaded(self) -> dict[str, bytes]:
        """Return the members of notebook 03's trainingjob.zip, whatever was uploaded later."""
        key = "training/source/trainingjob.zip"
        versions = self.client("s3").list_object_versions(Bucket=self.bucket, Prefix=key)["Versions"]
        first = min(versions, key=lambda version: version["LastModified"])["VersionId"]
        body = self.client("s3").get_object(Bucket=self.bucket, Key=key, VersionId=first)
        with zipfile.ZipFile(io.BytesIO(body["Body"].read())) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def upload(self, members: Mapping[str, bytes] | bytes) -> str:
        """Upload a trainingjob.zip and return the id of the execution that it starts."""
        content = members if isinstance(members, bytes) else zipped(members)
        version = self.client("s3").put_object(
            Bucket=self.bucket, Key="training/source/trainingjob.zip", Body=content
        )["VersionId"]
        return self.started_by(self.names.train_pipeline, version)

    def push(self, branch: str, change: Callable[[Path], object], message: str) -> str:
        """Change the working copy of a branch on the instance, push, and return the execution that starts."""
        environment = self.daemon.environment(self.names.notebook_instance)
        working_copy = Path(environment["WORKSHOP_HOME"]) / branch

        def git(*arguments: str) -> str:
            done = subprocess.run(
                ["git", *arguments],
                cwd=working_copy,
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            )
            return done.stdout.strip()

        change(working_copy)
        git("commit", "-q", "-a", "-m", message)
        git("push", "-q", "origin", branch)
        pipeline = {
            self.names.base_branch: self.names.base_pipeline,
            self.names.model_branch: self.names.model_pipeline,
        }[branch]
        return self.started_by(pipeline, git("rev-parse", "HEAD"))

    def started_by(self, pipeline: str, revision: str) -> str:
        """Return the execution whose source revision this is."""

        def find() -> str | None:
            listed = self.client("codepipeline").list_pipeline_executions(pipelineName=pipeline)
            for execution in listed["pipelineExecutionSummaries"]:
                if any(source["revisionId"] == revision for source in execution.get("sourceRevisions", [])):
                    return str(execution["pipelineExecutionId"])
            return None

        return eventually(find, 20)

    def status(self, pipeline: str, execution: str) -> str:
        """Return the status of an execution."""
        found = self.client("codepipeline").get_pipeline_execution(
            pipelineName=pipeline, pipelineExecutionId=execution
        )
        return str(found["pipelineExecution"]["status"])

    def ended(self, pipeline: str, execution: str, seconds: float = 180) -> str:
        """Wait for the end of an execution and return its status."""
        return eventually(
            lambda: status if (status := self.status(pipeline, execution)) in ENDED else None, seconds
        )

    def failure(self, pipeline: str, execution: str) -> tuple[str, str]:
        """Wait until an execution has failed; return the failed action and its message."""
        assert self.ended(pipeline, execution) == "Failed"
        listed = self.client("codepipeline").list_action_executions(
            pipelineName=pipeline, filter={"pipelineExecutionId": execution}
        )
        [failed] = [
            action for action in listed["actionExecutionDetails"] if action["status"] not in ("Succeeded",)
        ]
        result = failed["output"]["executionResult"]
        details = result.get("errorDetails", {}).get("message") or result.get("externalExecutionSummary", "")
        return failed["actionName"], details

    def waits_for_approval(self, execution: str, seconds: float = 120) -> str:
        """Wait until DeployApproval waits for a decision on this execution; return its token."""

        def token() -> str | None:
            state = self.client("codepipeline").get_pipeline_state(name=self.names.train_pipeline)
            for stage in state["stageStates"]:
                if (
                    stage["stageName"] == "DeployApproval"
                    and stage.get("latestExecution", {}).get("pipelineExecutionId") == execution
                ):
                    asked: dict[str, str] = stage["actionStates"][0].get("latestExecution", {})
                    return asked.get("token")
            assert self.status(self.names.train_pipeline, execution) == "InProgress"
            return None

        return eventually(token, seconds)

    def decide(self, execution: str, status: str) -> None:
        """Answer DeployApproval (Approved or Rejected) once it waits for a decision on this execution."""
        token = self.waits_for_approval(execution)
        self.client("codepipeline").put_approval_result(
            pipelineName=self.names.train_pipeline,
            stageName="DeployApproval",
            actionName="DeployApproval",
            result={"status": status, "summary": "decided by a test"},
            token=token,
        )

    def serving(self, endpoint: str) -> str:
        """Return the current endpoint config of an endpoint, which must be in service."""
        described = self.client("sagemaker").describe_endpoint(EndpointName=endpoint)
        assert described["EndpointStatus"] == "InService", described
        return str(described["EndpointConfigName"])

    def predict(self, endpoint: str, algorithm: str, rows: list[list[float]]) -> list[Any]:
        """Request predictions from an endpoint: labels, or a regressor's numbers."""
        answer = self.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint,
            ContentType="application/json",
            CustomAttributes=f"algorithm={algorithm}",
            Body=json.dumps({"instances": rows}),
        )
        predictions: list[Any] = json.load(answer["Body"])["predictions"]
        return predictions
