"""A fact has one home. Templates, functions, scripts and the local account that say it again agree."""

import ast
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab_helpers import containers, keys, names, stacks
from lab_helpers.instructor import cost, defaults
from lab_helpers.instructor.doctor import machine
from lab_helpers.instructor.doctor.room import Room
from lab_helpers.instructor.fleet.overview import Stack
from lab_helpers.templates import read_template
from lab_helpers.way_back import state
from local_account.engine import BASE_IMAGE, home
from local_account.foundation import environments
from tests.checkout import ROOT

PYTHON = [path for room in ("lab_helpers", "benchmarks") for path in sorted((ROOT / room).rglob("*.py"))]
FUNCTIONS = {path.name: path.read_text() for path in (ROOT / "cfn" / "functions").rglob("*.py")}


def template(name: str) -> dict[str, Any]:
    return read_template(ROOT / "cfn" / f"{name}.yml")


def strings(path: Path) -> set[str]:
    """Return the strings of a module that are values, not documentation."""
    tree = ast.parse(path.read_text())
    documentation = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    return {
        one.value
        for one in ast.walk(tree)
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in documentation
    }


def homes(pattern: str) -> set[str]:
    """Return the modules that say something."""
    found = {path for path in PYTHON if any(re.fullmatch(pattern, one) for one in strings(path))}
    return {str(path.relative_to(ROOT)) for path in found}


@pytest.mark.parametrize(
    ("pattern", "home"),
    [
        (r"training/(input|source|jobs|output|reports)/.*", "lab_helpers/keys.py"),
        (r"package/.*(json|yml|zip|functions)", "lab_helpers/keys.py"),
        (r"mlops-workshop:(lab|expires)", "lab_helpers/names.py"),
        (r"TrainApproval|DeployDev|TestDev|DeployApproval|DeployPrd", "lab_helpers/names.py"),
        (r"UPDATE_COMPLETE", "lab_helpers/stacks.py"),
        (r"ml\.[a-z0-9]+\.[a-z0-9]+", "lab_helpers/instance_types.py"),
        (r"public\.ecr\.aws/.*", "lab_helpers/containers.py"),
    ],
)
def test_a_fact_stands_in_one_module(pattern: str, home: str) -> None:
    assert homes(pattern) == {home}


def test_keys_are_those_of_the_functions() -> None:
    assert f"{keys.JOBS}{{execution_id}}.json" in FUNCTIONS["launch.py"]
    assert f"/{keys.OUTPUT.rstrip('/')}" in FUNCTIONS["launch.py"]
    assert f"{keys.JOBS}{{execution_id}}.json" in FUNCTIONS["watch.py"]
    assert keys.report("{execution_id}") in FUNCTIONS["watch.py"]
    assert keys.report("{execution_id}") in FUNCTIONS["testing.py"]
    assert keys.page("{execution_id}") in FUNCTIONS["testing.py"]
    assert keys.tests("").removeprefix(keys.REPORTS) in FUNCTIONS["testing.py"]


def test_keys_are_those_of_the_templates() -> None:
    assert keys.TRAINING_JOB in (ROOT / "cfn" / "train-model-pipeline.yml").read_text()
    assert keys.TRAINING_JOB.startswith(keys.TRAINING_SOURCE)
    assert keys.DATA.startswith(keys.INPUT)
    top = (ROOT / "cfn" / "m.yml").read_text()
    for prefix in (keys.INPUT, keys.JOBS, keys.OUTPUT, keys.REPORTS, keys.TRAINING_SOURCE):
        assert f"${{MLOpsBucket.Arn}}/{prefix}*" in top


def test_tags_are_those_of_templates_and_functions() -> None:
    for name in ("m", "build-image", "train-model-pipeline", "deploy-model-dev", "deploy-model-prd"):
        found = set(re.findall(r"Key: \"?(mlops-workshop:\w+)", (ROOT / "cfn" / f"{name}.yml").read_text()))
        assert found == {names.LAB_TAG, names.EXPIRES_TAG}, name
    assert {names.LAB_TAG, names.EXPIRES_TAG} <= set(re.findall(r'"(mlops-.*?)"', FUNCTIONS["launch.py"]))
    for name in ("m", "notebook-policies"):
        text = (ROOT / "cfn" / f"{name}.yml").read_text()
        assert set(re.findall(r"aws:ResourceTag/([\w:-]+)", text)) == {names.LAB_TAG}


def test_stages_are_those_of_the_pipeline_and_the_monitor() -> None:
    pipeline = template("train-model-pipeline")["Resources"]["TrainPipeline"]["Properties"]
    stages = [one["Name"] for one in pipeline["Stages"]]

    expected = [names.TRAIN_APPROVAL, names.DEPLOY_DEV, names.TEST_DEV]
    assert stages == ["Source", "Train", *expected, names.HUMAN_APPROVAL, names.DEPLOY_PRD]
    assert f'STAGE = "{names.TRAIN_APPROVAL}"' in FUNCTIONS["watch.py"]


def test_every_command_calls_the_same_states_of_a_stack_good() -> None:
    for status in stacks.GOOD:
        assert state.Stack("any", status).good
        record: Any = {"StackName": "any", "StackStatus": status, "StackId": "any"}
        assert Stack(record).good
    assert not stacks.GOOD & stacks.STARTS_OVER


def test_default_instance_types_are_those_of_templates_and_notebook() -> None:
    def default(name: str, parameter: str) -> Any:
        return template(name)["Parameters"][parameter]["Default"]

    assert default("m", "NotebookInstanceType") == defaults.NOTEBOOK_TYPE
    assert default("m", "NotebookVolumeSize") == defaults.NOTEBOOK_GIGABYTES
    assert default("deploy-model-dev", "InstanceType") == defaults.DEV_TYPE
    assert default("deploy-model-prd", "InstanceType") == defaults.PRD_TYPE
    assert default("train-model-pipeline", "DevInstanceType") == defaults.DEV_TYPE
    assert default("train-model-pipeline", "PrdInstanceType") == defaults.PRD_TYPE
    notebook = (ROOT / "notebooks" / "03_train.ipynb").read_text()
    assert f"mostly `{defaults.TRAINING_TYPE}`" in notebook
    for one in ("notebook", "training", "dev", "prd"):
        assumed = getattr(cost.Assumptions(), f"{one}_type")
        assert assumed == getattr(Room, f"{one}_type") == getattr(defaults, f"{one.upper()}_TYPE")


def test_the_doctor_asks_for_the_base_image_and_the_space_that_the_engine_needs() -> None:
    assert containers.BASE_IMAGE == BASE_IMAGE
    assert machine.IMAGE_BYTES == home.FREE_BYTES_NEEDED


@pytest.mark.parametrize("variable", ["MLOPS_ENGINE_HOME", "XDG_CACHE_HOME"])
def test_the_doctor_looks_for_images_where_the_engine_keeps_them(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("MLOPS_ENGINE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    nowhere: Any = None

    assert Room(nowhere, "us-east-1", 1).images == home.engine_home()


def test_an_environment_is_found_where_provisioning_makes_it(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("numpy==2.3.5\n")
    library = (ROOT / "lifecycle-config" / "lib.sh").read_text()
    lines = [line.strip() for line in library.splitlines() if re.search(r"\benvironments=|PACKAGES=", line)]
    script = "\n".join([f"f() {{ {lines[0]}", lines[1], "echo $PACKAGES; }", 'f "$1"'])

    said = subprocess.run(
        ["bash", "-euc", script, "bash", str(requirements)],
        env={environments.VARIABLE: str(tmp_path / "made"), "STATE": "/state", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()

    assert said == str(environments.environment(requirements, tmp_path / "made"))
