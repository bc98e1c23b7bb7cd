"""Provision many labs at once: read the account, take each lab's next step, read again.

What a lab needs is read from the account each time, so it does not matter where an earlier run stopped,
and a run over labs that are ready changes nothing.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from lab_helpers.clients import Clients
from lab_helpers.instructor.deploy import upload
from lab_helpers.instructor.fleet.overview import Overview, Stack, why_failed
from lab_helpers.instructor.fleet.progress import ProvisionReports
from lab_helpers.instructor.fleet.roster import Participant
from lab_helpers.names import EXPIRES_TAG, LAB_TAG
from lab_helpers.stacks import READY_SECONDS, submit_stack

PARALLEL = 10
"""Top stacks deployed at once; CloudFormation creates some twenty resources of each in parallel."""
LOOK_SECONDS = 1.0
THROTTLED = re.compile(r"rate exceeded|throttl|too many requests", re.IGNORECASE)
TRIES = 3
BACK_OFF_SECONDS = 15.0
ENDED = {"ready", "failed"}
_OVERDUE = timedelta(seconds=READY_SECONDS)
"""A report of provisioning in progress that is older is of a process that was killed."""


@dataclass(frozen=True)
class Plan:
    """What every lab of the fleet is deployed with."""

    region: str
    account: str
    package: bytes
    template: Path
    parameters: Mapping[str, str] = field(default_factory=dict)
    expires: str = "never"
    """Expiry of new labs; with `extend`, of all."""
    extend: bool = False
    restart: bool = False
    """Whether to restart running instances if the package has changed."""
    parallel: int = PARALLEL

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the package, as a notebook instance reports it."""
        return hashlib.sha256(self.package).hexdigest()


class LabFailedError(RuntimeError):
    """A lab cannot be provisioned; the message says why and what to do."""


@dataclass
class LabState:
    """The state of one lab: `phase` is waits, stack, instance, provisioning, ready or failed."""

    participant: Participant
    phase: str = "waits"
    detail: str = ""
    change: str = ""
    """What happened to the top stack: created, updated or unchanged."""
    outdated: bool = False
    """Whether the instance still runs an older package."""
    stacks: tuple[str, ...] = ("", "", "", "")
    """Status of the top stack and of the nested ones: base image, model image, training pipeline."""
    instance: str = ""
    seconds: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether this run is done with the lab."""
        return self.phase in ENDED


Observer = Callable[[Sequence[LabState]], None]


def bring_up(
    clients: Clients,
    participants: Sequence[Participant],
    plan: Plan,
    observe: Observer = lambda _: None,
    *,
    look_seconds: float = LOOK_SECONDS,
) -> list[LabState]:
    """Provision every lab; a failed lab has the reason in its state, and the others continue.

    Safe to interrupt and to run again: it continues from the state of the account. Raises botocore's
    exceptions if the account itself does not answer.
    """
    labs = [_Lab(clients, plan, participant) for participant in participants]
    # Not as a context manager: an interrupt must not wait for running calls.
    pool = ThreadPoolExecutor(8, thread_name_prefix="fleet")
    try:
        while not all(lab.state.ended for lab in labs):
            # Chosen before reading, so that the reading shows the effect of each lab's last step.
            idle = [lab for lab in labs if lab.collect() and not lab.state.ended]
            overview = Overview.read(clients)
            held = sum(lab.holds_slot for lab in labs)
            for lab in idle:
                if lab.state.phase == "waits":
                    if held >= plan.parallel:
                        continue
                    held += 1
                lab.advance(overview, pool)
            observe([lab.state for lab in labs])
            if not all(lab.state.ended for lab in labs):
                time.sleep(look_seconds)
        observe([lab.state for lab in labs])
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [lab.state for lab in labs]


class _Lab:
    """The steps of one lab, and what this run has already tried."""

    def __init__(self, clients: Clients, plan: Plan, participant: Participant) -> None:
        self._clients, self._plan, self._names = clients, plan, participant.names
        self.state = LabState(participant)
        self._step: Future[None] | None = None
        self._began = self._not_before = 0.0
        self._submitted = self._deleted = self._restarted = self._started = False
        self._tries = 0
        self._reports = ProvisionReports(clients, self._names, plan.region, plan.account)

    @property
    def holds_slot(self) -> bool:
        """Whether its top stack is being deployed."""
        return self.state.phase == "stack"

    def collect(self) -> bool:
        """Return whether no step is running; a failed step fails the lab."""
        if self._step is None:
            return True
        if not self._step.done():
            return False
        step, self._step = self._step, None
        try:
            step.result()
        except LabFailedError as error:
            self._fail(str(error))
        except (BotoCoreError, ClientError) as error:
            self._fail(f"{error}. Run the same command again to continue")
        return True

    def advance(self, overview: Overview, pool: ThreadPoolExecutor) -> None:
        """Start the next step, if there is one."""
        names, now = self._names, time.monotonic()
        self._began = self._began or now
        self.state.seconds = now - self._began
        stacks = (names.top_stack, names.base_stack, names.model_stack, names.train_stack)
        self.state.stacks = tuple(
            overview.stacks[name].status if name in overview.stacks else "" for name in stacks
        )
        instance = overview.instances.get(names.notebook_instance)
        self.state.instance = instance.status if instance else ""
        if now < self._not_before:
            return
        if self.state.seconds > READY_SECONDS:
            self._fail(f"still {self.state.phase} after {READY_SECONDS // 60} minutes: {self.state.detail}")
            return
        try:
            step = self._next(overview)
        except LabFailedError as error:
            self._fail(str(error))
            return
        if step:
            self._step = pool.submit(step)

    def _next(self, overview: Overview) -> Callable[[], None] | None:
        stack = overview.stacks.get(self._names.top_stack)
        if stack and not stack.settled:
            self._say("stack", stack.status)
            return None
        if not self._submitted:
            return self._stack_step(stack)
        if stack is None or (not stack.good and self.state.change != "unchanged"):
            return lambda: self._stack_failed(stack)
        return self._instance_step(overview)

    def _instance_step(self, overview: Overview) -> Callable[[], None] | None:
        status = self.state.instance
        if not status:
            raise LabFailedError(
                f"the notebook instance {self._names.notebook_instance} has been deleted: fleet status shows "
                "the reset that creates it again, without loss of what is there"
            )
        if status == "Stopped" or (status == "Failed" and not self._started):
            return self._start
        if status == "Failed":
            return self._instance_failed
        if status != "InService":
            self._say("instance", status)
            return None
        nested = [overview.stacks.get(name) for name in self._nested]
        return lambda: self._look(all(one is not None and one.good for one in nested))

    @property
    def _nested(self) -> tuple[str, str, str]:
        return self._names.base_stack, self._names.model_stack, self._names.train_stack

    # --- the top stack

    def _stack_step(self, stack: Stack | None) -> Callable[[], None]:
        if stack and stack.starts_over:
            self._say("stack", f"{stack.status}: creating it again")
            return lambda: self._delete(stack)
        if stack and stack.status in {"UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED"}:
            return lambda: self._stack_failed(stack)
        self._say("stack", "uploading the package")
        return lambda: self._submit(stack)

    def _delete(self, stack: Stack) -> None:
        if self._deleted:
            why = why_failed(self._clients("cloudformation"), stack)
            raise LabFailedError(
                f"stack {stack.name} can't be deleted: {why}. clean --participant {self._names.lab_id} "
                "deletes it, whatever is in it"
            )
        self._clients("cloudformation").delete_stack(StackName=stack.name)
        self._deleted = True

    def _submit(self, stack: Stack | None) -> None:
        plan, names = self._plan, self._names
        uploaded = upload(
            self._clients, names, plan.region, plan.account, content=plan.package, template=plan.template
        )
        end = plan.expires if stack is None or plan.extend else ""
        self.state.change = submit_stack(
            self._clients("cloudformation"),
            names.top_stack,
            uploaded.template_url,
            stack.record if stack else None,
            parameters={
                "NamePrefix": names.prefix,
                "PackageUri": uploaded.package_uri,
                **({"ExpiresAt": end} if end else {}),
                **plan.parameters,
            },
            tags={LAB_TAG: names.tag, **({EXPIRES_TAG: end} if end else {})},
        )
        self._submitted = True

    def _stack_failed(self, stack: Stack | None) -> None:
        if stack is None:
            raise LabFailedError(
                "its stack was deleted while it was being created. Run the same command again"
            )
        why = why_failed(self._clients("cloudformation"), stack)
        if THROTTLED.search(why) and self._tries < TRIES:
            pause = BACK_OFF_SECONDS * 2**self._tries
            self._say("stack", f"{why}: trying again in {pause:.0f} s")
            self._tries, self._not_before = self._tries + 1, time.monotonic() + pause
            self._submitted = self._deleted = False
            return
        raise LabFailedError(f"stack {stack.name} is {stack.status}: {why}")

    # --- the notebook instance

    def _start(self) -> None:
        self._say("instance", "starting")
        self._reports.starting()
        self._started = True
        self._clients("sagemaker").start_notebook_instance(NotebookInstanceName=self._names.notebook_instance)

    def _restart(self, why: str) -> None:
        self._say("instance", f"{why}: restarting it")
        self._restarted = True
        self._ask("stop_notebook_instance")

    def _ask(self, operation: str) -> None:
        """Start or stop the instance; if someone else already did, the next reading shows it."""
        try:
            getattr(self._clients("sagemaker"), operation)(NotebookInstanceName=self._names.notebook_instance)
        except ClientError as error:
            if "not in ([" not in error.response["Error"]["Message"]:  # its status has changed
                raise

    def _instance_failed(self) -> None:
        name = self._names.notebook_instance
        found = self._clients("sagemaker").describe_notebook_instance(NotebookInstanceName=name)
        raise LabFailedError(
            f"notebook instance {name} failed: {found.get('FailureReason', 'no reason given')}"
        )

    def _look(self, nested: bool) -> None:
        """Choose the next step for an instance in service, from its provisioning report."""
        told, found = self._reports.newest(), not (self._started or self.state.change == "created")
        if found and told and told.status == "running" and datetime.now(UTC) - told.at > _OVERDUE:
            self._restart("provisioning was killed earlier")
        elif told is None or told.status == "running":
            self._say("provisioning", told.log[-1] if told and told.log else "")
        elif told.failure:
            if not found:
                raise LabFailedError(
                    f"provisioning failed: {told.failure}. Run the same command again to repeat it"
                )
            self._restart(f"provisioning failed earlier ({told.failure})")
        elif not nested:
            if self._restarted:
                raise LabFailedError(
                    f"a nested stack is missing or failed: {', '.join(self._nested)}. "
                    "fleet status shows the reset that repairs it, without loss of what is there"
                )
            self._restart("a nested stack is missing")
        elif told.package != self._plan.digest and self._plan.restart and not self._restarted:
            self._restart("the package has changed")
        else:
            self.state.outdated = told.package != self._plan.digest
            self._say("ready", "")

    def _fail(self, why: str) -> None:
        self._say("failed", why)

    def _say(self, phase: str, detail: str) -> None:
        self.state.phase, self.state.detail = phase, detail
        self.state.seconds = time.monotonic() - self._began
