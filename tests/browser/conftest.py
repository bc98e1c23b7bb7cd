"""A browser, and the labs that it opens.

All modules share one local account; each has a lab of its own in it, so that what one learner does is no
other's state. What a failing test has seen is in `runs/browser/`: a screenshot, and what the page logged.
"""

from __future__ import annotations

import io
import os
import re
import string
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from local_account.foundation.daemon import Daemon
from tests.browser import chromium
from tests.browser.jupyterlab import JupyterLab
from tests.checkout import ROOT
from tests.e2e.one_workshop import Workshop
from tests.quotas import allow_releases

FAILURES = ROOT / "runs" / "browser"
SCREENSHOTS = ROOT / "docs" / "screenshots"
LARGEST_SCREENSHOT = 150_000
"""Bytes of a picture in the repository."""
COLORS = 128
"""A page of text and lines needs no more, and is a third as large."""
VIEWPORT = {"width": 1280, "height": 800}
_FAILED = pytest.StashKey[bool]()
expect.set_options(timeout=30_000)  # milliseconds; the machine is busy with other tests


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make screenshots` asks for the pictures of the README; otherwise, tests take none."""
    parser.addoption("--screenshots", action="store_true", help=f"write {SCREENSHOTS.relative_to(ROOT)}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs an engine and minutes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.docker)
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell fixtures whether the test has failed."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    program = chromium.find()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(chromium.INSTALL)
        pytest.skip(chromium.INSTALL)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=chromium.arguments())
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page with nothing of earlier tests in it."""
    logged: list[str] = []
    context = browser.new_context(viewport=VIEWPORT, locale="en-US")  # type: ignore[arg-type]
    page = context.new_page()
    page.on("console", lambda message: logged.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: logged.append(f"uncaught: {error}"))
    yield page
    if request.node.stash.get(_FAILED, False):
        FAILURES.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.-]+", "-", request.node.nodeid.removeprefix("tests/browser/"))
        page.screenshot(path=FAILURES / f"{name}.png")
        (FAILURES / f"{name}.log").write_text("\n".join(logged), encoding="utf-8")
    context.close()


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Callable[[str, Page | Locator], None]:
    """Return a function that keeps what is shown as `docs/screenshots/NAME.png`, if that was asked for."""

    def keep(name: str, shown: Page | Locator) -> None:
        if not request.config.getoption("--screenshots", default=False):
            return
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        file = SCREENSHOTS / f"{name}.png"
        with Image.open(io.BytesIO(shown.screenshot())) as image:
            image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(file, optimize=True)
        assert file.stat().st_size < LARGEST_SCREENSHOT

    return keep


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The account of all labs; the first lab starts it."""
    directory = tmp_path_factory.mktemp("browser")
    everything = Workshop(directory)
    try:
        yield everything.daemon
    finally:
        everything.command("down", "--keep-engine")
        everything.daemon.forget_images()


@pytest.fixture(scope="session")
def new_lab(account: Daemon) -> Callable[[], Workshop]:
    """Return a function that provisions another lab, which takes seconds."""
    ids = iter(f"lab{letter}" for letter in string.ascii_lowercase)

    made: list[Workshop] = []

    def make() -> Workshop:
        workshop = Workshop(account.state.parent, next(ids))
        workshop.run("--notebooks", "00")
        made.append(workshop)
        allow_releases(workshop.client("service-quotas"), len(made))
        return workshop

    return make


@pytest.fixture(scope="module")
def workshop(new_lab: Callable[[], Workshop]) -> Workshop:
    """The module's lab, provisioned; `workshop.run("--notebooks", "01-03")` takes it further."""
    return new_lab()


@pytest.fixture
def jupyterlab(page: Page, workshop: Workshop) -> JupyterLab:
    """JupyterLab of the module's lab; no page is loaded yet."""
    return JupyterLab(page, workshop.jupyterlab_url())
