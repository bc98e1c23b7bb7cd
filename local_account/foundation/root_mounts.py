"""Makes a root directory that is a copy of this machine's, says "ready" and stays until it is ended.

A program for a mount namespace of its own, started by `root_directory`; with system calls, because a shell
would start a hundred programs (measured: 0.9 s instead of 0.1 s). Needs only the standard library.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

BIND, _MOVE, _RECURSIVE = 4096, 8192, 16384  # mount(2)
_LIBC = ctypes.CDLL(None, use_errno=True)
_OF_THE_MACHINE = ("proc", "sys", "dev", "run", "tmp")


def mount(source: Path | str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Call mount(2). Raises OSError."""
    arguments = (os.fsencode(source), os.fsencode(target), kind.encode())
    if _LIBC.mount(*arguments, ctypes.c_ulong(flags), options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def prepare(directory: Path, kept: list[Path], own: Path | None = None) -> Path:
    """Mount a root directory in the empty ``directory``; return it.

    What is in ``kept`` is the machine's own. The environment of this program is not, wherever it is; the
    path ``own`` is left out.
    """
    mount("tmpfs", directory, "tmpfs", options="mode=755,size=2g")
    root = directory / "root"
    root.mkdir()
    mount("tmpfs", root, "tmpfs", options="mode=755,size=64m")
    covers = _Covers(directory)
    for path in Path("/").iterdir():
        if path == own:
            continue
        target = root / path.name
        if path.is_symlink():
            target.symlink_to(path.readlink())
        elif path.is_dir():
            target.mkdir()
            if path.name in _OF_THE_MACHINE:
                mount(path, target, flags=BIND | _RECURSIVE)
            elif path.name == "home":  # of the directories in it, one is new
                covers.put_each(path, target)
            elif os.access(path, os.R_OK):
                covers.put(path, target)
    environment = Path(sys.prefix)
    if environment.parts[1] in _OF_THE_MACHINE:
        covers.put(environment, Path(f"{root}{environment}"))
    for path in kept:
        if path == Path("/"):
            raise OSError(f"{path} cannot be kept: the whole machine would be")
        target = Path(f"{root}{path}")
        target.mkdir(parents=True, exist_ok=True)
        mount(path, target, flags=BIND)
    return root


def stay(make: Callable[[], Path]) -> None:
    """Make the root directory, enter it, and wait."""
    try:
        os.chdir(make())
        mount(".", Path("/"), flags=_MOVE)
        os.chroot(".")
    except OSError as error:
        sys.exit(str(error))
    print("ready", flush=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())
    while True:
        signal.pause()


class _Covers:
    """Directories of the machine, shown so that what is changed in them goes to memory.

    It is gone once the last process with this root ends.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._count = 0

    def put_each(self, path: Path, target: Path) -> None:
        """Show the directories in ``path``."""
        for inner in path.iterdir():
            if inner.is_dir() and not inner.is_symlink() and os.access(inner, os.R_OK):
                (target / inner.name).mkdir()
                self.put(inner, target / inner.name)

    def put(self, path: Path, target: Path) -> None:
        """Show ``path`` at ``target``."""
        self._count += 1
        upper, work = (self._directory / f"{part}{self._count}" for part in ("upper", "work"))
        upper.mkdir()
        work.mkdir()
        upper.chmod(path.stat().st_mode & 0o7777)
        try:
            mount("overlay", target, "overlay", options=f"lowerdir={path},upperdir={upper},workdir={work}")
        except OSError:
            if _is_root_of_the_machine():
                raise
            # Linux refuses users to cover a directory with other file systems in it: there, they keep the
            # rights that they have on the machine.
            mount(path, target, flags=BIND | _RECURSIVE)


def _is_root_of_the_machine() -> bool:
    return os.getuid() == 0 and Path("/proc/self/uid_map").read_text().split()[:2] == ["0", "0"]


if __name__ == "__main__":
    stay(lambda: prepare(Path(sys.argv[1]), [Path(path) for path in sys.argv[2:]]))
