"""One build, from PROVISIONING to COMPLETED.

Which phase follows a failed one: page "Build phase transitions"; how ``on-failure`` changes that: page
"Build specification reference for CodeBuild".
"""

from __future__ import annotations

import logging
import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from local_account.foundation.containers import engine_errors, explained
from local_account.foundation.errors import log_loss
from local_account.foundation.root_directory import RootDirectory
from local_account.services.codebuild import (
    artifacts,
    build_image,
    buildspec,
    python_environment,
    source,
)
from local_account.services.codebuild.buildspec import Buildspec, OnFailure, Phase
from local_account.services.codebuild.image_names import ImageNames
from local_account.services.codebuild.log import BuildLog
from local_account.services.codebuild.shell import Session

if TYPE_CHECKING:
    from mypy_boto3_codebuild.literals import BuildPhaseTypeType, StatusTypeType
    from mypy_boto3_codebuild.type_defs import (
        BuildArtifactsTypeDef,
        BuildTypeDef,
        ExportedEnvironmentVariableTypeDef,
        LogsLocationTypeDef,
        ProjectSourceTypeDef,
    )
    from mypy_boto3_s3 import S3Client

    from local_account.foundation.account import Account
    from local_account.services.codebuild.builds import Builds

log = logging.getLogger(__name__)

_PHASES: dict[str, BuildPhaseTypeType] = {
    "install": "INSTALL",
    "pre_build": "PRE_BUILD",
    "build": "BUILD",
    "post_build": "POST_BUILD",
}
"""A buildspec's phases by their names there."""
_STOPS = {"install": True, "pre_build": True, "build": False, "post_build": False}
"""Whether a failure of the phase ends the build at once if ``on-failure`` is not given."""


STOPPED: tuple[StatusTypeType, str, str] = (
    "FAILED", "BUILD_INTERRUPTED", "The local account was stopped during this build"
)  # fmt: skip
"""How builds end when the account does."""
_NO_DOCKER = "unix:///var/run/docker-needs-privileged-mode.sock"


class Interrupted(Exception):  # noqa: N818 - not an error of the build
    """The build was stopped or timed out, or the account is stopping."""


class LogDenied(Exception):  # noqa: N818 - not an error of the build
    """The role may not create the log stream: the build fails while it is QUEUED."""


class PhaseFailed(Exception):  # noqa: N818 - as CodeBuild names it
    """A phase ends as FAILED with this status code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BuildRun:
    """The execution of a build that was dispatched."""

    def __init__(self, account: Account, builds: Builds, build: BuildTypeDef) -> None:
        self._account = account
        self._builds = builds
        self._build = build
        self.id: str = build["id"]
        self._uuid = self.id.rpartition(":")[2]
        self._group = f"codebuild-{self._uuid}"
        self._directory = account.config.state_dir / "codebuild" / "builds" / self._uuid
        self._tools = self._directory / "tools"
        self._session: Session | None = None
        self._image_names: ImageNames | None = None
        self._interruption: tuple[StatusTypeType, str, str] | None = None
        self.retry: OnFailure | None = None
        """Set when a phase failed and its ``on-failure`` asks for the build to be retried."""

    def interrupt(self, status: StatusTypeType, code: str, message: str) -> None:
        """End the build with ``status`` (STOPPED, TIMED_OUT or FAILED), whatever it is doing."""
        self._interruption = self._interruption or (status, code, message)
        self._account.processes.end(self._group)

    def run(self) -> BuildTypeDef:
        """Run the build; return its final record."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._log = self._open_log()
        except LogDenied as denied:
            self._builds.leave(self.id, "FAILED", "ACCESS_DENIED", str(denied))
            return self._builds.complete(self.id, "FAILED")
        except Exception as error:
            log_loss(log, error, "the log of build %s cannot be opened", self.id)
            message = f"The log cannot be opened: {type(error).__name__}: {error}"
            self._builds.leave(self.id, "FAULT", "INTERNAL_SERVICE_ERROR", message)
            return self._builds.complete(self.id, "FAULT")
        self._builds.enter(self.id, "PROVISIONING")
        try:
            status = self._run_phases()
        except Interrupted:
            status, code, message = self._interruption or ("FAULT", "", "")
            self._end_phase(status, code, message)
        except Exception as error:
            log.exception("build %s failed inside the local account", self.id)
            status = "FAULT"
            self._end_phase(status, "INTERNAL_SERVICE_ERROR", f"{type(error).__name__}: {error}")
        finally:
            self._account.processes.end(self._group)
            if self._session:
                self._session.close()
        self._builds.enter(self.id, "FINALIZING")
        self._forget_image_names()
        self._log.close()
        for path in self._directory.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
        return self._builds.complete(self.id, status)

    def give_up(self, error: Exception) -> BuildTypeDef:
        """End a build that the account could not bring to its end; return its final record."""
        message = f"{type(error).__name__}: {error}"
        self._builds.leave(self.id, "FAULT", "INTERNAL_SERVICE_ERROR", message)
        return self._builds.complete(self.id, "FAULT")

    def _open_log(self) -> BuildLog:
        config = self._build.get("logs", {}).get("cloudWatchLogs", {})
        enabled = config.get("status", "ENABLED") == "ENABLED"
        group = config.get("groupName") or f"/aws/codebuild/{self._build['projectName']}"
        stream = "/".join(part for part in (config.get("streamName"), self._uuid) if part)
        logs = self._account.client("logs", self._build["serviceRole"]) if enabled else None
        try:
            build_log = BuildLog(self._directory / "build.log", logs, group, stream)
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDeniedException":
                raise
            raise LogDenied(
                f"Service role {self._build['serviceRole']} does not allow AWS CodeBuild to create Amazon "
                f"CloudWatch Logs log streams for build {self._build['arn']}. "
                f"Error message: {error.response['Error']['Message']}"
            ) from error
        if enabled:
            arn = self._account.arn("logs", f"log-group:{group}:log-stream:{stream}")
            names: LogsLocationTypeDef = {"groupName": group, "streamName": stream, "cloudWatchLogsArn": arn}
            self._build = self._builds.change(self.id, lambda build: build["logs"].update(names))
        return build_log

    def _run_phases(self) -> StatusTypeType:
        failed = False
        try:
            spec, session = self._prepare()
        except PhaseFailed as failure:
            self._end_phase("FAILED", failure.code, str(failure))
            return "FAILED"
        self._end_phase("SUCCEEDED")
        for name in buildspec.PHASES:
            phase = spec.phases.get(name)
            self._enter(_PHASES[name])
            error = self._run_phase(phase, session) if phase else None
            self._end_phase("FAILED" if error else "SUCCEEDED", *(error or ()))
            if error and phase:
                failed = True
                if self._aborts(name, phase.on_failure, error[1]):
                    break
        else:
            failed = not self._upload(spec, session) or failed
        self._export(spec, session)
        return "FAILED" if failed else "SUCCEEDED"

    def _aborts(self, name: str, on_failure: OnFailure | None, message: str) -> bool:
        if on_failure is None:
            return _STOPS[name]
        if on_failure.action == "RETRY":
            if re.search(on_failure.pattern, message):
                self.retry = on_failure
            return True
        return on_failure.action == "ABORT"

    def _run_phase(self, phase: Phase, session: Session) -> tuple[str, str] | None:
        error = None
        for command in phase.commands:
            if error := self._run_command(command, session):
                break
        for command in phase.final:
            error = self._run_command(command, session) or error
        return error

    def _run_command(self, command: str, session: Session) -> tuple[str, str] | None:
        self._check_interruption()
        self._log.write(f"Running command {command}")
        status = session.run(command, self._end_if_interrupted)
        self._check_interruption()
        if status == 0:
            return None
        session.succeeding = False  # for the rest of the phase, too: the commands in `finally`
        self._log.write(f"Command did not exit successfully {command} exit status {status}")
        return (
            "COMMAND_EXECUTION_ERROR",
            f"Error while executing command: {command}. Reason: exit status {status}",
        )

    def _prepare(self) -> tuple[Buildspec, Session]:
        """Fetch the sources, read the buildspec, open the shell; raise PhaseFailed."""
        build, home, mounts = self._build, self._directory / "home", self._directory / "root"
        for directory in (home, mounts, self._tools):
            directory.mkdir()
        root = RootDirectory(self._account.processes, self._group, mounts, self._directory)
        environment = self._account.environment(build["serviceRole"], home, _session(build["id"]))
        self._enter("DOWNLOAD_SOURCE")
        s3 = self._account.client("s3", build["serviceRole"])
        try:
            fetched = source.fetch(
                self._pipeline_source(build["source"]),
                build.get("sourceVersion"),
                self._directory / "src",
                s3,
                environment,
            )
            versions = {v["sourceIdentifier"]: v["sourceVersion"] for v in build["secondarySourceVersions"]}
            secondary = {
                name: source.fetch(
                    other, versions.get(name), self._directory / f"src-{name}", s3, environment
                )
                for other in build["secondarySources"]
                for name in [other["sourceIdentifier"]]
            }
        except source.SourceError as error:
            raise PhaseFailed("CLIENT_ERROR", str(error)) from error
        self._check_interruption()
        if version := fetched.version:
            self._build = build = self._builds.change(
                self.id, lambda build: build.update({"resolvedSourceVersion": version})
            )
        self._log.write(f"CODEBUILD_SRC_DIR={fetched.directory}")
        try:
            spec = buildspec.parse(self._buildspec_text(fetched.directory, s3))
            python = self._select_runtimes(spec, environment["PATH"])
        except buildspec.BuildspecError as error:
            raise PhaseFailed("YAML_FILE_ERROR", str(error)) from error
        for note in spec.notes:
            self._log.write(note)
        self._log.write(f"Phases found in YAML: {len(spec.phases)}")
        for name, phase in spec.phases.items():
            self._log.write(f" {name.upper()}: {len(phase.commands)} commands")
        image, outside = build["environment"]["image"], environment["PATH"]
        build_image.write_aws(image, self._tools, outside)
        own = python_environment.write(self._directory / "python", *python)
        environment["PATH"] = os.pathsep.join((str(self._tools), str(own), outside))
        environment |= spec.variables or {}
        environment |= {v["name"]: v["value"] for v in build["environment"]["environmentVariables"]}
        environment |= self._own_variables(fetched.directory)
        environment |= {f"CODEBUILD_SRC_DIR_{name}": str(f.directory) for name, f in secondary.items()}
        if build["environment"]["privilegedMode"]:
            self._note_image_names(outside)
        else:
            environment["DOCKER_HOST"] = _NO_DOCKER
            self._log.write(
                "privilegedMode of the project is off: this build has no Docker Engine, as on AWS. "
                "A build that runs docker needs Environment.PrivilegedMode: true"
            )
        shell = build_image.shell(image, spec.shell)
        for line in build_image.describe(image, *shell, reason=root.reason):
            self._log.write(line)
        self._session = Session(
            processes=self._account.processes,
            group=self._group,
            shell=shell,
            root=root,
            directory=home,
            cwd=fetched.directory,
            environment=environment,
            output=self._log.output,
        )
        return spec, self._session

    def _note_image_names(self, path: str) -> None:
        try:
            notes = self._directory / "docker"
            self._image_names = ImageNames(self._account.containers.client, notes, self._account.config)
            self._image_names.write_docker(self._tools, path)
        except engine_errors() as error:  # a build that does not use docker needs no engine
            self._log.write(f"There is no Docker Engine: {explained(error)}")

    def _forget_image_names(self) -> None:
        if self._image_names is None:
            return
        try:
            if forgotten := self._image_names.forget():
                self._log.write(
                    f"Image names of this build that no other sees, as on AWS: {', '.join(forgotten)}"
                )
        except Exception as error:
            log.exception("the image names of build %s are still on the engine", self.id)
            self._log.write(f"The image names of this build are still on the engine: {error}")

    def _pipeline_source(self, described: ProjectSourceTypeDef) -> ProjectSourceTypeDef:
        # CodePipeline passes its artifact as the version of the source: an ARN of an S3 object.
        if described["type"] == "CODEPIPELINE":
            return {**described, "location": self._build["sourceVersion"]}
        return described

    def _buildspec_text(self, directory: Path, s3: S3Client) -> str:
        given = self._build["source"].get("buildspec") or "buildspec.yml"
        if buildspec.is_inline(given):
            return given
        if given.startswith("arn:aws:s3:::"):
            try:
                text = source.fetch_text(given, s3)
            except source.SourceError as error:
                raise buildspec.BuildspecError(str(error)) from error
            return text
        path = directory / given
        self._log.write(f"YAML location is {path}")
        if not path.is_file():
            raise buildspec.BuildspecError(
                f"YAML file does not exist: the source has no {given}; it has "
                f"{', '.join(sorted(p.name for p in directory.iterdir())[:20]) or 'no files'}"
            )
        return path.read_text()

    def _select_runtimes(self, spec: Buildspec, path: str) -> tuple[Path, str]:
        """Return the Python that the buildspec asks for, or else the account's, and its version."""
        chosen = Path(sys.executable), platform.python_version()
        install = spec.phases.get("install")
        for name, wanted in ((install.runtimes if install else None) or {}).items():
            if name != "python":
                raise buildspec.BuildspecError(
                    f"Unknown runtime named '{name}'. The local account has the following runtimes: python"
                )
            version, program = _find_python(wanted, path)
            self._log.write(f"Using python runtime version {version} for the '{wanted}' asked for")
            chosen = program, version
        return chosen

    def _own_variables(self, directory: Path) -> dict[str, str]:
        """Return the variables on the page "Environment variables in build environments"."""
        build, account = self._build, self._account
        resolved, asked = build.get("resolvedSourceVersion"), build.get("sourceVersion")
        return {
            "CODEBUILD_BUILD_ARN": build["arn"],
            "CODEBUILD_BUILD_ID": build["id"],
            "CODEBUILD_BUILD_IMAGE": build["environment"]["image"],
            "CODEBUILD_BUILD_NUMBER": str(build["buildNumber"]),
            "CODEBUILD_BUILD_SUCCEEDING": "1",
            "CODEBUILD_CI": "true",
            "CODEBUILD_INITIATOR": build["initiator"],
            "CODEBUILD_KMS_KEY_ID": build["encryptionKey"],
            "CODEBUILD_LOG_PATH": build["logs"].get("streamName", ""),
            "CODEBUILD_PROJECT_ARN": account.arn("codebuild", f"project/{build['projectName']}"),
            "CODEBUILD_SOURCE_REPO_URL": build["source"].get("location", ""),
            "CODEBUILD_SRC_DIR": str(directory),
            "CODEBUILD_START_TIME": str(int(build["startTime"].timestamp() * 1000)),
            **({"CODEBUILD_RESOLVED_SOURCE_VERSION": resolved} if resolved else {}),
            **({"CODEBUILD_SOURCE_VERSION": asked} if asked else {}),
        }

    def _upload(self, spec: Buildspec, session: Session) -> bool:
        self._enter("UPLOAD_ARTIFACTS")
        build = self._build
        others = [one["sourceIdentifier"] for one in build["secondarySources"]]
        sources = [self._directory / "src", *(self._directory / f"src-{name}" for name in others)]
        targets = [(spec.artifacts, self._builds.request(self.id)["artifacts"])]
        targets += [
            ((spec.secondary_artifacts or {}).get(target["artifactIdentifier"]), target)
            for target in self._builds.request(self.id)["secondaryArtifacts"]
        ]
        uploaded: list[BuildArtifactsTypeDef] = []
        try:
            for wanted, target in targets:
                if wanted is None or not target.get("location"):
                    uploaded.append({"location": ""})
                    continue
                if target["type"] == "S3":
                    target.setdefault("name", build["projectName"])
                if target.get("overrideArtifactName") and wanted.name:
                    target["name"] = session.evaluate(wanted.name)
                paths = wanted.expanded(session.evaluate)
                files = artifacts.collect(paths, sources, self._log.write)
                self._check_interruption()
                s3 = self._account.client("s3", build["serviceRole"])
                uploaded.append(artifacts.upload(paths, files, target, self._uuid, s3))
        except artifacts.ArtifactError as error:
            self._end_phase("FAILED", "CLIENT_ERROR", str(error))
            return False
        self._builds.change(
            build["id"],
            lambda build: build.update({"artifacts": uploaded[0], "secondaryArtifacts": uploaded[1:]}),
        )
        self._end_phase("SUCCEEDED")
        return True

    def _export(self, spec: Buildspec, session: Session) -> None:
        exported: list[ExportedEnvironmentVariableTypeDef] = []
        for name in spec.exported:
            if name.startswith("AWS_"):  # "The following cannot be exported"
                self._log.write(f"exported-variables: {name} begins with AWS_ and cannot be exported")
                continue
            value = session.exported(name)
            if value is None:
                self._log.write(f"exported-variables: {name} was never exported; write `export {name}=...`")
            else:
                exported.append({"name": name, "value": value})
        self._builds.change(self.id, lambda build: build.update({"exportedEnvironmentVariables": exported}))

    def _enter(self, phase: BuildPhaseTypeType) -> None:
        self._check_interruption()
        self._builds.enter(self.id, phase)
        self._log.write(f"Entering phase {phase}")

    def _end_phase(self, status: StatusTypeType, code: str = "", message: str = "") -> None:
        phase = self._builds.get(self.id)["currentPhase"]  # type: ignore[index]
        self._builds.leave(self.id, status, code, message)
        self._log.write(f"Phase complete: {phase} State: {status}")
        self._log.write(f"Phase context status code: {code} Message: {message}")

    def _end_if_interrupted(self) -> None:
        # An interruption between the last check and the start of a process missed that process.
        if self._interruption:
            self._account.processes.end(self._group)

    def _check_interruption(self) -> None:
        if self._account.tasks.stopping.is_set():  # a build that has just begun is not told
            self.interrupt(*STOPPED)
        if self._interruption:
            raise Interrupted


def _session(build_id: str) -> str:
    """Return the name of the session that a build works in, as its log shows it on AWS."""
    return f"AWSCodeBuild-{build_id.rpartition(':')[2]}"


def _find_python(wanted: str, path: str) -> tuple[str, Path]:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = {here: Path(sys.executable)}
    for directory in path.split(os.pathsep):
        for program in Path(directory).glob("python3.*"):
            if re.fullmatch(r"python3\.\d+", program.name) and os.access(program, os.X_OK):
                found.setdefault(program.name.removeprefix("python"), program)
    newest = sorted(found, key=lambda version: int(version.partition(".")[2]), reverse=True)
    for version in [here, *newest]:
        if wanted == version or wanted in ("3", "3.x", "latest"):
            return version, found[version]
    raise buildspec.BuildspecError(
        f"Unknown runtime version named '{wanted}' of python. This machine has the following versions: "
        f"{', '.join(newest)}; use 3.x to accept any"
    )
