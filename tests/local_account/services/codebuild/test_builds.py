"""Builds as unmodified clients see them: phases with their failure rules, logs, sources, artifacts."""

import importlib.util
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import time
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest
from botocore.exceptions import ClientError

from local_account.engine.dockerd import knows_registry
from local_account.services.codebuild.buildspec import PHASES
from tests.local_account.account_process import AccountProcess
from tests.local_account.services.codebuild.codebuild_lab import CodeBuildLab
from tests.waiting import Eventually
from tests.zips import zipped

pytestmark = pytest.mark.slow

AFTER_FAILURE = {
    "install": {"INSTALL"},
    "pre_build": {"INSTALL", "PRE_BUILD"},
    "build": {"INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD", "UPLOAD_ARTIFACTS"},
    "post_build": {"INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD", "UPLOAD_ARTIFACTS"},
}


def phases(build: dict[str, Any]) -> dict[str, str]:
    return {phase["phaseType"]: phase["phaseStatus"] for phase in build["phases"] if "phaseStatus" in phase}


def test_a_build_runs_all_its_phases_and_exports_variables(lab: CodeBuildLab) -> None:
    build = lab.run(
        """
        version: 0.2
        env:
          variables: {WHO: buildspec, OWN: project-wins}
          exported-variables: [TAG, MISSING]
        phases:
          install: {runtime-versions: {python: 3.x}, commands: [cd /tmp]}
          pre_build: {commands: ["SHORT=abc"]}
          build: {commands: ['export TAG="$SHORT-$OWN"', 'echo "in $PWD $WHO" >&2']}
          post_build: {commands: ['echo "$CODEBUILD_BUILD_ID $CODEBUILD_BUILD_NUMBER $AWS_REGION"']}
        """,
        environment={"environmentVariables": [{"name": "OWN", "value": "project"}]},
    )
    assert build["buildStatus"] == "SUCCEEDED"
    assert build["currentPhase"] == "COMPLETED"
    assert build["exportedEnvironmentVariables"] == [{"name": "TAG", "value": "abc-project"}]
    assert [phase["phaseType"] for phase in build["phases"]] == [
        "SUBMITTED", "QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE", "INSTALL", "PRE_BUILD", "BUILD",
        "POST_BUILD", "UPLOAD_ARTIFACTS", "FINALIZING", "COMPLETED",
    ]  # fmt: skip
    assert all(phase["durationInSeconds"] >= 0 for phase in build["phases"][:-1])
    log = lab.log(build)
    assert "in /tmp buildspec\n" in log
    assert f"{build['id']} 1 us-east-1\n" in log
    assert "Using python runtime version 3." in log
    assert "MISSING was never exported" in log


@pytest.mark.parametrize("phase", PHASES)
def test_a_failing_command_ends_its_phase_and_skips_those_that_must_not_follow(
    lab: CodeBuildLab, phase: str
) -> None:
    command = 'sh -c "exit 4"'
    lines = "".join(
        f"  {name}: {{commands: [echo {name}-begins, {command if name == phase else 'true'}, "
        f"echo {name}-ends], finally: [echo {name}-finally]}}\n"
        for name in PHASES
    )
    build = lab.run(f"version: 0.2\nphases:\n{lines}")
    assert build["buildStatus"] == "FAILED"
    reached = phases(build)
    assert reached[phase.upper()] == "FAILED"
    assert reached["FINALIZING"] == "SUCCEEDED"
    assert AFTER_FAILURE[phase] == reached.keys() & {*AFTER_FAILURE["build"]}
    failed = next(entry for entry in build["phases"] if entry["phaseType"] == phase.upper())
    message = f"Error while executing command: {command}. Reason: exit status 4"
    assert failed["contexts"] == [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": message}]
    log = lab.log(build)
    assert f"{phase}-begins\n" in log
    assert f"\n{phase}-ends\n" not in log
    assert f"\n{phase}-finally\n" in log
    assert f"Phase complete: {phase.upper()} State: FAILED\n" in log
    assert log.index(f"Command did not exit successfully {command} exit status 4") < log.index(
        f"\n{phase}-finally"
    )


def test_what_runs_after_a_failure_knows_that_the_build_failed(lab: CodeBuildLab) -> None:
    build = lab.run(
        """
        version: 0.2
        phases:
          pre_build: {commands: ["true"], finally: ['echo "pre_build=$CODEBUILD_BUILD_SUCCEEDING"']}
          build: {commands: ["false"], finally: ['echo "build=$CODEBUILD_BUILD_SUCCEEDING"']}
          post_build: {commands: ['echo "post_build=$CODEBUILD_BUILD_SUCCEEDING"']}
        """
    )
    log = lab.log(build)
    for said in ("pre_build=1", "build=0", "post_build=0"):
        assert f"\n{said}\n" in log


@pytest.mark.parametrize(("rule", "post_build"), [("ABORT", False), ("CONTINUE", True)])
def test_on_failure_says_what_follows(lab: CodeBuildLab, rule: str, post_build: bool) -> None:
    build = lab.run(
        f"version: 0.2\nphases: {{build: {{on-failure: {rule}, commands: ['false']}}, "
        "post_build: {commands: ['true']}}"
    )
    assert ("POST_BUILD" in phases(build)) is post_build
    assert build["buildStatus"] == "FAILED"


def test_on_failure_retry_starts_the_build_again(lab: CodeBuildLab, eventually: Eventually) -> None:
    name = lab.project("version: 0.2\nphases: {build: {on-failure: RETRY-1, commands: ['false']}}")
    lab.codebuild.start_build(projectName=name)
    ids = eventually(lambda: (i := lab.codebuild.list_builds_for_project(projectName=name)["ids"])[1:] and i)
    second, first = (lab.ended(build_id) for build_id in ids)
    assert eventually(lambda: lab.get(first["id"])["autoRetryConfig"])["nextAutoRetry"] == second["arn"]
    assert second["autoRetryConfig"] == {
        "autoRetryLimit": 1, "autoRetryNumber": 1, "previousAutoRetry": first["arn"],
    }  # fmt: skip
    time.sleep(0.3)
    assert len(lab.codebuild.list_builds_for_project(projectName=name)["ids"]) == 2


def test_every_line_is_in_the_log_in_order(lab: CodeBuildLab) -> None:
    build = lab.run(
        "version: 0.2\nphases: {build: {commands: ['seq 1 5000; printf unfinished', 'seq 5001 5003; false']}}"
    )
    lines = lab.log(build).splitlines()
    numbers = [int(line) for line in lines if line.isdigit()]
    assert numbers == list(range(1, 5004))
    assert "unfinished" in lines
    assert lines.index("unfinished") < lines.index("5001")


def test_long_lines_and_many_are_in_the_log_whole(lab: CodeBuildLab) -> None:
    """More than one PutLogEvents accepts, in bytes and in events."""
    build = lab.run("""
        version: 0.2
        phases:
          build:
            commands:
              - for i in 1 2 3 4 5 6; do head -c 300000 /dev/zero | tr '\\0' $i; echo; done; seq 1 30000
    """)
    lines = lab.log(build).split("\n")
    whole = "".join(line for line in lines if len(line) > 30_000)
    assert [whole.count(digit) for digit in "123456"] == [300_000] * 6
    start = lines.index("1")
    assert lines[start : start + 30_000] == [str(number) for number in range(1, 30_001)]


def test_the_source_comes_from_s3_and_artifacts_go_there(lab: CodeBuildLab) -> None:
    bucket, s3 = lab.bucket(), lab.client("s3")
    spec = """version: 0.2
phases: {build: {commands: [mkdir -p out/deep, cp in.txt out/deep/a.txt, echo b > out/b.txt]}}
artifacts:
  base-directory: out
  files: ['**/*']
  exclude-paths: ['b.*']
  secondary-artifacts:
    flat: {files: [out/deep/a.txt], discard-paths: yes}
"""
    s3.put_object(
        Bucket=bucket, Key="src.zip", Body=zipped({"in.txt": "hello", "run.sh": "", "ci/spec.yml": spec})
    )
    target = {"type": "S3", "location": bucket, "packaging": "ZIP"}
    build = lab.run(
        source={"type": "S3", "location": f"{bucket}/src.zip", "buildspec": "ci/spec.yml"},
        artifacts={**target, "path": "built", "name": "main.zip", "namespaceType": "BUILD_ID"},
        secondaryArtifacts=[{**target, "name": "flat.zip", "artifactIdentifier": "flat"}],
    )
    assert build["buildStatus"] == "SUCCEEDED", lab.log(build)
    key = f"built/{build['id'].partition(':')[2]}/main.zip"
    assert build["artifacts"]["location"] == f"arn:aws:s3:::{bucket}/{key}"
    main = zipfile.ZipFile(io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
    assert main.namelist() == ["deep/a.txt"]
    assert main.read("deep/a.txt") == b"hello"
    flat = zipfile.ZipFile(io.BytesIO(s3.get_object(Bucket=bucket, Key="flat.zip")["Body"].read()))
    assert flat.namelist() == ["a.txt"]


def test_secondary_artifacts_come_from_the_sources_that_variables_name(lab: CodeBuildLab) -> None:
    """The buildspec of AWS's sample with several sources and outputs, with prefix and links added."""
    bucket, s3 = lab.bucket(), lab.client("s3")
    spec = """version: 0.2
phases:
  build:
    commands:
      - touch first
      - cd $CODEBUILD_SRC_DIR_source2
      - echo two > second
      - ln -s second link
artifacts:
  secondary-artifacts:
    artifact1:
      base-directory: $CODEBUILD_SRC_DIR
      files: [first]
    artifact2:
      base-directory: $CODEBUILD_SRC_DIR_source2
      files: [second, $CODEBUILD_SRC_DIR_source2/link]
      enable-symlinks: yes
      s3-prefix: builds
"""
    s3.put_object(Bucket=bucket, Key="one.zip", Body=zipped({"buildspec.yml": spec}))
    s3.put_object(Bucket=bucket, Key="two.zip", Body=zipped({"other.txt": ""}))
    target = {"type": "S3", "location": bucket, "packaging": "ZIP"}
    build = lab.run(
        source={"type": "S3", "location": f"{bucket}/one.zip"},
        secondarySources=[{"type": "S3", "location": f"{bucket}/two.zip", "sourceIdentifier": "source2"}],
        artifacts={"type": "NO_ARTIFACTS"},
        secondaryArtifacts=[
            {**target, "name": "1.zip", "artifactIdentifier": "artifact1"},
            {**target, "name": "2.zip", "artifactIdentifier": "artifact2", "namespaceType": "BUILD_ID"},
        ],
    )
    assert build["buildStatus"] == "SUCCEEDED", lab.log(build)
    first = zipfile.ZipFile(io.BytesIO(s3.get_object(Bucket=bucket, Key="1.zip")["Body"].read()))
    assert first.namelist() == ["first"]
    key = f"builds/{build['id'].partition(':')[2]}/2.zip"
    second = zipfile.ZipFile(io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
    assert {one.filename: stat.S_ISLNK(one.external_attr >> 16) for one in second.infolist()} == {
        "second": False,
        "link": True,
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"this is no zip", "is not a valid zip archive"),
        (zipped({"README.md": "hi"}), "YAML file does not exist: the source has no buildspec.yml"),
        (
            zipped({"buildspec.yml": "version: 0.2\nphases: {build: {commands: 5: 6}}"}),
            "while parsing a flow mapping",
        ),
    ],
)
def test_a_source_that_cannot_be_built_fails_with_the_reason(
    lab: CodeBuildLab, body: bytes, reason: str
) -> None:
    bucket = lab.bucket()
    lab.client("s3").put_object(Bucket=bucket, Key="src.zip", Body=body)
    build = lab.run(source={"type": "S3", "location": f"{bucket}/src.zip"})
    failed = next(phase for phase in build["phases"] if phase.get("phaseStatus") == "FAILED")
    assert build["buildStatus"] == "FAILED"
    assert failed["phaseType"] == "DOWNLOAD_SOURCE"
    assert reason in failed["contexts"][0]["message"]
    assert reason in lab.log(build)


def test_missing_artifacts_fail_the_upload(lab: CodeBuildLab) -> None:
    bucket = lab.bucket()
    build = lab.run(
        "version: 0.2\nphases: {build: {commands: ['true']}}\nartifacts: {files: [nothing.txt]}",
        artifacts={"type": "S3", "location": bucket, "name": "a"},
    )
    assert phases(build)["UPLOAD_ARTIFACTS"] == "FAILED"
    assert "no matching artifact paths found" in lab.log(build)


@pytest.mark.parametrize("where", ["", "--user"])
def test_what_a_build_installs_is_gone_with_it(lab: CodeBuildLab, where: str) -> None:
    """It is not installed where the account itself runs; without a network, from a wheel in the source."""
    name = "package_of_one_build"
    about = f"{name}-1.0.dist-info"
    wheel = {
        f"{name}.py": "",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": f"{name}.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n",
    }
    file, looks = f"{name}-1.0-py3-none-any.whl", f"python -c 'import {name}, botocore'"
    commands = [f"pip install --no-index {where} ./{file}", looks]
    spec = json.dumps({"version": "0.2", "phases": {"build": {"commands": commands}}})
    bucket = lab.bucket()
    source = zipped({"buildspec.yml": spec, file: zipped(wheel)})
    lab.client("s3").put_object(Bucket=bucket, Key="source.zip", Body=source)

    build = lab.run(source={"type": "S3", "location": f"{bucket}/source.zip"})
    after = lab.run(f'version: 0.2\nphases: {{build: {{commands: ["{looks}"]}}}}')

    assert build["buildStatus"] == "SUCCEEDED", lab.log(build)
    assert "ModuleNotFoundError" in lab.log(after)
    assert importlib.util.find_spec(name) is None


def test_what_a_build_changes_on_the_machine_is_gone_with_it(lab: CodeBuildLab) -> None:
    """As buildspecs do that install programs."""
    path = Path.home() / f".{uuid.uuid4().hex}"
    commands = [f"mkdir {path}", f"cd {path}", "echo it is there >program", "exit 0", f"cat {path}/program"]
    spec = json.dumps({"version": "0.2", "phases": {"build": {"commands": commands}}})

    build = lab.run(spec)

    text = lab.log(build)
    if "What the commands change outside of their directory stays" in text:
        shutil.rmtree(path)
        pytest.skip("this machine has no namespaces")
    assert build["buildStatus"] == "SUCCEEDED", text
    assert text.count("it is there") > 1
    assert not path.exists()


def test_an_artifact_without_a_name_has_that_of_its_project(lab: CodeBuildLab) -> None:
    """As builds of projects that set none show: https://github.com/awslabs/aws-codebuild-jenkins-plugin/issues/77."""
    bucket = lab.bucket()
    spec = "version: 0.2\nphases: {build: {commands: [echo a >a.txt]}}\nartifacts: {files: [a.txt]}"

    packed = lab.run(spec, artifacts={"type": "S3", "location": bucket, "packaging": "ZIP"})
    nameless = lab.run(spec, artifacts={"type": "S3", "location": bucket, "packaging": "ZIP", "name": "/"})

    assert packed["buildStatus"] == "SUCCEEDED", lab.log(packed)
    assert packed["artifacts"]["location"] == f"arn:aws:s3:::{bucket}/{packed['projectName']}"
    assert phases(nameless)["UPLOAD_ARTIFACTS"] == "FAILED"
    assert "needs a name that is not only /" in lab.log(nameless)


def test_the_source_is_a_branch_of_codecommit(
    lab: CodeBuildLab, local_account: AccountProcess, tmp_path: Path
) -> None:
    name = f"repo-{time.monotonic_ns()}"
    url = lab.client("codecommit").create_repository(repositoryName=name)["repositoryMetadata"][
        "cloneUrlHttp"
    ]
    (tmp_path / "buildspec.yml").write_text("version: 0.2\nphases: {build: {commands: [cat hello.txt]}}")
    (tmp_path / "hello.txt").write_text("hello from git\n")
    for arguments in (
        ["init", "-q", "-b", "work"], ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"], ["push", "-q", url, "work"],
    ):  # fmt: skip
        subprocess.run(["git", *arguments], cwd=tmp_path, env=local_account.environment, check=True)
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=tmp_path, text=True).strip()
    build = lab.run(source={"type": "CODECOMMIT", "location": url}, sourceVersion="refs/heads/work")
    assert build["buildStatus"] == "SUCCEEDED", lab.log(build)
    assert build["resolvedSourceVersion"] == commit
    assert "hello from git\n" in lab.log(build)


def test_a_build_has_the_credentials_of_its_role_and_no_docker_unless_privileged(lab: CodeBuildLab) -> None:
    build = lab.run(
        """
        version: 0.2
        phases: {build: {commands: [aws sts get-caller-identity --query Arn --output text, docker info]}}
        """
    )
    log = lab.log(build)
    assert f"assumed-role/{build['serviceRole'].rpartition('/')[2]}/" in log
    assert phases(build)["BUILD"] == "FAILED"
    assert "Cannot connect to the Docker daemon" in log or "failed to connect to the docker API" in log
    assert "privilegedMode of the project is off" in log


@pytest.mark.parametrize(
    ("image", "status", "said"),
    [
        ("aws/codebuild/amazonlinux-x86_64-standard:5.0", "SUCCEEDED", "Shell: bash as sh\n"),
        ("aws/codebuild/standard:7.0", "FAILED", "Shell: dash as sh\n"),
    ],
)
def test_sh_is_the_shell_of_the_image_and_the_log_says_which(
    lab: CodeBuildLab, image: str, status: str, said: str
) -> None:
    build = lab.run(
        """
        version: 0.2
        phases:
          build:
            commands:
              - 'printf "GIVEN=(a b)\\n" >env.sh'
              - source ./env.sh
              - '[[ "${GIVEN[1]}" = b ]]'
              - echo -e x | grep -qx x
        """,
        environment={"image": image},
    )
    log = lab.log(build)
    assert build["buildStatus"] == status, log
    assert said in log
    assert f"not in the image {image}" in log


@pytest.mark.parametrize(("shell", "status"), [("sh", "FAILED"), ("bash", "SUCCEEDED")])
def test_the_aws_cli_of_the_build_images_has_no_get_login(lab: CodeBuildLab, shell: str, status: str) -> None:
    command = "aws ecr get-login --no-include-email" if shell == "sh" else "aws ecr describe-repositories"
    build = lab.run(f"version: 0.2\nenv: {{shell: {shell}}}\nphases: {{build: {{commands: [{command}]}}}}")
    assert build["buildStatus"] == status
    assert ("Use: aws ecr get-login-password" in lab.log(build)) == (status == "FAILED")


@pytest.mark.docker
def test_names_of_images_end_with_their_build_and_a_former_image_gets_its_name_back(
    lab: CodeBuildLab,
) -> None:
    engine = docker.from_env()
    own, former = (f"{kind}-{uuid.uuid4().hex[:8]}" for kind in ("own", "former"))
    image, _ = engine.images.build(fileobj=io.BytesIO(b"FROM scratch\nLABEL a=before"), tag=former)
    kept = f"127.0.0.1:5/{own}:latest"
    try:
        build = lab.run(
            f"""
            version: 0.2
            phases:
              build:
                commands:
                  - printf 'FROM scratch\\nLABEL a={own}' >Dockerfile
                  - docker build -q -t {own} --tag {kept} --tag={former} .
                  - docker tag {own} {own}:again
                  - docker image inspect {own}:again {former} --format '{{{{.Config.Labels.a}}}}'
            """,
            environment={"privilegedMode": True},
        )
        log = lab.log(build)
        assert build["buildStatus"] == "SUCCEEDED", log
        assert f"\n{own}\n{own}\n" in log
        tags = {tag for one in engine.images.list() for tag in one.tags}
        assert {tag for tag in tags if own in tag} == {kept}
        assert engine.images.get(former).id == image.id
        assert f"{own}:again, {own}:latest" in log
    finally:
        for name in (kept, former):
            engine.images.remove(name, force=True)


@pytest.mark.docker
def test_the_name_of_the_registry_on_aws_is_known_or_explained(lab: CodeBuildLab) -> None:
    lab.client("ecr").create_repository(repositoryName="on-aws")
    build = lab.run(
        """
        version: 0.2
        phases:
          build:
            commands:
              - REGISTRY=123456789012.dkr.ecr.$AWS_DEFAULT_REGION.amazonaws.com
              - aws ecr get-login-password | docker login --username AWS --password-stdin $REGISTRY
              - printf 'FROM scratch\\nLABEL a=on-aws' | docker build -q -t $REGISTRY/on-aws:v1 -
              - docker push $REGISTRY/on-aws:v1
        """,
        environment={"privilegedMode": True},
    )
    log = lab.log(build)
    name = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
    if knows_registry(os.environ.get("DOCKER_HOST", ""), name):
        assert build["buildStatus"] == "SUCCEEDED", log
        assert f"that no other sees, as on AWS: {name}/on-aws:v1" in log
    else:
        assert build["buildStatus"] == "FAILED"
        assert f"{name} is a name for an engine that the workshop has started; this one would ask AWS" in log


@pytest.mark.docker
def test_a_privileged_build_runs_docker_and_its_logins_stay_its_own(lab: CodeBuildLab) -> None:
    build = lab.run(
        """
        version: 0.2
        phases:
          build:
            commands:
              - docker version --format '{{.Server.Os}}'
              - echo "config=$DOCKER_CONFIG"
        """,
        environment={"privilegedMode": True},
    )
    log = lab.log(build)
    assert build["buildStatus"] == "SUCCEEDED", log
    assert f"/{build['id'].partition(':')[2]}/home/.docker\n" in log


def test_builds_beyond_the_quota_wait_and_what_the_queue_cannot_take_is_refused(
    own_account: AccountProcess,
    lab_of: Callable[[AccountProcess], CodeBuildLab],
    eventually: Eventually,
    tmp_path: Path,
) -> None:
    lab, gate = lab_of(own_account.start()), tmp_path / "gate"
    spec = f"version: 0.2\nphases: {{build: {{commands: ['until [ -e {gate} ]; do sleep 0.1; done']}}}}"
    name = lab.project(spec)
    first, *queued = [lab.codebuild.start_build(projectName=name)["build"]["id"] for _ in range(6)]
    with pytest.raises(ClientError) as refused:
        lab.codebuild.start_build(projectName=name)
    assert refused.value.response["Error"] == {
        "Code": "AccountLimitExceededException",
        "Message": "Cannot have more than 5 builds in queue for the account",
    }
    eventually(lambda: lab.get(first)["currentPhase"] == "BUILD")
    assert {lab.get(build_id)["currentPhase"] for build_id in queued} == {"QUEUED"}

    lab.client("service-quotas").request_service_quota_increase(
        ServiceCode="codebuild", QuotaCode="L-9D07B6EF", DesiredValue=2
    )

    eventually(lambda: lab.get(queued[0])["currentPhase"] == "BUILD")
    assert {lab.get(build_id)["currentPhase"] for build_id in queued[1:]} == {"QUEUED"}
    gate.touch()
    builds = [lab.ended(build_id) for build_id in (first, *queued)]
    assert [build["buildStatus"] for build in builds] == ["SUCCEEDED"] * 6
    assert [build["buildNumber"] for build in builds] == [1, 2, 3, 4, 5, 6]


def test_stop_ends_the_build_and_what_it_started(lab: CodeBuildLab, eventually: Eventually) -> None:
    marker = f"sleep 31.{time.monotonic_ns() % 10**6}"
    name = lab.project(f"version: 0.2\nphases: {{build: {{commands: ['{marker} & {marker}']}}}}")
    build = lab.codebuild.start_build(projectName=name)["build"]
    eventually(lambda: lab.get(build["id"])["currentPhase"] == "BUILD")
    queued = [lab.codebuild.start_build(projectName=name)["build"]["id"] for _ in range(2)][1]
    for build_id in [build["id"], *lab.codebuild.list_builds_for_project(projectName=name)["ids"]]:
        lab.codebuild.stop_build(id=build_id)
    stopped = lab.ended(build["id"])
    assert stopped["buildStatus"] == "STOPPED"
    assert phases(stopped)["BUILD"] == "STOPPED"
    assert "POST_BUILD" not in phases(stopped)
    assert lab.ended(queued)["buildStatus"] == "STOPPED"
    assert not running(marker)


def test_overrides_and_retry(lab: CodeBuildLab) -> None:
    name = lab.project("version: 0.2\nphases: {build: {commands: ['echo \"value=$A\"']}}")
    build = lab.codebuild.start_build(
        projectName=name,
        environmentVariablesOverride=[{"name": "A", "value": "over", "type": "PLAINTEXT"}],
        timeoutInMinutesOverride=7,
    )["build"]
    assert build["timeoutInMinutes"] == 7
    lab.ended(build["id"])
    again = lab.ended(lab.codebuild.retry_build(id=build["id"])["build"]["id"])
    assert "value=over\n" in lab.log(again)
    assert again["buildNumber"] == 2


def test_a_request_that_is_sent_twice_starts_one_build(lab: CodeBuildLab) -> None:
    name = lab.project("version: 0.2\nphases: {build: {commands: [ls]}}")
    first, second = (lab.codebuild.start_build(projectName=name, idempotencyToken="t")["build"] for _ in "12")
    assert first["id"] == second["id"]
    with pytest.raises(ClientError, match="other parameters"):
        lab.codebuild.start_build(projectName=name, idempotencyToken="t", timeoutInMinutesOverride=9)
    assert lab.codebuild.retry_build(id=first["id"])["build"]["id"] != first["id"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source": {"type": "GITHUB", "location": "https://github.com/a/b"}}, "GITHUB is not supported"),
        ({"source": {"type": "S3"}}, "location is missing"),
        ({"source": {"type": "NO_SOURCE"}}, "must hold the buildspec"),
        (
            {"source": {"type": "NO_SOURCE", "buildspec": "version: 0.2\nphases: 1"}},
            "phases must be a mapping",
        ),
        ({"source": {"type": "CODEPIPELINE"}}, "both must be"),
        ({"environment": {"computeType": "BIG"}}, "enum value set"),
        ({"environment": {"type": "WINDOWS_CONTAINER"}}, "WINDOWS_CONTAINER is not supported"),
        ({"timeoutInMinutes": 4}, "timeoutInMinutes"),
        ({"serviceRole": "arn:aws:iam::123456789012:role/nobody"}, "does not exist"),
    ],
)
def test_projects_that_cannot_work_are_refused(
    lab: CodeBuildLab, changes: dict[str, Any], reason: str
) -> None:
    codebuild = lab.client("codebuild", parameter_validation=False)
    lab.codebuild = codebuild
    with pytest.raises(ClientError, match=reason) as refused:
        lab.project("version: 0.2\nphases: {build: {commands: [ls]}}", **changes)
    assert refused.value.response["Error"]["Code"] == "InvalidInputException"


def test_a_role_that_codebuild_may_not_assume_is_refused(lab: CodeBuildLab) -> None:
    with pytest.raises(ClientError, match=r"not authorized to perform: sts:AssumeRole"):
        lab.project(
            "version: 0.2\nphases: {build: {commands: [ls]}}", serviceRole=lab.role("lambda.amazonaws.com")
        )


def test_projects_are_listed_changed_and_deleted(lab: CodeBuildLab) -> None:
    name, codebuild = lab.project("version: 0.2\nphases: {build: {commands: [ls]}}"), lab.codebuild
    assert name in codebuild.list_projects()["projects"]
    codebuild.update_project(name=name, description="new", timeoutInMinutes=9)
    project = codebuild.batch_get_projects(names=[name, "none"])
    assert project["projectsNotFound"] == ["none"]
    assert (project["projects"][0]["description"], project["projects"][0]["timeoutInMinutes"]) == ("new", 9)
    with pytest.raises(codebuild.exceptions.ResourceAlreadyExistsException):
        codebuild.create_project(
            name=name,
            **{key: project["projects"][0][key] for key in ("source", "artifacts", "environment")},
            serviceRole=project["projects"][0]["serviceRole"],
        )
    codebuild.delete_project(name=name)
    with pytest.raises(codebuild.exceptions.ResourceNotFoundException):
        codebuild.start_build(projectName=name)


def test_the_aws_cli_starts_a_build(lab: CodeBuildLab, local_account: AccountProcess) -> None:
    name = lab.project("version: 0.2\nphases: {build: {commands: [echo from the cli]}}")
    done = subprocess.run(
        ["aws", "codebuild", "start-build", "--project-name", name],
        env=local_account.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    build = lab.ended(json.loads(done.stdout)["build"]["id"])
    assert "from the cli\n" in lab.log(build)
    assert lab.codebuild.batch_delete_builds(ids=[build["id"]])["buildsDeleted"] == [build["arn"]]


def test_a_build_in_flight_when_the_account_is_killed_has_failed_at_the_next_start(
    own_account: AccountProcess, lab_of: Callable[[AccountProcess], CodeBuildLab], eventually: Eventually
) -> None:
    lab = lab_of(own_account.start())
    name = lab.project("version: 0.2\nphases: {build: {commands: [echo before, sleep 33.77]}}")
    build = lab.codebuild.start_build(projectName=name)["build"]
    eventually(lambda: lab.get(build["id"])["currentPhase"] == "BUILD")
    eventually(lambda: "before\n" in lab.log(lab.get(build["id"])))
    time.sleep(0.3)
    own_account.stop(signal.SIGKILL)
    lab = lab_of(own_account.start())
    ended = lab.get(build["id"])
    assert ended["buildStatus"] == "FAILED"
    assert "ended while this build was under way" in ended["phases"][-2]["contexts"][0]["message"]
    assert "before\n" in lab.log(ended)
    assert not running("sleep 33.77")
    again = lab.codebuild.retry_build(id=build["id"])["build"]
    lab.codebuild.stop_build(id=again["id"])
    assert lab.ended(again["id"])["buildStatus"] == "STOPPED"


def running(part: str) -> list[str]:
    """Return the command lines with `part` in them."""
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if part in line]
