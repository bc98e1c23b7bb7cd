"""What a change of a stack writes and reads does not grow with the stack, nor with the other stacks."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from local_account.foundation.store import Store
from local_account.services.cloudformation.stacks import Resource, Stack, Stacks

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stacks_of(store: Store) -> Stacks:
    return Stacks(cast("Any", SimpleNamespace(store=store, now=lambda: NOW)))


def resource(number: int) -> Resource:
    made: dict[str, Any] = {
        "Type": "AWS::S3::Bucket",
        "PhysicalResourceId": f"bucket-{number}",
        "Status": "CREATE_COMPLETE",
        "StatusReason": None,
        "Properties": {},
    }
    return cast("Resource", made)


def stack(name: str, resources: int) -> Stack:
    made = {
        "StackId": f"arn:aws:cloudformation:us-east-1:1:stack/{name}/1",
        "StackName": name,
        "StackStatus": "CREATE_IN_PROGRESS",
        "CreationTime": NOW,
        "TemplateBody": "the template",
        "Values": {"P": "1"},
        "Exports": {f"{name}-export": "1"},
        "Resources": {f"R{number}": resource(number) for number in range(resources)},
        "Obsolete": [],
    }
    return cast("Stack", made)


def statements(store: Store, call: Any) -> list[str]:
    made: list[str] = []
    store._connection.set_trace_callback(made.append)
    call()
    store._connection.set_trace_callback(None)
    return made


def test_a_stack_comes_back_as_it_was_written(store: Store) -> None:
    stacks, wanted = stacks_of(store), stack("a", 3)
    stacks.add(wanted)
    stacks.add(stack("ab", 1))

    assert stacks.require("a") == wanted
    with stacks.update(wanted["StackId"]) as document:
        del document["Resources"]["R1"]
        document["Values"] = {"P": "2"}
    again = stacks_of(store).require("a")
    assert list(again["Resources"]) == ["R0", "R2"]
    assert again["Values"] == {"P": "2"}
    assert stacks.owner("bucket-2") == again


def test_a_change_of_a_resource_writes_that_resource_and_its_event(store: Store) -> None:
    stacks, wanted = stacks_of(store), stack("a", 50)
    stacks.add(wanted)

    made = statements(store, lambda: stacks.put_resource(wanted["StackId"], "R7", resource(7), None))

    writes = [one for one in made if one.startswith("INSERT")]
    assert len(writes) == 2
    assert "the template" not in "".join(made)
    assert [one["LogicalResourceId"] for one in stacks.events(stacks.require_head("a"))] == ["R7"]


def test_lists_and_exports_read_neither_templates_nor_resources(store: Store) -> None:
    for name in ("a", "b"):
        stacks_of(store).add(stack(name, 5))
    stacks = stacks_of(store)
    stacks.set_status(stack("a", 0)["StackId"], "CREATE_COMPLETE", Imports=["b-export"])

    assert statements(store, stacks.exports) == []
    assert sorted(stacks.exports()) == ["a-export", "b-export"]
    assert stacks.importers("b-export") == ["a"]
    assert [one["StackStatus"] for one in stacks.active()] == ["CREATE_COMPLETE", "CREATE_IN_PROGRESS"]
    assert not {"TemplateBody", "Resources"} & {key for one in stacks.all() for key in one}


def test_a_deleted_stack_is_found_by_its_id_only(store: Store) -> None:
    stacks, wanted = stacks_of(store), stack("a", 1)
    stacks.add(wanted)
    stacks.set_status(wanted["StackId"], "DELETE_COMPLETE")

    assert stacks.find("a") is None
    assert stacks.active() == []
    assert stacks.require(wanted["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert stacks_of(store).active() == []
