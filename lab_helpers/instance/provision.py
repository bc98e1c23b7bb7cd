"""What takes longer than a lifecycle hook is allowed to: repository, stacks, kernel and exercises.

Safe to repeat: what already exists stays. The outcome is in `.workshop/provision.status` for the learner,
and in the bucket under `package/provision.json` for the instructor, who cannot look inside the instance.
Then the same process stays, as the attendant: a second one would spend a third of a CPU second on imports.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lab_helpers import keys
from lab_helpers.clients import Clients
from lab_helpers.instance import attendant
from lab_helpers.instance.copies import copy_exercises
from lab_helpers.instance.jupyter import (
    FIRST,
    keep_signatures,
    lend_widgets,
    write_kernel,
    write_settings,
    write_workspace,
)
from lab_helpers.nested_stacks import StackError, deploy_nested

TOLD_LINES = 30


class PartError(RuntimeError):
    """A part of the provisioning failed; the message is one line that says why."""


class Provisioning:
    """One run of all parts; the workshop is in `home`."""

    def __init__(self, home: Path, settings: Mapping[str, str], clients: Clients) -> None:
        self._home, self._settings, self._clients = home, settings, clients
        self._state = home / ".workshop"
        self._package = self._state / "package"
        self._lines: list[str] = []
        self._lock = threading.Lock()

    def run(self) -> bool:
        """Run the parts in parallel and report the outcome; return whether all succeeded."""
        began = time.monotonic()
        parts: dict[str, Callable[[], None]] = {
            "jupyterlab": self._jupyterlab,  # first: learners may open it at once
            "kernel": self._kernel,
            "exercises": self._exercises,
            "stacks": self._stacks_and_repository,
        }
        # Not as a context manager: an interrupt must not wait for the work that it interrupts.
        pool = ThreadPoolExecutor(len(parts) + 1, thread_name_prefix="part")
        told = pool.submit(self.tell, "running")
        failures = [said for said in pool.map(self._failure, parts, parts.values()) if said]
        told.result()
        pool.shutdown()
        if not failures:
            attendant.take_over(self._state)
        seconds = int(time.monotonic() - began)
        if failures:
            self._say("provision", f"failed after {seconds} s")
        else:
            self._say("provision", f"ready after {seconds} s")
        self.end("failed: " + "; ".join(failures) if failures else "ready")
        return not failures

    def end(self, status: str) -> None:
        """Write the status atomically, so that no reader sees half of it, and publish it."""
        new = self._state / "provision.status.new"
        new.write_text(status + "\n", encoding="utf-8")
        new.replace(self._state / "provision.status")
        self.tell(status)

    def tell(self, status: str) -> None:
        """Put the status into the bucket; a lab without its bucket is provisioned anyway."""
        digest = self._state / "workshop.sha256"
        told = {
            "status": status,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "package": digest.read_text().split()[0] if digest.is_file() else "",
            "log": self._lines[-TOLD_LINES:],
        }
        try:
            self._clients("s3").put_object(
                Bucket=self._settings["BUCKET"],
                Key=keys.PROVISION,
                Body=json.dumps(told, indent=1).encode(),
                ContentType="application/json",
            )
        except (BotoCoreError, ClientError) as error:
            self._say("provision", f"could not publish the status {status!r}: {error}")

    def _jupyterlab(self) -> None:
        write_settings(os.environ)
        keep_signatures(os.environ, self._state / "signatures")

    def _kernel(self) -> None:
        self._command("kernel", "bash", self._package / "lifecycle-config" / "kernel.sh")
        lend_widgets(os.environ, self._state / "venv")
        write_kernel(os.environ, self._state / "venv" / "bin" / "python", self._home)

    def _exercises(self) -> None:
        source, target = self._package / "notebooks", self._home / "notebooks"
        for done in copy_exercises(source, target, self._state / "exercises.json"):
            self._say("exercises", done)
        # JupyterLab's root is the volume of a notebook instance; in a space of Studio, the user's home.
        in_space = self._home.parent == Path.home() and self._home.name != "SageMaker"
        first = target.relative_to(Path.home() if in_space else self._home) / FIRST
        write_workspace(os.environ, first.as_posix())

    def _stacks_and_repository(self) -> None:
        """Deploy the stacks, then seed the repository.

        A new pipeline runs once. Without its branch this first execution ends in the Source stage; with it,
        every lab would start two builds that are bound to fail and take a place in CodeBuild's queue.
        """
        try:
            deploy_nested(
                self._clients,
                self._settings,
                self._package / "cfn",
                functools.partial(self._say, "stacks"),
            )
        except StackError as error:
            raise PartError(str(error)) from error
        self._command("stacks", "bash", self._package / "lifecycle-config" / "repository.sh")

    def _failure(self, name: str, part: Callable[[], None]) -> str | None:
        """Run a part; return the cause of its failure, or None."""
        try:
            part()
        except PartError as error:
            return f"{name}: {error}"
        except Exception as error:  # whatever it is, the learner must see it
            self._say(name, f"error: {error}")
            return f"{name}: {type(error).__name__}: {error}"
        return None

    def _command(self, name: str, *argv: str | Path) -> None:
        """Run a program, with the part's name before each line in the log. Raises PartError."""
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout  # noqa: S101 (a pipe was asked for)
        said = []
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            self._say(name, said[-1])
        if process.wait() != 0:
            causes = [line.removeprefix("error: ").strip() for line in said if line.startswith("error: ")]
            words = [line for line in said if line.strip()]
            raise PartError((causes[:1] or words[-1:] or ["failed without output"])[0])

    def _say(self, name: str, line: str) -> None:
        with self._lock:
            self._lines.append(f"{name}: {line}")
            print(self._lines[-1], flush=True)


def main() -> int:
    """Provision this instance, then attend it; the environment has the settings of `lab.env`.

    Status 1 if a part fails.
    """
    # What imports and clients make is never freed: looking for garbage in it takes 40 of 270 ms of CPU time.
    gc.disable()
    import boto3  # noqa: PLC0415 (a test brings clients of its own)

    lock, made = threading.Lock(), dict[str, Any]()

    def clients(service: str, /) -> Any:
        with lock:  # sessions are not thread-safe
            if service not in made:
                made[service] = boto3.client(service)
            return made[service]

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    home = Path(os.environ["WORKSHOP_HOME"])
    provisioning = Provisioning(home, os.environ, clients)
    try:
        ready = provisioning.run()
    except KeyboardInterrupt:
        provisioning.end("failed: provisioning was interrupted, see .workshop/provision.log")
        os._exit(143)  # ends the threads of the parts, too
    if not ready:
        return 1
    made.pop("cloudformation", None)
    gc.enable()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if lock_descriptor := os.environ.get("PROVISION_LOCK"):
        os.close(int(lock_descriptor))  # the next provisioning need not wait
    attendant.run(home, os.environ, clients)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
