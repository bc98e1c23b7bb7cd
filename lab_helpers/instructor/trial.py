"""A trial: one lab is deployed, tried out on its notebook instance, and deleted; a report says what was seen.

Nobody can tell without an AWS account whether an instance is what the workshop assumes. Whoever has one runs
`doctor --trial` and passes the report on.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from lab_helpers import keys
from lab_helpers.aws_errors import is_gone
from lab_helpers.clients import Clients
from lab_helpers.instructor.clean.cleaning import clean
from lab_helpers.instructor.fleet.provision import LabState, Plan, bring_up
from lab_helpers.instructor.fleet.roster import Participant
from lab_helpers.names import Names
from lab_helpers.patience import Patience
from lab_helpers.reset_request import TRIAL, Request

SCHEMA = 1
HOURS, HOURS_ON_REQUEST = 3, 2
"""How long to wait for a whole run, which takes about an hour on AWS, and for each notebook on request."""
LONGEST_IDLE = 1440
"""The most minutes that the template's `IdleMinutes` may be."""
LOOK_SECONDS = 0.3


class TrialError(RuntimeError):
    """The lab could not be tried out; the message says why."""


@dataclass
class Trial:
    """What a trial has found so far."""

    region: str
    local: bool
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    package: str = ""
    """SHA-256 of the workshop's package."""
    parameters: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """By step: deploy, instance, clean."""
    instance: dict[str, Any] = field(default_factory=dict)
    """The report of the notebook instance (`lab_helpers.instance.trial`)."""
    failure: str = ""
    """Why the trial ended early."""
    left: list[str] | None = None
    """What could not be deleted; None if the lab was kept."""

    @property
    def broken(self) -> list[dict[str, Any]]:
        """The assumptions that do not hold."""
        return [one for one in self.instance.get("assumptions", []) if not one["holds"]]

    @property
    def good(self) -> bool:
        """Whether everything holds, every notebook ran, and nothing is left."""
        ran = self.instance.get("notebooks", {}).get("exit_status") == 0
        return ran and not (self.failure or self.broken or self.left)

    @property
    def verdict(self) -> str:
        """What it all means, in a sentence or two, for someone who does not know what was assumed."""
        if self.good:
            kept = "" if self.left is None else ", and nothing of the lab is left"
            return f"The workshop works here: all that it assumes holds, every notebook ran{kept}."
        found = [f"it ended early: {self.failure}"] if self.failure else []
        if self.broken:
            found.append(f"{len(self.broken)} of what it assumes does not hold (**no** in the first table)")
        notebooks = self.instance.get("notebooks", {})
        if notebooks.get("exit_status", 0) != 0:
            ran = notebooks.get("summary", {}).get("notebooks", [])
            failed = [one["name"] for one in ran if one["status"] == "failed"]
            found.append(f"notebook {', '.join(failed)} failed" if failed else "the notebooks did not run")
        if self.left:
            found.append("something of the lab is left (last line), and may cost money")
        return f"The workshop does not work here yet: {'; '.join(found)}."

    def to_json(self, account: str) -> str:
        """Return the report without the account's id."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1).replace(account, "ACCOUNT")

    def to_markdown(self, account: str) -> str:
        """Return the report as a page, without the account's id."""
        return "\n".join(_page(self)).replace(account, "ACCOUNT") + "\n"


def hours(on_request: int) -> int:
    """Return how many hours a trial may run that also runs so many notebooks on request."""
    return HOURS + HOURS_ON_REQUEST * on_request


def idle_minutes(on_request: int) -> str:
    """Return the parameter `IdleMinutes`: the notebooks run outside Jupyter, so the instance looks idle."""
    return str(min(60 * (hours(on_request) + 1), LONGEST_IDLE))


def try_out(
    clients: Clients,
    names: Names,
    plan: Plan,
    *,
    local: bool,
    arguments: tuple[str, ...],
    on_request: int,
    keep: bool,
    report: Callable[[str], None],
) -> Trial:
    """Deploy a lab, try it out, delete it unless `keep`, and return the report, whatever happened.

    `arguments` are those of `lab_helpers run`, `on_request` the number of notebooks that run on request only.
    Botocore's exceptions end in the report; after an interrupt the lab is still there.
    """
    plan = replace(plan, parameters={"IdleMinutes": idle_minutes(on_request), **plan.parameters})
    trial = Trial(plan.region, local, package=plan.digest, parameters=dict(plan.parameters))
    try:
        with _timed(trial, "deploy"):
            _deploy(clients, names, plan, report)
        with _timed(trial, "instance"):
            # Opens JupyterLab, which the idle check must find.
            clients("sagemaker").create_presigned_notebook_instance_url(
                NotebookInstanceName=names.notebook_instance
            )
            bucket = names.bucket(plan.region, plan.account)
            _try(clients, bucket, arguments, trial, report, seconds=3600.0 * hours(on_request))
    except (TrialError, TimeoutError, ClientError) as error:
        trial.failure = str(error)
    if not keep:
        with _timed(trial, "clean"):
            cleaned = clean(
                clients, plan.region, plan.account, [names.lab_id], report=lambda _, text: report(text)
            )
        trial.left = [f"{one.kind} {one.id}" for one in cleaned.remaining]
    return trial


@contextmanager
def _timed(trial: Trial, step: str) -> Iterator[None]:
    """Note how long a step takes."""
    began = time.monotonic()
    try:
        yield
    finally:
        trial.seconds[step] = round(time.monotonic() - began, 1)


def _deploy(clients: Clients, names: Names, plan: Plan, report: Callable[[str], None]) -> None:
    said = ""

    def observe(states: Any) -> None:
        nonlocal said
        now = f"{states[0].phase} {states[0].detail}".strip()
        if now != said:
            report(now)
            said = now

    ended: LabState
    (ended,) = bring_up(
        clients, [Participant("", "", names.lab_id)], plan, observe, look_seconds=LOOK_SECONDS
    )
    if ended.phase != "ready":
        raise TrialError(ended.detail)


def _try(
    clients: Clients,
    bucket: str,
    arguments: tuple[str, ...],
    trial: Trial,
    report: Callable[[str], None],
    *,
    seconds: float,
) -> None:
    s3 = clients("s3")
    request = Request.new(TRIAL, datetime.now(UTC).isoformat(timespec="seconds"), arguments)
    s3.put_object(
        Bucket=bucket, Key=keys.RESET_REQUEST, Body=request.to_json(), ContentType="application/json"
    )
    patience, said = Patience(threading.Event(), seconds), ""
    while True:
        try:
            found = json.loads(s3.get_object(Bucket=bucket, Key=keys.TRIAL)["Body"].read())
        except ClientError as error:
            if not is_gone(error):
                raise
            found = {}
        if found.get("id") == request.id:
            trial.instance = found
            if found["status"] != said:
                report(f"instance: {found['status']}")
                said = found["status"]
            if said == "done":
                return
        patience.pause(lambda: "the notebook instance does not end its trial")


def _page(trial: Trial) -> Iterator[str]:
    where = "the local account" if trial.local else "AWS"
    yield f"# Trial of the workshop on {where}, {trial.region}, {trial.at}"
    yield ""
    yield f"**{trial.verdict}**\n" if trial.good else f"{trial.verdict}\n"
    yield "| assumption | holds | seen |"
    yield "|---|---|---|"
    for one in trial.instance.get("assumptions", []):
        yield f"| {one['text']} | {'yes' if one['holds'] else '**no**'} | {_cell(one['saw'])} |"
    yield "\n| fact | seen |"
    yield "|---|---|"
    for name, saw in trial.instance.get("facts", {}).items():
        yield f"| {name} | {_cell(saw)} |"
    notebooks = trial.instance.get("notebooks", {})
    yield "\n| notebook | status | cells | seconds |"
    yield "|---|---|---|---|"
    for one in notebooks.get("summary", {}).get("notebooks", []):
        yield f"| {one['name']} | {one['status']} | {one['executed']}/{one['cells']} | {one['seconds']:.0f} |"
    if notebooks.get("exit_status"):
        yield "\n```text"
        yield from notebooks["output"]
        yield "```"
    yield "\n| step | seconds |"
    yield "|---|---|"
    for step, seconds in trial.seconds.items():
        yield f"| {step} | {seconds} |"
    yield "\nParameters: " + ", ".join(f"{name}={value}" for name, value in trial.parameters.items())
    yield f"Package: {trial.package}"
    if trial.left is None:
        yield "The lab was kept."
    else:
        yield f"Left after cleaning: {', '.join(trial.left) or 'nothing'}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
