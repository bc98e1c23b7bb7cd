"""Files moved between S3, the account and its containers, as tar streams.

Files go in and out of containers through the engine (``docker cp``), so that it does not matter who owns
the files inside, or whether the engine runs on this machine. Only to volumes within reach the account writes
itself.
"""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from local_account.services.sagemaker.volumes import Volume, Volumes

if TYPE_CHECKING:
    from docker.models.containers import Container

_CHUNK = 1 << 20
Open = Callable[[], tuple[IO[bytes], int]]
"""Opens a file: its content, closed after it was read, and its size in bytes."""


class Files:
    """Files for a container; the content of each is opened only when its turn comes."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, Open | None]] = []
        self._directories: set[str] = set()

    def directory(self, path: str) -> None:
        """Add a directory that any user of the container can write to."""
        if path not in self._directories:
            self._directories.add(path)
            self._entries.append((path, None))

    def tree(self, path: str) -> None:
        """Add a directory, and those above it that are below ``opt/ml``."""
        for parent in reversed(PurePosixPath(path, "*").parents):
            if len(parent.parts) >= 2:
                self.directory(str(parent))

    def file(self, path: str, opened: Open) -> None:
        """Add a file, and the directories above it that are below ``opt/ml``."""
        self.tree(str(PurePosixPath(path).parent))
        self._entries.append((path, opened))

    def json(self, path: str, document: Any) -> None:
        """Add a file with a JSON document."""
        content = json.dumps(document).encode()
        self.file(path, lambda: (io.BytesIO(content), len(content)))

    def put_into(self, container: Container) -> None:
        """Place them below the root of a container that has not started yet.

        Raises what opening or reading a file raises. Nothing is kept on disk on the way: a large channel
        would otherwise be written twice.
        """
        volumes = Volumes(container)
        sent: list[tuple[str, Open | None]] = []
        placed: list[tuple[Volume, PurePosixPath, Open | None]] = []
        for path, opened in self._entries:
            inside = PurePosixPath("/", path)
            if volume := volumes.of(inside):
                placed.append((volume, inside, opened))
            else:
                sent.append((path, opened))
        container.put_archive("/", _tar(sent))
        for volume, inside, opened in placed:
            if opened is None:
                volume.make_directory(inside)
            else:
                content, size = opened()
                with content as raw:
                    volume.write(inside, raw, size)


def _tar(entries: Iterable[tuple[str, Open | None]]) -> Iterator[bytes]:
    pending = bytearray()  # small files share a chunk
    for path, opened in entries:
        info = tarfile.TarInfo(path)
        if opened is None:
            info.type, info.mode = tarfile.DIRTYPE, 0o777
            pending += info.tobuf()
            continue
        content, left = opened()
        with contextlib.closing(content):
            info.size, info.mode = left, 0o666
            pending += info.tobuf()
            while left:
                chunk = content.read(min(_CHUNK, left))
                if not chunk:
                    raise EOFError(f"{path} is {left} bytes shorter than announced")
                left -= len(chunk)
                pending += chunk
                if len(pending) >= _CHUNK:
                    yield bytes(pending)
                    pending.clear()
        pending += bytes(-info.size % tarfile.BLOCKSIZE)
    yield bytes(pending) + bytes(2 * tarfile.BLOCKSIZE)


class _Chunks(io.RawIOBase):
    """A stream of chunks as a file."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            try:
                self._rest = next(self._chunks)
            except StopIteration:
                return 0
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


@contextlib.contextmanager
def container_files(
    container: Container, path: str
) -> Iterator[Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]]:
    """Open the files and links below ``path`` in a container, running or not.

    Each comes with its name relative to ``path``, regular files with their content. A path that does not
    exist has none.
    """
    from docker.errors import NotFound

    try:
        chunks, _ = container.get_archive(path, chunk_size=_CHUNK)
    except NotFound:
        yield iter(())
        return
    with tarfile.open(fileobj=io.BufferedReader(_Chunks(chunks), _CHUNK), mode="r|") as tar:
        yield _files(tar)


def _files(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    for member in tar:
        content = tar.extractfile(member) if member.isreg() else None
        if content is None and not (member.issym() or member.islnk()):
            continue
        member.name = _below_first(member.name)
        if member.islnk():
            member.linkname = _below_first(member.linkname)
        yield member, content


def _below_first(name: str) -> str:
    first, _, rest = name.partition("/")
    return rest or first


def pack(container: Container, path: str, archive: IO[bytes]) -> int:
    """Write the files below a container's path to a tar.gz; return their number."""
    count = 0
    with (
        container_files(container, path) as files,
        tarfile.open(fileobj=archive, mode="w:gz", compresslevel=6) as tar,
    ):
        for member, content in files:
            tar.addfile(member, content)
            count += 1
    return count


def read_text(container: Container, path: str, limit: int) -> str:
    """Return the first ``limit`` characters of a text file in a container; "" if there is none."""
    return (read_bytes(container, path, 4 * limit) or b"").decode("utf-8", "replace")[:limit]


def read_bytes(container: Container, path: str, limit: int) -> bytes | None:
    """Return the first ``limit`` bytes of a file in a container; None if there is none."""
    with container_files(container, path) as files:
        for _, content in files:
            return None if content is None else content.read(limit)
    return None


def unpack_model(archive: IO[bytes], target: Path) -> None:
    """Unpack a model.tar.gz into a new directory that everyone may read.

    Refuses devices and members outside the directory. Raises tarfile.TarError or OSError for anything that
    is not such an archive.
    """
    target.mkdir(parents=True)
    with tarfile.open(fileobj=archive, mode="r:gz") as tar:
        # Debian 12 has Python 3.11.2, in which tarfile has no extraction filters yet.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        for member in tar:
            _refuse_unsafe(member, target)
            tar.extract(member, target)
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def _refuse_unsafe(member: tarfile.TarInfo, target: Path) -> None:
    root = target.resolve()
    paths = [root / member.name]
    if member.issym():
        paths.append(paths[0].parent / member.linkname)
    elif member.islnk():
        paths.append(root / member.linkname)
    elif not (member.isreg() or member.isdir()):
        raise tarfile.TarError(f"{member.name} is not a file, directory or link")
    for path in paths:
        if not path.resolve().is_relative_to(root):
            raise tarfile.TarError(f"{member.name} would be outside the directory")
