"""What tests share: the Docker Engine, and what one process has read of botocore's models.

Tests marked `docker` get a Docker Engine and the base image before the first of them runs. `make test` runs
several processes side by side (`SIDES` in the Makefile).
"""

import functools
import gc
import os
import signal
import sys

import botocore.session
import pytest
from hypothesis import HealthCheck, settings


def pytest_configure() -> None:
    # `nohup make test &` starts processes that ignore Ctrl-C; those that tests interrupt would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # How fast a property is tried out, or its data generated, says something about the machine's load only.
    settings.register_profile(
        "any-load", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("any-load")
    # All sessions of the process, including the product's, share the botocore models that one has read.
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
    # papermill would load it (30 MB) for file systems that nothing here uses; other users load it later.
    sys.modules.setdefault("pyarrow", None)  # type: ignore[arg-type]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Free what a module's tests have left: without this, a process grows half as large again."""
    if nextitem is None or nextitem.path != item.path:
        gc.collect()


def pytest_collection_finish(session: pytest.Session) -> None:
    if sys.modules.get("pyarrow", ...) is None:
        del sys.modules["pyarrow"]
    gc.collect()
    gc.freeze()  # what is imported and collected stays: no later collection has to look at it
    needy = [item for item in session.items if item.get_closest_marker("docker")]
    if not needy or session.config.option.collectonly:
        return
    from local_account.engine import EngineError, ensure_base_image, ensure_engine

    capture = session.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled():
            # Parallel processes arrive here together: a lock lets one prepare, and the others find it done.
            os.environ["DOCKER_HOST"] = ensure_engine(report=_report)
            ensure_base_image(os.environ["DOCKER_HOST"], report=_report)
    except EngineError as error:
        # Visible in pytest's summary (-ra), one line per test that could not run.
        reason = "no Docker Engine: " + str(error).splitlines()[0]
        for item in needy:
            item.add_marker(pytest.mark.skip(reason=reason))


def _report(line: str) -> None:
    print(f"engine: {line}", flush=True)
