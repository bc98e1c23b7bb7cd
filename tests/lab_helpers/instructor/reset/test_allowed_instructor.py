"""The doctor asks for every permission that an instructor needs: with these alone, nothing is refused."""

from pathlib import Path

import pytest

from lab_helpers.drills import conduct
from lab_helpers.instructor.clean import clean
from lab_helpers.instructor.fleet.progress import read_progress
from lab_helpers.shared_clients import SharedClients
from lab_helpers.way_back.state import as_lab
from local_account.foundation.daemon import Daemon
from tests.allowed_instructor import allowed_instructor
from tests.lab_helpers.instructor.reset.small_workshop import Lab

pytestmark = pytest.mark.docker


def test_whom_the_doctor_passes_can_provision_watch_drill_reset_and_clean(
    account: tuple[Daemon, SharedClients], root: Path
) -> None:
    daemon, clients = account
    region = daemon.config().region
    mine = allowed_instructor(clients, region)
    lab = Lab(daemon, clients, root, "ruth")

    Lab(daemon, mine, root, "ruth").up()
    lab.reset("05", mine)
    assert read_progress(mine, lab.names).doing == ""
    seen = as_lab(mine, lab.names, region, lab.account)
    conduct.start(seen, "lost-event")
    conduct.end(seen)
    lab.reset("01", mine)
    cleaned = clean(mine, region, lab.account, ["ruth"])

    assert cleaned.remaining == ()
