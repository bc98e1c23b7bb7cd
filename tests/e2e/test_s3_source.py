"""A lab in an account without CodeCommit: the same notebooks, with the repository in the lab's bucket."""

import subprocess
from pathlib import Path

import pytest

from lab_helpers.names import Names
from tests.e2e.one_workshop import Workshop

pytestmark = [pytest.mark.docker, pytest.mark.e2e]


def test_the_notebooks_build_both_images_from_a_repository_in_the_bucket(
    workshop: Workshop, tmp_path: Path
) -> None:
    names = Names("zip")
    done = workshop.command(
        *("run", "--participant", "zip", "--notebooks", "01-02", "--output", str(tmp_path / "run")),
        *("--stack-parameter", "SourceProvider=S3"),
    )
    assert done.returncode == 0, done.stdout[-6000:]

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


def git(environment: dict[str, str], branch: str, *arguments: str) -> str:
    """Run git in a working copy on the lab's instance."""
    copy = Path(environment["WORKSHOP_HOME"]) / branch
    return subprocess.check_output(["git", *arguments], cwd=copy, env=environment, text=True).strip()
