"""The hooks of `cfn/m.yml` and all that they start, as a notebook instance runs them, over stop and start.

Real: bash, git against a repository on disk, the kernel. Written down here: the AWS CLI (stub_aws.py) and uv,
which would fetch a gigabyte.
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
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from awscli.customizations.cloudformation.yamlhelper import yaml_parse

ROOT = Path(__file__).parents[2]
TEMPLATE = yaml_parse((ROOT / "cfn" / "m.yml").read_text())
CLONE_URL = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/ana-mlops"
UV = """#!/bin/bash
set -eu
echo "$@" >> "$STUB_AWS/uv"
if [ "$1" = venv ]; then
    "$PYTHON" -m venv --without-pip "${@: -1}"
    site=$("${@: -1}/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$SITE_PACKAGES" > "$site/packages.pth"
fi
"""
VALUES = {
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "ana-mlops",
    "NamePrefix": "ana-",
    "LabId": "ana",
    "PackageUri": "s3://ana-mlops-assets/package/workshop.zip",
    "IdleMinutes": "0",
    "MLOpsBucket": "ana-mlops-eu-west-1-123456789012",
    "MLOpsRepo.Name": "ana-mlops",
    "MLOpsRepo.CloneUrlHttp": CLONE_URL,
    "MLOpsScikitImageRepo.RepositoryUri": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/ana-scikit-base",
    "MLOpsIrisModelRepo.RepositoryUri": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/ana-iris-model",
}


def hook(name: str, **changes: str) -> str:
    """Return the script of a hook as CloudFormation resolves it."""
    config = TEMPLATE["Resources"]["IAWorkshopNotebookInstanceLifecycleConfig"]["Properties"]
    text, _ = config[name][0]["Content"]["Fn::Base64"]["Fn::Sub"]
    known = {**VALUES, "Fetch": TEMPLATE["Mappings"]["Hook"]["Fetch"]["Script"], **changes}

    def value(match: re.Match[str]) -> str:
        key = match[1]
        return known.get(key) or f"arn:aws:iam::123456789012:role/{key.removesuffix('.Arn')}"

    return re.sub(r"\$\{([A-Za-z:.]+)\}", value, text)


class Instance:
    """A notebook instance: a volume that persists, a home that does not, and its own programs on the PATH."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "Sage Maker"
        self.state = self.home / ".workshop"
        self.stub = directory / "aws"
        self.remote = directory / "remote.git"
        self.home.mkdir(parents=True)
        self.stub.mkdir()
        programs = directory / "bin"
        programs.mkdir()
        (programs / "aws").write_text(
            f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/lifecycle/stub_aws.py" "$@"\n'
        )
        (programs / "uv").write_text(UV)
        for program in programs.iterdir():
            program.chmod(0o755)
        git("init", "--quiet", "--bare", "--initial-branch=main", self.remote)
        self.package()
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(directory / "home"),
            "WORKSHOP_HOME": str(self.home),
            "WORKSHOP_USER": subprocess.check_output(["id", "-un"], text=True).strip(),
            "STUB_AWS": str(self.stub),
            "PYTHON": sys.executable,
            "SITE_PACKAGES": sysconfig.get_path("purelib"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.file://{self.remote}.insteadOf",
            "GIT_CONFIG_VALUE_0": CLONE_URL,
        }

    def package(self, **files: str) -> None:
        """Publish a workshop: the real scripts and templates, small exercises and requirements."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for top in ("cfn", "lifecycle-config"):
                for path in sorted((ROOT / top).rglob("*")):
                    name = path.relative_to(ROOT).as_posix()
                    if path.is_file() and "__pycache__" not in path.parts and name not in files:
                        archive.write(path, name)
            for module in ("__init__", "idle"):
                archive.write(ROOT / "lab_helpers" / f"{module}.py", f"lab_helpers/{module}.py")
            for name, text in {"notebooks/01.ipynb": "{}", "requirements.txt": "boto3\n", **files}.items():
                archive.writestr(name, text)
        (self.stub / "workshop.zip").write_bytes(content.getvalue())

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        (self.directory / "home").mkdir(exist_ok=True)
        return subprocess.run(
            ["bash", "-c", script],
            env=self.environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, **changes: str) -> str:
        """Start the instance and return how its provisioning ended."""
        done = self.run(hook("OnStart", **changes))
        assert done.returncode == 0, done.stderr
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status = (self.state / "provision.status").read_text().strip()
            if status != "running":
                return status
            time.sleep(0.05)
        raise AssertionError(self.log())

    def log(self) -> str:
        return (self.state / "provision.log").read_text()

    def calls(self, operation: str) -> list[dict[str, Any]]:
        calls = [json.loads(line) for line in (self.stub / "calls").read_text().splitlines()]
        return [dict(zip(c[2::2], c[3::2], strict=False)) for c in calls if c[1] == operation]

    def heads(self) -> dict[str, str]:
        listed = git("ls-remote", "--heads", self.remote).split()
        return {
            name.removeprefix("refs/heads/"): commit
            for commit, name in zip(listed[::2], listed[1::2], strict=True)
        }


def git(*arguments: object) -> str:
    return subprocess.check_output(["git", *map(str, arguments)], text=True)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """An instance after its creation and first start."""
    found = Instance(tmp_path_factory.mktemp("started"))
    assert found.run(hook("OnCreate")).returncode == 0
    assert (found.home / "notebooks").is_dir()
    assert found.start() == "ready", found.log()
    return found


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    found = Instance(tmp_path)
    yield found
    if (found.state / "idle.pid").exists():
        os.kill(int((found.state / "idle.pid").read_text()), signal.SIGTERM)


def parameters(call: dict[str, Any]) -> dict[str, str]:
    return {found["ParameterKey"]: found["ParameterValue"] for found in json.loads(call["--parameters"])}


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
    assert kernel["argv"][0] == str(started.state / "venv" / "bin" / "python")
    assert kernel["env"]["WORKSHOP_HOME"] == str(started.home)
    found = subprocess.check_output(
        [kernel["argv"][0], "-c", "import lab_helpers; print(lab_helpers.__file__)"], text=True, cwd="/"
    )
    assert found.strip() == str(started.home / "workshop" / "lab_helpers" / "__init__.py")
    made = {call["--stack-name"]: parameters(call) for call in started.calls("create-stack")}
    assert set(made) == {"ana-scikit-base", "ana-iris-model", "ana-iris-train-pipeline"}
    assert made["ana-scikit-base"]["BaseImageRepositoryUri"] == ""
    assert made["ana-iris-model"]["BaseImageRepositoryUri"] == VALUES["MLOpsScikitImageRepo.RepositoryUri"]
    assert made["ana-iris-model"]["BranchName"] == "iris_model"
    for stack, template in (
        ("ana-iris-model", "build-image"),
        ("ana-iris-train-pipeline", "train-model-pipeline"),
    ):
        taken = yaml_parse((ROOT / "cfn" / f"{template}.yml").read_text())["Parameters"]
        assert set(made[stack]) <= set(taken)
        assert {name for name, about in taken.items() if "Default" not in about} <= set(made[stack])


def test_a_stop_and_a_start_change_nothing_that_is_there(started: Instance) -> None:
    heads = started.heads()
    (started.home / "notebooks" / "01.ipynb").write_text("my work")
    (started.home / "scikit_base" / "Dockerfile").write_text("FROM scratch")
    template = started.home / "workshop" / "cfn" / "m.yml"
    before = template.stat().st_mtime_ns
    subprocess.run(["rm", "-r", str(started.directory / "home")], check=True)

    assert started.start() == "ready", started.log()

    assert started.heads() == heads
    assert (started.home / "notebooks" / "01.ipynb").read_text() == "my work"
    assert (started.home / "scikit_base" / "Dockerfile").read_text() == "FROM scratch"
    assert template.stat().st_mtime_ns == before
    assert len(started.calls("create-stack")) == 3
    assert started.log().count("is up to date") == 3
    assert (started.stub / "uv").read_text().count("pip install") == 1
    assert (
        started.directory / "home" / ".local" / "share" / "jupyter" / "kernels" / "mlops-workshop"
    ).is_dir()


def test_a_new_package_updates_templates_exercises_and_environment(started: Instance) -> None:
    installed = (started.stub / "uv").read_text().count("pip install")
    (started.home / "notebooks" / "01.ipynb").write_text("{}")  # as it came with the package
    started.package(
        **{
            "notebooks/01.ipynb": '{"new": 1}',
            "cfn/build-image.yml": "new",
            "requirements.txt": "boto3\nrich\n",
        }
    )

    assert started.start() == "ready", started.log()

    assert (started.home / "notebooks" / "01.ipynb").read_text() == '{"new": 1}'
    updated = started.log().count("is UPDATE_COMPLETE")
    assert updated == 2
    assert (started.stub / "uv").read_text().count("pip install") == installed + 1
    assert not (started.state / "unpacked").exists()


def test_a_repository_that_somebody_filled_keeps_its_branches(instance: Instance) -> None:
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


def test_a_stack_that_fails_is_named_with_its_cause_and_made_anew_at_the_next_start(
    instance: Instance,
) -> None:
    (instance.stub / "broken").write_text("ana-iris-model")

    status = instance.start()

    assert status.startswith("failed: stacks: stack ana-iris-model is ROLLBACK_COMPLETE: PushRule Role"), (
        status
    )
    assert "stacks: ana-scikit-base is CREATE_COMPLETE" in instance.log()

    (instance.stub / "broken").unlink()
    assert instance.start() == "ready", instance.log()
    assert [call["--stack-name"] for call in instance.calls("delete-stack")] == ["ana-iris-model"]


def test_a_directory_in_the_way_of_a_working_copy_is_left_alone(instance: Instance) -> None:
    (instance.home / "iris_model").mkdir()
    (instance.home / "iris_model" / "thesis.txt").write_text("precious")

    status = instance.start()

    assert "iris_model is no working copy of git but holds files: move it away" in status
    assert (instance.home / "iris_model" / "thesis.txt").read_text() == "precious"


def test_a_package_that_can_not_be_read_fails_the_hook(instance: Instance) -> None:
    (instance.stub / "workshop.zip").unlink()

    assert instance.run(hook("OnCreate")).returncode != 0
    assert instance.run(hook("OnStart")).returncode != 0


def test_one_watcher_for_idle_stop_however_often_it_starts(instance: Instance) -> None:
    def watchers() -> list[int]:
        command = f"{instance.state}/venv/bin/python -m lab_helpers.idle"
        return [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if command in " ".join(process.info["cmdline"] or ())
        ]

    assert instance.start(IdleMinutes="45") == "ready", instance.log()
    assert instance.start(IdleMinutes="30") == "ready", instance.log()

    pid = int((instance.state / "idle.pid").read_text())
    deadline = time.monotonic() + 10
    while watchers() != [pid] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert watchers() == [pid]
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    assert command[-5:-1] == [b"--instance", b"ana-mlops", b"--minutes", b"30"]


@pytest.mark.parametrize("name", ["OnCreate", "OnStart"])
def test_a_hook_fits_its_limit_with_the_longest_values(name: str) -> None:
    longest = {"PackageUri": "s3://" + "b" * 63 + "/" + "k" * 1024}
    script = hook(name, **longest)

    # NotebookInstanceLifecycleHook, Content: 16384 characters, base64-encoded
    assert len(base64.b64encode(script.encode())) < 16384
    subprocess.run(["bash", "-n", "-c", script], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="hooks run as root on a notebook instance")
def test_what_a_hook_starts_runs_as_the_user_at_home_with_the_hooks_environment(tmp_path: Path) -> None:
    script = 'as_user sh -c \'id -un; echo "$HOME"; echo "$WORKSHOP_HOME"\'; give_to_user "$WORKSHOP_HOME"'
    environment = {**os.environ, "WORKSHOP_HOME": str(tmp_path), "WORKSHOP_USER": "nobody"}
    done = subprocess.run(
        ["bash", "-ec", f". {ROOT}/lifecycle-config/lib.sh; {script}"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.split() == ["nobody", pwd.getpwnam("nobody").pw_dir, str(tmp_path)]
    assert tmp_path.owner() == "nobody"
