"""Where the engine that the workshop starts lives, and a lock for changing it."""

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from local_account.engine.errors import EngineError

Report = Callable[[str], None]
"""Called with one short line whenever a step begins that takes longer than a moment."""

FREE_BYTES_NEEDED = 3 * 1024**3
"""For the base image, two built images, the registry's layers and the notebook instance's environment."""


def engine_home() -> Path:
    """Return the engine's directory: `MLOPS_ENGINE_HOME`, else `mlops-workshop/engine` in the user's cache.

    It is outside every state directory, so that images survive `reset` and are shared between clones.
    """
    if configured := os.environ.get("MLOPS_ENGINE_HOME"):
        return Path(configured).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache).absolute() / "mlops-workshop" / "engine"


def create(directory: Path) -> None:
    """Create a directory of the engine, with its parents. Raises EngineError if that is not possible."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise EngineError(
            f"{directory} cannot be created ({error.strerror}): choose another place with MLOPS_ENGINE_HOME"
        ) from error


@contextlib.contextmanager
def locked(home: Path, what: str, report: Report) -> Iterator[None]:
    """Hold `home/what.lock`; a second process waits, and then finds the work done."""
    create(home)
    with (home / f"{what}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"another process is working on the {what.replace('-', ' ')}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def require_free_space(path: Path, needed: int = FREE_BYTES_NEEDED) -> None:
    """Raise EngineError if the file system of `path` has less than `needed` bytes free."""
    there = next(p for p in (path, *path.parents) if p.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise EngineError(
            f"Disk full: {free / 1e9:.1f} GB are free on the file system of {there}; "
            f"images and environments need {needed / 1e9:.1f} GB. Free some space, or choose another place "
            "with MLOPS_ENGINE_HOME (images) and MLOPS_LOCAL_STATE (the local account)."
        )
