"""Projects and builds, in any account."""

import textwrap
import uuid
from collections.abc import Callable
from typing import Any

from tests.local_account.iam_roles import make_role
from tests.waiting import Eventually

Build = dict[str, Any]


class CodeBuildLab:
    """Creates projects with unique names, runs builds to their end, reads logs."""

    def __init__(self, client: Callable[..., Any], eventually: Eventually) -> None:
        self.client = client
        self.codebuild = client("codebuild")
        self._eventually = eventually

    def role(self, principal: str = "codebuild.amazonaws.com") -> str:
        return make_role(self.client("iam"), f"role-{uuid.uuid4().hex[:8]}", principal)

    def project(self, buildspec: str = "", **changes: Any) -> str:
        """Create a project without source; ``changes`` replace members of the request."""
        name = f"project-{uuid.uuid4().hex[:8]}"
        environment = {
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
            **changes.pop("environment", {}),
        }
        request = {
            "source": {"type": "NO_SOURCE", "buildspec": textwrap.dedent(buildspec)},
            "artifacts": {"type": "NO_ARTIFACTS"},
            "environment": environment,
            "serviceRole": self.role(),
            **changes,
        }
        self.codebuild.create_project(name=name, **request)
        return name

    def get(self, build_id: str) -> Build:
        (build,) = self.codebuild.batch_get_builds(ids=[build_id])["builds"]
        found: Build = build
        return found

    def ended(self, build_id: str, seconds: float = 30) -> Build:
        def look() -> Build | None:
            build = self.get(build_id)
            return build if build["buildComplete"] else None

        return self._eventually(look, seconds)

    def run(self, buildspec: str = "", **changes: Any) -> Build:
        build = self.codebuild.start_build(projectName=self.project(buildspec, **changes))["build"]
        return self.ended(build["id"])

    def log(self, build: Build) -> str:
        events, token = [], None
        while True:
            page = self.client("logs").get_log_events(
                logGroupName=build["logs"]["groupName"],
                logStreamName=build["logs"]["streamName"],
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            events += page["events"]
            if page["nextForwardToken"] == token or not page["events"]:
                return "".join(event["message"] for event in events)
            token = page["nextForwardToken"]

    def bucket(self) -> str:
        name = f"bucket-{uuid.uuid4().hex[:8]}"
        self.client("s3").create_bucket(Bucket=name)
        return name
