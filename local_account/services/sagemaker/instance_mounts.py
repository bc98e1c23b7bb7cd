"""Makes the root directory of a notebook instance, says "ready" and stays until it is ended.

A program for a mount namespace of its own, started by `instance_root`; with system calls, because a shell
would start a hundred programs (measured: 0.9 s instead of 0.1 s). Needs only the standard library.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import sys
from pathlib import Path

_BIND, _MOVE, _RECURSIVE = 4096, 8192, 16384  # mount(2)
_LIBC = ctypes.CDLL(None, use_errno=True)
OWN = Path("/.instance")
"""Where sudo is, and what answers for conda."""
METADATA = Path("/opt/ml/metadata/resource-metadata.json")
"""SageMaker AI Developer Guide, "Notebook instance metadata"."""
_OF_THE_MACHINE = ("proc", "sys", "dev", "run", "tmp")


def mount(source: Path | str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Call mount(2). Raises OSError."""
    arguments = (os.fsencode(source), os.fsencode(target), kind.encode())
    if _LIBC.mount(*arguments, ctypes.c_ulong(flags), options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def prepare(directory: Path, instance: Path, sudo: Path, kept: list[Path]) -> Path:
    """Mount a root directory in the empty ``directory``; return it.

    ``instance`` has the home directory of ec2-user, the volume and the metadata; ``sudo`` is the program of
    this name; what is in ``kept`` is the machine's own.
    """
    mount("tmpfs", directory, "tmpfs", options="mode=755,size=2g")
    root = directory / "root"
    root.mkdir()
    mount("tmpfs", root, "tmpfs", options="mode=755,size=64m")
    covers = _Covers(directory)
    for path in Path("/").iterdir():
        if path == OWN:  # nobody's but ours
            continue
        target = root / path.name
        if path.is_symlink():
            target.symlink_to(path.readlink())
        elif path.is_dir():
            target.mkdir()
            if path.name in _OF_THE_MACHINE:
                mount(path, target, flags=_BIND | _RECURSIVE)
            elif path.name == "home":  # of the directories in it, one is new
                covers.put_each(path, target)
            elif os.access(path, os.R_OK):
                covers.put(path, target)
    for path in kept:
        if path == Path("/"):
            raise OSError(f"{path} cannot be kept: the whole machine would be")
        target = Path(f"{root}{path}")
        target.mkdir(parents=True, exist_ok=True)
        mount(path, target, flags=_BIND)
    user = root / "home" / "ec2-user"
    user.mkdir(parents=True, exist_ok=True)
    mount(instance / "home", user, flags=_BIND)
    with contextlib.suppress(FileExistsError):  # where the link in the home directory leads
        (root / "home" / "SageMaker").symlink_to(instance / "SageMaker")
    with contextlib.suppress(PermissionError):  # if /opt could not be covered
        metadata = root / METADATA.relative_to("/")
        metadata.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(instance / METADATA.name, metadata)
    _add_programs_and_users(root, sudo)
    return root


def _add_programs_and_users(root: Path, sudo: Path) -> None:
    """Add programs and ec2-user, in files of our own: a user cannot change those of the machine even here."""
    own = root / OWN.relative_to("/")
    own.mkdir()
    program = own / "sudo"
    shutil.copyfile(sudo, program)
    for name in ("activate", "conda", "deactivate"):
        shutil.copyfile(root / "home" / "ec2-user" / "anaconda3" / "bin" / "activate", own / name)
    for path in own.iterdir():
        path.chmod(0o755)
    if (there := root / "usr" / "bin" / "sudo").exists():
        mount(program, there, flags=_BIND)
    users = Path("/etc/passwd").read_text()
    if "\nec2-user:" not in users:
        # no password instead of one in /etc/shadow, without which `su - ec2-user` is refused
        entry = f"ec2-user:*:{os.getuid()}:{os.getgid()}:EC2 Default User:/home/ec2-user:/bin/bash\n"
        (own / "passwd").write_text(users + entry)
        mount(own / "passwd", root / "etc" / "passwd", flags=_BIND)
    groups = Path("/etc/group").read_text()
    if "\nec2-user:" not in groups:
        (own / "group").write_text(f"{groups}ec2-user:x:{os.getgid()}:\n")
        mount(own / "group", root / "etc" / "group", flags=_BIND)


class _Covers:
    """Directories of the machine, shown so that what is changed in them goes to memory.

    It is gone once the instance stops.
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
            mount(path, target, flags=_BIND | _RECURSIVE)


def _is_root_of_the_machine() -> bool:
    return os.getuid() == 0 and Path("/proc/self/uid_map").read_text().split()[:2] == ["0", "0"]


def main(arguments: list[str]) -> None:
    """Make the root directory, enter it, and wait."""
    directory, instance, sudo, *kept = map(Path, arguments)
    try:
        root = prepare(directory, instance, sudo, kept)
        os.chdir(root)
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


if __name__ == "__main__":
    main(sys.argv[1:])
