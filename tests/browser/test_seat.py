"""What a learner finds in JupyterLab: no questions, no clutter, a terminal and a kernel that are ready."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.jupyterlab import JupyterLab
from tests.e2e.one_workshop import Workshop
from tests.waiting import eventually


def volume(workshop: Workshop) -> Path:
    """The directory that JupyterLab shows."""
    return Path(workshop.daemon.environment(workshop.names.notebook_instance)["WORKSHOP_HOME"])


def test_jupyterlab_opens_with_the_first_notebook(page: Page, workshop: Workshop) -> None:
    """Also for those who come from the console of SageMaker, or with the URL of `fleet open`.

    First of all: what other tests open is saved as the learner's layout.
    """
    page.goto(workshop.jupyterlab_url())
    expect(page.locator(".jp-NotebookPanel:visible h1").first).to_contain_text("00 · Welcome", timeout=60_000)
    expect(page.locator(".jp-Launcher")).to_have_count(0)


def test_the_launcher_opens_without_a_question_about_news(jupyterlab: JupyterLab, page: Page) -> None:
    jupyterlab.go()
    expect(page.locator(".jp-Launcher")).to_be_visible()
    setting = "/lab/api/settings/@jupyterlab/apputils-extension:notification"
    answer = page.evaluate("path => fetch(path).then(answer => answer.json())", setting)
    assert answer["settings"]["fetchNews"] == "false"
    expect(page.get_by_text("Jupyter news")).to_have_count(0)


def test_the_file_browser_shows_the_notebooks_once_and_what_the_learner_pushes(
    jupyterlab: JupyterLab, page: Page
) -> None:
    jupyterlab.go()
    names = page.locator(".jp-DirListing-itemName")
    expect(names).to_have_text(["iris_model", "notebooks", "scikit_base"])

    jupyterlab.open("notebooks/00_welcome.ipynb")
    expect(page.locator(".jp-DirListing-item.jp-mod-selected .jp-DirListing-itemName")).to_have_text(
        "00_welcome.ipynb"
    )


def test_aws_docker_and_git_work_in_a_terminal_with_the_labs_credentials(
    jupyterlab: JupyterLab, page: Page, workshop: Workshop
) -> None:
    jupyterlab.go()
    jupyterlab.execute("terminal:create-new")
    page.locator(".jp-Terminal .xterm-screen").click()
    said = volume(workshop) / "said.txt"
    commands = [
        "aws sts get-caller-identity --query Arn --output text",
        "docker version --format {{.Server.Os}}",
        "git -C ~/SageMaker/scikit_base ls-remote --heads origin scikit_base",
        "type -p aws docker git python3",
    ]
    page.keyboard.type(f"({'; '.join(commands)}) >{said}.new 2>&1; mv {said}.new {said}\n")

    lines = eventually(lambda: said.read_text().splitlines() if said.exists() else None, 60)
    assert f":assumed-role/{workshop.names.prefix}mlops-notebook/SageMaker" in lines[0]
    assert lines[1] == "linux"
    assert lines[2].endswith("refs/heads/scikit_base")
    assert len(lines) == 7, lines


def test_a_kernel_loads_what_its_notebook_imports_before_a_cell_asks_for_it(jupyterlab: JupyterLab) -> None:
    notebook = jupyterlab.open("notebooks/00_welcome.ipynb")
    notebook.restart()
    notebook.write(
        "00-parameters",
        "import sys, threading\n"
        "[one.join() for one in threading.enumerate() if one.name == 'preload']\n"
        "print('pandas' in sys.modules, 'matplotlib.pyplot' in sys.modules, 'pandas' in globals())",
    )
    notebook.run("00-parameters")
    assert notebook.text("00-parameters") == "True True False\n"
