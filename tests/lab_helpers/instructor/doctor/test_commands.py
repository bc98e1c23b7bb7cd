"""The commands `doctor` and `cost`, as used by people and scripts."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab_helpers.cli import app

RUNNER = CliRunner()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        if name.startswith(("AWS_", "DOCKER_")):
            monkeypatch.setenv(name, value)


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    path = tmp_path / "roster.csv"
    path.write_text("name,email\nAna Alves,ana@example.org\nBo Berg,\n")
    return path


@pytest.mark.usefixtures("account")
def test_the_doctor_shows_a_remedy_beside_each_finding_and_fails_for_errors(roster: Path) -> None:
    done = RUNNER.invoke(app, ["doctor", "--roster", str(roster)], terminal_width=100)

    assert done.exit_code == 1, done.output
    assert "Docker Engine" in done.output and "→ start it" in done.output
    assert re.search(r"(1 error|\d+ errors), (1 warning|\d+ warnings) for 2 participants\.", done.output)


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("name", ["--participants", "-n", "--size"])
def test_the_doctor_prints_only_json_on_standard_output(name: str) -> None:
    """And calls the number of participants as `cost` does; `--size`, its former name, still works."""
    done = RUNNER.invoke(app, ["doctor", name, "40", "--source-provider", "S3", "--json"])
    document = json.loads(done.stdout)

    assert document["participants"] == 40
    assert document["counts"]["error"] == sum(one["level"] == "error" for one in document["findings"])
    assert all(one["remedy"] for one in document["findings"] if one["level"] != "ok")
    assert done.exit_code == 1


def test_the_doctor_needs_a_region_and_a_readable_roster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")

    assert RUNNER.invoke(app, ["doctor"]).exit_code == 2
    assert RUNNER.invoke(app, ["doctor", "--region", "us-east-1", "--roster", "/nowhere"]).exit_code == 2
    assert RUNNER.invoke(app, ["doctor", "--participants", "0"]).exit_code == 2


def test_the_doctor_does_not_take_a_lab_id_for_the_number_of_participants() -> None:
    done = RUNNER.invoke(app, ["doctor", "--participant", "30"])
    assert done.exit_code == 2
    assert "the number of participants is --participants" in done.output


def test_cost_shows_prices_with_their_date_and_its_assumptions(roster: Path) -> None:
    done = RUNNER.invoke(app, ["cost", "--roster", str(roster), "--hours", "3"], env={"COLUMNS": "100"})

    assert done.exit_code == 0, done.output
    for shown in (
        "participants=2",
        "hours=3.0",
        "Largest item:",
        "Prices of 30 July 2026, us-east-1",
        "total",
    ):
        assert shown in done.output, shown


def test_cost_in_json_has_numbers_that_add_up() -> None:
    done = RUNNER.invoke(
        app, ["cost", "-n", "30", "--assume", "endpoint-hours=5", "--region", "ap-northeast-1", "--json"]
    )
    document = json.loads(done.stdout)

    assert document["assumptions"]["endpoint_hours"] == 5
    assert document["region"] == "ap-northeast-1"
    assert sum(one["total"] for one in document["items"]) == pytest.approx(document["total"], abs=0.06)
    assert sum(document["by_service"].values()) == pytest.approx(document["total"], abs=0.06)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--assume", "rockets=3"], "write name=value, where name is one of"),
        (["--assume", "hours"], "write name=value"),
        (["--assume", "builds=many"], "is not a valid int"),
        (["--hours", "-1"], "can't be negative"),
        (["--region", "mars-1"], "no prices for the region mars-1"),
    ],
)
def test_cost_says_what_is_wrong_with_its_arguments(arguments: list[str], message: str) -> None:
    done = RUNNER.invoke(app, ["cost", *arguments])

    assert done.exit_code == 2
    assert message in done.output
