"""What `.ci/bootstrap` shows while it installs, with a script for uv, which would install 200 packages."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT

UV = """#!/bin/bash
case "$*" in *--quiet*) exec 2>/dev/null ;; esac
printf '%s\\n' 'Resolved 2 packages in 5ms' 'Downloading scipy (33.6MiB)' ' Downloaded scipy' >&2
printf '%s\\n' 'warning: the lock is old' 'Prepared 2 packages in 9s' ' + scipy==1.17.1' >&2
"""
FAILS = """#!/bin/bash
printf '%s\\n' 'Resolved 2 packages in 5ms' 'error: no route to host' >&2
exit 2
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment is there, but not what the requirements ask for."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "bootstrap").write_bytes((ROOT / ".ci" / "bootstrap").read_bytes())
    (tmp_path / "local_account").symlink_to(ROOT / "local_account")
    for name in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text("scipy\n")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    return tmp_path


def bootstrap(checkout: Path, uv: str, terminal: bool) -> tuple[int, str]:
    """Run it, and return its status and what it writes."""
    program = checkout / ".venv" / "bin" / "uv"
    program.write_text(uv)
    program.chmod(0o755)
    ours, theirs = pty.openpty() if terminal else os.pipe()
    environment = {**os.environ, "PYTHON": sys.executable}
    command = ["bash", str(checkout / ".ci" / "bootstrap")]
    with subprocess.Popen(command, env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        try:
            while read := os.read(ours, 4096):
                said += read
        except OSError:  # Linux's answer once the other end of a terminal is closed
            pass
    os.close(ours)
    return process.returncode, said.decode()


def test_a_terminal_shows_what_is_downloaded_and_keeps_only_warnings(checkout: Path) -> None:
    status, said = bootstrap(checkout, UV, terminal=True)

    assert status == 0, said
    assert "\nAsking the package index for versions\r\x1b[KResolved 2 packages" in said
    assert "\r\x1b[KDownloading scipy (33.6MiB)\r\x1b[K" in said
    kept = [line.rpartition("\x1b[K")[2] for line in said.replace("\r\n", "\n").split("\n")]
    assert kept[1:] == ["warning: the lock is old", ""]
    assert bootstrap(checkout, UV, terminal=True) == (0, ""), "nothing is installed twice"


def test_a_log_has_one_line(checkout: Path) -> None:
    status, said = bootstrap(checkout, UV, terminal=False)

    assert (status, said.count("\n")) == (0, 1), said
    assert said.startswith("bootstrap: installing requirements-dev.txt")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_failure_shows_uvs_error_and_is_repeated_next_time(checkout: Path, terminal: bool) -> None:
    for _ in range(2):
        status, said = bootstrap(checkout, FAILS, terminal)
        assert status == 1
        assert "error: no route to host" in said
        assert "bootstrap: the requirements could not be installed (see uv's message above)" in said
