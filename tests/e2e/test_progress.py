"""What an instructor sees of a lab that has run all notebooks, and of one whose training has just failed."""

import pytest

from lab_helpers.instructor.fleet.progress import read_progress
from lab_helpers.names import Names
from tests.e2e.one_workshop import Workshop

pytestmark = [pytest.mark.docker, pytest.mark.e2e, pytest.mark.timeout(900)]


def test_the_instructor_sees_how_far_a_lab_is_and_what_failed(workshop: Workshop) -> None:
    good = workshop.uploaded()
    execution = workshop.upload(
        {name: content for name, content in good.items() if name != "trainingjob.json"}
    )
    _, said = workshop.failure(workshop.names.train_pipeline, execution)

    progress = read_progress(workshop.client, Names(""))

    assert progress.reached == "05"
    assert {one.name: one.status for one in progress.endpoints} == {
        "iris-model-dev": "InService",
        "iris-model-prd": "InService",
    }
    why = [one.why for one in progress.failures if one.what == "iris-train-pipeline, Train"]
    assert why == [said]
    assert progress.last_activity is not None
