"""The versions in the model registry, as lessons read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab_helpers import registry
from lab_helpers.registry import Version
from tests.lab_helpers import fakes

PENDING = Version(
    arn="arn:1",
    number=1,
    status="PendingManualApproval",
    decision="",
    created=fakes.START,
    image="image",
    model_data="s3://bucket/model.tar.gz",
    properties={"execution": "e1"},
)


def test_a_decision_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The monitor hears of it by an event, after the pipeline has gone on."""
    found = [PENDING]

    def hear(_seconds: float) -> None:
        found[:] = [replace(PENDING, status="Approved")]

    monkeypatch.setattr(registry, "versions", lambda _lab: found)
    decided = registry.wait_for_decision(fakes.lab(tmp_path), "e1", sleep=hear)
    assert decided is not None
    assert decided.status == "Approved"


def test_a_decision_that_never_arrives_is_not_waited_for_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "versions", lambda _lab: [PENDING])
    here = fakes.lab(tmp_path)
    assert registry.wait_for_decision(here, "e1", timeout=0, sleep=lambda _: None) == PENDING
    assert registry.wait_for_decision(here, "unknown") is None
