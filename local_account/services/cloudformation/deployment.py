"""One operation on one stack: create, update, roll back, delete.

Contract: *Stack failure options*, *Update behaviors of stack resources*, *DeletionPolicy attribute* and
*CloudFormation stack status codes* in the CloudFormation User Guide. Progress is written before and after
every step, so that ``resume`` can continue an operation that was interrupted.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from botocore.exceptions import ClientError

from local_account.foundation import system_tags
from local_account.foundation.errors import ServiceError
from local_account.foundation.patience import PAUSE_SECONDS
from local_account.services.cloudformation import dynamic_references, names, outputs
from local_account.services.cloudformation.intrinsics import Scope
from local_account.services.cloudformation.providers.base import (
    CancelledError,
    Context,
    Properties,
    ResourceError,
    StoppedError,
    missing,
)
from local_account.services.cloudformation.reasons import reason_of
from local_account.services.cloudformation.scope import Imports, Recorded, Types, make_scope
from local_account.services.cloudformation.stacks import (
    SNAPSHOT,
    STACK_TYPE,
    Head,
    Obsolete,
    Resource,
    Stack,
    Stacks,
)
from local_account.services.cloudformation.walk import reverse, walk

if TYPE_CHECKING:
    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

STOPPED = "the local account was stopped while this was under way"
REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."


class Deployment:
    """Carries out one operation; run one of its public verbs in a separate thread."""

    def __init__(
        self, account: Account, stacks: Stacks, types: Types, stack_id: str, token: str | None = None
    ) -> None:
        self._account = account
        self._stacks = stacks
        self._types = types
        self._stack_id = stack_id
        self._token = token
        self.done = threading.Event()
        """Set when the stack is at rest, or the account stopped before it was."""
        self._cancelled = threading.Event()
        self._cancel_reason = ""
        self._superseded = False
        stack = stacks.require(stack_id)
        self._name: str = stack["StackName"]
        self._records: dict[str, Resource] = stack["Resources"]

    def cancel(self, reason: str, superseded: bool = False) -> None:
        """Cancel the operation; with ``superseded`` without a rollback, because a deletion follows."""
        self._cancel_reason = reason
        self._superseded = superseded
        self._cancelled.set()

    def run(self, verb: Callable[[Deployment], None]) -> None:
        """Carry out one of the verbs below. Whatever goes wrong, the stack does not stay in progress."""
        try:
            verb(self)
        except StoppedError:
            log.info("the operation on stack %s continues at the next start", self._name)
        except Exception as error:
            if self._account.tasks.stopping.is_set():
                return
            log.exception("the operation on stack %s failed", self._name)
            status = self._stacks.require_head(self._stack_id)["StackStatus"]
            reason = error.message if isinstance(error, ServiceError) else f"{type(error).__name__}: {error}"
            self._status(_FAILED.get(status, "UPDATE_ROLLBACK_FAILED"), f"Internal failure: {reason}")
        finally:
            self.done.set()

    # Verbs

    def create(self) -> None:
        """Create all resources; on failure, do what ``OnFailure`` says."""
        reason, results = self._provision_all("create")
        if self._superseded:
            return
        if not reason:
            self._status("CREATE_COMPLETE", **results)
            return
        self._after_failed_creation(reason)

    def update(self) -> None:
        """Change the resources to the new template; on failure, back to the previous one."""
        reason, results = self._provision_all("update")
        if reason:
            self._after_failed_update(reason)
            return
        active = self._scope().active()
        with self._stacks.update(self._stack_id) as stack:
            stack.update(cast("Stack", results))
            for logical_id in [name for name in stack["Resources"] if name not in active]:
                record = stack["Resources"].pop(logical_id)
                keep = _policy(record, "DeletionPolicy") != "Delete"
                stack["Obsolete"].append({**record, "LogicalResourceId": logical_id, "Keep": keep})
            stack.pop("Previous", None)
        self._status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self.clean_up("UPDATE_COMPLETE")

    def clean_up(self, status: str) -> None:
        """Delete what the update left over; a failure is recorded as an event and does not fail the stack."""
        self._cancelled = threading.Event()
        entries = self._stacks.require(self._stack_id)["Obsolete"]
        graph = _graph_of_entries(entries)
        walk(reverse(graph), lambda index: self._delete(entries[int(index)], recorded=False))
        self._status(status, Obsolete=[])

    def delete(self) -> None:
        """Delete all resources, in reverse order of creation."""
        self._cancelled = threading.Event()
        stack = self._stacks.require(self._stack_id)
        self._records = stack["Resources"]
        for export in stack.get("Exports") or {}:
            if users := self._stacks.importers(export):
                reason = f"Export {export} cannot be deleted as it is in use by {' and '.join(users)}"
                self._status("DELETE_FAILED", reason)
                return
        retained = set(stack.get("RetainResources", []))
        failed = self._delete_all(
            lambda name, r: name in retained or _policy(r, "DeletionPolicy") != "Delete",
            forced=stack.get("DeletionMode") == "FORCE_DELETE_STACK",
        )
        if failed:
            listed = ", ".join(sorted(failed))
            self._status("DELETE_FAILED", f"The following resource(s) failed to delete: [{listed}]. ")
        else:
            self._status("DELETE_COMPLETE", Exports={}, Imports=[])

    def roll_back_creation(self) -> None:
        """Delete what a failed creation created."""
        self._cancelled = threading.Event()
        stack = self._stacks.require(self._stack_id)
        self._records = stack["Resources"]
        failed = self._delete_all(lambda _, record: _outlives_rollback(record, stack))
        if failed:
            listed = ", ".join(sorted(failed))
            self._status("ROLLBACK_FAILED", f"The following resource(s) failed to delete: [{listed}]. ")
        else:
            self._status("ROLLBACK_COMPLETE")

    def roll_back_update(self) -> None:
        """Change the resources back to the previous template, then delete what the update created."""
        self._cancelled = threading.Event()
        with self._stacks.update(self._stack_id) as stack:
            previous: dict[str, Resource] = stack["Previous"]["Resources"]
            before = {key: stack["Previous"].get(key) for key in SNAPSHOT if key != "Resources"}
            stack.update(cast("Stack", before))
        self._records = stack["Resources"]
        skipped = set(stack.get("ResourcesToSkip", []))
        graph = {name: set(record["Dependencies"]) for name, record in previous.items()}
        failed = walk(graph, lambda name: self._restore(name, previous[name], name in skipped), self._goes_on)
        if failed:
            listed = ", ".join(sorted(failed))
            self._status(
                "UPDATE_ROLLBACK_FAILED", f"The following resource(s) failed to update: [{listed}]. "
            )
            return
        with self._stacks.update(self._stack_id) as stack:
            for logical_id in [name for name in stack["Resources"] if name not in previous]:
                record = stack["Resources"].pop(logical_id)
                keep = _outlives_rollback(record, stack)
                stack["Obsolete"].append({**record, "LogicalResourceId": logical_id, "Keep": keep})
            stack.pop("Previous", None)
            stack.pop("ResourcesToSkip", None)
        self._status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self.clean_up("UPDATE_ROLLBACK_COMPLETE")

    def resume(self) -> None:
        """Finish what was in progress when the account was stopped or killed."""
        stack = self._stacks.require(self._stack_id)
        status = stack["StackStatus"]
        for logical_id, record in self._records.items():
            if record["Status"].endswith("_IN_PROGRESS") and not status.startswith("DELETE"):
                record["Status"] = record["Status"].replace("_IN_PROGRESS", "_FAILED")
                record["StatusReason"] = f"Interrupted: {STOPPED}"
                self._put(logical_id, record)
        match status:
            case "CREATE_IN_PROGRESS":
                self._after_failed_creation(f"Creation interrupted: {STOPPED}.")
            case "UPDATE_IN_PROGRESS":
                self._after_failed_update(f"Update interrupted: {STOPPED}.")
            case "ROLLBACK_IN_PROGRESS":
                self.roll_back_creation()
            case "UPDATE_ROLLBACK_IN_PROGRESS":
                self.roll_back_update()
            case "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" | "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS":
                self.clean_up(status.replace("_CLEANUP_IN_PROGRESS", ""))
            case "DELETE_IN_PROGRESS":
                self.delete()

    # After failures

    def _after_failed_creation(self, reason: str) -> None:
        match self._stacks.require_head(self._stack_id).get("OnFailure", "ROLLBACK"):
            case "DO_NOTHING":
                self._status("CREATE_FAILED", reason)
            case "DELETE":
                self._status("DELETE_IN_PROGRESS", f"{reason} Delete requested by user.")
                self.delete()
            case _:
                self._status("ROLLBACK_IN_PROGRESS", f"{reason} Rollback requested by user.")
                self.roll_back_creation()

    def _after_failed_update(self, reason: str) -> None:
        stack = self._stacks.require(self._stack_id)
        if stack.get("OnFailure") == "DO_NOTHING" or "Previous" not in stack:
            self._status("UPDATE_FAILED", reason)
        else:
            self._status("UPDATE_ROLLBACK_IN_PROGRESS", reason)
            self.roll_back_update()

    # Creating and changing

    def _provision_all(self, verb: str) -> tuple[str, dict[str, Any]]:
        """Create or change every resource; return why it failed, or "" and the stack's outputs."""
        stack = self._stacks.require(self._stack_id)
        self._records = stack["Resources"]
        imports = Imports(self._stacks)
        try:
            scope = self._scope(imports)
            active, graph = scope.active(), scope.dependencies()
            scope.check_imports([one.get("Properties") for one in active.values()])
            failed = walk(
                graph,
                lambda name: self._attempt(
                    name, lambda: self._provision(scope, name, active[name], graph[name], stack["Tags"])
                ),
                self._goes_on,
            )
            if self._cancel_reason:
                return self._cancel_reason, {}
            if failed:
                order = [name for name in graph if name in failed]
                return f"The following resource(s) failed to {verb}: [{', '.join(order)}].", {}
            return "", outputs.results(self._stacks, self._stack_id, scope, imports)
        except ServiceError as error:
            return error.message, {}

    def _provision(
        self,
        scope: Scope,
        logical_id: str,
        resource: Mapping[str, Any],
        needs: set[str],
        tags: list[dict[str, str]],
    ) -> None:
        record = self._records.get(logical_id)
        if record is not None and record["Status"] in ("CREATE_FAILED", "DELETE_COMPLETE"):
            # Left by a creation whose rollback was disabled: created again.
            if record["PhysicalResourceId"] and record["Status"] == "CREATE_FAILED":
                self._delete({**record, "LogicalResourceId": logical_id, "Keep": False}, recorded=False)
            record = None
        declared = {
            "Type": resource["Type"],
            "Dependencies": sorted(needs),
            "DeletionPolicy": resource.get("DeletionPolicy"),
            "UpdateReplacePolicy": resource.get("UpdateReplacePolicy"),
            "Metadata": resource.get("Metadata"),
        }
        if record is None:
            record = cast("Resource", {**_NEW, **declared, "Status": "CREATE_IN_PROGRESS"})
            self._records[logical_id] = record
            self._make(logical_id, record, self._types.effective(scope, resource, tags), "CREATE")
            return
        props = self._types.effective(scope, resource, tags)
        if props == record["Properties"] and record["Status"] != "UPDATE_FAILED":
            record.update(cast("Resource", declared))
            self._put(logical_id, record, event=False)
        elif replacing := self._types.schemas.get(record["Type"]).replacing(record["Properties"], props):
            self._replace(logical_id, record, declared, props, replacing)
        else:
            changed = cast("Resource", {**record, **declared})
            self._change(logical_id, changed, props, record["Properties"])

    def _make(
        self, logical_id: str, record: Resource, props: Properties, verb: str, why: str | None = None
    ) -> None:
        provider = self._types.providers[record["Type"]]
        record.update({"Properties": props, "Status": f"{verb}_IN_PROGRESS", "StatusReason": why})
        self._put(logical_id, record)
        props = self._resolved(record, props)
        self._check(logical_id, record, props)
        prefix = self._name if provider.name_prefix is None else provider.name_prefix
        record["Name"] = props.get(provider.name_property) or names.physical_name(
            prefix, logical_id, provider.name_limit, provider.name_lower
        )

        def created(physical_id: str) -> None:
            record.update({"PhysicalResourceId": physical_id, "StatusReason": "Resource creation Initiated"})
            self._put(logical_id, record)
            if record["Type"] == STACK_TYPE:
                self._stacks.adopt(physical_id, self._stack_id)

        ctx = self._context(logical_id, record, created)
        provider.create(ctx, self._tagged(ctx, props))
        self._completed(ctx, record, f"{verb}_COMPLETE")

    def _replace(
        self,
        logical_id: str,
        record: Resource,
        declared: Mapping[str, Any],
        props: Properties,
        replacing: set[str],
    ) -> None:
        name = self._types.providers[record["Type"]].name_property
        new = cast("Resource", {**_NEW, **declared, "Status": "UPDATE_IN_PROGRESS"})
        if name and props.get(name) is not None and props[name] == record["Name"]:
            record.update({"Status": "UPDATE_IN_PROGRESS", "StatusReason": None})
            self._put(logical_id, record)
            raise ResourceError(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {record['Name']} and update the stack again. "
                f"(changed: {', '.join(sorted(replacing))})"
            )
        with self._stacks.update(self._stack_id) as stack:
            keep = _policy(record, "UpdateReplacePolicy") != "Delete"
            stack["Obsolete"].append({**record, "LogicalResourceId": logical_id, "Keep": keep})
        self._records[logical_id] = new
        self._make(logical_id, new, props, "UPDATE", REPLACING)

    def _change(self, logical_id: str, record: Resource, props: Properties, old: Properties) -> None:
        provider = self._types.providers[record["Type"]]
        record.update({"Properties": props, "Status": "UPDATE_IN_PROGRESS", "StatusReason": None})
        self._records[logical_id] = record
        self._put(logical_id, record)
        before = copy.deepcopy(record)
        known = record.get("References", {})
        real = self._resolved(record, copy.deepcopy(props))
        self._check(logical_id, record, real)
        ctx = self._context(logical_id, record)
        provider.update(ctx, self._tagged(ctx, real), self._tagged(ctx, self._real(record, old, known)))
        if ctx.physical_id != before["PhysicalResourceId"]:
            keep = _policy(record, "UpdateReplacePolicy") != "Delete"
            with self._stacks.update(self._stack_id) as stack:
                replaced = {**before, "Properties": old, "LogicalResourceId": logical_id, "Keep": keep}
                stack["Obsolete"].append(cast("Obsolete", replaced))
        record["PhysicalResourceId"] = ctx.physical_id
        self._completed(ctx, record, "UPDATE_COMPLETE")

    def _restore(self, logical_id: str, old: Resource, skip: bool) -> bool:
        """Restore one resource to its state before the update."""
        record = self._records[logical_id]
        if skip:
            old = {**old, "Status": "UPDATE_COMPLETE", "StatusReason": "Skipped in the rollback"}
            self._records[logical_id] = old
            self._put(logical_id, old)
            return True
        if record["PhysicalResourceId"] != old["PhysicalResourceId"]:
            with self._stacks.update(self._stack_id) as stack:
                kept = [each for each in stack["Obsolete"] if each["LogicalResourceId"] != logical_id]
                if record["PhysicalResourceId"]:
                    kept.append({**record, "LogicalResourceId": logical_id, "Keep": False})
                stack["Obsolete"] = kept
            restored: Resource = {**old, "Status": "UPDATE_COMPLETE", "StatusReason": None}
            self._records[logical_id] = restored
            self._put(logical_id, restored)
            return True
        if record["Properties"] == old["Properties"] and record["Status"] != "UPDATE_FAILED":
            self._records[logical_id] = {**old, "Status": record["Status"]}
            self._put(logical_id, self._records[logical_id], event=False)
            return True
        return self._attempt(
            logical_id,
            lambda: self._change(logical_id, record.copy(), old["Properties"], record["Properties"]),
        )

    def _attempt(self, logical_id: str, work: Callable[[], None]) -> bool:
        """Run one step on one resource; record what it raises as the resource's status and reason."""
        try:
            work()
        except StoppedError:
            raise
        except Exception as error:
            if self._account.tasks.stopping.is_set():
                raise StoppedError from error
            record = self._records[logical_id]
            # One that failed before its step began (its properties have no value) updates what exists.
            verb = record["Status"].split("_")[0] if record["Status"].endswith("_IN_PROGRESS") else "UPDATE"
            if isinstance(error, CancelledError):
                reason = f"Resource {'creation' if verb == 'CREATE' else 'update'} cancelled"
            else:
                reason = reason_of(error, record)
            record.update({"Status": f"{verb}_FAILED", "StatusReason": reason})
            self._put(logical_id, record)
            self._cancelled.set()
            return False
        return True

    def _resolved(self, record: Resource, props: Properties) -> Properties:
        """Return properties with dynamic references replaced; the record notes by what."""
        known = dynamic_references.values(record["Type"], props, self._client)
        record["References"] = known
        return self._real(record, props, known)

    def _real(self, record: Resource, props: Properties, known: Mapping[str, str]) -> Properties:
        if not known:
            return props
        replaced: Properties = dynamic_references.replaced(props, known)
        return self._types.schemas.get(record["Type"]).coerce(replaced)

    def _client(self, service: str) -> Any:
        """Return a client with the permissions of the operation."""
        stack = self._stacks.require_head(self._stack_id)
        return self._account.client(service, stack.get("RoleARN") or stack.get("CallerRole"))

    def _check(self, logical_id: str, record: Resource, props: Properties) -> None:
        if faults := self._types.schemas.get(record["Type"]).faults(props):
            listed = "\n".join(faults)
            raise ResourceError(
                f"Properties validation failed for resource {logical_id} with message:\n{listed}"
            )
        given = [name for name, value in props.items() if value]
        if lacking := self._types.providers[record["Type"]].lacks(given):
            raise ResourceError(f"Property {min(lacking)} is not supported by the local account")

    def _tagged(self, ctx: Context, props: Properties) -> Properties:
        """Return properties with the tags that CloudFormation adds (*Resource tagging*)."""
        own = props.get("Tags", []) if self._types.schemas.get(ctx.resource_type).takes_tags else []
        if any(system_tags.is_reserved(tag["Key"]) for tag in own):
            raise ResourceError(system_tags.WORDS)
        # A nested stack's resources get those of the nested stack.
        if (
            ctx.resource_type == STACK_TYPE
            or not self._types.schemas.get(ctx.resource_type).takes_system_tags
        ):
            return props
        added = {
            "aws:cloudformation:logical-id": ctx.logical_id,
            "aws:cloudformation:stack-id": ctx.stack_id,
            "aws:cloudformation:stack-name": ctx.stack_name,
        }
        return {**props, "Tags": [*own, *({"Key": key, "Value": value} for key, value in added.items())]}

    def _completed(self, ctx: Context, record: Resource, status: str) -> None:
        provider = self._types.providers[record["Type"]]
        props = self._real(record, record["Properties"], record.get("References", {}))
        record["Attributes"] = provider.attributes(ctx, props)
        record.update({"Status": status, "StatusReason": None})
        self._put(ctx.logical_id, record)

    # Deleting

    def _delete_all(self, kept: Callable[[str, Resource], bool], *, forced: bool = False) -> set[str]:
        """Delete every resource of the stack; return the logical ids of those that remain.

        With ``forced``, those that cannot be deleted are skipped, and what they need is deleted all the same.
        """
        left = {name: record for name, record in self._records.items() if not _gone(record)}
        graph = {name: set(record["Dependencies"]) for name, record in left.items()}
        return walk(
            reverse(graph),
            lambda name: self._delete(
                {**left[name], "LogicalResourceId": name, "Keep": kept(name, left[name])},
                recorded=True,
                forced=forced,
            ),
            self._goes_on,
        )

    def _delete(self, entry: Obsolete, *, recorded: bool, forced: bool = False) -> bool:
        """Delete one resource; ``recorded`` ones stay in the stack with the new status."""
        own = {key: value for key, value in entry.items() if key not in ("LogicalResourceId", "Keep")}
        record, logical_id, keep = cast("Resource", own), entry["LogicalResourceId"], entry["Keep"]

        def status(status: str, reason: str | None = None) -> None:
            record.update({"Status": status, "StatusReason": reason})
            if recorded:
                self._put(logical_id, record)
            else:
                self._stacks.add_resource_event(self._stack_id, logical_id, record, self._token)

        if keep:
            status("DELETE_SKIPPED")
            return True
        try:
            if record["PhysicalResourceId"]:
                status("DELETE_IN_PROGRESS")
                self._delete_resource(logical_id, record, insist=not recorded)
        except StoppedError:
            raise
        except Exception as error:
            if self._account.tasks.stopping.is_set():
                raise StoppedError from error
            if not (isinstance(error, ClientError) and missing(error)):
                reason = reason_of(error, record)
                status("DELETE_FAILED", reason)
                if forced:
                    status("DELETE_SKIPPED", reason)
                return forced
        status("DELETE_COMPLETE")
        return True

    def _delete_resource(self, logical_id: str, record: Resource, *, insist: bool) -> None:
        """Call the provider; to ``insist`` is to wait for room on a full disk, as nobody deletes it later."""
        props = self._real(record, record["Properties"], record.get("References", {}))
        provider, context = self._types.providers[record["Type"]], self._context(logical_id, record)
        while True:
            try:
                return provider.delete(context, props)
            except ClientError as error:
                full = error.response["Error"]["Code"] == "DiskFull"
                if not (insist and full) or self._account.tasks.stopping.wait(PAUSE_SECONDS):
                    raise

    # Helpers

    def _scope(self, imports: Imports | None = None) -> Scope:
        stack = self._stacks.require(self._stack_id)
        template = self._types.template(stack["TemplateBody"])
        return make_scope(
            self._account, stack, template, Recorded(self._records), imports or Imports(self._stacks)
        )

    def _context(
        self, logical_id: str, record: Resource, created: Callable[[str], None] = lambda _: None
    ) -> Context:
        stack = self._stacks.require_head(self._stack_id)
        return Context(
            account=self._account,
            role_arn=stack.get("RoleARN") or stack.get("CallerRole"),
            stack_id=self._stack_id,
            stack_name=self._name,
            logical_id=logical_id,
            resource_type=record["Type"],
            name=record["Name"],
            physical_id=record["PhysicalResourceId"],
            attributes=record["Attributes"],
            capabilities=stack.get("Capabilities", []),
            cancelled=self._cancelled,
            on_created=created,
        )

    def _put(self, logical_id: str, record: Resource, event: bool = True) -> None:
        self._stacks.put_resource(self._stack_id, logical_id, record, self._token, event)

    def _status(self, status: str, reason: str | None = None, **changes: Any) -> None:
        self._stacks.set_status(self._stack_id, status, reason, self._token, **changes)

    def _goes_on(self) -> bool:
        if self._account.tasks.stopping.is_set():
            raise StoppedError
        return not self._cancelled.is_set()


_NEW: dict[str, Any] = {
    "PhysicalResourceId": "",
    "Name": "",
    "Attributes": {},
    "Properties": {},
    "StatusReason": None,
}
_FAILED = {
    "CREATE_IN_PROGRESS": "CREATE_FAILED",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_FAILED",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
}


def _policy(record: Resource, name: Literal["DeletionPolicy", "UpdateReplacePolicy"]) -> str:
    return record[name] or "Delete"


def _outlives_rollback(record: Resource, stack: Head) -> bool:
    """Return whether a rollback keeps a resource that the failed operation has created."""
    return _policy(record, "DeletionPolicy") == "Retain" and not stack.get("RetainExceptOnCreate")


def _gone(record: Resource) -> bool:
    return record["Status"] in ("DELETE_COMPLETE", "DELETE_SKIPPED")


def _graph_of_entries(entries: list[Obsolete]) -> dict[str, set[str]]:
    return {
        str(index): {
            str(other)
            for other, candidate in enumerate(entries)
            if candidate["LogicalResourceId"] in entry["Dependencies"]
        }
        for index, entry in enumerate(entries)
    }
