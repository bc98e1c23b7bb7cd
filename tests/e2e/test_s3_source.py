"""A trial, of a lab without CodeCommit: the same notebooks, with the repository in the lab's bucket."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.names import Names
from tests.checkout import ROOT
from tests.e2e.one_workshop import Workshop
from tests.quotas import allow_releases
from tests.waiting import eventually

pytestmark = [pytest.mark.docker, pytest.mark.e2e, pytest.mark.timeout(900)]

NAMES = Names("zip")
MODEL = """
from dataclasses import dataclass

from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

FEATURES, TARGET = ("sepal_length", "sepal_width", "petal_length"), "petal_width"
RUNTIME = "{runtime}"


@dataclass(frozen=True)
class Hyperparameters:
    trees: int = 10


def estimators(chosen):
    return {{"linear": LinearRegression(), "forest": RandomForestRegressor(chosen.trees, random_state=0)}}
"""


@pytest.fixture(scope="module")
def tried(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of a trial of a lab that is kept."""
    allow_releases(workshop.client("service-quotas"), labs=2)
    return try_out(workshop, tmp_path_factory.mktemp("kept"), "--notebooks", "01-02", "--keep")


@pytest.fixture(scope="module")
def lab(workshop: Workshop, tried: dict[str, Any]) -> Workshop:
    """The lab of the trial, with the data of notebook 03."""
    lab = copy.copy(workshop)
    lab.names = NAMES
    data = (ROOT / "notebooks/data/iris.csv").read_bytes()
    lab.client("s3").put_object(Bucket=lab.bucket, Key="training/input/iris.csv", Body=data)
    return lab


def test_a_trial_builds_both_images_from_a_repository_in_the_bucket(
    workshop: Workshop, tried: dict[str, Any]
) -> None:
    assert [one["name"][:2] for one in tried["instance"]["notebooks"]["summary"]["notebooks"]] == ["01", "02"]
    assert [one["text"] for one in tried["instance"]["assumptions"] if not one["holds"]] == []

    listed = workshop.client("codecommit").list_repositories()["repositories"]
    assert NAMES.repository not in {one["repositoryName"] for one in listed}
    for branch, pipeline, image in (
        (NAMES.base_branch, NAMES.base_pipeline, NAMES.base_image),
        (NAMES.model_branch, NAMES.model_pipeline, NAMES.model_image),
    ):
        environment = workshop.daemon.environment(NAMES.notebook_instance)
        commit = git(environment, branch, "rev-parse", "HEAD")
        newest = workshop.client("codepipeline").list_pipeline_executions(pipelineName=pipeline)
        newest = newest["pipelineExecutionSummaries"][0]
        assert newest["status"] == "Succeeded"
        [source] = newest["sourceRevisions"]
        assert source["revisionSummary"] == git(environment, branch, "log", "-1", "--format=%h %s")
        tagged = workshop.client("ecr").describe_images(repositoryName=image)["imageDetails"]
        [tags] = [one["imageTags"] for one in tagged if commit in one.get("imageTags", [])]
        assert "latest" in tags
        built = workshop.client("codebuild").list_builds_for_project(projectName=pipeline)["ids"]
        assert len(built) == 1, "a new pipeline has nothing to build"


def test_a_regressor_reaches_production_and_predicts_the_same_with_either_runtime(
    workshop: Workshop, lab: Workshop, examples: tuple[list[list[float]], list[str]]
) -> None:
    bucket = lab.bucket
    members = workshop.uploaded()
    descriptor = json.loads(members["trainingjob.json"])
    descriptor["HyperParameters"] = {"trees": "20"}
    source = f"s3://{bucket}/training/input/"
    descriptor["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = source
    descriptor["MetricDefinitions"] = [{"Name": "forest:r2", "Regex": "forest r2=(-?[0-9.]+)"}]
    descriptor["QualityGate"] = {"MinimumR2": 0.8, "MaximumR2Drop": 0.0}
    rows = [row[:3] for row in examples[0]]
    truth = [row[3] for row in examples[0]]

    answers: dict[str, list[list[float]]] = {}
    for runtime in ("onnx", "scikit-learn"):
        build(lab, MODEL.format(runtime=runtime), f"A regressor, served by {runtime}")
        execution = lab.upload({**members, "trainingjob.json": json.dumps(descriptor).encode()})
        lab.decide(execution, "Approved")
        assert lab.ended(NAMES.train_pipeline, execution) == "Succeeded"
        assert lab.serving(NAMES.prd_endpoint).endswith(execution)

        key = f"training/reports/{execution}.json"
        report = json.load(lab.client("s3").get_object(Bucket=bucket, Key=key)["Body"])
        found = report["evaluation"]["algorithms"]["forest"]["r2"]
        assert 0.8 < found < 1
        assert report["trainingJob"]["metrics"]["forest:r2"] == pytest.approx(found, abs=1e-4)
        compared = [one["name"] for one in report["checks"] if "compared" in one["name"]]
        assert len(compared) == (0 if runtime == "onnx" else 2), "its own first release is in production"

        answers[runtime] = [lab.predict(NAMES.prd_endpoint, one, rows) for one in ("linear", "forest")]
        for predicted in answers[runtime]:
            errors = [abs(one - right) for one, right in zip(predicted, truth, strict=True)]
            assert sum(errors) / len(errors) < 0.25
    for one, other in zip(*answers.values(), strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_a_trial_leaves_nothing(workshop: Workshop, tried: dict[str, Any], tmp_path: Path) -> None:
    trial = try_out(workshop, tmp_path, "--notebooks", "00")
    assert trial["left"] == []
    stacks = workshop.client("cloudformation").describe_stacks()["Stacks"]
    assert NAMES.top_stack not in {stack["StackName"] for stack in stacks}


def build(lab: Workshop, model: str, message: str) -> None:
    """Push another `model.py`, and wait until its image is built."""
    environment = lab.daemon.environment(NAMES.notebook_instance)
    branch, pipeline = NAMES.model_branch, NAMES.model_pipeline
    (Path(environment["WORKSHOP_HOME"]) / branch / "model.py").write_text(model)
    git(environment, branch, "commit", "-q", "-a", "-m", message)
    git(environment, branch, "push", "-q", "origin", branch)
    summary = git(environment, branch, "log", "-1", "--format=%h %s")

    def started() -> str | None:
        listed = lab.client("codepipeline").list_pipeline_executions(pipelineName=pipeline)
        for one in listed["pipelineExecutionSummaries"]:
            if any(source.get("revisionSummary") == summary for source in one.get("sourceRevisions", [])):
                return str(one["pipelineExecutionId"])
        return None

    assert lab.ended(pipeline, eventually(started, 30)) == "Succeeded"


def try_out(workshop: Workshop, output: Path, *arguments: str) -> dict[str, Any]:
    """Run `doctor --trial` and return its report."""
    own = ["--participant", "zip", "--source-provider", "S3", "--yes", "--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-m", "lab_helpers", "doctor", "--trial", *own, *arguments],
        cwd=ROOT,
        env={**os.environ, **workshop.daemon.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    (report,) = output.glob("trial-*.json")
    found: dict[str, Any] = json.loads(report.read_text())
    assert workshop.daemon.config().account_id not in report.read_text()
    return found


def git(environment: dict[str, str], branch: str, *arguments: str) -> str:
    """Run git in a working copy on the lab's instance."""
    copy = Path(environment["WORKSHOP_HOME"]) / branch
    return subprocess.check_output(["git", *arguments], cwd=copy, env=environment, text=True).strip()
