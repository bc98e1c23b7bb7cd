"""A trial, of a lab without CodeCommit: the same notebooks, with the repository in the lab's bucket."""

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

pytestmark = [pytest.mark.docker, pytest.mark.e2e]


def test_a_trial_builds_both_images_from_a_repository_in_the_bucket_and_leaves_nothing(
    workshop: Workshop, tmp_path: Path
) -> None:
    names = Names("zip")
    trial = try_out(workshop, tmp_path, "--notebooks", "01-02", "--keep")
    assert [one["name"][:2] for one in trial["instance"]["notebooks"]["summary"]["notebooks"]] == ["01", "02"]
    assert [one["text"] for one in trial["instance"]["assumptions"] if not one["holds"]] == []

    listed = workshop.client("codecommit").list_repositories()["repositories"]
    assert names.repository not in {one["repositoryName"] for one in listed}
    for branch, pipeline, image in (
        (names.base_branch, names.base_pipeline, names.base_image),
        (names.model_branch, names.model_pipeline, names.model_image),
    ):
        environment = workshop.daemon.environment(names.notebook_instance)
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

    trial = try_out(workshop, tmp_path, "--notebooks", "00")
    assert trial["left"] == []
    stacks = workshop.client("cloudformation").describe_stacks()["Stacks"]
    assert names.top_stack not in {stack["StackName"] for stack in stacks}


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
