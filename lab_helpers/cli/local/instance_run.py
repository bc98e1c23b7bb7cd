"""`lab_helpers run` on a notebook instance of the local account."""

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
    """The runner as in a terminal of the instance: with its Python, environment variables and package.

    Where the instance's Python packages were installed before, a process loads them already while the
    instance is made, and ends with this one if it is not needed; otherwise the runner starts when the
    provisioning has made its Python.
    """

    def __init__(self) -> None:
        self._standby: subprocess.Popen[str] | None = None
        if python := _made_before():
            script = REPOSITORY / "lab_helpers" / "runner" / "standby.py"
            with contextlib.suppress(OSError):  # a damaged environment: provisioning makes it again
                self._standby = subprocess.Popen(
                    # A group of its own: a terminal's Ctrl-C reaches it once, through us.
                    [python, "-P", script],
                    stdin=subprocess.PIPE,
                    text=True,
                    process_group=0,
                )

    def run(self, environment: dict[str, str], arguments: list[str], report: Callable[[str], None]) -> int:
        """Run the notebooks; return the exit status. Raises LabError when the provisioning fails."""
        from lab_helpers.lab import wait_until_provisioned

        home = Path(environment["WORKSHOP_HOME"])
        directory, command = home / "workshop", ["run", *arguments]
        process = self._standby
        if process and process.stdin and process.poll() is None:
            orders = {"directory": str(directory), "environment": environment, "arguments": command}
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(json.dumps(orders) + "\n")
        else:
            python = home / ".workshop" / "venv" / "bin" / "python"
            wait_until_provisioned(
                home, timeout=1800, sleep=lambda _: time.sleep(0.05), report=report, enough=python.exists
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
    """Return the Python of the environment that provisioning takes for these requirements, if it is there."""
    from local_account.foundation import environments

    there = Path(os.environ.get(environments.VARIABLE) or environments.shared())
    made = environments.environment(REPOSITORY / "requirements.txt", there)
    return made / "bin" / "python" if (made / "complete").exists() else None
