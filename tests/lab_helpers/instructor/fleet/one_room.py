"""The labs of a class in a local account, driven and examined by tests."""

import dataclasses
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_helpers.instructor.clean import clean
from lab_helpers.instructor.fleet.overview import Overview
from lab_helpers.instructor.fleet.progress import read_provision
from lab_helpers.instructor.fleet.provision import LabState, Plan, bring_up
from lab_helpers.instructor.fleet.roster import Participant
from lab_helpers.instructor.inventory import list_resources
from lab_helpers.names import Names
from local_account.foundation.daemon import Daemon

LOOK_SECONDS = 0.2


@dataclass
class Room:
    """The account, its clients, and the plan for its labs."""

    daemon: Daemon
    clients: Any
    plan: Plan

    def up(self, *lab_ids: str, clients: Any = None, **changes: Any) -> list[LabState]:
        """Provision these labs."""
        plan = dataclasses.replace(self.plan, **changes)
        return bring_up(clients or self.clients, people(lab_ids), plan, look_seconds=LOOK_SECONDS)

    def clean(self, *lab_ids: str, clients: Any = None) -> None:
        """Delete these labs, or all."""
        cleaned = clean(clients or self.clients, self.plan.region, self.plan.account, lab_ids or None)
        assert cleaned.empty, cleaned.remaining

    def left(self, *lab_ids: str) -> list[str]:
        """Return the name of every resource of these labs."""
        found = list_resources(self.clients, self.plan.region, self.plan.account, lab_ids)
        return [f"{one.kind} {one.id}" for one in found]

    def faults(self, *lab_ids: str) -> list[str]:
        """Return what is not as `fleet up` promises; empty if every lab is ready."""
        overview, faults = Overview.read(self.clients), []
        for lab_id in lab_ids:
            names = Names(lab_id)
            for stack in (names.top_stack, names.base_stack, names.model_stack, names.train_stack):
                status = overview.stacks[stack].status if stack in overview.stacks else "missing"
                if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
                    faults.append(f"stack {stack}: {status}")
            instance = overview.instances.get(names.notebook_instance)
            if instance is None or instance.status != "InService":
                faults.append(f"instance of {lab_id}: {instance and instance.status}")
            told = read_provision(self.clients, names, self.plan.region, self.plan.account)
            if told is None or (told.status, told.package) != ("ready", self.plan.digest):
                faults.append(f"provisioning of {lab_id}: {told and told.status}")
        return faults

    def home(self, lab_id: str) -> Path:
        """Return the SageMaker directory of a lab's notebook instance."""
        name = Names(lab_id).notebook_instance
        return Path(self.daemon.environment(name)["WORKSHOP_HOME"])


def people(lab_ids: Sequence[str]) -> list[Participant]:
    return [Participant(lab_id.title(), "", lab_id) for lab_id in lab_ids]


class Interrupting:
    """Clients whose n-th call raises KeyboardInterrupt: before it is sent, or after it was accepted."""

    def __init__(self, clients: Any, nth: int = 0, after: bool = False) -> None:
        self._clients, self._nth, self._after = clients, nth, after
        self._lock = threading.Lock()
        self.calls = 0
        self.interrupted = False

    def __call__(self, service: str, /) -> Any:
        return _Client(self, self._clients(service))

    def call(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            self.calls += 1
            mine = self.calls == self._nth
            self.interrupted = self.interrupted or mine
        if mine and not self._after:
            raise KeyboardInterrupt
        answer = method(*args, **kwargs)
        if mine:
            raise KeyboardInterrupt
        return answer


class _Client:
    def __init__(self, interrupting: Interrupting, client: Any) -> None:
        self._interrupting, self._client = interrupting, client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name in {"meta", "exceptions"} or not callable(found):
            return found
        return lambda *args, **kwargs: self._interrupting.call(found, *args, **kwargs)
