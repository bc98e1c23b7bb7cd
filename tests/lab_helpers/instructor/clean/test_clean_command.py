"""The command `clean`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lab_helpers.cli import app
from tests.lab_helpers.instructor.clean.small_labs import PAST, Room

pytestmark = pytest.mark.slow


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["clean", *arguments])


def test_a_dry_run_lists_and_deletes_nothing(room: Room) -> None:
    room.make("dry")
    before = room.kinds("dry")

    done = run("--participant", "dry", "--dry-run", "--json")

    assert done.exit_code == 0, done.output
    planned = json.loads(done.stdout)["planned"]
    assert {(one["kind"], one["id"]) for one in planned} == before == room.kinds("dry")
    assert planned[-1]["kind"] == "role"
    assert any(one["usd_per_hour"] for one in planned)
    shown = run("--participant", "dry", "--dry-run")
    assert "dry-scikit-base" in shown.stdout
    assert "of 1 lab, 0.000 USD per hour" in shown.stdout


def test_without_a_terminal_to_confirm_nothing_is_deleted(room: Room) -> None:
    room.make("ask")

    done = run("--participant", "ask")

    assert done.exit_code == 2
    assert "--yes" in done.output
    assert room.owned("ask")


def test_labs_of_a_roster_are_deleted_and_the_proof_is_shown(room: Room, tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("name,lab_id\nA,rosa\nB,rosb\n")
    for lab_id in ("rosa", "rosb", "rosc"):
        room.make(lab_id)

    done = run("--roster", str(roster), "--yes")

    assert done.exit_code == 0, done.output
    assert "nothing is left" in " ".join(done.output.split())
    assert not room.owned("rosa", "rosb")
    assert room.owned("rosc")


def test_expired_labs_are_deleted_and_others_stay(room: Room) -> None:
    room.make("expired", expires=PAST)
    room.make("fresh")

    done = run("--expired", "--yes", "--json")

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["remaining"] == []
    assert not room.owned("expired")
    assert room.owned("fresh")


def test_what_remains_is_listed_with_its_cost_and_the_exit_status_is_1(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lab_helpers import deletions

    room.make("stay")
    monkeypatch.setitem(deletions._DELETE, "alarm", lambda _clients, _name: None)

    done = run("--participant", "stay", "--yes", "--json")

    assert done.exit_code == 1, done.output
    (left,) = json.loads(done.stdout)["remaining"]
    assert (left["kind"], left["id"]) == ("alarm", "stay-iris-model-prd-server-errors")
    assert left["usd_per_hour"] > 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--all", "--expired"),
        ("--participant", "ana", "--all"),
        ("--participant", "Ana Silva"),
        ("--roster", "/no/such/roster.csv"),
    ],
)
def test_a_usage_error_is_reported_before_anything_is_listed(room: Room, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_lab_that_does_not_exist_is_not_an_error(room: Room) -> None:
    done = run("--participant", "nobody", "--yes")

    assert done.exit_code == 0
    assert "These labs have no resources" in done.output
