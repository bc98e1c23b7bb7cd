import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_account.engine import EngineError, dockerd, ensure_engine, find_engine, stop_engine
from local_account.engine.home import engine_home, locked, require_free_space
from local_account.engine.users import hold, release

Machine = Callable[[str, str], Path]
"""Puts a program, a shell script, on the machine by name."""

ANSWERS = 'case "$*" in *info*) echo 28.2.2 ;; esac'
AWAY = 'case "$*" in *info*) echo "Cannot connect to the Docker daemon"; exit 1 ;; esac'
# A dockerd that makes its socket and pid file like the real one, and waits.
DOCKERD = """
for argument; do case "$argument" in
  --pidfile=*) echo $$ > "${argument#*=}" ;;
  --host=unix://*) : > "${argument#*=unix://}" ;;
esac; done
while :; do sleep 0.05; done
"""


@pytest.fixture(autouse=True)
def only_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dockerd, "_bridge", list)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_an_engine_that_answers_at_docker_host_is_used(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine("docker", ANSWERS)
    monkeypatch.setenv("DOCKER_HOST", "unix:///somewhere.sock")
    assert ensure_engine(tmp_path) == "unix:///somewhere.sock"


def test_the_client_program_alone_is_not_an_engine(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine("docker", AWAY)
    monkeypatch.setenv("DOCKER_HOST", "unix:///somewhere.sock")
    with pytest.raises(EngineError, match=r"No Docker Engine answers at DOCKER_HOST=unix:///somewhere\.sock"):
        ensure_engine(tmp_path)
    machine("docker", 'echo ""')  # clients that exit with 0 although no server answers
    assert not dockerd.answers("unix:///somewhere.sock")


def test_a_machine_without_apt_is_told_what_to_do(machine: Machine, tmp_path: Path) -> None:
    message = r"is missing and cannot be installed.*no apt-get(.|\n)*docs\.docker\.com"
    with pytest.raises(EngineError, match=message):
        ensure_engine(tmp_path)


def test_an_unprivileged_user_is_told_what_to_do(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine("apt-get", "exit 0")
    machine("sudo", "exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EngineError, match=r"is missing and cannot be installed: this user is not root"):
        ensure_engine(tmp_path)


def test_apts_own_words_are_in_the_error(machine: Machine, tmp_path: Path) -> None:
    machine(
        "apt-get", 'case "$*" in *install*) echo "E: Unable to locate package docker.io"; exit 100 ;; esac'
    )
    machine("env", 'while [ "${1#*=}" != "$1" ]; do shift; done; exec "$@"')
    with pytest.raises(
        EngineError, match=r"cannot be installed: apt-get install docker\.io(.|\n)*Unable to locate"
    ):
        ensure_engine(tmp_path)
    machine("apt-get", 'echo "dpkg: error: No space left on device"; exit 100')
    with pytest.raises(EngineError, match=r"^Disk full: apt-get install"):
        ensure_engine(tmp_path)


@pytest.fixture
def startable(machine: Machine, tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "engine"
    machine("docker", f"[ -e {home}/docker.sock ] && echo 20.10.24")
    machine("env", 'while [ "${1#*=}" != "$1" ]; do shift; done; exec "$@"')
    machine("iptables", "exit 0")
    machine("dockerd", DOCKERD)
    yield home
    stop_engine(home)


def test_an_engine_is_started_found_again_and_stopped(
    startable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dockerd, "_candidates", lambda home: iter([f"unix://{home}/docker.sock"]))
    said: list[str] = []
    address = ensure_engine(startable, said.append)
    assert address == f"unix://{startable}/docker.sock"
    assert "starting dockerd" in said
    pid = dockerd.running_pid(startable)
    assert pid is not None
    assert find_engine(startable) == address
    assert ensure_engine(startable, said.append) == address
    assert dockerd.running_pid(startable) == pid, "the second call finds the first one's engine"
    assert stop_engine(startable)
    assert dockerd.running_pid(startable) is None
    assert not stop_engine(startable)


def test_pid_files_of_a_killed_engine_do_not_hold_up_the_next(
    startable: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dockerd, "_candidates", lambda home: iter([]))
    containerd = startable / "exec" / "containerd" / "containerd.pid"
    containerd.parent.mkdir(parents=True)
    machine("rm", 'shift; exec /bin/rm -f "$@"')
    for left in (startable / "pid", containerd):
        left.write_text(str(os.getpid()))  # a process of today that is not the engine's
    machine("dockerd", f"[ -e {containerd} -o -e {startable / 'pid'} ] && exit 1\n{DOCKERD}")
    ensure_engine(startable, lambda _: None)
    assert dockerd.running_pid(startable)


def test_the_last_account_stops_the_engine(
    startable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dockerd, "_candidates", lambda home: iter([]))
    ensure_engine(startable, lambda _: None)
    one, two = tmp_path / "one", tmp_path / "two"
    for state in (one, two):
        state.mkdir()
        (state / "server.pid").write_text("1")
        hold(startable, state)
    (one / "server.pid").unlink()
    assert not release(startable, one), "two still uses it"
    shutil.rmtree(two)
    assert release(startable, one), "two is gone with its directory"
    assert dockerd.running_pid(startable) is None


def test_an_engine_that_exits_at_once_shows_the_end_of_its_log(
    startable: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dockerd, "_candidates", lambda home: iter([]))
    machine("dockerd", 'echo "failed to start daemon: iptables: Permission denied"; exit 1')
    with pytest.raises(
        EngineError, match=r"cannot be started here: dockerd exited with status 1(.|\n)*Permission denied"
    ):
        ensure_engine(startable, lambda _: None)
    machine("dockerd", 'echo "mkdir: no space left on device"; exit 1')
    with pytest.raises(EngineError, match=r"^Disk full: dockerd exited"):
        ensure_engine(startable, lambda _: None)


def test_a_pid_that_belongs_to_another_program_is_never_stopped(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()))
    assert dockerd.running_pid(tmp_path) is None
    assert not stop_engine(tmp_path)


def test_a_full_disk_is_an_error_with_numbers_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"Disk full: .* GB are free .* need 1000000.0 GB"):
        require_free_space(tmp_path / "not" / "yet", 10**15)


def test_a_socket_path_beyond_the_kernels_limit_is_refused(
    startable: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dockerd, "_candidates", lambda home: iter([]))
    with pytest.raises(EngineError, match="longer than the 107 bytes"):
        ensure_engine(tmp_path / ("x" * 110), lambda _: None)


def test_the_engine_lives_outside_every_state_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MLOPS_ENGINE_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert engine_home() == tmp_path / "mlops-workshop" / "engine"
    monkeypatch.setenv("MLOPS_ENGINE_HOME", str(tmp_path / "here"))
    assert engine_home() == tmp_path / "here"


def test_an_engine_home_that_cannot_be_created_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=r"cannot be created \(Not a directory\): .*MLOPS_ENGINE_HOME"):
        hold(tmp_path / "file" / "engine", tmp_path / "state")
    with (
        pytest.raises(EngineError, match="MLOPS_ENGINE_HOME"),
        locked(tmp_path / "file" / "engine", "engine", report=print),
    ):
        pass
