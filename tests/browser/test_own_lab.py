"""`make lab`: from nothing to a notebook in the browser, and back to it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.jupyterlab import JupyterLab
from tests.checkout import ROOT
from tests.e2e.one_workshop import Workshop

ADDRESS = re.compile(r"^  (http://127\.0\.0\.1:\d+/lab/tree/\S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A state directory without an account."""
    workshop = Workshop(tmp_path_factory.mktemp("lab"))
    yield workshop
    workshop.command("down", "--keep-engine")
    workshop.daemon.forget_images()


def opened(said: subprocess.CompletedProcess[str]) -> str:
    """Return the address that the command has printed."""
    assert said.returncode == 0, said.stdout
    [address] = ADDRESS.findall(said.stdout)
    return str(address)


def test_a_lab_opens_at_the_first_notebook_and_again_where_the_learner_was(own: Workshop, page: Page) -> None:
    address = opened(own.command("lab", "--port", "0", "--no-browser"))
    assert "/lab/tree/notebooks/00_welcome.ipynb?token=" in address
    notebook = JupyterLab(page, address).open("notebooks/00_welcome.ipynb")
    assert notebook.kernel == "MLOps workshop"
    notebook.run_all()

    notebook = JupyterLab(page, address).open("notebooks/01_build_base_image.ipynb")
    notebook.write("01-parameters", 'lab_id = ""\nmine = 1')
    notebook.lab.execute("docmanager:save")
    again = opened(own.command("lab", "--no-browser"))
    assert again == address.replace("00_welcome", "01_build_base_image")  # the same server goes on

    own.command("down", "--keep-engine")
    after = opened(own.command("lab", "--no-browser"))
    assert "/lab/tree/notebooks/01_build_base_image.ipynb?token=" in after
    assert (
        JupyterLab(page, after)
        .open("notebooks/01_build_base_image.ipynb")
        .source("01-parameters")
        .endswith("mine = 1")
    )


def test_a_browser_opens_if_there_is_one(own: Workshop, tmp_path: Path) -> None:
    asked, browser = tmp_path / "asked", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >{asked}\n')
    browser.chmod(0o755)
    process = own.spawn("lab", "--port", "0", env={**os.environ, "BROWSER": str(browser)})
    said, _ = process.communicate(timeout=300)

    assert process.returncode == 0, said
    assert "Opened in your browser:" in said
    assert asked.read_text().strip() == ADDRESS.findall(said)[0]


def test_a_failed_provisioning_is_repeated_and_its_new_outcome_shown(own: Workshop) -> None:
    opened(own.command("lab", "--port", "0", "--no-browser"))
    instance, sagemaker = own.names.notebook_instance, own.client("sagemaker")
    home = Path(own.daemon.environment(instance)["WORKSHOP_HOME"])
    sagemaker.stop_notebook_instance(NotebookInstanceName=instance)
    sagemaker.get_waiter("notebook_instance_stopped").wait(
        NotebookInstanceName=instance, WaiterConfig={"Delay": 1}
    )
    in_the_way = home / "iris_model"
    in_the_way.rename(home / "moved")
    in_the_way.mkdir()
    (in_the_way / "thesis.txt").write_text("precious")
    reason = "iris_model is not a git working copy but contains files"

    failed = own.command("lab", "--no-browser")
    assert (failed.returncode, reason in failed.stdout) == (1, True), failed.stdout

    (in_the_way / "thesis.txt").rename(home / "thesis.txt")
    (in_the_way / "more.txt").write_text("precious, too")
    failed = own.command("lab", "--no-browser")
    assert "provisioning failed earlier" in failed.stdout
    assert failed.returncode == 1
    outcome = failed.stdout.partition("✗ your lab")[2]
    assert reason in outcome, failed.stdout

    (in_the_way / "more.txt").unlink()
    repaired = own.command("lab", "--no-browser")
    assert "provisioning failed earlier" in repaired.stdout
    opened(repaired)


def test_what_up_prints_can_be_typed_in_a_new_shell(own: Workshop) -> None:
    said = own.command("up", "--port", "0").stdout
    [command] = re.findall(r"^Use it in a shell: (.*)$", said, re.MULTILINE)
    shell = [
        "env",
        "-i",
        "PATH=/usr/bin:/bin",
        f"HOME={Path.home()}",
        "bash",
    ]

    done = subprocess.run(
        [*shell, "-c", f"{command} && aws sts get-caller-identity --query Account"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f'"{own.daemon.config().account_id}"'
