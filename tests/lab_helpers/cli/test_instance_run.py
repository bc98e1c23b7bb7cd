"""The runner on the instance: its directory, environment and package, with and without a standby process."""

from __future__ import annotations

import hashlib
import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.cli.local.instance_run import REPOSITORY, InstanceRun
from lab_helpers.lab import LabError

pytestmark = pytest.mark.slow

# The instance's own package: this must run, not the checkout's.
PROGRAM = """
import json, os, pathlib, sys, time
here = {"arguments": sys.argv[1:], "directory": os.getcwd(), "environment": dict(os.environ),
        "name": __name__, "loaded": "papermill" in sys.modules,
        "packages": any(pathlib.Path("..").glob("venv/lib/*/site-packages/mlops_workshop.pth"))}
pathlib.Path("said.json").write_text(json.dumps(here))
try:
    time.sleep(float(os.environ.get("SLEEP", 0)))
except KeyboardInterrupt:
    sys.exit(130)
sys.exit(7)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "SageMaker"
    package = home / ".workshop" / "package" / "lab_helpers"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(PROGRAM)
    return home


def link_python(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    path.chmod(0o755)


def make_environment(venv: Path) -> None:
    """Make the instance's environment as provisioning does: its packages come a while after its Python."""
    site = venv / "lib" / "python3.11" / "site-packages"
    link_python(venv / "bin" / "python")
    time.sleep(0.3)
    site.mkdir(parents=True)
    (site / "mlops_workshop.pth").touch()


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment in which the instance's packages are already installed."""
    monkeypatch.setenv("WORKSHOP_ENVIRONMENTS", str(tmp_path / "environments"))
    digest = hashlib.sha256((REPOSITORY / "requirements.txt").read_bytes()).hexdigest()[:16]
    return tmp_path / "environments" / digest


def run(runner: InstanceRun, home: Path, **more: str) -> int:
    environment = {"WORKSHOP_HOME": str(home), "PATH": "/usr/bin:/bin", **more}
    return runner.run(environment, ["--notebooks", "01"], lambda _: None)


def said(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / ".workshop" / "package" / "said.json").read_text())
    return found


def test_a_standby_runner_uses_the_instances_directory_environment_and_package(
    home: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link_python(environments / "bin" / "python")
    (environments / "complete").touch()
    monkeypatch.setenv("OF_THE_SHELL", "1")
    assert run(InstanceRun(), home) == 7, "its exit status is the run's"
    found = said(home)
    assert found["arguments"] == ["run", "--notebooks", "01"]
    assert found["directory"] == str(home / ".workshop" / "package")
    assert "OF_THE_SHELL" not in found["environment"]
    assert found["environment"]["WORKSHOP_HOME"] == str(home)
    assert (found["name"], found["loaded"]) == ("__main__", True)


@pytest.mark.parametrize("damage", ["none", "no python", "python that fails"])
def test_without_a_standby_the_runner_starts_when_the_instance_has_its_packages(
    home: Path, environments: Path, damage: str
) -> None:
    if damage != "none":
        environments.mkdir(parents=True)
        (environments / "complete").touch()
    if damage == "python that fails":
        link_python(environments / "bin" / "python")
        (environments / "bin" / "python").write_text("#!/bin/sh\nexit 3\n")
    runner = InstanceRun()
    threading.Timer(0.5, make_environment, [home / ".workshop" / "venv"]).start()
    time.sleep(0.3)  # for the one that fails
    assert run(runner, home) == 7
    assert said(home)["packages"]
    assert said(home)["arguments"] == ["run", "--notebooks", "01"]


def test_a_failed_provisioning_is_reported_with_its_reason(home: Path, environments: Path) -> None:
    (home / ".workshop" / "provision.status").write_text("failed: no space left\n")
    with pytest.raises(LabError, match="no space left"):
        run(InstanceRun(), home)


def test_ctrl_c_reaches_the_run_and_the_command_waits_for_its_end(home: Path, environments: Path) -> None:
    link_python(environments / "bin" / "python")
    (environments / "complete").touch()
    runner = InstanceRun()

    def interrupt() -> None:
        while not (home / ".workshop" / "package" / "said.json").exists():
            time.sleep(0.05)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    assert run(runner, home, SLEEP="30") == 130


def test_a_standby_runner_that_is_no_longer_needed_ends(environments: Path) -> None:
    link_python(environments / "bin" / "python")
    (environments / "complete").touch()
    standby = InstanceRun()._standby
    assert standby
    assert standby.stdin
    standby.stdin.close()
    assert standby.wait(60) == 0
