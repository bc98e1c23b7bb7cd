"""Kernel processes: the next notebook's boots while the current one runs, the last one's ends meanwhile."""

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

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.utils import run_sync

from lab_helpers.runner.plan import PlannedNotebook, imported_modules

WORKSHOP_KERNEL = "mlops-workshop"
_DRAWS = {"lab_helpers.plots": ["matplotlib.pyplot", "matplotlib_inline.backend_inline"]}


class KernelMissingError(RuntimeError):
    """The kernel that the notebooks ask for is not installed here."""


def installed() -> set[str]:
    """Return the names of the kernels that this user can start."""
    return set(KernelSpecManager().find_kernel_specs())


def choose_kernel(notebooks: Sequence[PlannedNotebook], wanted: str | None = None) -> str | None:
    """Return the kernel for all notebooks, or None for each notebook's own.

    The workshop's kernel is taken where it is installed. Raises KernelMissingError when `wanted`, or the
    kernel that a notebook names, is not there.
    """
    there = installed()
    if wanted is None and WORKSHOP_KERNEL in there:
        return WORKSHOP_KERNEL
    asked = {wanted} if wanted else {own_kernel(notebook.path) for notebook in notebooks}
    if missing := asked - there:
        raise KernelMissingError(
            f"the Jupyter kernel {', '.join(sorted(missing))} is not installed "
            f"(there are: {', '.join(sorted(there)) or 'none'}). On a notebook instance its provisioning "
            "installs it: see ~/SageMaker/.workshop/provision.log. Elsewhere name another one with --kernel."
        )
    return wanted


def own_kernel(notebook: Path) -> str:
    """Return the kernel that a notebook names in its metadata."""
    metadata = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]
    return str(metadata.get("kernelspec", {}).get("name", WORKSHOP_KERNEL))


def kernel_log(output: Path) -> Path:
    """Where the kernel itself writes, as opposed to its cells: warnings, and the trace of a crash."""
    return output.with_suffix(".kernel.log")


class Kernels:
    """The kernels of one run, a process each; none outlives the `with` block.

    A kernel boots for a second, loads the notebook's libraries for another and ends in half of one, in which
    a run would only wait. They are spoken to through sockets of the file system: a port that was free when a
    kernel began to boot may be somebody else's (a container's, in the workshop) when it listens.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._booting: dict[Path, tuple[Any, BlockingKernelClient]] = {}
        self._ending: list[Any] = []
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
        """Start the processes for notebooks that come soon; one that cannot start fails when it is taken."""
        for planned in notebooks:
            with contextlib.suppress(OSError, NoSuchKernel):
                self.boot(planned, output / planned.path.name)

    def boot(self, planned: PlannedNotebook, output: Path) -> None:
        """Start the process for a notebook, in the notebook's directory, and do not wait for it."""
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

    def take(self, planned: PlannedNotebook, output: Path) -> Any:
        """Return the manager of the notebook's kernel, which may still be booting."""
        self.boot(planned, output)
        manager, loading = self._booting.pop(planned.path)
        loading.stop_channels()
        return manager

    def retire(self, manager: Any) -> None:
        """Ask a kernel to end, and collect it at the end of the run."""
        if run_sync(manager.is_alive)():
            run_sync(manager.request_shutdown)()
        self._ending.append(manager)


class _Client(AsyncKernelClient):  # type: ignore[misc] # traitlets' classes are untyped
    """Speaks to a kernel as soon as it answers."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel answers and its outputs arrive; raises RuntimeError when it dies or is late.

        jupyter_client's own then waits until nothing has arrived for 0.2 s. nbclient, which tells messages
        by their parent, need not.
        """
        deadline = time.monotonic() + (timeout or math.inf)
        while True:
            self.kernel_info()
            with contextlib.suppress(Empty):  # it has not read that, or this is not subscribed to it yet
                reply = await self.shell_channel.get_msg(timeout=1)
                await self.iopub_channel.get_msg(timeout=0.2)
                self._handle_kernel_info_reply(reply)
                return
            if not await self.is_alive():
                raise RuntimeError("the kernel died before it answered")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the kernel did not answer within {timeout:g} seconds")


def _load(manager: Any, notebook: Path) -> BlockingKernelClient:
    """Ask a kernel that boots to load what the notebook imports; returns the client that has asked.

    No name is defined by that: a notebook that forgets an import still fails.
    """
    names = imported_modules(notebook)
    names += [name for module in names for name in _DRAWS.get(module, [])]
    load = (
        "import contextlib, gc, importlib\n"
        "for name in names:\n"
        "    with contextlib.suppress(Exception):\n"
        "        importlib.import_module(name)\n"
        "gc.freeze()\n"  # or the kernel would look for garbage in it at its end: a second of CPU time
    )
    client = BlockingKernelClient()
    client.load_connection_info(manager.get_connection_info())
    client.start_channels(iopub=False, stdin=False, hb=False, control=False)
    client.execute(f"exec({load!r}, {{'names': {names!r}}})", silent=True, store_history=False)
    return client
