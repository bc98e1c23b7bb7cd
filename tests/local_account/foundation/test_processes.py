"""Nothing that the account started outlives its group, however it was started."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_account.foundation.processes import Processes


@pytest.fixture
def processes() -> Iterator[Processes]:
    processes = Processes("test-processes")
    yield processes
    processes.end(grace=0.1)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 5
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_daemon_that_a_script_left_behind_is_ended(processes: Processes, tmp_path: Path) -> None:
    script = f"setsid nohup sleep 60 >/dev/null 2>&1 & touch {tmp_path}/started"
    processes.spawn("instance", ["bash", "-c", script]).wait()
    wait_for(tmp_path / "started")
    assert len(processes.members("instance")) == 1
    processes.end("instance")
    assert processes.members("instance") == []


def test_what_a_group_starts_while_it_ends_is_ended(processes: Processes, tmp_path: Path) -> None:
    script = f"trap 'sleep 60 & exit' TERM; touch {tmp_path}/started; while true; do sleep 0.05; done"
    processes.spawn("one", ["bash", "-c", script])
    wait_for(tmp_path / "started")
    processes.end("one")
    assert processes.members("one") == []


def test_members_are_found_while_they_run_one_program_after_another(
    processes: Processes, tmp_path: Path
) -> None:
    """Between two programs, a process has no environment for a moment."""
    script = tmp_path / "again.sh"
    script.write_text('exec sh "$0"\n')
    processes.spawn("one", ["sh", str(script)])
    assert {len(processes.members("one")) for _ in range(200)} == {1}


def test_other_groups_keep_running(processes: Processes) -> None:
    other = processes.spawn("other", ["sleep", "60"])
    processes.spawn("one", ["sleep", "60"])
    processes.end("one")
    assert other.poll() is None
    assert [member.pid for member in processes.members()] == [other.pid]


def test_a_process_is_a_member_as_soon_as_it_is_started(processes: Processes) -> None:
    for _ in range(50):
        started = processes.spawn("one", ["sleep", "60"])
        assert started.pid in {member.pid for member in processes.members("one")}


def test_a_process_that_ignores_sigterm_is_killed(processes: Processes, tmp_path: Path) -> None:
    script = f"trap '' TERM; touch {tmp_path}/started; while true; do sleep 0.05; done"
    stubborn = processes.spawn("one", ["bash", "-c", script])
    wait_for(tmp_path / "started")
    processes.end("one", grace=0.2)
    assert stubborn.wait(2) == -9
