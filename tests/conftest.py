"""Tests marked `docker` get a Docker Engine and the base image before the first of them runs."""

import os

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    needy = [item for item in session.items if item.get_closest_marker("docker")]
    if not needy or session.config.option.collectonly:
        return
    from local_account.engine import EngineError, ensure_base_image, ensure_engine

    capture = session.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled():
            os.environ["DOCKER_HOST"] = ensure_engine(report=_report)
            ensure_base_image(os.environ["DOCKER_HOST"], report=_report)
    except EngineError as error:
        # Visible in pytest's summary (-ra), one line per test that could not run.
        reason = "no Docker Engine: " + str(error).splitlines()[0]
        for item in needy:
            item.add_marker(pytest.mark.skip(reason=reason))


def _report(line: str) -> None:
    print(f"engine: {line}", flush=True)
