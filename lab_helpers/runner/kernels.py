"""Kernel processes: while a notebook runs, the next one's kernel boots and the previous one's ends."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.utils import run_sync

from lab_helpers.preload import needed_modules
from lab_helpers.runner.plan import PlannedNotebook

WORKSHOP_KERNEL = "mlops-workshop"


class KernelMissingError(RuntimeError):
    """The kernel that the notebooks need is not installed here."""


def installed() -> set[str]:
    """Return the names of the kernels that this user can start."""
    return set(KernelSpecManager().find_kernel_specs())


def choose_kernel(notebooks: Sequence[PlannedNotebook], wanted: str | None = None) -> str | None:
    """Return the kernel for all notebooks, or None for each notebook's own.

    Prefers the workshop's kernel if it is installed. Raises KernelMissingError if `wanted`, or the kernel
    that a notebook names, is not installed.
    """
    there = installed()
    if wanted is None and WORKSHOP_KERNEL in there:
        return WORKSHOP_KERNEL
    asked = {wanted} if wanted else {own_kernel(notebook.path) for notebook in notebooks}
    if missing := asked - there:
        raise KernelMissingError(
            f"the Jupyter kernel {', '.join(sorted(missing))} is not installed "
            f"(installed: {', '.join(sorted(there)) or 'none'}). On a notebook instance, provisioning "
            "installs it: see ~/SageMaker/.workshop/provision.log. Elsewhere, choose another with --kernel."
        )
    return wanted


def own_kernel(notebook: Path) -> str:
    """Return the kernel that a notebook names in its metadata."""
    metadata = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]
    return str(metadata.get("kernelspec", {}).get("name", WORKSHOP_KERNEL))


def kernel_log(output: Path) -> Path:
    """The log of the kernel itself, as opposed to its cells: warnings, and the traceback of a crash."""
    return output.with_suffix(".kernel.log")


class Kernels:
    """The kernels of one run, one process each; none outlives the `with` block.

    A kernel needs a second to boot, another to load the notebook's libraries and half a second to end, during
    which a run would only wait. The transport is Unix sockets: a port that was free when a kernel started to
    boot can be taken, such as by a workshop container, by the time it listens.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._booting: dict[Path, tuple[AsyncKernelManager, BlockingKernelClient]] = {}
        self._ending: list[AsyncKernelManager] = []
        self._numbers = itertools.count()
        self._sockets = tempfile.TemporaryDirectory(prefix="kernels-")

    def __enter__(self) -> Kernels:
        return self

    def __exit__(self, *_: object) -> None:
        for manager, loading in self._booting.values():
            loading.stop_channels()
            run_sync(manager.shutdown_kernel)(now=True)
        for manager in self._ending:
            run_sync(manager.finish_shutdown)()
            run_sync(manager.cleanup_resources)()
        self._sockets.cleanup()

    def boot_ahead(self, notebooks: Sequence[PlannedNotebook], output: Path) -> None:
        """Start the processes for upcoming notebooks; one that cannot start fails when it is used."""
        for planned in notebooks:
            with contextlib.suppress(OSError, NoSuchKernel):
                self.boot(planned, output / planned.path.name)

    def boot(self, planned: PlannedNotebook, output: Path) -> None:
        """Start the process for a notebook, in the notebook's directory, without waiting for it."""
        if planned.path not in self._booting:
            manager = AsyncKernelManager(
                kernel_name=self._name or own_kernel(planned.path),
                transport="ipc",
                connection_file=str(Path(self._sockets.name, f"{next(self._numbers)}.json")),
                client_factory=_Client,
            )
            with kernel_log(output).open("w") as log:
                run_sync(manager.start_kernel)(cwd=str(planned.path.parent), stderr=log)
            self._booting[planned.path] = manager, _load(manager, planned.path)

    def take(self, planned: PlannedNotebook, output: Path) -> AsyncKernelManager:
        """Return the manager of the notebook's kernel, which may still be booting."""
        self.boot(planned, output)
        manager, loading = self._booting.pop(planned.path)
        loading.stop_channels()
        return manager

    def retire(self, manager: AsyncKernelManager) -> None:
        """Ask a kernel to end; it is reaped at the end of the run."""
        if run_sync(manager.is_alive)():
            run_sync(manager.request_shutdown)()
        self._ending.append(manager)


class _Client(AsyncKernelClient):  # type: ignore[misc] # traitlets' classes are untyped
    """A kernel client that does not wait longer than necessary, and has room for every output."""

    def connect_iopub(self, identity: bytes | None = None) -> Any:
        """Connect to the outputs without a limit of 1,000 waiting messages: more would be dropped.

        Outputs that nobody needs are dropped when they are read (`cells.LARGEST_OUTPUT`).
        """
        self.context.setsockopt(zmq.RCVHWM, 0)  # for the sockets that it makes from now on
        return super().connect_iopub(identity)

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel answers and its outputs arrive; raises RuntimeError if it dies or is late.

        jupyter_client's method then waits until nothing has arrived for 0.2 s. nbclient, which distinguishes
        messages by their parent, does not need that.
        """
        deadline = time.monotonic() + (timeout or math.inf)
        while True:
            self.kernel_info()
            with contextlib.suppress(Empty):  # the request is unread, or our subscription not yet active
                reply = await self.shell_channel.get_msg(timeout=1)
                await self.iopub_channel.get_msg(timeout=0.2)
                self._handle_kernel_info_reply(reply)
                return
            if not await self.is_alive():
                raise RuntimeError("the kernel died before it answered")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the kernel did not answer within {timeout:g} seconds")


def _load(manager: AsyncKernelManager, notebook: Path) -> BlockingKernelClient:
    """Ask a booting kernel to load what the notebook imports; return the client that asked.

    This defines no names: a notebook that lacks an import still fails.
    """
    names = needed_modules(notebook)
    load = (
        "import contextlib, gc, importlib\n"
        "for name in names:\n"
        "    with contextlib.suppress(Exception):\n"
        "        importlib.import_module(name)\n"
        "gc.freeze()\n"  # else the kernel searches it for garbage at exit: a second of CPU time
    )
    client = BlockingKernelClient()
    client.load_connection_info(manager.get_connection_info())
    client.start_channels(iopub=False, stdin=False, hb=False, control=False)
    client.execute(f"exec({load!r}, {{'names': {names!r}}})", silent=True, store_history=False)
    return client
