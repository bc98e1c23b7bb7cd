"""Run the cells of one notebook in a kernel: papermill's client, with its surprises taken out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from jupyter_client.utils import run_sync
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NotebookExecutionManager
from papermill.execute import ERROR_ANCHOR_MSG, ERROR_MARKER_TAG, ERROR_MESSAGE_TEMPLATE

INTERRUPT_SECONDS = 10
QUIET_SECONDS = 5.0
"""After a cell's reply, outputs that were under way have arrived once nothing has come for this long."""
LARGEST_OUTPUT = 10_000_000
"""Characters of a cell's output that are kept: a notebook has to be read, written and shown as a page."""
LARGEST_ERROR = 20_000
"""Characters of an exception's message, and of its traceback; the middle of longer ones is left out."""
MOST_OUTPUTS = 2_000
"""Outputs of a cell that are kept; adjacent text counts as one."""


class CellFailedError(Exception):
    """A cell raised an exception, or ended the notebook before its last cell."""

    def __init__(self, error: str, message: str, traceback: str = "") -> None:
        super().__init__(f"{error}: {message}" if message else error)
        self.error, self.message, self.traceback = error, message, traceback


class Watch(Protocol):
    """Receives what happens in a notebook as it happens."""

    def begin(self, cells: Sequence[NotebookNode]) -> None: ...  # noqa: D102
    def cell_start(self, cell: NotebookNode) -> None: ...  # noqa: D102
    def cell_end(self, cell: NotebookNode) -> None: ...  # noqa: D102
    def output(self, message: NotebookNode) -> None: ...  # noqa: D102


def plain(text: str) -> str:
    """Remove the colors of a traceback (ECMA-48 control sequences)."""
    return re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text)


class Manager(NotebookExecutionManager):  # type: ignore[misc] # papermill has no types
    """Writes the notebook when a code cell starts, every 30 s while it runs, and at the end.

    papermill does so before and after every cell, even prose: more than a second of a short notebook. Here a
    cell's outputs are written when the next cell starts, so nothing is lost.
    """

    def __init__(self, nb: NotebookNode, output: Path, watch: Watch) -> None:
        super().__init__(nb, output_path=str(output), progress_bar=False)
        self.watch, self.saves = watch, True

    @contextmanager
    def running(self) -> Iterator[None]:
        """Write the notebook at the start, and at the end whatever happens, with a mark at a failed cell."""
        self.watch.begin(self.nb.cells)
        self.notebook_start()
        try:
            yield
        finally:
            self._mark()
            self.notebook_complete()

    def save(self, **kwargs: Any) -> None:
        """See papermill."""
        if self.saves:
            super().save(**kwargs)

    def cell_start(self, cell: NotebookNode, cell_index: int | None = None, **kwargs: Any) -> None:
        """See papermill."""
        self.saves = cell.cell_type == "code"
        super().cell_start(cell, cell_index, **kwargs)
        self.watch.cell_start(cell)

    def cell_complete(self, cell: NotebookNode, cell_index: int | None = None, **kwargs: Any) -> None:
        """See papermill; called while an exception leaves the cell, too."""
        if sys.exception() is not None:
            cell.metadata.papermill["status"] = self.FAILED
            self.nb.metadata.papermill["exception"] = True
        self.saves = False
        super().cell_complete(cell, cell_index, **kwargs)
        self.saves = True
        self.watch.cell_end(cell)

    def _mark(self) -> None:
        """Put papermill's marks before a failed cell and at the top: pages link to them."""
        cells = self.nb.cells
        failed = (n for n, cell in enumerate(cells) if cell.metadata.papermill["status"] == self.FAILED)
        if (index := next(failed, None)) is None:
            return
        count = cells[index].get("execution_count")
        for where, text in ((index, ERROR_ANCHOR_MSG), (0, ERROR_MESSAGE_TEMPLATE % count)):
            mark = new_markdown_cell(text, metadata={"tags": [ERROR_MARKER_TAG]})
            mark.metadata.papermill = {"status": self.COMPLETED}
            cells.insert(where, mark)


class Client(PapermillNotebookClient):  # type: ignore[misc] # papermill has no types
    """Runs the cells, and raises CellFailedError unless the last one is reached.

    Differs from papermill: `SystemExit` or `exit()` before the last cell is a failure, a cell tagged
    `raises-exception` may raise, a failure names what IPython only printed, and what a cell prints can be
    neither too much nor lost without a note.
    """

    def __init__(self, manager: Manager, **options: Any) -> None:
        super().__init__(manager, timeout=None, on_cell_executed=self._replied, **options)
        self._reply: dict[str, Any] = {}
        self._arrived = self._kept = self._dropped = 0

    def papermill_execute_cells(self) -> None:
        """Run all cells; see papermill."""
        try:
            cells = self.nb.cells
            for index, cell in enumerate(cells):
                more = any(one.cell_type == "code" and one.source.strip() for one in cells[index + 1 :])
                self._run(cell, index, more)
        except KeyboardInterrupt:
            # The kernel is in its own session and did not get the terminal's signal. What a cell started (a
            # docker build, a container) ends with the cell: the kernel answers when that is over, and is shut
            # down only then. Nothing awaits the cell any longer, which asyncio would complain about.
            logging.getLogger("asyncio").setLevel(logging.CRITICAL)
            run_sync(self.km.interrupt_kernel)()
            self.timeout = INTERRUPT_SECONDS
            with contextlib.suppress(Exception):  # a cell that does not respond is killed with its kernel
                self.wait_for_reply(self.kc.kernel_info())
            raise

    def execute(self, **kwargs: Any) -> NotebookNode:
        """Run the notebook; see papermill, which asks the kernel once more at the end: it may be gone."""
        self.reset_execution_trackers()
        with self.setup_kernel(**kwargs):
            about = self.wait_for_reply(self.kc.kernel_info())
            self.nb.metadata["language_info"] = about["content"]["language_info"]
            self.papermill_execute_cells()
            self.set_widgets_metadata()
        return self.nb

    def process_message(self, *arguments: Any, **kwargs: Any) -> Any:
        """Keep an output if there is still room for it, and report it."""
        self._arrived += 1
        output = super().process_message(*arguments, **kwargs)
        if output:
            self.nb_man.watch.output(output)
        elif arguments[0]["msg_type"] == "update_display_data":  # nbclient has put it in its place
            text = arguments[0]["content"]["data"].get("text/plain", "")
            self.nb_man.watch.output(new_output("stream", text=text))
        return output

    def output(self, outs: list[NotebookNode], msg: dict[str, Any], *arguments: Any) -> Any:
        """Add an output to a cell: adjacent text becomes one output, and what is too much is dropped."""
        content = msg["content"]
        if msg["msg_type"] == "error":
            content["evalue"] = _shortened(content["evalue"])
            trace = "\n".join(content["traceback"])
            content["traceback"] = (
                content["traceback"] if len(trace) <= LARGEST_ERROR else [_shortened(trace)]
            )
        size = len(str(content.get("text") or content.get("data") or ""))
        if msg["msg_type"] != "error" and (self._kept + size > LARGEST_OUTPUT or len(outs) >= MOST_OUTPUTS):
            self._dropped += size
            return None
        self._kept += size
        output = super().output(outs, msg, *arguments)
        if output and output.output_type == "stream" and len(outs) > 1 and outs[-1] is output:
            before = outs[-2]
            if before.output_type == "stream" and before.name == output.name:
                before.text += outs.pop().text
        return output

    async def _async_poll_for_reply(
        self,
        msg_id: str,
        cell: NotebookNode,
        timeout: int | None,
        task_poll_output_msg: asyncio.Future[Any],
        task_poll_kernel_alive: asyncio.Future[Any],
    ) -> dict[str, Any]:
        """Return the kernel's reply once the outputs have arrived, however many there are.

        nbclient gives them four seconds. But ZeroMQ drops messages that are sent faster than they are read;
        if the last one is among them, the cell would never end.
        """
        while True:
            reply: dict[str, Any] = await self.kc.shell_channel.get_msg(timeout=None)
            if reply["parent_header"].get("msg_id") == msg_id:
                break
        seen = -1
        while not task_poll_output_msg.done():
            if seen == self._arrived:
                task_poll_output_msg.cancel()
                _note(cell, "Some of this cell's output was lost: it came faster than it could be read.")
                break
            seen = self._arrived
            await asyncio.wait([task_poll_output_msg], timeout=QUIET_SECONDS)
        task_poll_kernel_alive.cancel()
        return reply

    def _replied(self, cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        self._reply = execute_reply["content"]
        if self._dropped:
            _note(
                cell,
                f"{self._dropped:,} more characters of output were not kept: a cell may have "
                f"{LARGEST_OUTPUT:,} characters and {MOST_OUTPUTS:,} pieces of it.",
            )

    def _run(self, cell: NotebookNode, index: int, more: bool) -> None:
        """Run one cell; raise CellFailedError if it fails, or ends the notebook although there is `more`."""
        self._reply, self._kept, self._dropped = {}, 0, 0
        try:
            self.nb_man.cell_start(cell, index)
            try:
                self.execute_cell(cell, index)
            except CellExecutionError as error:
                if error.ename != "SystemExit" or error.evalue not in {"", "0", "None"}:
                    raise self._failed(error) from error
                if more:
                    raise CellFailedError("SystemExit", _EARLY) from error
            if more and any(one.get("source") == "ask_exit" for one in self._reply.get("payload", [])):
                raise CellFailedError("exit()", _EARLY)
        finally:
            self.nb_man.cell_complete(cell, cell_index=index)

    def _failed(self, error: CellExecutionError) -> CellFailedError:
        """Return what failed; the reply has it even if IPython only printed it, as it does for magics."""
        trace = plain(_shortened("\n".join(self._reply.get("traceback", []))))
        if error.ename not in trace:
            trace = ""  # that of an earlier exception, which IPython still remembers
        return CellFailedError(error.ename, plain(_shortened(str(error.evalue))), trace)


_EARLY = "the cell ended the notebook before its last cell; to skip work, use `if` instead"


def _shortened(text: str) -> str:
    half = LARGEST_ERROR // 2
    left_out = len(text) - 2 * half
    return text if left_out <= 0 else f"{text[:half]} [… {left_out:,} characters …] {text[-half:]}"


def _note(cell: NotebookNode, text: str) -> None:
    cell.outputs.append(new_output("stream", name="stderr", text=f"[{text}]\n"))
