"""`fleet up` in a local account: real stacks and lifecycle scripts, from every state that it can meet."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from lab_helpers import keys
from lab_helpers.cli import app
from lab_helpers.cli.instructor.fleet_watch import in_jupyterlab
from lab_helpers.instructor.fleet import overview, provision
from lab_helpers.instructor.fleet.overview import Overview
from lab_helpers.instructor.fleet.progress import read_progress
from lab_helpers.instructor.fleet.provision import LabState
from lab_helpers.instructor.fleet.roster import Participant
from lab_helpers.names import Names
from tests.checkout import ROOT
from tests.lab_helpers.instructor.fleet.one_room import Room, people

pytestmark = pytest.mark.slow


def by_lab(states: list[LabState]) -> dict[str, LabState]:
    return {one.participant.lab_id: one for one in states}


@pytest.fixture(scope="module")
def two_labs(room: Room) -> Room:
    """Ana's and Bob's labs, just provisioned."""
    room.clean()
    states = room.up("ana", "bob")
    assert [one.phase for one in states] == ["ready", "ready"], states
    assert {one.change for one in states} == {"created"}
    return room


def stack(room: Room, name: str) -> Any:
    return Overview.read(room.clients).stacks[name]


def test_a_fleet_reported_as_ready_is_ready(two_labs: Room) -> None:
    assert two_labs.faults("ana", "bob") == []
    assert (two_labs.home("ana") / "notebooks" / "01_build_base_image.ipynb").is_file()
    assert (two_labs.home("bob") / ".workshop" / "provision.status").read_text() == "ready\n"


def test_running_it_again_changes_nothing(two_labs: Room) -> None:
    before = stack(two_labs, "ana-mlops").record
    mine = two_labs.home("ana") / "notebooks" / "01_build_base_image.ipynb"
    written = mine.stat().st_mtime_ns

    states = two_labs.up("ana", "bob", expires="2031-01-01T00:00:00Z")

    assert [(one.phase, one.change) for one in states] == [("ready", "unchanged")] * 2
    assert stack(two_labs, "ana-mlops").record == before
    assert mine.stat().st_mtime_ns == written


def test_several_labs_are_opened_at_once_and_one_that_is_missing_hides_no_other(two_labs: Room) -> None:
    opened = CliRunner().invoke(app, ["fleet", "open", "ana", "nobody", "bob"])
    assert opened.exit_code == 1
    assert "there is no lab nobody in account" in opened.stderr
    assert [line.split("  http")[0] for line in opened.stdout.splitlines()] == ["ana", "bob"]
    [only] = CliRunner().invoke(app, ["fleet", "open", "bob"]).stdout.splitlines()
    assert only.startswith("http"), "a script takes it as it is"


def test_it_updates_what_changed_and_a_new_expiry_if_one_is_given(
    two_labs: Room, other_template: Path
) -> None:
    end = "2031-01-01T00:00:00Z"

    [state] = two_labs.up("ana", template=other_template, expires=end, extend=True)

    assert (state.phase, state.change) == ("ready", "updated")
    assert stack(two_labs, "ana-mlops").tags["mlops-workshop:expires"] == end
    assert stack(two_labs, "bob-mlops").tags["mlops-workshop:expires"] != end
    rules = two_labs.clients("s3").get_bucket_lifecycle_configuration(
        Bucket=Names("ana").bucket(two_labs.plan.region, two_labs.plan.account)
    )["Rules"]
    assert 31 in [rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays") for rule in rules]


def test_a_new_package_reaches_running_instances_only_on_request(two_labs: Room) -> None:
    package = two_labs.plan.package + b"\0"  # a zip file with trailing bytes is still valid
    try:
        [state] = two_labs.up("bob", package=package)
        assert (state.phase, state.outdated) == ("ready", True)

        [state] = two_labs.up("bob", package=package, restart=True)
        assert (state.phase, state.outdated) == ("ready", False)
    finally:
        [state] = two_labs.up("bob", restart=True)
    assert two_labs.faults("bob") == []


def test_a_stopped_instance_is_started(two_labs: Room) -> None:
    sagemaker = two_labs.clients("sagemaker")
    sagemaker.stop_notebook_instance(NotebookInstanceName="bob-mlops")

    [state] = two_labs.up("bob")

    assert state.phase == "ready"
    assert two_labs.faults("bob") == []


def test_a_failed_provisioning_is_tried_again_and_a_missing_stack_is_created_again(two_labs: Room) -> None:
    cloudformation = two_labs.clients("cloudformation")
    cloudformation.delete_stack(StackName="bob-iris-train-pipeline")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="bob-iris-train-pipeline", WaiterConfig={"Delay": 1}
    )

    [state] = two_labs.up("bob")

    assert state.phase == "ready", state
    assert two_labs.faults("bob") == []


def test_an_instance_whose_provisioning_was_killed_is_restarted(two_labs: Room) -> None:
    """Nothing of it could report that it ended: the bucket says `running` for ever."""
    told = {"status": "running", "at": (datetime.now(UTC) - timedelta(hours=2)).isoformat(), "log": []}
    bucket = Names("bob").bucket(two_labs.plan.region, two_labs.plan.account)
    report = {"Bucket": bucket, "Key": keys.PROVISION}
    two_labs.clients("s3").put_object(**report, Body=json.dumps(told).encode())

    [state] = two_labs.up("bob")

    assert state.phase == "ready", state
    assert json.load(two_labs.clients("s3").get_object(**report)["Body"])["status"] == "ready"


def test_a_failure_is_reported_with_its_reason_and_the_others_continue(two_labs: Room) -> None:
    """A role with the lab's name already exists: someone else's, or a leftover."""
    iam = two_labs.clients("iam")
    trust = {
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ]
    }
    iam.create_role(RoleName="cy-mlops-events", AssumeRolePolicyDocument=json.dumps(trust))

    states = by_lab(two_labs.up("cy", "dee", parallel=1))

    assert states["cy"].phase == "failed"
    assert "stack cy-mlops is ROLLBACK_COMPLETE" in states["cy"].detail
    assert "cy-mlops-events" in states["cy"].detail
    assert states["dee"].phase == "ready"

    iam.delete_role(RoleName="cy-mlops-events")
    [state] = two_labs.up("cy")  # from ROLLBACK_COMPLETE
    assert (state.phase, state.change) == ("ready", "created")
    two_labs.clean("cy", "dee")


def test_the_summary_counts_what_is_ready_and_names_the_next_step() -> None:
    from lab_helpers.cli.instructor.fleet import conclusion

    ready, failed = (
        LabState(Participant(name, "", name.lower()), change="created") for name in ("Cy", "Dee")
    )
    ready.phase, failed.phase = "ready", "failed"

    def said() -> str:
        return "\n".join(line.plain for line in conclusion([ready, failed], Path("my roster.csv"), 3))

    failed.detail = "stack dee-mlops is ROLLBACK_COMPLETE: a role exists"
    assert "✗ Dee (dee): stack dee-mlops is ROLLBACK_COMPLETE" in said()
    assert "1 of 2 labs are ready (1 created), in 3.0 s." in said()
    assert "Run the same command again" in said()
    assert "quota" not in said()
    failed.detail = "stack dee-mlops is ROLLBACK_COMPLETE: … Error: ResourceLimitExceeded)"
    assert "doctor --roster 'my roster.csv'` shows which increase to request" in said()


def test_an_instance_deleted_by_hand_is_named_with_the_remedy(two_labs: Room) -> None:
    sagemaker = two_labs.clients("sagemaker")
    two_labs.up("eve")
    sagemaker.stop_notebook_instance(NotebookInstanceName="eve-mlops")
    sagemaker.get_waiter("notebook_instance_stopped").wait(
        NotebookInstanceName="eve-mlops", WaiterConfig={"Delay": 1}
    )
    sagemaker.delete_notebook_instance(NotebookInstanceName="eve-mlops")
    sagemaker.get_waiter("notebook_instance_deleted").wait(
        NotebookInstanceName="eve-mlops", WaiterConfig={"Delay": 1}
    )

    [state] = two_labs.up("eve")

    assert state.phase == "failed"
    assert "fleet status shows the reset that creates it again" in state.detail
    opened = CliRunner().invoke(app, ["fleet", "open", "eve"])
    assert "lab eve has no notebook instance" in opened.output
    [told] = read_progress(two_labs.clients, Names("eve")).failures
    assert "reset --participant eve --to 01`" in told.why, "a later notebook, if the lab has come that far"
    two_labs.clean("eve")


def test_fleet_open_shows_jupyterlab_with_its_layout_and_not_the_older_jupyter(two_labs: Room) -> None:
    """On AWS, the URL of the API opens JupyterLab only with this addition."""
    opened = CliRunner().invoke(app, ["fleet", "open", "ana"])

    assert opened.exit_code == 0, opened.output
    url = opened.stdout.strip()
    assert parse_qs(urlsplit(url).query)["view"] == ["lab"]
    with urllib.request.urlopen(url, timeout=30) as page:
        assert "/lab" in urlsplit(page.url).path
    assert in_jupyterlab("https://ana-mlops.notebook.eu-west-1.sagemaker.aws?authToken=x").endswith(
        "x&view=lab"
    )


def test_a_stack_that_failed_because_of_throttling_is_created_again(
    two_labs: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provision, "BACK_OFF_SECONDS", 3.0)
    said = ["Events: Rate exceeded (Service: Iam, Status Code: 400)"]
    real = overview.why_failed
    monkeypatch.setattr(provision, "why_failed", lambda *given: said.pop() if said else real(*given))
    iam = two_labs.clients("iam")
    trust = {
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ]
    }
    iam.create_role(RoleName="fay-mlops-events", AssumeRolePolicyDocument=json.dumps(trust))
    seen: list[str] = []

    def observe(states: Any) -> None:
        seen.append(states[0].detail)
        if "again in" in states[0].detail and seen.count(states[0].detail) == 1:  # the throttling ends
            iam.delete_role(RoleName="fay-mlops-events")

    [state] = provision.bring_up(
        two_labs.clients,
        people(["fay"]),
        two_labs.plan,
        observe,
        look_seconds=0.05,
    )

    assert any("Rate exceeded" in one for one in seen)
    assert state.phase == "ready", state
    two_labs.clean("fay")


def test_an_interrupted_command_continues_and_ends_as_if_it_had_not_been_interrupted(
    two_labs: Room, tmp_path: Path
) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("Gus,gus@example.org\nHan\n")
    argv = [sys.executable, "-m", "lab_helpers", "fleet", "up", str(roster), "--json"]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while "gus-mlops" not in Overview.read(two_labs.clients).stacks and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Run the same command again to continue" in said

    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert [(one["lab"], one["phase"]) for one in json.loads(done.stdout)] == [
        ("gus", "ready"),
        ("han", "ready"),
    ]
    assert two_labs.faults("gus", "han") == []
    down = [sys.executable, "-m", "lab_helpers", "fleet", "down", str(roster), "--yes"]
    done = subprocess.run(down, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert two_labs.left("gus", "han") == []
    assert two_labs.faults("ana", "bob") == []  # and no other lab was touched
