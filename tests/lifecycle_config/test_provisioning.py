"""The hooks of `cfn/m.yml` and all they start, as a notebook instance runs them, across stop and start.

Real: bash, the AWS CLI, boto3 and the stacks in a local account, git against a repository on disk, the
kernel. Faked: uv, which would download a gigabyte.
"""

import base64
import io
import json
import os
import pwd
import re
import signal
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest
from awscli.customizations.cloudformation.yamlhelper import yaml_parse

from lab_helpers.instance.jupyter import WIDGETS
from lab_helpers.instructor.package import files as package_files
from lab_helpers.names import Names
from lab_helpers.nested_stacks import StackError, deploy_nested
from local_account.foundation.daemon import Daemon
from tests.background_account import background_account
from tests.checkout import ROOT
from tests.sessions import make_client
from tests.waiting import eventually

pytestmark = pytest.mark.slow

TEMPLATE = yaml_parse((ROOT / "cfn" / "m.yml").read_text())
REGION, ACCOUNT = "us-east-1", "123456789012"
ROLES = {
    "MLOpsCodeBuild": ("codebuild", "codebuild"),
    "MLOpsPipeline": ("pipeline", "codepipeline"),
    "MLOpsDeploy": ("deploy", "cloudformation"),
    "MLOpsLauncher": ("launcher", "lambda"),
    "MLOpsMonitor": ("monitor", "lambda"),
    "MLOpsTester": ("tester", "lambda"),
    "MLOpsEvents": ("events", "events"),
    "MLOps": ("sagemaker", "sagemaker"),
}
UV = """#!/bin/bash
set -eu
echo "$@" >> "$CALLS/uv"
if [ "$1" = venv ]; then
    "$PYTHON" -m venv --without-pip "${@: -1}"
    site=$("${@: -1}/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$SITE_PACKAGES" > "$site/packages.pth"
fi
"""


def values(names: Names) -> dict[str, str]:
    """Return the values that CloudFormation puts into a lab's hooks."""
    registry = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    return {
        "AWS::Region": REGION,
        "AWS::AccountId": ACCOUNT,
        "AWS::StackName": names.top_stack,
        "NamePrefix": names.prefix,
        "LabId": names.lab_id,
        "PackageUri": f"s3://{names.assets_bucket(REGION, ACCOUNT)}/package/workshop.zip",
        "IdleMinutes": "0",
        "ExpiresAt": "never",
        "DevInstanceType": "",
        "PrdInstanceType": "",
        "RetrainOnDrift": "DISABLED",
        "RetrainOnLabels": "DISABLED",
        "MLOpsBucket": names.bucket(REGION, ACCOUNT),
        "Repository": names.repository,
        "CloneUrl": f"https://git-codecommit.{REGION}.amazonaws.com/v1/repos/{names.repository}",
        "MLOpsScikitImageRepo.RepositoryUri": f"{registry}/{names.base_image}",
        "MLOpsIrisModelRepo.RepositoryUri": f"{registry}/{names.model_image}",
        **{
            f"{role}.Arn": f"arn:aws:iam::{ACCOUNT}:role/{names.role(purpose)}"
            for role, (purpose, _) in ROLES.items()
        },
    }


def hook(name: str, known: dict[str, str], **changes: str) -> str:
    """Return the script of a hook as CloudFormation resolves it."""
    config = TEMPLATE["Resources"]["IAWorkshopNotebookInstanceLifecycleConfig"]["Properties"]
    text, _ = config[name][0]["Content"]["Fn::Base64"]["Fn::Sub"]
    known = {**known, "Fetch": TEMPLATE["Mappings"]["Hook"]["Fetch"]["Script"], **changes}
    return re.sub(r"\$\{([A-Za-z:.]+)\}", lambda match: known[match[1]], text)


class Instance:
    """A notebook instance: a persistent volume, a home that is not, and its own programs on the PATH."""

    def __init__(self, directory: Path, daemon: Daemon, lab_id: str) -> None:
        self.directory, self.names = directory, Names(lab_id)
        self.values = values(self.names)
        self.home = directory / "Sage Maker"
        self.state = self.home / ".workshop"
        self.remote = directory / "remote.git"
        self.home.mkdir(parents=True)
        programs = directory / "bin"
        programs.mkdir()
        (programs / "uv").write_text(UV)
        (programs / "uv").chmod(0o755)
        git("init", "--quiet", "--bare", "--initial-branch=main", self.remote)
        account = daemon.environment()
        self.clients = _clients(account)
        self.environment = {
            **{name: value for name, value in account.items() if name.startswith("AWS_")},
            "PATH": f"{programs}:{account['PATH']}",
            "HOME": str(directory / "home"),
            "WORKSHOP_HOME": str(self.home),
            "WORKSHOP_USER": subprocess.check_output(["id", "-un"], text=True).strip(),
            "CALLS": str(directory),
            "WORKSHOP_ENVIRONMENTS": str(directory / "environments"),
            "PYTHON": sys.executable,
            "SITE_PACKAGES": sysconfig.get_path("purelib"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.file://{self.remote}.insteadOf",
            "GIT_CONFIG_VALUE_0": self.values["CloneUrl"],
        }
        for bucket in (self.bucket, self.names.assets_bucket(REGION, ACCOUNT)):
            self.clients("s3").create_bucket(Bucket=bucket)
        self.clients("codecommit").create_repository(repositoryName=self.names.repository)
        for role in ROLES:
            self.make_role(role)
        self.package()

    @property
    def bucket(self) -> str:
        return self.values["MLOpsBucket"]

    def make_role(self, role: str) -> None:
        purpose, service = ROLES[role]
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": f"{service}.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        self.clients("iam").create_role(
            RoleName=self.names.role(purpose), AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
        )

    def package(self, **files: str) -> None:
        """Publish a workshop: the real scripts, programs and templates, small exercises and requirements."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for path in sorted(package_files(ROOT)):
                name = path.relative_to(ROOT).as_posix()
                if name.startswith(("cfn/", "lifecycle-config/", "lab_helpers/")) and name not in files:
                    archive.write(path, name)
            for name, text in {"notebooks/01.ipynb": "{}", "requirements.txt": "boto3\n", **files}.items():
                archive.writestr(name, text)
        self.clients("s3").put_object(
            Bucket=self.names.assets_bucket(REGION, ACCOUNT),
            Key="package/workshop.zip",
            Body=content.getvalue(),
        )

    def run(self, hook_name: str, **changes: str) -> subprocess.CompletedProcess[str]:
        (self.directory / "home").mkdir(exist_ok=True)
        return subprocess.run(
            ["bash", "-c", hook(hook_name, self.values, **changes)],
            env=self.environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, **changes: str) -> str:
        """Start the instance and return how its provisioning ended."""
        done = self.run("OnStart", **changes)
        assert done.returncode == 0, done.stderr
        return eventually(self._ended, 120, self.log)

    def _ended(self) -> str | None:
        status = (self.state / "provision.status").read_text().strip()
        return None if status == "running" else status

    def log(self) -> str:
        return (self.state / "provision.log").read_text()

    def told(self) -> dict[str, Any]:
        """Return what the instance reports in its bucket; it writes its status file just before."""
        status, s3 = (self.state / "provision.status").read_text().strip(), self.clients("s3")

        def found() -> dict[str, Any] | None:
            try:
                body = s3.get_object(Bucket=self.bucket, Key="package/provision.json")["Body"]
            except s3.exceptions.NoSuchKey:
                return None
            told: dict[str, Any] = json.load(body)
            return told if told["status"] == status else None

        return eventually(found, 30, self.log)

    def stack(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.clients("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        return found

    def stacks(self) -> dict[str, dict[str, str]]:
        """Return the parameters of every nested stack of this lab."""
        return {
            stack["StackName"]: {
                given["ParameterKey"]: given["ParameterValue"] for given in stack["Parameters"]
            }
            for stack in self.clients("cloudformation").describe_stacks()["Stacks"]
            if stack["StackName"].startswith(self.names.prefix)
        }

    def heads(self) -> dict[str, str]:
        listed = git("ls-remote", "--heads", self.remote).split()
        return {
            name.removeprefix("refs/heads/"): commit
            for commit, name in zip(listed[::2], listed[1::2], strict=True)
        }


def _clients(environment: dict[str, str]) -> Callable[[str], Any]:
    return lambda service: make_client(
        service,
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=REGION,
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


def git(*arguments: object) -> str:
    return subprocess.check_output(["git", *map(str, arguments)], text=True)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A local account; nothing here needs a Docker Engine."""
    with background_account(tmp_path_factory.mktemp("account")) as daemon:
        yield daemon


LABS = count(1)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, daemon: Daemon) -> Iterator[Instance]:
    """An instance after its creation and first start."""
    found = Instance(tmp_path_factory.mktemp("started"), daemon, "ana")
    assert found.run("OnCreate").returncode == 0
    assert (found.home / "notebooks").is_dir()
    assert found.start() == "ready", found.log()
    yield found
    end_attendant(found)


@pytest.fixture
def instance(tmp_path: Path, daemon: Daemon) -> Iterator[Instance]:
    found = Instance(tmp_path, daemon, f"lab{next(LABS)}")
    yield found
    end_attendant(found)


def end_attendant(instance: Instance) -> None:
    """End the attendant, which on a notebook instance would end with the instance."""
    if (instance.state / "attendant.pid").exists():
        os.kill(int((instance.state / "attendant.pid").read_text()), signal.SIGTERM)


def test_the_first_start_makes_everything(started: Instance) -> None:
    assert set(started.heads()) == {"main", "scikit_base", "iris_model"}
    for branch in ("scikit_base", "iris_model"):
        copy = started.home / branch
        assert git("-C", copy, "rev-parse", "--abbrev-ref", "HEAD").strip() == branch
        assert git("-C", copy, "ls-files").split() == ["README.md"]
    assert (started.home / "notebooks" / "01.ipynb").read_text() == "{}"
    kernels = started.directory / "home" / ".local" / "share" / "jupyter" / "kernels"
    kernel = json.loads((kernels / "mlops-workshop" / "kernel.json").read_text())
    assert kernel["display_name"] == "MLOps workshop"
    widgets = (kernels.parent / "labextensions" / WIDGETS).readlink()
    assert widgets.is_relative_to(started.state / "venv"), "no buttons otherwise"
    assert kernel["argv"][0] == str(started.state / "venv" / "bin" / "python")
    assert kernel["env"]["WORKSHOP_HOME"] == str(started.home)
    found = subprocess.check_output(
        [kernel["argv"][0], "-c", "import lab_helpers; print(lab_helpers.__file__)"], text=True, cwd="/"
    )
    assert found.strip() == str(started.home / ".workshop" / "package" / "lab_helpers" / "__init__.py")
    made = started.stacks()
    assert set(made) == {"ana-scikit-base", "ana-iris-model", "ana-iris-train-pipeline"}
    assert {started.stack(name)["StackStatus"] for name in made} == {"CREATE_COMPLETE"}
    assert made["ana-scikit-base"]["BaseImageRepositoryUri"] == ""
    base = started.values["MLOpsScikitImageRepo.RepositoryUri"]
    assert made["ana-iris-model"]["BaseImageRepositoryUri"] == base
    assert made["ana-iris-model"]["BranchName"] == "iris_model"
    for name in made:
        tags = {tag["Key"]: tag["Value"] for tag in started.stack(name)["Tags"]}
        assert tags["mlops-workshop:lab"] == "ana"


def test_the_deployed_functions_are_those_of_the_package(started: Instance) -> None:
    keys = {
        found["Key"]
        for found in started.clients("s3").list_objects_v2(
            Bucket=started.bucket, Prefix="package/functions/"
        )["Contents"]
    }
    [key] = keys
    body = started.clients("s3").get_object(Bucket=started.bucket, Key=key)["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        names = archive.namelist()
        launcher = archive.read("launcher/handler.py")
    assert launcher == (ROOT / "cfn" / "functions" / "launcher" / "handler.py").read_bytes()
    assert "monitor/handler.py" in names
    assert not any("__pycache__" in name for name in names)


def test_the_instance_reports_in_its_bucket_how_provisioning_went(started: Instance) -> None:
    told = started.told()
    assert told["status"] == "ready"
    assert told["package"] == (started.state / "workshop.sha256").read_text().split()[0]
    assert "stacks: ana-iris-model is created" in told["log"]


def test_packages_are_installed_once_for_all_with_the_same_requirements(
    started: Instance, instance: Instance
) -> None:
    """And only their own kernel sees what a learner installs."""
    shared = started.environment["WORKSHOP_ENVIRONMENTS"]
    installed = uv_calls(started, "pip install")
    instance.environment |= {"WORKSHOP_ENVIRONMENTS": shared, "CALLS": str(started.directory)}

    assert instance.start() == "ready", instance.log()

    assert uv_calls(started, "pip install") == installed
    [site] = (instance.state / "venv").glob("lib/python*/site-packages")
    (site / "mine.py").write_text("")
    python = str(instance.state / "venv" / "bin" / "python")
    subprocess.run([python, "-c", "import mine, boto3"], check=True, cwd="/")
    theirs = str(started.state / "venv" / "bin" / "python")
    done = subprocess.run([theirs, "-c", "import mine"], check=False, cwd="/", capture_output=True)
    assert done.returncode != 0


def test_a_stop_and_start_changes_nothing_that_exists(started: Instance) -> None:
    heads, installed = started.heads(), uv_calls(started, "pip install")
    (started.home / "notebooks" / "01.ipynb").write_text("my work")
    (started.home / "scikit_base" / "Dockerfile").write_text("FROM scratch")
    template = started.home / ".workshop" / "package" / "cfn" / "build-image.yml"
    before = template.stat().st_mtime_ns
    subprocess.run(["rm", "-r", str(started.directory / "home")], check=True)

    assert started.start() == "ready", started.log()

    assert started.heads() == heads
    assert (started.home / "notebooks" / "01.ipynb").read_text() == "my work"
    assert (started.home / "scikit_base" / "Dockerfile").read_text() == "FROM scratch"
    assert template.stat().st_mtime_ns == before
    assert started.log().count("is up to date") == 3
    assert uv_calls(started, "pip install") == installed
    assert (
        started.directory / "home" / ".local" / "share" / "jupyter" / "kernels" / "mlops-workshop"
    ).is_dir()


def test_a_new_package_updates_templates_exercises_and_environment(started: Instance) -> None:
    installed = uv_calls(started, "pip install")
    (started.home / "notebooks" / "01.ipynb").write_text("{}")  # as the package delivered it
    build = (ROOT / "cfn" / "build-image.yml").read_text()
    started.package(
        **{
            "notebooks/01.ipynb": '{"new": 1}',
            "cfn/build-image.yml": build.replace("RetentionInDays: 14", "RetentionInDays: 30"),
            "requirements.txt": "boto3\nrich\n",
        }
    )

    assert started.start() == "ready", started.log()

    assert (started.home / "notebooks" / "01.ipynb").read_text() == '{"new": 1}'
    assert started.log().count("is updated") == 2
    assert uv_calls(started, "pip install") == installed + 1
    assert not (started.state / "unpacked").exists()


def uv_calls(instance: Instance, what: str) -> int:
    return (instance.directory / "uv").read_text().count(what)


def test_a_repository_with_commits_keeps_its_branches(instance: Instance) -> None:
    work = instance.directory / "work"
    git("init", "--quiet", "--initial-branch=main", work)
    git(
        "-C",
        work,
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "commit",
        "--quiet",
        "--allow-empty",
        "-m",
        "first",
    )
    git("-C", work, "push", "--quiet", instance.remote, "HEAD:refs/heads/main", "HEAD:refs/heads/scikit_base")
    before = instance.heads()

    assert instance.start() == "ready", instance.log()

    assert instance.heads() == {**before, "iris_model": before["main"]}


def test_a_failed_stack_is_named_with_its_cause_and_created_again_at_the_next_start(
    instance: Instance,
) -> None:
    launcher, train = instance.names.role("launcher"), instance.names.train_stack
    instance.clients("iam").delete_role(RoleName=launcher)

    status = instance.start()

    assert status.startswith(f"failed: stacks: stack {train} is ROLLBACK_COMPLETE. What failed: Launcher "), (
        status
    )
    assert launcher in status
    assert f"stacks: {instance.names.base_stack} is created" in instance.log()
    assert instance.told()["status"] == status

    instance.make_role("MLOpsLauncher")
    assert instance.start() == "ready", instance.log()
    assert f"stacks: {train} is created" in instance.log()
    assert f"stacks: {instance.names.base_stack} is up to date" in instance.log()


def test_tools_that_cannot_be_installed_are_reported_in_the_bucket_and_installed_at_the_next_start(
    instance: Instance,
) -> None:
    uv = instance.directory / "bin" / "uv"
    uv.write_text("#!/bin/bash\necho 'error: failed to fetch \"boto3\"' >&2\nexit 2\n")

    status = instance.start()

    assert status == 'failed: tools: error: failed to fetch "boto3"'
    told = instance.told()
    assert told["status"] == status
    assert told["package"] == (instance.state / "workshop.sha256").read_text().split()[0]
    before = datetime.fromisoformat(told["at"])

    uv.write_text(UV)
    assert instance.start() == "ready", instance.log()
    assert datetime.fromisoformat(instance.told()["at"]) > before


def test_a_directory_in_the_way_of_a_working_copy_is_left_alone(instance: Instance) -> None:
    (instance.home / "iris_model").mkdir()
    (instance.home / "iris_model" / "thesis.txt").write_text("precious")

    status = instance.start()

    assert "iris_model is not a git working copy but contains files: move it away" in status
    assert (instance.home / "iris_model" / "thesis.txt").read_text() == "precious"


def test_the_first_start_uses_what_creation_fetched_and_later_starts_fetch_again(
    instance: Instance,
) -> None:
    assert instance.run("OnCreate").returncode == 0
    instance.package(**{"notebooks/01.ipynb": '{"new": 1}'})

    assert instance.start() == "ready", instance.log()
    assert (instance.home / "notebooks" / "01.ipynb").read_text() == "{}"

    assert instance.start() == "ready", instance.log()
    assert (instance.home / "notebooks" / "01.ipynb").read_text() == '{"new": 1}'


def test_an_unreadable_package_fails_the_hook(instance: Instance) -> None:
    missing = {"PackageUri": instance.values["PackageUri"] + ".gone"}

    assert instance.run("OnCreate", **missing).returncode != 0
    assert instance.run("OnStart", **missing).returncode != 0


def test_one_attendant_runs_however_often_the_instance_starts(instance: Instance) -> None:
    def attendants() -> list[int]:
        command = f"{instance.state}/tools/bin/python -m lab_helpers.instance.provision"
        return [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if command in " ".join(process.info["cmdline"] or ())
        ]

    assert instance.start(IdleMinutes="45") == "ready", instance.log()
    assert instance.start(IdleMinutes="30") == "ready", instance.log()

    pid = int((instance.state / "attendant.pid").read_text())
    eventually(lambda: attendants() == [pid], 10)
    assert b"IDLE_MINUTES=30" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


@pytest.mark.parametrize("name", ["OnCreate", "OnStart"])
def test_a_hook_fits_its_limit_with_the_longest_values(name: str) -> None:
    longest = {"PackageUri": "s3://" + "b" * 63 + "/" + "k" * 1024}
    script = hook(name, values(Names("a123456789")), **longest)

    # NotebookInstanceLifecycleHook, Content: 16384 characters, base64-encoded
    assert len(base64.b64encode(script.encode())) < 16384
    subprocess.run(["bash", "-n", "-c", script], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="hooks run as root on a notebook instance")
def test_what_a_hook_starts_runs_as_the_user_in_their_home_with_the_hooks_environment(tmp_path: Path) -> None:
    script = 'as_user sh -c \'id -un; echo "$HOME"; echo "$WORKSHOP_HOME"\'; give_to_user "$WORKSHOP_HOME"'
    environment = {**os.environ, "WORKSHOP_HOME": str(tmp_path), "WORKSHOP_USER": "nobody"}
    done = subprocess.run(
        ["bash", "-ec", f". {ROOT}/lifecycle-config/lib.sh; {script}"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.split() == ["nobody", pwd.getpwnam("nobody").pw_dir, str(tmp_path)]
    assert tmp_path.owner() == "nobody"


def test_without_codecommit_the_repository_is_in_the_bucket(instance: Instance) -> None:
    """tests/e2e/test_s3_source.py covers the whole way."""
    instance.clients("s3").put_bucket_versioning(
        Bucket=instance.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    instance.values |= {"Repository": "", "CloneUrl": f"s3+zip://{instance.bucket}/source"}

    assert instance.start() == "ready", instance.log()

    assert instance.heads() == {}, "nothing is in CodeCommit"
    listed = instance.clients("s3").list_objects_v2(Bucket=instance.bucket, Prefix="source/")["Contents"]
    branches = {one["Key"].rpartition("/")[0] for one in listed if one["Key"].endswith(".bundle")}
    assert branches == {f"source/refs/heads/{branch}" for branch in ("main", "scikit_base", "iris_model")}
    assert not [one["Key"] for one in listed if one["Key"].endswith(".zip")], "it would start a pipeline"
    copy = instance.home / "iris_model"
    assert git("-C", copy, "remote", "get-url", "origin").strip() == instance.values["CloneUrl"]
    assert git("-C", copy, "check-attr", "export-subst", "buildspec.yml").endswith("export-subst: set\n")
    home = instance.directory / "home"
    assert (home / ".local" / "bin" / "git-remote-s3+zip").exists()
    terminal = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    found = subprocess.check_output(["sh", "-lc", "command -v git-remote-s3+zip"], env=terminal, text=True)
    assert found.strip() == str(home / ".local" / "bin" / "git-remote-s3+zip"), "git pull in a terminal"
    for name, given in instance.stacks().items():
        assert given.get("RepositoryName", "") == "", name

    assert instance.start() == "ready", instance.log()
    assert instance.log().count("seeded") <= 1, "an existing repository stays"
    assert (home / ".profile").read_text().count(".local/bin") == 1


def test_a_package_that_is_newer_than_its_top_stack_says_what_to_do() -> None:
    settings = {"LAB_ID": "ana", "MONITOR_ROLE_ARN": "arn"}
    nobody: Any = None
    with pytest.raises(StackError, match="the stack ana-mlops was deployed by an earlier version"):
        deploy_nested(nobody, settings, ROOT / "cfn", print)
