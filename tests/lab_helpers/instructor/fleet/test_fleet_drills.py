"""Drills in labs without an image: what they need, leave alone and put back, and the instructor's command.

The launcher refuses to train without an image, so it is the one who notices. `tests/e2e/test_drill_lesson.py`
has the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lab_helpers import exercises
from lab_helpers.cli import app
from lab_helpers.drills import catalog, conduct, record
from lab_helpers.drills.drill import DrillError
from lab_helpers.instructor.fleet.progress import read_progress
from lab_helpers.lab import Lab
from lab_helpers.names import Names
from lab_helpers.way_back.state import as_lab
from tests.checkout import ROOT
from tests.interrupting import Interrupted
from tests.lab_helpers.instructor.fleet.one_room import Room

pytestmark = pytest.mark.slow

ZIP = "training/source/trainingjob.zip"
CALLS = (1, *range(10, 18))
"""Of a start: the first one, and all from the record to the first look at what happens."""


def seen(room: Room, lab_id: str, clients: Any = None) -> Lab:
    """Return a lab as an instructor sees it."""
    return as_lab(clients or room.clients, Names(lab_id), room.plan.region, room.plan.account)


@pytest.fixture(scope="module")
def two_labs(room: Room) -> Room:
    """Ana's and Bob's labs, just provisioned; Ana has uploaded data and a training job, which failed."""
    room.clean()
    assert [one.phase for one in room.up("ana", "bob")] == ["ready", "ready"]
    lab = seen(room, "ana")
    templates = [ROOT / "cfn" / f"deploy-model-{stage}.yml" for stage in ("dev", "prd")]
    members = exercises.training_job(
        exercises.find(ROOT / "notebooks", "03"), templates, lab.bucket, lab.region
    )
    s3 = lab.client("s3")
    data = (ROOT / "notebooks/data/iris.csv").read_bytes()
    s3.put_object(Bucket=lab.bucket, Key="training/input/iris.csv", Body=data)
    s3.put_object(Bucket=lab.bucket, Key=ZIP, Body=exercises.zipped(members))
    settled(lab)
    return room


def settled(lab: Lab) -> None:
    """Wait until the pipeline has run for the upload, and no execution is in progress."""
    from lab_helpers.drills.training import until

    def done() -> bool:
        listed = lab.client("codepipeline").list_pipeline_executions(pipelineName=lab.names.train_pipeline)
        found = listed["pipelineExecutionSummaries"]
        return len(found) > 1 and all(one["status"] not in {"InProgress", "Stopping"} for one in found)

    until(done, "an execution is in progress")


@pytest.fixture
def ana(two_labs: Room) -> Iterator[Lab]:
    """Ana's lab, whose own things no drill may change."""
    lab = seen(two_labs, "ana")
    before = own(lab)
    yield lab
    conduct.end(lab)
    settled(lab)
    assert own(lab) == before
    assert record.running(lab) is None


def own(lab: Lab) -> dict[str, Any]:
    """Return what is the learner's: versions of the data and the zip, and the rules."""
    s3, events = lab.client("s3"), lab.client("events")
    versions = s3.list_object_versions(Bucket=lab.bucket, Prefix="training/")["Versions"]
    rules = (lab.names.upload_rule, lab.names.monitor_rule)
    return {
        "versions": sorted(
            (one["Key"], one["VersionId"])
            for one in versions
            if one["Key"].startswith(("training/input/", "training/source/"))
        ),
        "rules": [
            {
                name: json.loads(str(value)) if name == "EventPattern" else value
                for name, value in events.describe_rule(Name=rule).items()
                if name in {"EventPattern", "ScheduleExpression", "Description"}
            }
            for rule in rules
        ],
    }


def test_a_drill_says_who_noticed_and_how_soon_and_may_run_again(ana: Lab) -> None:
    for _ in range(2):
        ended = conduct.run(ana, "bad-hyperparameter")

        assert ended.record.noticed_by == "the launcher function"
        assert "no image tagged latest" in ended.record.happened
        assert ended.record.seconds is not None
        assert ended.record.ended is not None
        assert "root" in ended.record.by
        assert record.newest(ana) == ended.record


def test_what_it_trains_with_is_a_changed_copy(ana: Lab) -> None:
    started = conduct.start(ana, "lost-event")
    body = ana.client("s3").get_object(Bucket=ana.bucket, Key=started.record.zip)["Body"].read()
    gate = json.loads(exercises.unzipped(body)["trainingjob.json"])["QualityGate"]
    assert (gate["MinimumAccuracy"], gate["MinimumRecall"]) == (1.0, 1.0)

    found = ana.client("events").describe_rule(Name=ana.names.monitor_rule)
    assert "SageMaker Training Job" not in found["EventPattern"]
    assert "TrainApproval" in found["EventPattern"]
    assert found["ScheduleExpression"] == "rate(1 minute)"


def test_a_lab_has_one_drill_at_a_time(ana: Lab) -> None:
    conduct.start(ana, "lost-event")
    with pytest.raises(DrillError, match=r"the drill lost-event has been running .*end it first"):
        conduct.start(ana, "bad-hyperparameter")
    with pytest.raises(DrillError, match="lost-event"):
        record.begin(ana, record.new("bad-hyperparameter", "someone who was as quick"))


def test_another_persons_drill_is_not_ended_by_the_notebook(ana: Lab) -> None:
    conduct.start(ana, "lost-event")
    found = record.running(ana)
    assert found
    conduct.clear(ana)
    assert record.running(ana) is None
    other = "arn:aws:sts::123456789012:assumed-role/instructor/one"
    record.begin(ana, record.new("bad-hyperparameter", other))
    with pytest.raises(DrillError, match="someone else has started a drill"):
        conduct.clear(ana)


def test_a_lab_that_is_not_in_the_state_is_refused_and_unchanged(two_labs: Room, ana: Lab) -> None:
    with pytest.raises(DrillError, match="needs a release in PRD"):
        conduct.start(ana, "poisoned-labels")
    with pytest.raises(DrillError, match="'no-such-drill' is not a drill: give one of bad-hyperparameter"):
        conduct.start(ana, "no-such-drill")
    bob = seen(two_labs, "bob")
    with pytest.raises(DrillError, match=r"trainingjob.zip does not exist: run notebook 03 first"):
        conduct.start(bob, "bad-hyperparameter")
    with pytest.raises(DrillError, match="has no pipeline cy-iris-train-pipeline"):
        conduct.start(seen(two_labs, "cy"), "bad-hyperparameter")
    assert record.newest(bob) is None


def test_an_execution_in_progress_is_not_queued_behind(ana: Lab) -> None:
    pipeline = ana.client("codepipeline")
    stage: dict[str, Any] = {
        "pipelineName": ana.names.train_pipeline,
        "stageName": "Train",
        "transitionType": "Inbound",
    }
    pipeline.disable_stage_transition(**stage, reason="a test")
    try:
        pipeline.start_pipeline_execution(name=ana.names.train_pipeline)
        with pytest.raises(DrillError, match="is in progress: start the drill when it has ended"):
            conduct.start(ana, "bad-hyperparameter")
    finally:
        pipeline.enable_stage_transition(**stage)
        settled(ana)


@pytest.mark.parametrize("number", CALLS)
def test_whatever_is_left_of_an_interrupted_start_is_put_back(
    two_labs: Room, ana: Lab, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the machine had been switched off: nothing of the drill runs after the interruption."""
    with monkeypatch.context() as patch:
        patch.setattr(conduct, "end", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            conduct.start(seen(two_labs, "ana", Interrupted(two_labs.clients, number)), "lost-event")

    conduct.end(ana)  # another process; the fixture looks at what is there


def test_a_rule_that_someone_else_has_changed_meanwhile_is_theirs(ana: Lab) -> None:
    events = ana.client("events")
    before = events.describe_rule(Name=ana.names.monitor_rule)
    conduct.start(ana, "lost-event")
    mine = {"source": ["mine"]}
    rule: dict[str, Any] = {"Name": before["Name"], "ScheduleExpression": before["ScheduleExpression"]}
    events.put_rule(**rule, EventPattern=json.dumps(mine), State="DISABLED")
    try:
        ended = conduct.end(ana)
        assert ended
        assert "changed by someone else meanwhile" in ended.record.done[0]
        assert json.loads(events.describe_rule(Name=before["Name"])["EventPattern"]) == mine
    finally:
        events.put_rule(
            **rule, EventPattern=before["EventPattern"], State="ENABLED", Description=before["Description"]
        )


# --- the command


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["fleet", "drill", *arguments])


def test_an_instructor_starts_a_drill_in_a_class_and_sees_who_noticed(two_labs: Room, ana: Lab) -> None:
    asked = run("bad-hyperparameter", "--all")
    assert asked.exit_code == 2
    assert "--yes" in asked.output

    started = run("bad-hyperparameter", "--all", "--yes", "--json")
    assert started.exit_code == 1, started.output
    found = {one["lab"]: one for one in json.loads(started.stdout)}
    assert found["ana"]["drill"] == "bad-hyperparameter"
    assert "run notebook 03 first" in found["bob"]["error"]
    settled(ana)

    status = run("status", "--json")
    assert status.exit_code == 0, status.output
    [told, none] = json.loads(status.stdout)
    assert none == {"lab": "bob", "error": ""}
    assert told["noticed_by"] == "the launcher function"
    assert told["seconds"] >= 0
    assert told["ended"] == ""
    table = run("status").output
    assert "the launcher function" in table
    assert read_progress(two_labs.clients, ana.names).doing == "failed in the drill bad-hyperparameter"

    ended = run("end", "--lab", "ana", "--json")
    assert ended.exit_code == 0, ended.output
    [told] = json.loads(ended.stdout)
    assert told["ended"]
    assert told["put_back"] == [
        "nothing is left to put back: the execution has ended, and DEV and PRD are unchanged"
    ]
    assert "ana: when the drill was ended: stopped in Train" in run("status").output
    assert json.loads(run("end", "--json").stdout) == [
        {"lab": "ana", "error": ""},
        {"lab": "bob", "error": ""},
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["bad-hyperparameter"], "which labs?"),
        (["no-such-drill", "--all"], "neither a drill nor one of list, status, end"),
        (["status", "--all", "--lab", "ana"], "not several of them"),
        (["status", "--lab", "Not Valid"], "not a valid lab id"),
    ],
)
def test_a_mistake_in_the_command_is_told(arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert says in done.output


def test_a_lab_that_does_not_exist_is_told(two_labs: Room) -> None:
    done = run("status", "--lab", "zoe")
    assert done.exit_code == 1
    assert "zoe: the lab does not exist" in done.output


def test_the_list_names_every_drill() -> None:
    assert [one["drill"] for one in json.loads(run("list", "--json").stdout)] == list(catalog.ALL)
    assert "who should notice" in run("list").output
