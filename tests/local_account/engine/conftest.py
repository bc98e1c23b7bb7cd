import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """A machine with only the programs that the test puts on it, each a shell script."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr("local_account.engine.host.SYSTEM_PATH", "/nowhere")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def program(name: str, script: str) -> Path:
        path = programs / name
        path.write_text(f"#!/bin/sh\nPATH={programs}:/usr/bin:/bin\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IEXEC)
        return path

    return program
