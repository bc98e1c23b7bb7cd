"""How tests share a machine: the Docker Engine, and the order in parallel runs.

Tests marked `docker` get a Docker Engine and the base image before the first of them runs. If several
processes run tests (pytest-xdist), tests that share a costly fixture stay in one process: see `ROOMS`.
"""

import functools
import gc
import os
import sys
from typing import Any

import botocore.session
import pytest
from xdist.scheduler import LoadScopeScheduling

ROOMS = (
    "tests/e2e",
    "tests/lab_helpers/instructor/reset",
    "tests/notebooks/base_image",
    "tests/lab_helpers/instructor/fleet",
    "tests/lab_helpers/instructor/clean",
    "tests/lab_helpers/instructor/doctor",
    "tests/lab_helpers/cli",
)
"""Folders whose tests share an account, a lab or a server: each is one unit of work, longest first."""


def work_of(nodeid: str) -> str:
    """Return the unit of work that a test belongs to: its room, or else its file."""
    return next((room for room in ROOMS if nodeid.startswith(f"{room}/")), nodeid.partition("::")[0])


class WorkScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Assigns whole units of work to processes, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return work_of(nodeid)


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # it orders by number of tests, which says nothing about duration
    # All sessions of the process, including the product's, share the botocore models that one has read.
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
    # papermill would load it (30 MB) for file systems that nothing here has; what needs it loads it later.
    sys.modules.setdefault("pyarrow", None)  # type: ignore[arg-type]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Free what a module's tests have left: a process that puts it off grows by the half."""
    if nextitem is None or nextitem.path != item.path:
        gc.collect()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WorkScheduling:
    return WorkScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long tests first: a process that starts one late ends last."""
    order = {room: place for place, room in enumerate(ROOMS)}
    items.sort(key=lambda item: order.get(work_of(item.nodeid), len(ROOMS)))


def pytest_collection_finish(session: pytest.Session) -> None:
    if sys.modules.get("pyarrow", ...) is None:
        del sys.modules["pyarrow"]
    gc.collect()
    gc.freeze()  # what is imported and collected stays: no need to look through it again and again
    needy = [item for item in session.items if item.get_closest_marker("docker")]
    if not needy or session.config.option.collectonly:
        return
    from local_account.engine import EngineError, ensure_base_image, ensure_engine

    capture = session.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled():
            # Parallel processes get here at once: a lock lets one prepare, and the others find it done.
            os.environ["DOCKER_HOST"] = ensure_engine(report=_report)
            ensure_base_image(os.environ["DOCKER_HOST"], report=_report)
    except EngineError as error:
        # Visible in pytest's summary (-ra), one line per test that could not run.
        reason = "no Docker Engine: " + str(error).splitlines()[0]
        for item in needy:
            item.add_marker(pytest.mark.skip(reason=reason))


def _report(line: str) -> None:
    # A worker's standard output is discarded; its standard error is the terminal's.
    stream = sys.__stderr__ if "PYTEST_XDIST_WORKER" in os.environ else sys.stdout
    print(f"engine: {line}", flush=True, file=stream)
