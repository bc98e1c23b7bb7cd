"""Clean labs: delete in dependency order, list everything again, repeat until the list is empty.

Each round begins with a fresh listing, so it does not matter how far an earlier, interrupted run got.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

from botocore.exceptions import ClientError

from lab_helpers import deletions
from lab_helpers.aws_errors import is_gone
from lab_helpers.clients import Clients
from lab_helpers.deletion_order import STEPS, stack_for, step_of
from lab_helpers.instructor.inventory import list_resources
from lab_helpers.patience import Patience, StoppedError
from lab_helpers.resources import Resource
from lab_helpers.running import stop_all
from lab_helpers.stack_deletion import StackLeftError, delete_stack

LABS_AT_ONCE = 6
ROUNDS = 4
Report = Callable[[str, str], None]
"""Called with a lab id and what is being done for it."""


@dataclass(frozen=True)
class Cleaned:
    """What was found, what a fresh listing still shows, and the reasons that services gave."""

    found: tuple[Resource, ...]
    remaining: tuple[Resource, ...]
    faults: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing remains."""
        return not self.remaining


def clean(
    clients: Clients,
    region: str,
    account: str,
    lab_ids: Collection[str] | None,
    *,
    report: Report = lambda _lab, _text: None,
    labs_at_once: int = LABS_AT_ONCE,
) -> Cleaned:
    """Delete everything that belongs to these labs (None: all labs) and list again what is left.

    Safe to interrupt and to repeat. Raises botocore's ClientError if a listing fails; errors of deletions are
    in `faults`.
    """
    found = remaining = list_resources(clients, region, account, lab_ids)
    faults: list[str] = []
    for _ in range(ROUNDS):
        if not remaining:
            break
        before = {(one.kind, one.id) for one in remaining}
        faults = _round(clients, remaining, report, labs_at_once)
        remaining = list_resources(clients, region, account, lab_ids)
        if {(one.kind, one.id) for one in remaining} == before:
            break
    return Cleaned(tuple(found), tuple(remaining), tuple(faults) if remaining else ())


def _round(clients: Clients, resources: Iterable[Resource], report: Report, labs_at_once: int) -> list[str]:
    labs: defaultdict[str, list[Resource]] = defaultdict(list)
    for one in resources:
        labs[one.lab_id or ""].append(one)
    stopping = threading.Event()
    with ThreadPoolExecutor(labs_at_once, thread_name_prefix="clean") as pool:
        lab_rounds = [
            pool.submit(_Lab(clients, lab, owned, report, stopping).clean) for lab, owned in labs.items()
        ]
        try:
            done, _ = wait(lab_rounds, return_when=FIRST_EXCEPTION)
            for ended in done:
                ended.result()  # raise the first error now, before the others are done
            return [fault for one in lab_rounds for fault in one.result()]
        except BaseException:
            stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Lab:
    """One round over one lab."""

    def __init__(
        self,
        clients: Clients,
        lab_id: str,
        resources: list[Resource],
        report: Report,
        stopping: threading.Event,
    ) -> None:
        self._clients, self._lab_id, self._resources = clients, lab_id, resources
        self._report, self._stopping = report, stopping
        self._faults: list[str] = []

    def clean(self) -> list[str]:
        """Do every step and return the faults; raises StoppedError."""
        self._say(STEPS[0])
        for stopped in stop_all(self._clients, self._resources):
            self._say(f"stopped {stopped}")
        stacks = {one.id for one in self._resources if one.kind == "stack"}
        for number, title in enumerate(STEPS):
            # A stack deletes what it owns; what it leaves behind is in the next round's list.
            doomed = [
                one
                for one in self._resources
                if step_of(one) == number and (one.kind == "endpoint" or stack_for(one) not in stacks)
            ]
            if number == STEPS.index("images and object versions"):
                self._empty_buckets(title)
            elif doomed:
                self._say(f"{title} ({len(doomed)})")
                self._delete(doomed)
        self._say("listed again")
        return self._faults

    def _empty_buckets(self, title: str) -> None:
        """Empty a stack's buckets: CloudFormation deletes only empty ones (unlike image repositories)."""
        self._say(title)
        for one in self._resources:
            if one.kind == "bucket":
                try:
                    deletions.empty_bucket(self._clients, one.id)
                except ClientError as error:
                    if not is_gone(error):
                        self._faults.append(f"{one.id}: {error}")
                except deletions.BusyError as error:
                    self._faults.append(str(error))

    def _delete(self, doomed: list[Resource]) -> None:
        stacks = [one for one in doomed if one.kind == "stack"]
        if len(stacks) > 1:
            with ThreadPoolExecutor(len(stacks)) as pool:
                list(pool.map(self._delete_stack, stacks))
        elif stacks:
            self._delete_stack(stacks[0])
        self._delete_until_gone([one for one in doomed if one.kind != "stack"])

    def _delete_stack(self, one: Resource) -> None:
        try:
            delete_stack(self._clients, one.id, self._stopping)
        except (StackLeftError, TimeoutError, ClientError) as error:
            self._faults.append(str(error))

    def _delete_until_gone(self, doomed: list[Resource]) -> None:
        patience = Patience(self._stopping)
        while doomed:
            busy: list[tuple[Resource, str]] = []
            for one in doomed:
                if self._stopping.is_set():
                    raise StoppedError
                try:
                    deletions.delete(self._clients, one)
                except deletions.BusyError as error:
                    busy.append((one, str(error)))
                except ClientError as error:
                    self._faults.append(f"{one.kind} {one.id}: {error}")
            doomed = [one for one, _ in busy]
            if doomed:
                try:
                    patience.pause()
                except TimeoutError:
                    self._faults += [f"{one.kind} {one.id}: {why}" for one, why in busy]
                    return

    def _say(self, text: str) -> None:
        if self._stopping.is_set():
            raise StoppedError
        self._report(self._lab_id, text)
