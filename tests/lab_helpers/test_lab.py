"""`Lab.open`: the lab of this notebook instance, once it is provisioned."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.lab import Lab, LabError, wait_until_provisioned
from lab_helpers.names import Names
from lab_helpers.settings import lab_id_here, read_settings


@pytest.fixture
def home(tmp_path: Path) -> Path:
    directory = tmp_path / ".workshop"
    directory.mkdir()
    (directory / "lab.env").write_text(
        "# written by the lifecycle hook\nLAB_ID='ana'\nBUCKET=\"ana bucket\"\nexport REGION=eu-west-1\n"
        "ACCOUNT_ID='123456789012'\n\n"
    )
    (directory / "provision.status").write_text("ready\n")
    return tmp_path


def test_it_opens_the_lab_of_the_instance(home: Path) -> None:
    lab = Lab.open(home=home)
    assert lab.names == Names("ana")
    assert (lab.region, lab.account, lab.bucket) == ("eu-west-1", "123456789012", "ana bucket")
    assert lab.working_copy("scikit_base") == home / "scikit_base"
    assert lab.exercises == home / "notebooks"
    assert "ana-iris-train-pipeline" in str(lab)
    assert "<td" in lab._repr_html_()


def test_it_finds_the_home_in_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(home))
    assert Lab.open("ana").home == home


def test_clients_are_created_once_at_first_use(home: Path) -> None:
    class Session:
        region_name = "eu-west-1"

        def __init__(self) -> None:
            self.made: list[str] = []

        def client(self, service: str) -> object:
            self.made.append(service)
            return object()

    session = Session()
    lab = Lab.open(home=home, session=session)
    assert session.made == []
    assert lab.client("s3") is lab.client("s3")
    assert session.made == ["s3"]


def test_settings_are_read_as_a_shell_would_read_them(tmp_path: Path) -> None:
    path = tmp_path / "lab.env"
    path.write_text("A=1\nB='two words'\nexport C=\"3\" # comment\n# D=4\nE=\n")
    assert read_settings(path) == {"A": "1", "B": "two words", "C": "3", "E": ""}


def test_the_lab_is_known_before_it_is_provisioned(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".workshop" / "provision.status").write_text("running")
    monkeypatch.setenv("WORKSHOP_HOME", str(home))
    assert lab_id_here() == "ana"
    monkeypatch.setenv("WORKSHOP_HOME", str(home / "nowhere"))
    assert lab_id_here() == ""


def test_a_lab_other_than_the_instances_is_rejected(home: Path) -> None:
    with pytest.raises(LabError, match="belongs to the lab 'ana', not to 'ben'"):
        Lab.open("ben", home=home)


def test_without_a_lab_it_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"lab\.env does not exist.*WORKSHOP_HOME"):
        Lab.open(home=tmp_path)


def test_it_waits_for_provisioning_and_reports_its_progress(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, log = home / ".workshop/provision.status", home / ".workshop/provision.log"
    status.unlink()
    steps = iter(["cloning", "deploying iris-model", "ready"])

    def sleep(_: float) -> None:
        step = next(steps)
        log.write_text(f"begin\n{step}\n")
        status.write_text("ready" if step == "ready" else "running")

    assert Lab.open(home=home, sleep=sleep).names.lab_id == "ana"
    said = capsys.readouterr().out
    assert "starting" in said
    assert "deploying iris-model" in said


def test_what_stays_the_same_is_reported_once(home: Path) -> None:
    status, log = home / ".workshop/provision.status", home / ".workshop/provision.log"
    status.unlink()
    steps = iter(["", "", "cloning", "cloning", "ready"])
    said: list[str] = []

    def sleep(_: float) -> None:
        step = next(steps)
        if step == "ready":
            status.write_text(step)
        elif step:
            log.write_text(step)

    wait_until_provisioned(home, timeout=60, sleep=sleep, report=said.append)

    assert [line.rpartition(": ")[2] for line in said] == ["starting", "cloning"]


def test_failed_provisioning_shows_reason_and_log(home: Path) -> None:
    (home / ".workshop/provision.status").write_text("failed: stack ana-iris-model rolled back\n")
    (home / ".workshop/provision.log").write_text("\n".join(f"line {i}" for i in range(50)))
    with pytest.raises(LabError) as caught:
        Lab.open(home=home)
    said = str(caught.value)
    assert "stack ana-iris-model rolled back" in said
    assert "line 49" in said
    assert "line 29" not in said
    assert "stop and start the notebook instance" in said


def test_provisioning_that_was_killed_is_not_waited_for(home: Path) -> None:
    """It had no time to write how it ended; its lock went with it."""
    (home / ".workshop/provision.status").write_text("running")
    (home / ".workshop/provision.log").write_text("stacks: creating")
    with (home / ".workshop/provision.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        looks = 0

        def sleep(_: float) -> None:
            nonlocal looks
            looks += 1
            if looks == 100:
                lock.close()

        with pytest.raises(LabError, match=r"was killed.*\n\n.*\nstacks: creating\n\n.*stop and start"):
            Lab.open(home=home, sleep=sleep)

    assert looks >= 100, "as long as something provisions, it is waited for"


def test_waiting_times_out(home: Path) -> None:
    (home / ".workshop/provision.status").write_text("running")
    with pytest.raises(LabError, match="still in progress"):
        Lab.open(home=home, timeout=-1, sleep=lambda _: pytest.fail("slept"))


def test_the_account_is_looked_up_if_the_settings_lack_it(home: Path) -> None:
    class Sts:
        def get_caller_identity(self) -> dict[str, Any]:
            return {"Account": "999999999999"}

    lab = Lab(Names(), Lab.open(home=home).session, home, {}, {"sts": Sts()})
    assert lab.bucket == "mlops-eu-west-1-999999999999"
