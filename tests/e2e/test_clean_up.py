"""Notebook 99 in the lab of the other tests, after all of them."""

from __future__ import annotations

import pytest

from tests.e2e import recorded
from tests.e2e.one_workshop import Workshop

pytestmark = [pytest.mark.docker, pytest.mark.e2e, pytest.mark.timeout(1200)]

ENDPOINTS = ("iris-model-dev", "iris-model-prd")


def test_a_learner_deletes_the_lab_with_the_last_notebook(workshop: Workshop) -> None:
    done = workshop.command("run", "-n", "99", "-p", "delete=default", "--output", str(workshop.output))
    assert done.returncode == 0, done.stdout[-6000:]
    cloudformation = workshop.client("cloudformation")
    left = {stack["StackName"] for stack in cloudformation.describe_stacks()["Stacks"]}
    assert left.isdisjoint({"scikit-base", "iris-model", "iris-train-pipeline", *ENDPOINTS})
    assert workshop.client("sagemaker").list_endpoints()["Endpoints"] == []
    assert workshop.containers() == []
    recorded.check(workshop.output / "99_clean_up.ipynb")
