"""The report page can be read by everyone: by light and in the dark, on a narrow screen, without sight."""

from __future__ import annotations

import sys
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from playwright.sync_api import Page, expect

from tests.browser.jupyterlab import axe
from tests.checkout import ROOT

sys.path.insert(0, str(ROOT / "cfn" / "functions"))  # as Lambda imports them
from tests.cfn.functions.test_tester import OURS, SETTINGS, THEIRS, World, below


@pytest.fixture(scope="module", params=["classes", "numbers"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about two models that differ."""
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="ana-mlops")
        world = World(s3)
        if request.param == "classes":
            dev = world.trained(OURS, SETTINGS.development_endpoint, logistic=below(22), forest=below(20))
            dev.probabilities = True
            world.trained(THEIRS, SETTINGS.production_endpoint, logistic=below(17), forest=below(20))
        else:
            world.trained(OURS, SETTINGS.development_endpoint, ridge=lambda row: row[0] * 2 + 0.5)
            world.trained(THEIRS, SETTINGS.production_endpoint, ridge=lambda row: row[0] * 2 - 1)
        world.tests()
        path = tmp_path_factory.mktemp("report") / "page.html"
        path.write_text(world.text(f"training/reports/{OURS}.html"))
    return path


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 480)])
def test_the_page_can_be_read_by_everyone_and_fits(report: Path, page: Page, scheme: str, width: int) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(report.as_uri())
    expect(page.get_by_role("heading", name="Where DEV and PRD differ")).to_be_visible()
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert asked == [report.as_uri()]
    assert page.get_by_role("img").count() >= 2
