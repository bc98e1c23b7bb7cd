"""The paths of a buildspec: one language for ``files``, ``exclude-paths`` and ``base-directory``.

Page "Build specification reference for CodeBuild": ``*`` stays within one directory, and ``**`` as a
directory of its own stands for any number of directories, none included.

Differs from AWS: `files`, `exclude-paths` and `base-directory` are one language of patterns, except that
`**/NAME/**/*` excludes files of that name, too (AWS's example: "to exclude a file from all directories").
AWS documents the wildcards of the first two, but not of `base-directory`. *Source: Build specification
reference for CodeBuild, artifacts/files and artifacts/exclude-paths.*
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

_GIT = ".git"
_SEVERAL = re.compile(r"\*{2,}")
_BELOW = "/**/*"
_WILDCARD = re.compile(r"[*?\[]")


def files(base: Path, pattern: str) -> list[Path]:
    """Return the files in ``base`` that a pattern names, in order; those of git itself are left out."""
    return [path for path in _matches(base, pattern) if path.is_file()]


def excluded(base: Path, pattern: str) -> set[Path]:
    """Return the files in ``base`` that a pattern excludes: also those whose name has ``/**/*`` behind it."""
    own = pattern.removesuffix(_BELOW)
    is_name = own != pattern and not _WILDCARD.search(PurePosixPath(own).name)
    return {*files(base, pattern), *(files(base, own) if is_name else ())}


def directories(base: Path, pattern: str) -> list[Path]:
    """Return the directories in ``base`` that a pattern names, in order; ``.`` is ``base`` itself."""
    return [path for path in _matches(base, pattern) if path.is_dir()]


def _matches(base: Path, pattern: str) -> list[Path]:
    inside = base.resolve()
    parts = _parts(base, pattern)
    if parts is None:
        return []
    found = base.glob("/".join(parts)) if parts else [base]
    return sorted(
        path
        for path in set(found)
        if path.resolve().is_relative_to(inside) and _GIT not in path.relative_to(base).parts
    )


def _parts(base: Path, pattern: str) -> list[str] | None:
    """Return a pattern's parts below ``base`` as pathlib understands them; None for a path elsewhere."""
    path = PurePosixPath(pattern)
    if path.is_absolute():
        if not path.is_relative_to(base.as_posix()):
            return None
        path = path.relative_to(base.as_posix())
    # Stars that share a part with other characters are one star; pathlib refuses them.
    parts = [part if part == "**" else _SEVERAL.sub("*", part) for part in path.parts]
    # pathlib's last `**` names directories only.
    return [*parts, "*"] if parts and parts[-1] == "**" else parts
