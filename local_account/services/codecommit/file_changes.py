"""The changes that CreateCommit and PutFile ask for, and the resulting files of the branch.

Contract: CreateCommit and PutFile in the AWS CodeCommit API Reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from local_account.foundation.errors import Params, ServiceError
from local_account.services.codecommit.git_repository import ZERO_ID, Entry, GitRepository

FILE_BYTES = 6 * 1024 * 1024
MODES = {"NORMAL": "100644", "EXECUTABLE": "100755", "SYMLINK": "120000"}
MODE_NAMES = {mode: name for name, mode in MODES.items()}
_DELETED = "0"


def changed_files(
    repository: GitRepository, before: dict[str, Entry], params: Mapping[str, Any]
) -> dict[str, Entry]:
    """Return the files of a branch, by path, after the changes that a request asks for.

    ``params`` are those of CreateCommit. Raises ServiceError with the documented codes.
    """
    after = dict(before)
    for entry in _changes(repository, before, params):
        if entry.mode == _DELETED:
            after.pop(entry.path, None)
        else:
            after[entry.path] = entry
    if params.get("keepEmptyFolders"):
        after |= _kept_folders(repository, before, after)
    _check_paths(after, {path for path in after if after[path] != before.get(path)})
    return after


def removal(path: str) -> Entry:
    """Return the entry that removes a path from a tree."""
    return Entry(_DELETED, "blob", ZERO_ID, path)


def _changes(
    repository: GitRepository, before: dict[str, Entry], params: Mapping[str, Any]
) -> Iterable[Entry]:
    puts, deletes, modes = (params.get(key, []) for key in ("putFiles", "deleteFiles", "setFileModes"))
    paths = [clean_path(one["filePath"]) for one in (*puts, *deletes, *modes)]
    if not paths:
        raise ServiceError(
            "FileEntryRequiredException", "Specify at least one of putFiles, deleteFiles and setFileModes"
        )
    if twice := {path for path in paths if paths.count(path) > 1}:
        raise ServiceError(
            "SamePathRequestException", f"More than one change to the same path: {', '.join(sorted(twice))}"
        )
    for put in puts:
        path, content, source = (
            clean_path(put["filePath"]),
            put.get("fileContent"),
            put.get("sourceFile"),
        )
        if content is None and source is None:
            raise ServiceError(
                "SourceFileOrContentRequiredException", f"{path} needs fileContent or sourceFile"
            )
        if content is not None and source is not None:
            raise ServiceError(
                "FileContentAndSourceFileSpecifiedException", f"{path} has both fileContent and sourceFile"
            )
        old = before.get(path)
        mode = MODES[put["fileMode"]] if "fileMode" in put else old.mode if old else MODES["NORMAL"]
        if source is not None:
            origin = _existing(before, source["filePath"])
            yield Entry(mode if "fileMode" in put else origin.mode, "blob", origin.object_id, path)
            if source.get("isMove"):
                yield removal(origin.path)
            continue
        if len(content) > FILE_BYTES:
            raise ServiceError(
                "FileContentSizeLimitExceededException", f"{path} is larger than 6 MB: use a Git client"
            )
        yield Entry(mode, "blob", repository.write_blob(content), path)
    for one in deletes:
        yield removal(_existing(before, one["filePath"]).path)
    for one in modes:
        entry = _existing(before, one["filePath"])
        yield Entry(MODES[one["fileMode"]], "blob", entry.object_id, entry.path)


def clean_path(path: str) -> str:
    """Return a path as git stores it. Raises ServiceError PathRequiredException or InvalidPathException."""
    clean = path.removeprefix("/")
    parts = clean.split("/")
    if not clean:
        raise ServiceError("PathRequiredException", "A path is required")
    if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts) or "\0" in clean:
        raise ServiceError("InvalidPathException", f"The path {path} is not valid")
    return clean


def _existing(before: dict[str, Entry], path: str) -> Entry:
    entry = before.get(clean_path(path))
    if entry is None:
        raise ServiceError("FileDoesNotExistException", f"The file {path} does not exist on the branch")
    return entry


def _check_paths(after: dict[str, Entry], new: set[str]) -> None:
    """Raise ServiceError if a path would be both a file and a folder."""
    folders = {parent for path in after for parent in _folders(path)}
    for path in sorted(folders & after.keys()):
        code = (
            "FileNameConflictsWithDirectoryNameException"
            if path in new
            else "DirectoryNameConflictsWithFileNameException"
        )
        raise ServiceError(code, f"{path} would be both a file and a folder")


def _folders(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def _kept_folders(
    repository: GitRepository, before: dict[str, Entry], after: dict[str, Entry]
) -> dict[str, Entry]:
    left = {folder for path in after for folder in _folders(path)}
    emptied = {path.rpartition("/")[0] for path in before if path not in after} - {""} - left
    blob = repository.write_blob(b"") if emptied else ""
    return {
        f"{folder}/.gitkeep": Entry(MODES["NORMAL"], "blob", blob, f"{folder}/.gitkeep") for folder in emptied
    }


def described(entries: Iterable[Entry]) -> list[Params]:
    """Return entries in the form of filesAdded, filesUpdated and filesDeleted."""
    return [
        {
            "absolutePath": entry.path,
            "blobId": entry.object_id,
            "fileMode": MODE_NAMES.get(entry.mode, "NORMAL"),
        }
        for entry in entries
    ]
