"""Notebook 09 and its drills in the lab that the whole run has left: who notices, and what is put back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lab_helpers.cli import app
from tests.e2e import recorded
from tests.e2e.one_workshop import Workshop

pytestmark = [pytest.mark.docker, pytest.mark.e2e, pytest.mark.timeout(1200)]


@pytest.fixture(autouse=True)
def everything_is_put_back(workshop: Workshop) -> Iterator[None]:
    """DEV and PRD serve what they served, the learner's zip and data are theirs, the rule is whole."""

    def state() -> dict[str, Any]:
        names, s3 = workshop.names, workshop.client("s3")
        rule = workshop.client("events").describe_rule(Name=names.monitor_rule)
        listed = s3.list_object_versions(Bucket=workshop.bucket, Prefix="training/")
        return {
            "serving": [workshop.serving(one) for one in (names.dev_endpoint, names.prd_endpoint)],
            "pattern": json.loads(rule["EventPattern"]),
            "own": [
                (one["Key"], one["VersionId"])
                for one in listed["Versions"]
                if one["Key"].startswith(("training/input/", "training/source/"))
            ],
        }

    before = state()
    yield
    assert state() == before
    found = workshop.client("s3").list_objects_v2(Bucket=workshop.bucket, Prefix="drills/running")
    assert found["KeyCount"] == 0


def ended(workshop: Workshop) -> dict[str, dict[str, Any]]:
    """Return the record of the newest drill of each name."""
    s3 = workshop.client("s3")
    listed = s3.list_objects_v2(Bucket=workshop.bucket, Prefix="drills/", Delimiter="/")["Contents"]
    bodies = [s3.get_object(Bucket=workshop.bucket, Key=one["Key"])["Body"].read() for one in listed]
    return {one["drill"]: one for one in map(json.loads, bodies)}


def test_each_drill_of_the_lesson_is_noticed_by_whom_it_says(workshop: Workshop, tmp_path: Path) -> None:
    chosen = "bad-hyperparameter, weak-model, poisoned-labels, swapped-labels, lost-event"
    done = workshop.command(
        "run", "--port", "0", "-n", "09", "--output", str(tmp_path), "-p", f"09.drills={chosen}"
    )
    assert done.returncode == 0, done.stdout[-6000:]
    recorded.check(tmp_path / "09_drills.ipynb")

    found = ended(workshop)
    assert list(found) != []
    for name in ("bad-hyperparameter", "weak-model", "poisoned-labels"):
        assert found[name]["noticed_by"] == "the monitor function"
    assert "plenty" in found["bad-hyperparameter"]["happened"]
    assert "is below" in found["weak-model"]["happened"]
    assert "is below" in found["poisoned-labels"]["happened"]
    assert found["swapped-labels"]["noticed_by"].startswith("a person (mlops-notebook/")
    assert found["lost-event"]["noticed_by"] == "the monitor function, by its schedule"


def test_an_instructor_breaks_a_lab_and_sees_who_noticed(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The learner's release is rejected without a word; the command that ends the drill lets DEV go back."""
    for name, value in workshop.daemon.environment().items():
        monkeypatch.setenv(name, value)

    def drill(*arguments: str) -> list[dict[str, Any]]:
        done = CliRunner().invoke(app, ["fleet", "drill", *arguments, "--json"])
        assert done.exit_code == 0, done.output
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    serving = workshop.serving(workshop.names.prd_endpoint)
    [started] = drill("rejected-approval", "--lab", "default")
    assert started["noticed_by"].startswith("a person (root")
    assert "Rejected in a drill." in started["happened"]
    assert workshop.serving(workshop.names.prd_endpoint) == serving
    assert workshop.serving(workshop.names.dev_endpoint).endswith(started["execution"])

    [status] = drill("status")
    assert (status["drill"], status["ended"]) == ("rejected-approval", "")
    assert 0 < status["seconds"] < 180
    [put_back] = drill("end")
    assert put_back["ended"]
    assert "serves the model of" in put_back["put_back"][0]
