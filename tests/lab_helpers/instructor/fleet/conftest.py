"""A local account for fleets; no test here needs a Docker Engine."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_helpers.instructor.fleet.provision import Plan
from lab_helpers.instructor.package import package
from local_account.foundation.daemon import Daemon
from tests.background_account import background_account
from tests.checkout import ROOT
from tests.lab_helpers.instructor.fleet.one_room import Room
from tests.terminal import terminal


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with background_account(tmp_path_factory.mktemp("account")) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def room(daemon: Daemon) -> Iterator[Room]:
    """The account as seen from an instructor's terminal."""
    with terminal(daemon) as clients:
        account = clients("sts").get_caller_identity()["Account"]
        plan = Plan(
            daemon.config().region,
            account,
            package(ROOT),
            ROOT / "cfn" / "m.yml",
            expires="2030-01-01T00:00:00Z",
        )
        yield Room(daemon, clients, plan)


@pytest.fixture
def empty_room(room: Room) -> Iterator[Room]:
    """The account without any labs, before and after."""
    room.clean()
    yield room
    room.clean()


@pytest.fixture(scope="session")
def other_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The top stack with one change: the retention of old versions."""
    path = tmp_path_factory.mktemp("template") / "m.yml"
    shutil.copy(ROOT / "cfn" / "notebook-policies.yml", path.parent)
    text = (ROOT / "cfn" / "m.yml").read_text()
    assert "NoncurrentDays: 30" in text
    path.write_text(text.replace("NoncurrentDays: 30", "NoncurrentDays: 31"))
    return path
