"""The command `reset`."""

import json

import pytest
from typer.testing import CliRunner, Result

from lab_helpers.cli import app
from lab_helpers.cli.instructor import reset as command
from tests.lab_helpers.instructor.reset.small_workshop import Lab

pytestmark = pytest.mark.docker


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["reset", *arguments])


@pytest.fixture
def broken(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab at the start of 03 with a disabled rule; the command runs from its checkout."""
    lab.be_at("03")
    lab.clients("events").disable_rule(Name=lab.names.upload_rule)
    monkeypatch.setattr(command, "REPOSITORY", lab.root)
    return lab


def test_it_shows_its_plan_and_carries_it_out_when_confirmed(broken: Lab) -> None:
    dry = run("--participant", "ana", "--to", "03", "--dry-run", "--json")
    assert dry.exit_code == 0, dry.output
    (planned,) = json.loads(dry.stdout)["planned"]
    assert [action["kind"] for action in planned["actions"]] == ["enable-rule", "exercises"]
    assert not broken.plan("03").settled

    asked = run("--participant", "ana", "--to", "03")
    assert asked.exit_code == 2
    assert "--yes" in asked.output
    assert not broken.plan("03").settled

    done = run("--participant", "ana", "--to", "03", "--yes")
    assert done.exit_code == 0, done.output
    assert f"{broken.names.upload_rule}: enable it" in done.output
    assert "ana is at the start of 03" in done.output
    broken.assert_start_of("03")


def test_a_lab_that_fails_is_named_with_the_reason(broken: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from lab_helpers.instructor.reset import rebuilding
    from lab_helpers.way_back import resetting

    monkeypatch.setattr(resetting, "ANSWER_SECONDS", 0.1)
    name = broken.names.notebook_instance
    broken.clients("sagemaker").stop_notebook_instance(NotebookInstanceName=name)
    monkeypatch.setitem(rebuilding.MORE, "start-instance", lambda _run, _name: None)

    done = run("--participant", "ana", "--to", "03", "--yes", "--json")

    assert done.exit_code == 1, done.output
    (failed,) = json.loads(done.stdout)["labs"]
    assert "does not answer" in failed["error"]


def test_a_mistyped_lab_is_not_created(broken: Lab) -> None:
    """No roster knows it, so nobody would delete it."""
    done = run("--participant", "anna", "--to", "03", "--yes")

    assert done.exit_code == 1
    assert "there is no lab anna" in done.output
    assert "labs there: ana" in done.output
    assert "deploy --participant anna" in done.output
    stacks = broken.clients("cloudformation").describe_stacks()["Stacks"]
    assert not [one for one in stacks if one["StackName"].startswith("anna")]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--to", "03"),
        ("--to", "99", "--all"),
        ("--to", "03", "--all", "--participant", "ana"),
        ("--to", "03", "--participant", "Ana"),
    ],
)
def test_a_usage_error_is_rejected(lab: Lab, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
