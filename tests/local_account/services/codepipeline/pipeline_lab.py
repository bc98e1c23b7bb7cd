"""A bucket, a role and pipelines, in any account."""

import uuid
from collections.abc import Callable
from typing import Any

from tests.local_account.iam_roles import make_role
from tests.local_account.services.codepipeline.declare import action, stage, zipped
from tests.local_account.services.lambda_.settling import settle
from tests.waiting import Eventually

ENDED = {"Succeeded", "Failed", "Stopped", "Superseded", "Cancelled"}
PRINCIPALS = ["codepipeline", "codebuild", "lambda", "cloudformation"]


class PipelineLab:
    """A bucket, a role, and pipelines with unique names."""

    def __init__(self, client: Callable[[str], Any], eventually: Eventually) -> None:
        self.client = client
        self.api = client("codepipeline")
        self.eventually = eventually
        self.id = uuid.uuid4().hex[:8]
        services = [f"{name}.amazonaws.com" for name in PRINCIPALS]
        self.role = make_role(client("iam"), f"role-{self.id}", *services)
        self.bucket = f"bucket-{self.id}"
        client("s3").create_bucket(Bucket=self.bucket)
        client("s3").put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def upload(self, files: dict[str, str] | bytes) -> str:
        """Upload the source; return its version."""
        body = files if isinstance(files, bytes) else zipped(files)
        return str(self.client("s3").put_object(Bucket=self.bucket, Key="source.zip", Body=body)["VersionId"])

    def source(self, **members: Any) -> dict[str, Any]:
        """Stage with the S3 source action ``Source``."""
        configuration = {
            "S3Bucket": self.bucket,
            "S3ObjectKey": "source.zip",
            "PollForSourceChanges": "false",
        }
        return stage(
            "Source",
            action("Source", "Source", "S3", outputs=["Src"], configuration=configuration, **members),
        )

    def declaration(self, *stages: dict[str, Any], **members: Any) -> dict[str, Any]:
        return {
            "name": f"pipeline-{self.id}",
            "roleArn": self.role,
            "artifactStore": {"type": "S3", "location": self.bucket},
            "stages": list(stages),
            "pipelineType": "V2",
            "executionMode": "QUEUED",
            **members,
        }

    def create(self, *stages: dict[str, Any], **members: Any) -> str:
        """Create a pipeline; wait until the execution that this started is waiting or has ended."""
        declaration = self.declaration(*stages, **members)
        self.api.create_pipeline(pipeline=declaration)
        return str(declaration["name"])

    def quiet(self, *stages: dict[str, Any], **members: Any) -> str:
        """Create a pipeline whose first execution has already failed for lack of a source."""
        name = self.create(*stages, **members)
        first = self.executions(name)[0]["pipelineExecutionId"]
        assert self.ended(name, first)["status"] == "Failed"
        return name

    def start(self, name: str, **request: Any) -> str:
        return str(self.api.start_pipeline_execution(name=name, **request)["pipelineExecutionId"])

    def executions(self, name: str) -> list[dict[str, Any]]:
        found = self.api.list_pipeline_executions(pipelineName=name)
        return list(found["pipelineExecutionSummaries"])

    def execution(self, name: str, execution_id: str) -> dict[str, Any]:
        found = self.api.get_pipeline_execution(pipelineName=name, pipelineExecutionId=execution_id)
        return dict(found["pipelineExecution"])

    def ended(self, name: str, execution_id: str, seconds: float = 30) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = self.execution(name, execution_id)
            return found if found["status"] in ENDED else None

        return self.eventually(look, seconds)

    def actions(self, name: str, execution_id: str) -> dict[str, dict[str, Any]]:
        """ActionExecutionDetail by action name: the latest of each."""
        details = self.api.list_action_executions(
            pipelineName=name, filter={"pipelineExecutionId": execution_id}
        )["actionExecutionDetails"]
        return {detail["actionName"]: detail for detail in reversed(details)}

    def error(self, name: str, execution_id: str, action_name: str) -> str:
        found = self.actions(name, execution_id)[action_name]
        return str(found["output"]["executionResult"]["errorDetails"]["message"])

    def state(self, name: str, stage_name: str) -> dict[str, Any]:
        states = self.api.get_pipeline_state(name=name)["stageStates"]
        return next(found for found in states if found["stageName"] == stage_name)

    def pending(self, name: str, stage_name: str, execution_id: str) -> str:
        """Wait for an execution to reach the (only) approval of a stage; return the token."""

        def look() -> str | None:
            found = self.state(name, stage_name)
            if found.get("latestExecution", {}).get("pipelineExecutionId") != execution_id:
                return None
            token: str | None = found["actionStates"][0].get("latestExecution", {}).get("token")
            return token

        return self.eventually(look)

    def answer(
        self, name: str, stage_name: str, token: str, status: str = "Approved", summary: str = "ok"
    ) -> Any:
        return self.api.put_approval_result(
            pipelineName=name,
            stageName=stage_name,
            actionName="Approve",
            token=token,
            result={"status": status, "summary": summary},
        )

    def project(self, buildspec: str = "buildspec.yml") -> str:
        name = f"project-{uuid.uuid4().hex[:8]}"
        self.client("codebuild").create_project(
            name=name,
            source={"type": "CODEPIPELINE", "buildspec": buildspec},
            artifacts={"type": "CODEPIPELINE"},
            environment={
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_SMALL",
            },
            serviceRole=self.role,
        )
        return name

    def function(self, code: str, timeout: int = 20) -> str:
        name = f"function-{uuid.uuid4().hex[:8]}"
        self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="index.handler",
            Role=self.role,
            Timeout=timeout,
            Code={"ZipFile": zipped({"index.py": code})},
        )
        settle(self.client("lambda"), name)
        return name
