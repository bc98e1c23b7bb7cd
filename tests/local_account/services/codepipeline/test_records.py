"""Executions are found however many there are, and only some of them are in memory."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_account.foundation.store import Store
from local_account.services.codepipeline import records as records_module
from local_account.services.codepipeline.records import Execution, Records


def records_of(store: Store, **account: object) -> Records:
    return Records(cast("Any", SimpleNamespace(store=store, now=lambda: datetime.now(UTC), **account)))


def execution(number: int, status: str = "Succeeded", pipeline: str = "p") -> Execution:
    made: dict[str, Any] = {
        "id": f"{pipeline}-{number}",
        "pipeline": pipeline,
        "number": number,
        "status": status,
        "actions": [{"job": {"id": f"job-{pipeline}-{number}"}}],
    }
    return cast("Execution", made)


def test_ended_executions_are_read_again_when_they_are_asked_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records_module, "_ENDED", 2)
    records = records_of(store)
    for number in range(1, 7):
        records.save(execution(number, "InProgress"))
    for number in range(1, 6):
        records.save(execution(number))

    assert len(records._ended) == 2
    for each in (records, records_of(store)):
        assert [one["number"] for one in each.of("p")] == [1, 2, 3, 4, 5, 6]
        assert [one["number"] for one in each.running()] == [6]
        assert each.running("other") == []
        found = each.of_job("job-p-1")
        assert found is not None
        assert found[0]["id"] == "p-1"
        assert each.of_job("job-none") is None


def test_an_execution_that_runs_is_one_object(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "_ENDED", 1)
    records = records_of(store)
    running = execution(1, "InProgress")
    records.save(running)
    for number in range(2, 5):
        records.save(execution(number))
    assert records.get("p-1") is running

    retried = records.get("p-2")
    assert retried is not None
    retried["status"] = "InProgress"
    records.save(retried)

    assert [one["id"] for one in records.running("p")] == ["p-1", "p-2"]
    assert records.get("p-2") is retried


def test_a_forgotten_pipeline_leaves_nothing(store: Store) -> None:
    records = records_of(store)
    records.save(execution(1))
    records.save(execution(1, pipeline="other"))

    records.forget("p")

    assert records.of("p") == []
    assert records.get("p-1") is None
    assert store.table("codepipeline.executions").keys() == ["other-1"]


def test_an_execution_and_its_events_are_written_together_or_not_at_all(store: Store) -> None:
    published = store.table("published")

    def publish(_source: str, _detail_type: str, detail: dict[str, Any], _resources: list[str]) -> None:
        published.put(detail["state"], detail)
        if detail["state"] == "FAILED":
            raise OSError("a fault of the bus")

    records = records_of(store, bus=SimpleNamespace(publish=publish), arn=lambda *parts: ":".join(parts))
    running = execution(1, "InProgress") | {"started": datetime.now(UTC), "version": 1, "attempt": 1}
    running["trigger"] = {"triggerType": "CreatePipeline", "triggerDetail": "root"}
    records.pipeline_event(running, "STARTED")
    assert not published.keys(), "nothing is told before it is so"
    records.save(running)
    assert published.keys() == ["STARTED"]

    running["status"] = "Failed"
    records.pipeline_event(running, "FAILED")
    with pytest.raises(OSError, match="bus"):
        records.save(running)

    assert published.keys() == ["STARTED"]
    for each in (records, records_of(store)):
        assert [one["status"] for one in each.running()] == ["InProgress"]
