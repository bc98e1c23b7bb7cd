"""JupyterLab as a learner sees it: notebooks that are opened, run and read in a browser.

A notebook's cells are found by their ids, which stay when cells move. What a cell has printed is read from
JupyterLab's model, and so is there even if the cell is far from the part of the page that is shown; to click
or to look at something, take the locator of a cell, which Playwright scrolls to.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as TookTooLong

START_SECONDS = 60.0
RUN_SECONDS = 600.0
Output = dict[str, Any]
"""One output of a cell in the notebook format: `output_type`, and `text`, `data` or `ename` and `evalue`."""
_OFFER_COMMANDS = """
document.addEventListener('readystatechange', () => {
  const config = document.getElementById('jupyter-config-data');
  if (config && document.readyState === 'interactive') {
    config.textContent = JSON.stringify({...JSON.parse(config.textContent), exposeAppInBrowser: 'true'});
  }
});
"""
"""Tests give commands by their names, as menus do; JupyterLab offers that on request, before it starts."""
_RUN = """
async ([command, args, seconds]) => {
  const late = new Promise((_, reject) =>
    setTimeout(() => reject(new Error(`${command} took more than ${seconds} s`)), 1000 * seconds));
  await Promise.race([window.jupyterapp.commands.execute(command, args), late]);
}
"""
_IS_IN_FRONT = "path => window.jupyterapp.shell.currentWidget?.context?.path === path"
_CELLS = "window.jupyterapp.shell.currentWidget.content.widgets"


@dataclass(frozen=True)
class Violation:
    """A rule of axe-core that the page breaks."""

    rule: str
    impact: str
    help: str
    nodes: tuple[str, ...]
    """HTML of the elements that break it."""


class JupyterLab:
    """JupyterLab in a page of the browser; `url` is what CreatePresignedNotebookInstanceUrl answers."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        parts = urlsplit(url)
        self._address = f"{parts.scheme}://{parts.netloc}"
        self._token = parse_qs(parts.query)["token"][0]
        page.add_init_script(_OFFER_COMMANDS)
        # On a busy machine, JupyterLab gives up its style sheet after 1.5 s, and its dialog stands in front.
        page.add_locator_handler(
            page.locator(".jp-Dialog", has_text="Error Loading Theme"),
            lambda dialog: dialog.locator("button").first.click(),
            times=1,
        )
        # Chromium breaks requests off when a container comes or goes (a change of the network's interfaces).
        page.add_locator_handler(
            page.locator(".jp-Dialog", has_text="Failed to fetch"),
            lambda dialog: dialog.locator("button").last.click(),
            times=3,
        )

    def go(self, path: str = "/lab") -> None:
        """Load a page of the server and wait until JupyterLab is there."""
        self.page.goto(f"{self._address}{path}?{'reset&' if path == '/lab' else ''}token={self._token}")
        self.page.wait_for_function(
            "window.jupyterapp !== undefined && document.querySelector('#jupyterlab-splash') === null",
            timeout=START_SECONDS * 1000,
        )
        self.wait_for("window.jupyterapp.restored")

    def wait_for(self, promise: str) -> None:
        """Wait until a promise is fulfilled. Raises TimeoutError; `evaluate` would wait forever."""
        self.page.evaluate(
            f"{{ window.fulfilled = false; ({promise}).then(() => {{ window.fulfilled = true; }}); }}"
        )
        self.page.wait_for_function("window.fulfilled", timeout=START_SECONDS * 1000)

    def open(self, notebook: str) -> Notebook:
        """Open a notebook (`notebooks/00_welcome.ipynb`) and wait until its kernel is idle.

        As a learner's, the kernel outlives the page: a test that opens the notebook again finds its state.
        """
        opened = Notebook(self, notebook)
        self.go(f"/lab/tree/{quote(notebook)}")
        try:
            opened.wait_until_ready()
        except TookTooLong:
            # On a busy machine, JupyterLab may give up its style sheet, and asks before it goes on: people
            # load the page again.
            if self.page.locator(".jp-Dialog").count() == 0:
                raise
            self.go(f"/lab/tree/{quote(notebook)}")
            opened.wait_until_ready()
        return opened

    def execute(self, command: str, seconds: float = START_SECONDS, **arguments: Any) -> None:
        """Execute a command of JupyterLab and wait for its end. Raises Error if it takes too long."""
        self.page.evaluate(_RUN, [command, arguments, seconds])

    def choose_theme(self, dark: bool) -> None:
        """Choose the dark or the light theme; like a learner's choice, it stays for this JupyterLab."""
        name = f"JupyterLab {'Dark' if dark else 'Light'}"
        self.execute("apputils:change-theme", theme=name)
        self.page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=name)

    def press(self, button: str) -> None:
        """Press a button of the dialog that is open, and wait until the dialog is gone."""
        dialog = self.page.locator(".jp-Dialog")
        dialog.locator("button", has_text=re.compile(rf"^{re.escape(button)}$")).click()
        expect(dialog).to_have_count(0)


class Notebook:
    """The notebook in front."""

    def __init__(self, lab: JupyterLab, path: str) -> None:
        self.lab, self.page = lab, lab.page
        self._path = path

    def wait_until_ready(self) -> None:
        """Wait until this notebook is in front of others, its cells are there and its kernel has started."""
        self.page.wait_for_function(_IS_IN_FRONT, arg=self._path, timeout=START_SECONDS * 1000)
        self.lab.wait_for(
            "(({context, sessionContext}) => Promise.all([context.ready, sessionContext.ready]))"
            "(window.jupyterapp.shell.currentWidget)"
        )
        self.wait_until_idle(START_SECONDS)

    def wait_until_idle(self, seconds: float = RUN_SECONDS) -> None:
        """Wait until no cell waits or runs, and the kernel is idle."""
        self.page.wait_for_function(
            f"""
            window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'
            && {_CELLS}.every(cell => cell.model.executionState !== 'running')
            """,
            timeout=seconds * 1000,
        )

    @property
    def kernel(self) -> str:
        """The name of the kernel that the learner sees."""
        name = self.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.kernelDisplayName")
        return str(name)

    @property
    def cell_ids(self) -> list[str]:
        """The ids of all cells, from the first to the last."""
        return list(self.page.evaluate(f"{_CELLS}.map(cell => cell.model.id)"))

    # --- running

    def run_all(self, seconds: float = RUN_SECONDS) -> None:
        """Run all cells. Raises AssertionError with what the first failing cell says."""
        self.lab.execute("notebook:run-all-cells", seconds)
        self.wait_until_idle(seconds)
        self._check()

    def restart_and_run_all(self, seconds: float = RUN_SECONDS) -> None:
        """Restart the kernel and run all cells, as the button of the toolbar does; raises as `run_all`."""
        self._start("notebook:restart-run-all")
        self.lab.press("Restart")
        self.page.evaluate(_AWAIT, seconds)
        self.wait_until_idle(seconds)
        self._check()

    def run(self, cell_id: str, seconds: float = RUN_SECONDS) -> list[Output]:
        """Run one cell and return its outputs. Raises AssertionError if it fails."""
        self._select(cell_id)
        self.lab.execute("notebook:run-cell", seconds)
        self.wait_until_idle(seconds)
        self._check(cell_id)
        return self.outputs(cell_id)

    def start(self, cell_id: str) -> None:
        """Start to run one cell and return at once: to look at it while it runs."""
        self._select(cell_id)
        self._start("notebook:run-cell")

    def restart(self) -> None:
        """Restart the kernel; outputs stay."""
        self._start("kernelmenu:restart")
        self.lab.press("Restart")
        self.page.evaluate(_AWAIT, START_SECONDS)
        self.wait_until_idle(START_SECONDS)

    def interrupt(self) -> None:
        """Interrupt the running cell."""
        self.lab.execute("kernelmenu:interrupt")

    def _start(self, command: str) -> None:
        self.page.evaluate(
            "command => { window.started = window.jupyterapp.commands.execute(command); }", command
        )

    def _select(self, cell_id: str) -> None:
        self.page.evaluate(
            "index => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index; }",
            self._index(cell_id),
        )

    def _index(self, cell_id: str) -> int:
        # On a busy machine, a notebook of the layout may come to the front late: people take their tab again.
        if not self.page.evaluate(_IS_IN_FRONT, self._path):
            self.lab.execute("docmanager:open", path=self._path)
        ids = self.cell_ids
        assert cell_id in ids, f"no cell {cell_id}: there are {', '.join(ids)}"
        return ids.index(cell_id)

    def _check(self, *cell_ids: str) -> None:
        for cell_id in cell_ids or self.cell_ids:
            for output in self.outputs(cell_id):
                if output["output_type"] == "error":
                    traceback = "\n".join(output["traceback"])
                    raise AssertionError(
                        f"{cell_id}: {output['ename']}: {output['evalue']}\n{_ANSI.sub('', traceback)}"
                    )

    # --- reading

    def outputs(self, cell_id: str) -> list[Output]:
        """Return the outputs of a cell; none for a cell of text."""
        found = self.page.evaluate(
            f"index => {_CELLS}[index].model.outputs?.toJSON() ?? []", self._index(cell_id)
        )
        return list(found)

    def text(self, cell_id: str) -> str:
        """Return what a cell has printed and shown, as plain text."""
        parts = []
        for output in self.outputs(cell_id):
            if output["output_type"] == "stream":
                parts.append(_joined(output["text"]))
            elif output["output_type"] == "error":
                parts.append(f"{output['ename']}: {output['evalue']}")
            else:
                parts.append(_joined(output["data"].get("text/plain", "")))
        return "\n".join(parts)

    def cell(self, cell_id: str) -> Locator:
        """Return the locator of a cell."""
        self.page.evaluate(
            f"index => {{ {_CELLS}[index].node.dataset.cellId = {_CELLS}[index].model.id; }}",
            self._index(cell_id),
        )
        return self.page.locator(f"[data-cell-id={json.dumps(cell_id)}]")

    def output(self, cell_id: str) -> Locator:
        """Return the locator of a cell's output, without its source."""
        return self.cell(cell_id).locator(".jp-OutputArea").first

    # --- changing

    def write(self, cell_id: str, source: str) -> None:
        """Replace the source of a cell, as a learner does who edits it."""
        self.page.evaluate(
            f"([index, source]) => {{ {_CELLS}[index].model.sharedModel.setSource(source); }}",
            [self._index(cell_id), source],
        )

    def source(self, cell_id: str) -> str:
        """Return the source of a cell."""
        index = self._index(cell_id)
        return str(self.page.evaluate(f"index => {_CELLS}[index].model.sharedModel.getSource()", index))

    def click(self, cell_id: str, button: str) -> None:
        """Click the button with this name in the output of a cell."""
        still(self.output(cell_id).get_by_role("button", name=button)).click()


_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_AWAIT = """
seconds => Promise.race([
  window.started.then(() => undefined),
  new Promise((_, reject) => setTimeout(() => reject(new Error(`not done in ${seconds} s`)), 1000 * seconds)),
])
"""


_STILL = """
(node, [quiet, seconds]) => new Promise((resolve, reject) => {
  const began = performance.now();
  let before = '', since = began;
  const look = () => {
    const box = JSON.stringify(node.getBoundingClientRect()), now = performance.now();
    if (box !== before) { before = box; since = now; }
    if (now - since >= quiet) resolve();
    else if (now - began > 1000 * seconds) reject(new Error(`it still moves after ${seconds} s`));
    else requestAnimationFrame(look);
  };
  look();
})
"""
_QUIET_MILLISECONDS = 300


def still(locator: Locator) -> Locator:
    """Return the locator when what it finds has kept its place for a moment. Raises Error if it never does.

    Playwright waits for two frames only. What loads above, such as a report's frame, grows between them: the
    click then meets what has moved below the pointer.
    """
    locator.scroll_into_view_if_needed()
    locator.evaluate(_STILL, [_QUIET_MILLISECONDS, START_SECONDS])
    return locator


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def axe(page: Page, *selectors: str, serious: bool = True) -> list[Violation]:
    """Return the rules of axe-core that a page breaks: the serious and the critical ones, or all.

    `selectors` limit the check to parts of the page, such as a cell's outputs: what JupyterLab itself breaks
    is not ours.
    """
    context = {"include": [[one] for one in selectors]} if selectors else None
    found = Axe().run(page, context=context).response["violations"]
    return [
        Violation(one["id"], one["impact"], one["help"], tuple(node["html"] for node in one["nodes"]))
        for one in found
        if not serious or one["impact"] in ("serious", "critical")
    ]
