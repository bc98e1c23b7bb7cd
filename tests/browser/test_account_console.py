"""The account's console in a browser: every page, light and dark, narrow, and while something changes."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page, expect

from lab_helpers import console
from tests.browser.jupyterlab import axe
from tests.e2e.one_workshop import Workshop

LISTS = (
    "",
    "codesuite/codepipeline/pipelines",
    "codesuite/codebuild/projects",
    "codesuite/codecommit/repositories",
    "ecr/repositories",
    "sagemaker/jobs",
    "sagemaker/endpoints",
    "sagemaker/notebook-instances",
    "cloudformation/stacks",
    "s3/buckets",
    "lambda/functions",
    "cloudwatch/log-groups",
    "cloudwatch/alarms",
    "events/rules",
    "iam/roles",
    "servicequotas/home/services/sagemaker/quotas",
)


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser complains about: errors of the script, what the policy refuses."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


@pytest.fixture
def base(workshop: Workshop) -> str:
    """The console's address; the module's lab is in the account."""
    return f"{workshop.daemon.config().endpoint_url}/_console/"


def pages(workshop: Workshop) -> list[str]:
    """Addresses as a lab has them, of what every lab has."""
    config, names = workshop.daemon.config(), workshop.names
    its = console.Console(config.endpoint_url, config.region)
    return [
        its.pipeline(names.train_pipeline),
        its.build_project(names.model_project),
        its.repository(names.repository, names.model_branch),
        its.image_repository(config.account_id, names.base_image),
        its.notebook_instance(names.notebook_instance),
        its.stack(names.top_stack),
        its.bucket(names.bucket(config.region, config.account_id)),
        its.function(names.monitor),
        its.rule(names.monitor_rule),
        its.role(f"{names.prefix}mlops-notebook"),
    ]


@pytest.mark.parametrize("look", [("light", 1280), ("dark", 800)], ids=["light", "dark"])
def test_pages_can_be_read_by_everyone_and_fit(
    page: Page, base: str, workshop: Workshop, complaints: list[str], look: tuple[str, int]
) -> None:
    scheme, width = look
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    for address in [*(base + path for path in LISTS), *pages(workshop)]:
        page.goto(address)
        if "#" in address:
            page.wait_for_url("**/_console/**")
            page.wait_for_function("!location.hash")
        heading = page.locator("h1")
        expect(heading).to_have_count(1)
        assert heading.inner_text() not in ("Not found", "Failed", "Refused"), address
        assert axe(page, serious=False) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
    assert complaints == []


def test_no_table_is_cut_in_a_window_of_1200_pixels(page: Page, base: str) -> None:
    page.set_viewport_size({"width": 1200, "height": 800})
    for path in LISTS:
        page.goto(base + path)
        cut = page.eval_on_selector_all(
            ".scroll", "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.ariaLabel)"
        )
        assert cut == [], path


def test_a_log_follows_what_is_written(
    page: Page, base: str, workshop: Workshop, complaints: list[str]
) -> None:
    logs = workshop.client("logs")
    logs.create_log_group(logGroupName="/browser/test")
    logs.create_log_stream(logGroupName="/browser/test", logStreamName="stream")
    page.goto(f"{base}cloudwatch/log-stream?group=/browser/test&stream=stream")
    expect(page.locator("pre")).to_contain_text("Nothing has been written yet.")
    page.locator("pre").focus()
    event = {"timestamp": int(time.time() * 1000), "message": "<b>the first line</b>"}
    logs.put_log_events(logGroupName="/browser/test", logStreamName="stream", logEvents=[event])
    expect(page.locator("pre")).to_contain_text("<b>the first line</b>", timeout=15_000)
    expect(page.locator("pre")).to_be_focused()
    assert complaints == []


def test_the_keyboard_reaches_the_content_at_once(page: Page, base: str) -> None:
    page.goto(base)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
