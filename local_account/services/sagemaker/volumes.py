"""The volumes of a container whose directories the account can write to itself, without the engine.

1 GB takes half the processor time so: the engine would unpack the stream that the account packs.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from local_account.gateway.streams import Segmented

if TYPE_CHECKING:
    from docker.models.containers import Container

_CHUNK = 1 << 20
_AT_ONCE = 1 << 30
"""Bytes that the kernel is asked to copy: it takes no more than 2 GB at a time."""


@dataclass(frozen=True)
class Volume:
    """A directory of this machine that is one of a container's, too."""

    inside: PurePosixPath
    directory: Path

    def make_directory(self, path: PurePosixPath) -> None:
        """Make a directory that any user of the container can write to; a file of that name goes."""
        target = self._target(path)
        if not target.is_dir():
            target.unlink(missing_ok=True)
            target.mkdir()
        target.chmod(0o777)
        self._give(target)

    def write(self, path: PurePosixPath, content: IO[bytes], size: int) -> None:
        """Write a file that any user of the container can write to; a directory of that name goes.

        What is in files (`gateway.own_requests.InFiles`) does not pass through this process. It is copied, or
        cloned by filesystems that can, and never linked: the container may write to it.
        Raises EOFError if there are fewer than ``size`` bytes.
        """
        target = self._target(path)
        if target.is_dir():
            shutil.rmtree(target)
        with target.open("wb", buffering=0) as file:
            if isinstance(content, Segmented):
                written = sum(_copy(*segment, file.fileno()) for segment in content.segments())
            else:
                written = 0
                while chunk := content.read(min(_CHUNK, size - written)):
                    _write_all(file, chunk)
                    written += len(chunk)
        if written < size:
            raise EOFError(f"{path} is {size - written} bytes shorter than announced")
        target.chmod(0o666)
        self._give(target)

    def _target(self, path: PurePosixPath) -> Path:
        return self.directory / path.relative_to(self.inside)

    def _give(self, target: Path) -> None:
        """Make the container's root the owner, as of all that the engine unpacks."""
        owner = self.directory.stat()
        if owner.st_uid != os.geteuid():
            os.chown(target, owner.st_uid, owner.st_gid)


class Volumes:
    """The volumes of a container that has not started, by where they are in it.

    Only those count that are empty at first (`Containers.volume`): what an image has in its own may be a link
    that leads out of them. Those of an engine in a virtual machine are not within reach, or those of root.
    Names of anonymous volumes are random, so no other directory is taken for one.
    """

    def __init__(self, container: Container) -> None:
        self._mounts: dict[PurePosixPath, Volume | None] = {}
        empty = {
            mount["Target"]
            for mount in container.attrs["HostConfig"].get("Mounts") or ()
            if (mount.get("VolumeOptions") or {}).get("NoCopy")
        }
        for mount in container.attrs["Mounts"]:
            inside, source = PurePosixPath(mount["Destination"]), mount.get("Source", "")
            usable = mount["Destination"] in empty and mount.get("Driver") == "local" and _is_ours(source)
            self._mounts[inside] = Volume(inside, Path(source)) if usable else None

    def of(self, path: PurePosixPath) -> Volume | None:
        """Return the volume that a path of the container is in, if it is within reach."""
        for parent in (path, *path.parents):
            if parent in self._mounts:
                return self._mounts[parent]
        return None


def _is_ours(directory: str) -> bool:
    """Return whether we can write to a directory; False also if we can't search those above it."""
    return os.path.isdir(directory) and os.access(directory, os.R_OK | os.W_OK | os.X_OK)  # noqa: PTH112


def _copy(path: Path, offset: int, size: int, target: int) -> int:
    """Append bytes of a file to another; return how many there were."""
    source = os.open(path, os.O_RDONLY)
    try:
        left = size
        while left and (done := _copy_some(source, offset, min(left, _AT_ONCE), target)):
            offset += done
            left -= done
        return size - left
    finally:
        os.close(source)


def _copy_some(source: int, offset: int, size: int, target: int) -> int:
    try:
        if done := os.copy_file_range(source, target, size, offset_src=offset):
            return done
    except OSError:  # of other filesystems; what concerns both calls comes again
        pass
    return os.sendfile(target, source, offset, size)


def _write_all(file: IO[bytes], chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]
