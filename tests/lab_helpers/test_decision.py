"""The decision buttons: a click decides, once, and a late one changes nothing and says so in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab_helpers import executions
from lab_helpers.clicks import DEAD
from lab_helpers.decision import Decision
from tests.lab_helpers.fakes import START, FakeClient, Pipeline, lab

NAME = "iris-train-pipeline"
DONE = "Succeeded"
WAITING = (DONE, DONE, DONE, DONE, DONE, "InProgress")


class Desk:
    """A pipeline whose execution waits, the buttons for it, and what the notebook would save beside them."""

    def __init__(self, tmp_path: Path) -> None:
        self.pipeline = Pipeline()
        self.id = self.pipeline.add(1, *WAITING)
        self.released = True
        sagemaker = FakeClient("sagemaker", describe_endpoint=self._endpoint)
        here = lab(tmp_path, codepipeline=self.pipeline.client, sagemaker=sagemaker)
        self.buttons = Decision(here, executions.get(here, NAME, self.id))
        self.saved = ""

    def _endpoint(self, EndpointName: str) -> dict[str, Any]:
        if not self.released:
            said = f'Could not find endpoint "{EndpointName}".'
            raise ClientError({"Error": {"Code": "ValidationException", "Message": said}}, "DescribeEndpoint")
        return {
            "EndpointName": EndpointName,
            "EndpointArn": f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{EndpointName}",
            "EndpointConfigName": EndpointName,
            "EndpointStatus": "InService",
            "CreationTime": START,
            "LastModifiedTime": START,
        }

    def display(self, what: Any, **_: Any) -> None:
        self.saved = getattr(what, "data", self.saved)

    @property
    def enabled(self) -> list[str]:
        [_, row] = self.buttons.box.children
        return [button.description for button in row.children if not button.disabled]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    found = Desk(tmp_path)
    monkeypatch.setattr("lab_helpers.clicks.display", found.display)
    found.buttons._ipython_display_()
    return found


def test_approving_takes_a_second_click_and_then_it_is_done(desk: Desk) -> None:
    assert desk.enabled == ["Approve", "Reject"]
    assert DEAD in desk.saved
    desk.buttons.approve.click()
    assert desk.pipeline.answers == []
    assert desk.enabled == ["Not yet", "Release to PRD"]
    desk.buttons.release.click()
    assert [one["result"]["status"] for one in desk.pipeline.answers] == ["Approved"]
    assert desk.enabled == []
    assert "Approved" in desk.buttons.said
    assert "Approved" in desk.saved, "it is still read when the kernel is gone"


@pytest.mark.parametrize(
    ("released", "said"),
    [(True, "It replaces the one that serves there."), (False, "Nothing serves there yet")],
)
def test_the_question_says_what_a_release_changes(desk: Desk, released: bool, said: str) -> None:
    desk.released = released
    desk.buttons.approve.click()
    assert said in desk.buttons.said
    assert desk.buttons.release.tooltip == desk.buttons.said


def test_not_yet_goes_back(desk: Desk) -> None:
    desk.buttons.approve.click()
    desk.buttons.back.click()
    assert desk.enabled == ["Approve", "Reject"]
    assert desk.pipeline.answers == []


def test_rejecting_takes_one_click(desk: Desk) -> None:
    desk.buttons.reject.click()
    assert [one["result"]["status"] for one in desk.pipeline.answers] == ["Rejected"]
    assert "PRD is unchanged" in desk.buttons.said


def test_a_second_click_that_was_on_its_way_does_nothing(desk: Desk) -> None:
    desk.buttons.reject.click()
    said = desk.buttons.said
    desk.buttons.reject.click()
    desk.buttons.approve.click()
    desk.buttons.release.click()
    assert len(desk.pipeline.answers) == 1
    assert desk.buttons.said == said


@pytest.mark.parametrize(
    ("statuses", "status", "state"),
    [
        ((DONE, DONE, DONE, DONE, DONE, DONE, "InProgress"), "InProgress", "approved"),
        ((DONE, DONE, DONE, DONE, DONE, "Failed"), "Failed", "rejected"),
        ((DONE, DONE, DONE, DONE, DONE), "Superseded", "superseded"),
        ((DONE, DONE, DONE, DONE, DONE, "Abandoned"), "Stopped", "stopped"),
    ],
)
def test_a_late_click_gets_one_sentence(desk: Desk, statuses: Any, status: str, state: str) -> None:
    desk.pipeline.executions[desk.id] = list(statuses)
    desk.pipeline.status[desk.id] = status
    desk.buttons.approve.click()
    assert f"Nothing was done: execution {desk.id} was already {state}." in desk.buttons.said
    assert desk.enabled == []
    assert desk.pipeline.answers == []


def test_someone_who_is_quicker_by_a_moment_decides(desk: Desk) -> None:
    def reject_in_the_console() -> None:
        desk.pipeline.executions[desk.id][-1] = "Failed"

    desk.pipeline.before_answer = reject_in_the_console
    desk.buttons.approve.click()
    desk.buttons.release.click()
    assert "was already rejected" in desk.buttons.said


def test_an_error_is_one_sentence_and_the_buttons_work_again(desk: Desk) -> None:
    def denied() -> None:
        raise desk.pipeline.client.error("PipelineNotFoundException", "PutApprovalResult")

    desk.pipeline.before_answer = denied
    desk.buttons.reject.click()
    assert "Not decided: An error occurred" in desk.buttons.said
    assert desk.enabled == ["Approve", "Reject"]


def test_every_button_has_a_name_and_text_that_can_be_read_on_it(desk: Desk) -> None:
    for button in (desk.buttons.approve, desk.buttons.reject, desk.buttons.release, desk.buttons.back):
        assert button.description
        assert contrast(button.style.button_color) >= 4.5


def contrast(color: str) -> float:
    """The contrast of white on a color (WCAG 2.2, relative luminance)."""
    parts = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
