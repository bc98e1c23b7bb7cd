"""The operations of AWS CodeBuild."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from local_account.foundation.artifact_metadata import PIPELINE
from local_account.foundation.errors import ServiceError
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service
from local_account.services.codebuild import projects
from local_account.services.codebuild.builds import BuildRequest, Builds
from local_account.services.codebuild.projects import ProjectDocument, invalid
from local_account.services.codebuild.runner import STOPPED, BuildRun
from local_account.services.codebuild.source import s3_location

if TYPE_CHECKING:
    from mypy_boto3_codebuild.literals import StatusTypeType
    from mypy_boto3_codebuild.type_defs import (
        AutoRetryConfigTypeDef,
        BatchDeleteBuildsInputTypeDef,
        BatchGetBuildsInputTypeDef,
        BatchGetProjectsInputTypeDef,
        BuildNotDeletedTypeDef,
        BuildTypeDef,
        CreateProjectInputTypeDef,
        DeleteProjectInputTypeDef,
        ListBuildsForProjectInputTypeDef,
        ListBuildsInputTypeDef,
        ListProjectsInputTypeDef,
        LogsLocationTypeDef,
        ProjectEnvironmentOutputTypeDef,
        ProjectTypeDef,
        RetryBuildInputTypeDef,
        StartBuildInputTypeDef,
        StopBuildInputTypeDef,
        UpdateProjectInputTypeDef,
    )

    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

_PAGE = 100
_SMALL = "L-9D07B6EF"
_CONCURRENT = {
    ("LINUX_CONTAINER", "BUILD_GENERAL1_SMALL"): _SMALL,
    ("LINUX_CONTAINER", "BUILD_GENERAL1_MEDIUM"): "L-2DC20C30",
    ("LINUX_CONTAINER", "BUILD_GENERAL1_LARGE"): "L-4DDC4A99",
}
"""The quota "Concurrently running builds" of each kind of environment; other kinds share the smallest's."""
_QUEUE = 5
"""How many builds wait for each one that may run ("Builds in AWS CodeBuild", AWS CodeBuild User Guide)."""


class CodeBuild(Service):
    """Projects and builds; see the "AWS CodeBuild API Reference".

    Lacks: `CreateFleet`, `CreateReportGroup`, `CreateWebhook`, `ImportSourceCredentials`,
    `InvalidateProjectCache`, `ListCuratedEnvironmentImages`, `StartBuildBatch`, `StartSandbox`.
    """

    name = "codebuild"
    validation_error = "InvalidInputException"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._projects = account.store.table("codebuild.projects", ProjectDocument)
        self._builds = Builds(account)
        self._queue: deque[str] = deque()
        self._running: dict[str, BuildRun] = {}
        self._lock = threading.RLock()

    def start(self) -> None:
        """Fail the builds that were in flight when the account ended; watch for timeouts."""
        for build in self._builds.all():
            if not build["buildComplete"]:
                self._builds.leave(
                    build["id"],
                    "FAILED",
                    "BUILD_INTERRUPTED",
                    "The local account ended while this build was under way: start the build again",
                )
                self._builds.complete(build["id"], "FAILED")
        self.account.tasks.every(1, "codebuild-timeouts", self.expire)

    def stop(self) -> None:
        """End all builds."""
        with self._lock:
            self._queue.clear()
            running = list(self._running.values())
        for run in running:
            run.interrupt(*STOPPED)

    # --- projects

    def create_project(self, params: CreateProjectInputTypeDef) -> Answer:
        """CreateProject."""
        name = params["name"]
        with self._projects.lock:
            if self._projects.get(name):
                raise ServiceError(
                    "ResourceAlreadyExistsException", f"Project already exists: {self._arn(name)}"
                )
            projects.check(params)
            self._check_role(params["serviceRole"])
            now = self.account.now()
            key = self.account.arn("kms", "alias/aws/s3")
            project = projects.with_defaults(params, key) | {
                "arn": self._arn(name),
                "created": now,
                "lastModified": now,
            }
            self._projects.put(name, {"project": project, "builds": 0})
        return {"project": project}

    def update_project(self, params: UpdateProjectInputTypeDef) -> Answer:
        """UpdateProject: the members given replace those of the project."""
        with self._projects.lock:
            document = self._projects.get(params["name"])
            if document is None:
                raise self._no_project(params["name"])
            project = projects.with_defaults(
                {**document["project"], **params}, document["project"]["encryptionKey"]
            )
            projects.check(project)
            self._check_role(project["serviceRole"])
            project["lastModified"] = self.account.now()
            self._projects.put(params["name"], {**document, "project": project})
        return {"project": project}

    def delete_project(self, params: DeleteProjectInputTypeDef) -> Answer:
        """DeleteProject: its builds stay, as documented; it is not an error if the project does not exist."""
        self._projects.delete(params["name"])
        return {}

    def batch_get_projects(self, params: BatchGetProjectsInputTypeDef) -> Answer:
        """BatchGetProjects: by name or ARN."""
        found, missing = [], []
        for name in params["names"]:
            document = self._projects.get(name.rpartition("/")[2])
            (found.append(document["project"]) if document else missing.append(name))
        return {"projects": found, "projectsNotFound": missing}

    def list_projects(self, params: ListProjectsInputTypeDef) -> Answer:
        """ListProjects."""
        listed = [document["project"] for document in self._projects.values()]
        backwards = params.get("sortOrder") == "DESCENDING"
        match params.get("sortBy", "NAME"):
            case "CREATED_TIME":
                listed.sort(key=lambda project: project["created"], reverse=backwards)
            case "LAST_MODIFIED_TIME":
                listed.sort(key=lambda project: project["lastModified"], reverse=backwards)
            case _:
                listed.sort(key=lambda project: project["name"], reverse=backwards)
        return _page("projects", [project["name"] for project in listed], params.get("nextToken"))

    # --- builds

    def start_build(self, params: StartBuildInputTypeDef) -> Answer:
        """StartBuild: a CODEPIPELINE project's build takes the ARN of its artifact as ``sourceVersion``."""
        return {"build": self._start(params)}

    def _start(
        self, params: StartBuildInputTypeDef, auto_retry: AutoRetryConfigTypeDef | None = None
    ) -> BuildTypeDef:
        name = params["projectName"].rpartition("/")[2]
        document = self._projects.get(name)
        if document is None:
            raise self._no_project(name)
        if earlier := self._same_request(name, params):
            return earlier
        project = projects.override(document["project"], params)
        projects.check(project)
        self._check_role(project["serviceRole"])
        limit = project.get("concurrentBuildLimit", -1)
        if limit > 0 and sum(not b["buildComplete"] for b in self._builds.of(name)) >= limit:
            raise ServiceError(
                "AccountLimitExceededException",
                f"Cannot have more than {limit} builds running for the project {name} (concurrentBuildLimit)",
            )
        initiator = self._initiator(project)
        code = _quota_of(project["environment"])
        allowed = int(self.account.quota("codebuild", code))
        with self._lock:
            if self._count(self._running, code) >= allowed:
                self._check_queue(code, _QUEUE * allowed)
            with self._projects.update(name) as stored:
                stored["builds"] += 1
                number = stored["builds"]
            build = self._new_build(project, number, initiator)
            if auto_retry:
                build["autoRetryConfig"] = auto_retry
            request: BuildRequest = {
                "params": params,
                "artifacts": project["artifacts"],
                "secondaryArtifacts": project["secondaryArtifacts"],
            }
            self._builds.create(build, request)
            self._builds.enter(build["id"], "QUEUED")
            self._queue.append(build["id"])
        self._dispatch()
        return self._require(build["id"])

    def retry_build(self, params: RetryBuildInputTypeDef) -> Answer:
        """RetryBuild: the same request again."""
        build_id = params.get("id", "")
        self._require(build_id)
        request = self._builds.request(build_id)["params"]
        request.pop("idempotencyToken", None)
        if "idempotencyToken" in params:
            request["idempotencyToken"] = params["idempotencyToken"]
        return {"build": self._start(request)}

    def stop_build(self, params: StopBuildInputTypeDef) -> Answer:
        """StopBuild."""
        self._require(params["id"])
        self._stop(params["id"])
        return {"build": self._require(params["id"])}

    def batch_get_builds(self, params: BatchGetBuildsInputTypeDef) -> Answer:
        """BatchGetBuilds: by id or ARN."""
        found, missing = [], []
        for build_id in params["ids"]:
            build = self._builds.get(build_id.rpartition("/")[2])
            (found.append(build) if build else missing.append(build_id))
        return {"builds": found, "buildsNotFound": missing}

    def batch_delete_builds(self, params: BatchDeleteBuildsInputTypeDef) -> Answer:
        """BatchDeleteBuilds: only builds that have ended."""
        deleted: list[str] = []
        kept: list[BuildNotDeletedTypeDef] = []
        for build_id in params["ids"]:
            build = self._builds.get(build_id)
            if build is None or not build["buildComplete"]:
                kept.append(
                    {"id": build_id, "statusCode": "BUILD_IN_PROGRESS" if build else "BUILD_NOT_FOUND"}
                )
                continue
            self._builds.delete(build_id)
            deleted.append(build["arn"])
        return {"buildsDeleted": deleted, "buildsNotDeleted": kept}

    def list_builds(self, params: ListBuildsInputTypeDef) -> Answer:
        """ListBuilds: newest first."""
        return self._list(self._builds.ids(), params)

    def list_builds_for_project(self, params: ListBuildsForProjectInputTypeDef) -> Answer:
        """ListBuildsForProject: newest first."""
        name = params["projectName"]
        if self._projects.get(name) is None:
            raise self._no_project(name)
        return self._list(self._builds.ids(name), params)

    def expire(self, now: datetime | None = None) -> None:
        """End the builds whose ``timeoutInMinutes`` or ``queuedTimeoutInMinutes`` has passed."""
        now = now or self.account.now()
        with self._lock:
            running, queued = dict(self._running), list(self._queue)
        for build_id, run in running.items():
            build = self._require(build_id)
            started = next((p["startTime"] for p in build["phases"] if p["phaseType"] == "PROVISIONING"), now)
            if now - started >= timedelta(minutes=build["timeoutInMinutes"]):
                message = f"Build has timed out after {build['timeoutInMinutes']} minutes."
                run.interrupt("TIMED_OUT", "BUILD_TIMED_OUT", message)
        for build_id in queued:
            build = self._require(build_id)
            if now - build["startTime"] >= timedelta(minutes=build["queuedTimeoutInMinutes"]):
                self._drop(build_id, "TIMED_OUT", "BUILD_TIMED_OUT", "Build was queued for too long.")
        self._dispatch()  # a quota may have been raised

    # --- inside

    def _arn(self, project: str) -> str:
        return self.account.arn("codebuild", f"project/{project}")

    def _no_project(self, name: str) -> ServiceError:
        return ServiceError("ResourceNotFoundException", f"Project cannot be found: {self._arn(name)}")

    def _check_role(self, role: str) -> None:
        arn = (
            role if role.startswith("arn:") else f"arn:aws:iam::{self.account.config.account_id}:role/{role}"
        )
        try:
            self.account.check_role(arn, "codebuild.amazonaws.com")
        except ServiceError as error:
            raise invalid(
                f"CodeBuild is not authorized to perform: sts:AssumeRole. {error.message}"
            ) from error

    def _require(self, build_id: str) -> BuildTypeDef:
        build = self._builds.get(build_id.rpartition("/")[2])
        if build is None:
            raise ServiceError("ResourceNotFoundException", f"Build does not exist: {build_id}")
        return build

    def _list(
        self, ids: list[str], params: ListBuildsInputTypeDef | ListBuildsForProjectInputTypeDef
    ) -> Answer:
        if params.get("sortOrder", "DESCENDING") == "DESCENDING":
            ids.reverse()
        return _page("ids", ids, params.get("nextToken"))

    def _same_request(self, name: str, params: StartBuildInputTypeDef) -> BuildTypeDef | None:
        """Return the build that a request with the same ``idempotencyToken`` started within 5 minutes."""
        token, since = params.get("idempotencyToken"), self.account.now() - timedelta(minutes=5)
        for build in self._builds.of(name) if token else ():
            request = self._builds.request(build["id"])["params"]
            if request.get("idempotencyToken") == token and build["startTime"] > since:
                if request != params:
                    raise invalid(f"the idempotencyToken {token} belongs to a request with other parameters")
                return build
        return None

    def _initiator(self, project: ProjectTypeDef) -> str:
        if project["source"]["type"] != "CODEPIPELINE":
            return "local-account"
        version = project.get("sourceVersion", "")
        bucket, key = s3_location(version)
        if not version.startswith("arn:aws:s3:::") or not key:
            raise invalid(
                f"the source of project {project['name']} is CODEPIPELINE: start its pipeline, "
                "or override the source's type"
            )
        s3 = self.account.client("s3")
        try:
            metadata = s3.head_object(Bucket=bucket, Key=key)["Metadata"]
        except s3.exceptions.ClientError as error:
            raise invalid(f"the artifact s3://{bucket}/{key} cannot be read: {error}") from error
        return f"codepipeline/{metadata.get(PIPELINE, '')}"

    def _new_build(self, project: ProjectTypeDef, number: int, initiator: str) -> BuildTypeDef:
        now = self.account.now()
        build_id = f"{project['name']}:{uuid.uuid4()}"
        logs: LogsLocationTypeDef = {
            "cloudWatchLogs": {"status": "ENABLED"},
            "s3Logs": {"status": "DISABLED"},
        }
        asked = project.get("logsConfig", {})
        if "cloudWatchLogs" in asked:
            logs["cloudWatchLogs"] = asked["cloudWatchLogs"]
        if "s3Logs" in asked:
            logs["s3Logs"] = asked["s3Logs"]
        build: BuildTypeDef = {
            "id": build_id,
            "arn": self.account.arn("codebuild", f"build/{build_id}"),
            "buildNumber": number,
            "startTime": now,
            "currentPhase": "SUBMITTED",
            "buildStatus": "IN_PROGRESS",
            "buildComplete": False,
            "projectName": project["name"],
            "phases": [{"phaseType": "SUBMITTED", "startTime": now}],
            "source": project["source"],
            "secondarySources": project["secondarySources"],
            "secondarySourceVersions": project["secondarySourceVersions"],
            "environment": project["environment"],
            "serviceRole": project["serviceRole"],
            "timeoutInMinutes": project["timeoutInMinutes"],
            "queuedTimeoutInMinutes": project["queuedTimeoutInMinutes"],
            "encryptionKey": project["encryptionKey"],
            "cache": project["cache"],
            "artifacts": {"location": ""},
            "secondaryArtifacts": [],
            "logs": logs,
            "initiator": initiator,
            "exportedEnvironmentVariables": [],
        }
        if "sourceVersion" in project:
            build["sourceVersion"] = project["sourceVersion"]
        if limit := project.get("autoRetryLimit"):
            build["autoRetryConfig"] = {"autoRetryLimit": limit, "autoRetryNumber": 0}
        return build

    def _count(self, build_ids: Iterable[str], code: str) -> int:
        """Return how many of these builds a quota counts."""
        return sum(_quota_of(self._require(build_id)["environment"]) == code for build_id in build_ids)

    def _check_queue(self, code: str, limit: int) -> None:
        if self._count(self._queue, code) >= limit:
            raise ServiceError(
                "AccountLimitExceededException",
                f"Cannot have more than {limit} builds in queue for the account",
            )

    def _dispatch(self) -> None:
        """Start the queued builds for which the quotas have room."""
        with self._lock:
            codes = {_quota_of(self._require(build_id)["environment"]) for build_id in self._queue}
        allowed = {code: self.account.quota("codebuild", code) for code in codes}
        with self._lock:
            for build_id in list(self._queue):
                build = self._require(build_id)
                code = _quota_of(build["environment"])
                if self._count(self._running, code) < allowed.get(code, 0):
                    self._queue.remove(build_id)
                    run = BuildRun(self.account, self._builds, build)
                    self._running[build_id] = run
                    self.account.tasks.spawn(f"build {build_id}", self._run, run)

    def _run(self, run: BuildRun) -> None:
        try:
            build = run.run()
        except Exception as error:
            log.exception("build %s was not brought to its end", run.id)
            build = run.give_up(error)
        finally:
            with self._lock:
                self._running.pop(run.id, None)
            self._dispatch()
        if build["buildStatus"] == "FAILED" and not self.account.tasks.stopping.is_set():
            self._retry_automatically(build, run)

    def _retry_automatically(self, build: BuildTypeDef, run: BuildRun) -> None:
        """Start the build again if ``on-failure: RETRY`` or ``autoRetryLimit`` says so (AutoRetryConfig)."""
        config = build.get("autoRetryConfig", {})
        number = config.get("autoRetryNumber", 0)
        limit = run.retry.retries if run.retry else config.get("autoRetryLimit", 0)
        if number >= limit or build["initiator"].startswith("codepipeline/"):
            return
        retried: AutoRetryConfigTypeDef = {
            "autoRetryLimit": limit, "autoRetryNumber": number + 1, "previousAutoRetry": build["arn"],
        }  # fmt: skip
        request = self._builds.request(build["id"])["params"]
        request.pop("idempotencyToken", None)
        again = self._start(request, retried)
        link: AutoRetryConfigTypeDef = {
            **config,
            "autoRetryLimit": limit,
            "autoRetryNumber": number,
            "nextAutoRetry": again["arn"],
        }
        self._builds.change(build["id"], lambda record: record.update({"autoRetryConfig": link}))

    def _stop(self, build_id: str) -> None:
        if self._drop(build_id, "STOPPED", "", ""):
            return
        with self._lock:
            run = self._running.get(build_id)
        if run:
            run.interrupt("STOPPED", "", "")

    def _drop(self, build_id: str, status: StatusTypeType, code: str, message: str) -> bool:
        """End a build that waits in the queue; return whether it did."""
        with self._lock:
            if build_id not in self._queue:
                return False
            self._queue.remove(build_id)
        self._builds.leave(build_id, status, code, message)
        self._builds.complete(build_id, status)
        return True


def _quota_of(environment: ProjectEnvironmentOutputTypeDef) -> str:
    """Return the code of the quota that limits the builds in an environment."""
    return _CONCURRENT.get((environment["type"], environment["computeType"]), _SMALL)


def _page(member: str, items: list[str], token: str | None) -> Answer:
    listed, token = page(items, token, _PAGE, "InvalidInputException")
    return {member: listed, "nextToken": token}
