"""Root directories of process groups: what their commands change is theirs alone."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_account.foundation import root_directory
from local_account.foundation.processes import Processes
from local_account.foundation.root_directory import RootDirectory


@pytest.fixture
def processes() -> Iterator[Processes]:
    started = Processes(uuid.uuid4().hex)
    yield started
    started.end()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    (tmp_path / "kept" / "root").mkdir(parents=True)
    return tmp_path / "kept"


@pytest.fixture
def root(processes: Processes, kept: Path) -> RootDirectory:
    made = RootDirectory(processes, "group", kept / "root", kept)
    if made.reason:
        pytest.skip(made.reason)
    return made


def run(root: RootDirectory, command: str, cwd: Path = Path("/")) -> str:
    done = subprocess.run(
        root.command(["/bin/sh", "-c", command], cwd), capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_it_has_what_the_machine_has(root: RootDirectory, kept: Path) -> None:
    assert run(root, "pwd; cat /etc/hostname", kept) == f"{kept}\n{Path('/etc/hostname').read_text().strip()}"


def test_changes_are_seen_by_its_processes_only(
    root: RootDirectory, kept: Path, processes: Processes
) -> None:
    name = f"theirs-{uuid.uuid4().hex}"
    path = Path.home() / name
    run(root, f"echo hello >{path}")
    assert run(root, f"cat {path}") == "hello"
    assert not path.exists()
    assert root.seen_from_outside(path).read_text() == "hello\n"
    processes.end("group")
    again = RootDirectory(processes, "another", kept / "root", kept)
    assert run(again, f"ls {path.parent}").find(name) < 0


def test_what_is_kept_is_the_machines(root: RootDirectory, kept: Path) -> None:
    run(root, "echo hello >file", kept)
    assert (kept / "file").read_text() == "hello\n"


def test_where_there_is_none_commands_run_on_the_machine(
    processes: Processes, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    none = RootDirectory(processes, "group", kept / "root", kept)
    assert none.reason == "this machine has no unshare, nsenter"
    assert none.seen_from_outside(kept) == kept
    assert run(none, "pwd", kept) == str(kept)


def test_it_never_keeps_the_whole_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")  # a socket in the machine's root directory
    assert Path("/") not in root_directory._kept(tmp_path)
