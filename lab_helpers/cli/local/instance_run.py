"""Run `lab_helpers run` on a notebook instance of the local account."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


class InstanceRun:
    """The runner as a terminal on the instance would start it: with its Python, environment and package.

    If the instance's Python packages were installed before, a standby process loads them while the instance
    is created, and ends with this process if it is not needed. Otherwise the runner starts once provisioning
    has installed Python.
    """

    def __init__(self) -> None:
        self._standby: subprocess.Popen[str] | None = None
        if python := _made_before():
            script = REPOSITORY / "lab_helpers" / "runner" / "standby.py"
            with contextlib.suppress(OSError):  # a damaged environment: provisioning installs it again
                self._standby = subprocess.Popen(
                    # In a process group of its own: Ctrl-C in a terminal reaches it once, through us.
                    [python, "-P", script],
                    stdin=subprocess.PIPE,
                    text=True,
                    process_group=0,
                )

    def run(self, environment: dict[str, str], arguments: list[str], report: Callable[[str], None]) -> int:
        """Run the notebooks and return the exit status. Raises LabError if provisioning fails."""
        from lab_helpers.lab import wait_until_provisioned

        home = Path(environment["WORKSHOP_HOME"])
        directory, command = home / ".workshop" / "package", ["run", *arguments]
        process = self._standby
        if process and process.stdin and process.poll() is None:
            orders = {"directory": str(directory), "environment": environment, "arguments": command}
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(json.dumps(orders) + "\n")
        else:
            venv = home / ".workshop" / "venv"
            python = venv / "bin" / "python"
            wait_until_provisioned(
                home,
                timeout=1800,
                sleep=lambda _: time.sleep(0.05),
                report=report,
                # The last that lifecycle-config/lib.sh writes: before it, Python is there without packages.
                enough=lambda: any(venv.glob("lib/python3.*/site-packages/mlops_workshop.pth")),
            )
            process = subprocess.Popen(
                [python, "-m", "lab_helpers", *command],
                cwd=directory,
                env=environment,
                text=True,
                process_group=0,
            )
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)


def _made_before() -> Path | None:
    """Return the Python that provisioning would use for these requirements, if it is installed already."""
    from local_account.foundation import environments

    there = Path(os.environ.get(environments.VARIABLE) or environments.shared())
    made = environments.environment(REPOSITORY / "requirements.txt", there)
    return made / "bin" / "python" if (made / "complete").exists() else None
