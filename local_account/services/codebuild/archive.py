"""Zip archives that keep file permissions and links."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

_UNIX = 3
"""The system of a zip's entries whose attributes have a file's mode."""


def pack(target: Path, files: Iterable[tuple[str, Path]], *, links: bool = False) -> None:
    """Write a zip of (name in the archive, file); with ``links``, symbolic links stay such."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for name, path in files:
            if links and path.is_symlink():
                entry = zipfile.ZipInfo(name)
                entry.create_system = _UNIX
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(entry, str(path.readlink()))
            else:
                archive.write(path, name)


def unpack(source: Path, directory: Path) -> None:
    """Unpack a zip; raise zipfile.BadZipFile if it is not one, or names a file outside ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            if stat.S_ISLNK(mode):
                _link(archive.read(entry).decode(), entry.filename, directory)
                continue
            path = Path(archive.extract(entry, directory))
            if mode and not entry.is_dir():
                path.chmod(stat.S_IMODE(mode) | stat.S_IRUSR | stat.S_IWUSR)


def _link(target: str, name: str, directory: Path) -> None:
    path = directory / name
    inside = directory.resolve()
    if PurePosixPath(target).is_absolute() or not (path.parent / target).resolve().is_relative_to(inside):
        raise zipfile.BadZipFile(f"{name} links to {target}, outside the archive")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
