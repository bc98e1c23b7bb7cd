"""The lab of this notebook instance: its names, directories and AWS clients."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from lab_helpers import console
from lab_helpers.clients import Clients, Session
from lab_helpers.display import Table, Tabular, duration
from lab_helpers.errors import WorkshopError
from lab_helpers.names import Names
from lab_helpers.settings import home as home_here
from lab_helpers.settings import read_settings

_LOOKS = 15
"""So many looks in a row must find nothing that provisions: a start writes its status before it begins."""


class LabError(WorkshopError, RuntimeError):
    """There is no usable lab here; the message says why and what to do."""


@dataclass(frozen=True, repr=False)
class Lab(Tabular):
    """One participant's workshop: everything that a notebook needs to know.

    `settings` are the lines of `.workshop/lab.env`, written by the lifecycle hook; `session` creates every
    AWS client, so that region, credentials and endpoint come from one place.
    """

    names: Names
    session: Session
    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        lab_id: str = "",
        *,
        home: Path | None = None,
        session: Session | None = None,
        timeout: float = 1200,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Lab:
        """Wait until this notebook instance is provisioned and return its lab.

        `lab_id` can stay empty; otherwise it must be the instance's own. Waits at most `timeout` seconds for
        provisioning and reports its progress. Raises LabError if there is no lab here, if it is a different
        one, and if provisioning failed or takes too long.
        """
        home = home or home_here()
        env_file = home / ".workshop" / "lab.env"
        if not env_file.is_file():
            raise LabError(
                f"{env_file} does not exist, so this is not a notebook instance of the workshop. "
                "Open the notebook in the Jupyter of your notebook instance, or set WORKSHOP_HOME."
            )
        settings = read_settings(env_file)
        here = settings.get("LAB_ID", "")
        if lab_id and lab_id != here:
            raise LabError(
                f"this notebook instance belongs to the lab {here or 'default'!r}, not to {lab_id!r}. "
                'Leave lab_id = "", or open the notebook instance of the other lab.'
            )

        def opened() -> Session:
            return session or boto3.Session(region_name=settings.get("REGION") or None)

        wait_until_provisioned(home, timeout=timeout, sleep=sleep, session=opened)
        return cls(Names(here), opened(), home, settings)

    @property
    def client(self) -> Clients:
        """Returns boto3 clients, `lab.client("s3")`: one per service, created at first use."""
        return self._client

    def _client(self, service: str, /) -> Any:
        if service not in self._clients:
            self._clients[service] = self.session.client(service)
        return self._clients[service]

    @property
    def region(self) -> str:
        """AWS Region of every client."""
        return str(self.session.region_name)

    @cached_property
    def account(self) -> str:
        """The 12-digit account id (STS GetCallerIdentity)."""
        known = self.settings.get("ACCOUNT_ID")
        return known or str(self.client("sts").get_caller_identity()["Account"])

    @property
    def bucket(self) -> str:
        """The lab's bucket."""
        return self.settings.get("BUCKET") or self.names.bucket(self.region, self.account)

    @property
    def source_in_bucket(self) -> bool:
        """Whether git pushes to the bucket (git-remote-s3) instead of CodeCommit."""
        return not self.settings.get("REPOSITORY", self.names.repository)

    @property
    def exercises(self) -> Path:
        """Where the notebooks and the files that they write are."""
        return self.home / "notebooks"

    @property
    def package(self) -> Path:
        """The workshop's package as unpacked: templates, helpers, lifecycle scripts."""
        return self.home / ".workshop" / "package"

    def working_copy(self, branch: str) -> Path:
        """Return the git working copy of `branch`."""
        return self.home / branch

    def table(self) -> Table:
        """Show the names in this lab."""
        return Table(
            ["what", "name in this lab"],
            [
                ["lab", self.names.tag],
                ["region, account", f"{self.region}, {self.account}"],
                ["bucket", self.bucket],
                [
                    "source repository",
                    f"{self.names.repository} ({self.names.base_branch}, {self.names.model_branch})",
                ],
                ["image repositories", f"{self.names.base_image}, {self.names.model_image}"],
                [
                    "pipelines",
                    f"{self.names.base_pipeline}, {self.names.model_pipeline}, {self.names.train_pipeline}",
                ],
                ["endpoints", f"{self.names.dev_endpoint}, {self.names.prd_endpoint}"],
                ["directory", self.home],
            ],
        )


def wait_until_provisioned(
    home: Path,
    *,
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
    report: Callable[[str], None] = print,
    enough: Callable[[], bool] = lambda: False,
    session: Callable[[], Session] | None = None,
) -> None:
    """Wait until `.workshop/provision.status` says `ready`; raises as `Lab.open` does.

    A caller that needs only a part of the provisioning passes `enough`, which returns whether it is there.
    With `session`, the message of a timeout has a link to the stacks.
    """
    status_file, log = home / ".workshop" / "provision.status", home / ".workshop" / "provision.log"
    began, last, without = time.monotonic(), "", 0
    while True:
        status = status_file.read_text(encoding="utf-8").strip() if status_file.is_file() else "running"
        if status == "ready" or (status == "running" and enough()):
            return
        if status.startswith("failed"):
            reason = status.removeprefix("failed").lstrip(": ") or "no reason given"
            raise LabError(
                f"provisioning of this notebook instance failed: {reason}\n\n"
                f"The end of {log}:\n{tail(log, 20)}\n\n"
                "What to do: stop and start the notebook instance, which provisions it again. If that fails, "
                "too, show the log to your instructor."
            )
        without = 0 if _is_provisioning(home) else without + 1
        if without > _LOOKS:
            raise LabError(
                "provisioning of this notebook instance was killed before it was done: its status is "
                f"{status!r}, and nothing provisions any more.\n\nThe end of {log}:\n{tail(log, 20)}\n\n"
                "What to do: stop and start the notebook instance, which provisions it again."
            )
        waited = time.monotonic() - began
        if waited > timeout:
            where = f" ({console.of(session().client('cloudformation')).stacks()})" if session else ""
            raise LabError(
                f"provisioning is still in progress after {duration(waited)}.\n"
                f"The end of {log}:\n{tail(log, 20)}\n\n"
                f"What to do: look at the lab's nested stacks in CloudFormation{where}, then run this again."
            )
        news = tail(log, 1) or "starting"
        if news != last:
            report(f"Still provisioning your notebook instance ({duration(waited)}): {news}")
            last = news
        sleep(2)


def _is_provisioning(home: Path) -> bool:
    """Return whether a process provisions: it holds a lock, which ends with it, however it ends."""
    try:
        with (home / ".workshop" / "provision.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def tail(path: Path, count: int) -> str:
    """Return the last `count` lines of a text file; empty if there is no such file."""
    if not path.is_file():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
