"""A learner's way back: on the notebook instance, with its role, which reaches this lab only."""

import re
import signal
from pathlib import Path
from typing import Any

import boto3
import pytest

from lab_helpers import way_back
from lab_helpers.clicks import DEAD
from lab_helpers.lab import Lab as Seat
from lab_helpers.way_back.buttons import LEFT, Buttons
from lab_helpers.way_back.offer import WayBack, WayBackError
from tests.lab_helpers.instructor.reset.small_workshop import GO_BACK, Lab

pytestmark = pytest.mark.docker


def train_without_the_pipeline(lab: Lab) -> str:
    """Train as notebook 03a does, wait for the end, and return the job's name."""
    sagemaker, name = lab.clients("sagemaker"), f"{lab.names.sdk}-api-20261130010203"
    top = lab.state().stacks[lab.names.top_stack].outputs
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": f"{top['ModelImageRepositoryUri']}:latest",
            "TrainingInputMode": "File",
        },
        RoleArn=top["SageMakerRoleArn"],
        OutputDataConfig={"S3OutputPath": f"s3://{lab.bucket}/sdk/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return name


def leave_a_release(lab: Lab) -> str:
    """Leave what an interrupted notebook 06 can leave, and return the beginning of its names."""
    name, top = lab.names.safe("0a1b2c"), lab.state().stacks[lab.names.top_stack].outputs
    lab.clients("sagemaker").create_model(
        ModelName=f"{name}-good",
        ExecutionRoleArn=top["SageMakerRoleArn"],
        PrimaryContainer={"Image": f"{top['ModelImageRepositoryUri']}:latest"},
    )
    lab.clients("cloudwatch").put_metric_alarm(
        AlarmName=f"{name}-wrong-answers",
        Namespace="MLOpsWorkshop",
        MetricName="WrongAnswers",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0.1,
        ComparisonOperator="GreaterThanThreshold",
    )
    return name


def keys(lab: Lab, prefix: str) -> list[str]:
    listed = lab.clients("s3").list_objects_v2(Bucket=lab.bucket, Prefix=prefix)
    return [one["Key"] for one in listed.get("Contents", [])]


def test_a_learner_goes_back_from_a_release_and_runs_the_notebook_again(lab: Lab, tmp_path: Path) -> None:
    lab.be_at("05")
    job, release = train_without_the_pipeline(lab), leave_a_release(lab)
    assert keys(lab, "sdk/") != []
    mine = lab.home / "notebooks" / "00_welcome.ipynb"
    mine.write_text(mine.read_text().replace('go_back_to = \\"\\"', 'go_back_to = \\"03\\"'))

    said = lab.go_back("03")

    told, _, done = said.partition("what stays")
    for stack in (lab.names.dev_stack, lab.names.prd_stack):
        assert stack in told
    assert "delete what notebook 03a has left" in told
    assert "delete what notebook 06 has left (2)" in told
    # What the endpoints have captured comes to S3 after a while.
    assert re.search("all objects but those under training/(, monitoring/)? and sdk/", done)
    assert "Your lab is at the start of notebook 03. Restart the kernel" in done
    assert "open 03_train.ipynb" in done
    assert "00_welcome.ipynb" in done.partition("What you had changed is in notebooks/changed-")[2]
    assert keys(lab, "sdk/") == keys(lab, "training/") == []
    jobs = lab.clients("sagemaker").list_training_jobs(NameContains=job)["TrainingJobSummaries"]
    assert jobs == []
    assert lab.clients("sagemaker").list_models(NameContains=release)["Models"] == []
    assert lab.clients("cloudwatch").describe_alarms(AlarmNamePrefix=release)["MetricAlarms"] == []

    lab.on_instance("-m", "lab_helpers", "run", "-n", "03", "--output", str(tmp_path))
    assert lab.newest(lab.names.train_pipeline)["status"] in {"InProgress", "Succeeded"}


def test_interrupted_half_way_it_is_completed_by_the_same_call(lab: Lab) -> None:
    lab.be_at("04")
    process = lab.start("-u", "-c", GO_BACK, "03")  # unbuffered: the first line is awaited
    assert process.stdout
    for line in process.stdout:
        if line.startswith("after"):  # the first step has begun
            break
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(60) != 0
    assert "Interrupted half way: some of it is done. Run this cell again" in rest

    lab.go_back("03")


@pytest.fixture
def seat(lab: Lab) -> Seat:
    """The lab as a notebook on the instance sees it."""
    given = lab.daemon.environment(lab.names.notebook_instance)
    session = boto3.Session(
        given["AWS_ACCESS_KEY_ID"],
        given["AWS_SECRET_ACCESS_KEY"],
        given.get("AWS_SESSION_TOKEN"),
        region_name=lab.region,
    )
    assert f"/{lab.names.role('notebook')}/" in session.client("sts").get_caller_identity()["Arn"]
    return Seat.open(home=lab.home, session=session)


class Page:
    """A notebook's page: what it saves beside the buttons."""

    def __init__(self, back: WayBack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.saved = ""
        monkeypatch.setattr("lab_helpers.clicks.display", self.display)
        self.buttons = Buttons(back)
        self.buttons._ipython_display_()

    def display(self, what: Any, **_: Any) -> None:
        self.saved = getattr(what, "data", self.saved)


def test_a_click_decides_once(lab: Lab, seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.be_at("03")
    page = Page(way_back.to("03", seat), monkeypatch)
    assert DEAD in page.saved
    page.buttons.leave.click()
    page.buttons.go.click()
    assert LEFT in page.buttons.said
    assert LEFT in page.saved

    page = Page(way_back.to("03", seat), monkeypatch)
    page.buttons.go.click()
    assert "Your lab is at the start of notebook 03" in page.buttons.said
    page.buttons.leave.click()
    assert LEFT not in page.buttons.said


def test_nothing_is_done_that_was_not_said(lab: Lab, seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.be_at("03")
    page = Page(way_back.to("03", seat), monkeypatch)
    key = {"Bucket": lab.bucket, "Key": "training/input/iris.csv"}
    lab.clients("s3").put_object(**key, Body=b"mine")

    page.buttons.go.click()

    assert "Nothing was done: the lab has changed" in page.buttons.said
    assert keys(lab, "training/") == ["training/input/iris.csv"]
    assert not page.buttons.go.disabled
    page.buttons.go.click()
    lab.assert_start_of("03")


def test_what_takes_an_instructor_is_said_and_not_begun(lab: Lab, seat: Seat) -> None:
    lab.be_at("01")
    lab.clients("ecr").delete_repository(repositoryName=lab.names.base_image, force=True)

    with pytest.raises(WayBackError, match=r"ask your instructor to run `.*reset --participant ana --to 02`"):
        way_back.to("02", seat)

    lab.reset("01")


@pytest.mark.parametrize("number", ["3", "00", "99", "03a", "03_train", ""])
def test_only_a_notebook_is_somewhere_to_go_back_to(seat: Seat, number: str) -> None:
    with pytest.raises(WayBackError, match=r"give one of 01, 02, 03, 04, 05(, \d\d)*, as text"):
        way_back.to(number, seat)
