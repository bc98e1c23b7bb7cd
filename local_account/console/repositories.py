"""Repositories of CodeCommit: branches, commits, folders and files."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local_account.console import links
from local_account.console.texts import SHOWN, text_of
from local_account.console.visit import Answer, NotFoundError, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_codecommit import CodeCommitClient
    from mypy_boto3_codecommit.type_defs import CommitTypeDef, DifferenceTypeDef

_SECTION = "Repositories"
_COMMITS = 6
"""Each costs GetCommit, two git commands."""
_DIFFS = 2
"""So many changed files of a commit are compared line by line, each two GetFile, eight git commands."""
_LINES = 400


@dataclass(frozen=True)
class Change:
    """A file that a commit changed, and its lines as `diff -u` writes them: mark and text."""

    path: str
    kind: str
    lines: tuple[tuple[str, str], ...]


def listing(visit: Visit) -> Answer:
    """All repositories."""
    client: CodeCommitClient = visit.client("codecommit")
    found = [
        one for page in client.get_paginator("list_repositories").paginate() for one in page["repositories"]
    ]
    return Page("repositories.html", _SECTION, _SECTION, {"repositories": found}, service="codecommit")


def browse(visit: Visit, name: str, branch: str = "", path: str = "", commit_id: str = "") -> Answer:
    """A folder or a file of a branch or commit; by default, of the default branch."""
    client: CodeCommitClient = visit.client("codecommit")
    found = client.get_repository(repositoryName=name)["repositoryMetadata"]
    branches = client.list_branches(repositoryName=name)["branches"]
    branch = branch or ("" if commit_id else found.get("defaultBranch", ""))
    at = commit_id or (f"refs/heads/{branch}" if branch else "")
    crumbs = ((_SECTION, links.repositories()), (name, links.browse(name, branch)))
    values: dict[str, Any] = {
        "repository": found,
        "branches": branches,
        "branch": branch,
        "path": path,
        "at": at,
        "name": name,
    }
    values |= {"folder": None, "file": None, "parents": _parents(name, branch, path)}
    if at:
        try:
            values["folder"] = client.get_folder(
                repositoryName=name, commitSpecifier=at, folderPath=path or "/"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "FolderDoesNotExistException":
                raise
            file = client.get_file(repositoryName=name, commitSpecifier=at, filePath=path)
            values["file"] = file
            values["text"] = text_of(file["fileContent"][:SHOWN])
            values["cut"] = file["fileSize"] > SHOWN
    return Page("repository.html", path or name, _SECTION, values, crumbs)


def commits(visit: Visit, name: str, branch: str = "") -> Answer:
    """The commits of a branch along the first parents, from its tip or from `?from=`."""
    client: CodeCommitClient = visit.client("codecommit")
    if not branch:
        branch = client.get_repository(repositoryName=name)["repositoryMetadata"].get("defaultBranch", "")
    if not branch:
        raise NotFoundError(f"The repository {name} has no commits.")
    following = visit.argument("from")
    if not following:
        following = client.get_branch(repositoryName=name, branchName=branch)["branch"]["commitId"]
    found: list[CommitTypeDef] = []
    while following and len(found) < _COMMITS:
        one = client.get_commit(repositoryName=name, commitId=following)["commit"]
        found.append(one)
        following = one["parents"][0] if one["parents"] else ""
    values = {"name": name, "branch": branch, "commits": found, "next": following, "date": _date}
    crumbs = ((_SECTION, links.repositories()), (name, links.browse(name, branch)))
    return Page("commits.html", f"Commits of {branch}", _SECTION, values, crumbs)


def commit(visit: Visit, name: str, commit_id: str) -> Answer:
    """A commit: who, when, why, and what it changed from its first parent."""
    client: CodeCommitClient = visit.client("codecommit")
    one = client.get_commit(repositoryName=name, commitId=commit_id)["commit"]
    before: dict[str, Any] = {"beforeCommitSpecifier": one["parents"][0]} if one["parents"] else {}
    answer = client.get_differences(repositoryName=name, afterCommitSpecifier=commit_id, **before)
    differences = answer["differences"]
    changes = [
        _change(client, name, commit_id, one["parents"], difference, compared=index < _DIFFS)
        for index, difference in enumerate(differences)
    ]
    values = {"name": name, "commit": one, "changes": changes, "date": _date, "more": "NextToken" in answer}
    crumbs = ((_SECTION, links.repositories()), (name, links.browse(name)))
    return Page("commit.html", f"Commit {commit_id[:12]}", _SECTION, values, crumbs)


def _change(
    client: CodeCommitClient,
    name: str,
    commit_id: str,
    parents: list[str],
    difference: DifferenceTypeDef,
    *,
    compared: bool,
) -> Change:
    before, after = difference.get("beforeBlob", {}), difference.get("afterBlob", {})
    path = after.get("path") or before.get("path", "")
    kind = {"A": "added", "D": "deleted", "M": "modified"}[difference["changeType"]]
    if not compared:
        return Change(path, kind, ())
    old = _lines(client, name, parents[0], path) if before else []
    new = _lines(client, name, commit_id, path) if after else []
    if old is None or new is None:
        return Change(path, kind, (("", "The content is not text, or it is long."),))
    lines = [line.rstrip("\n") for line in difflib.unified_diff(old, new)][2:]
    marked = [(line[:1], line[1:]) if line[:1] in "+-" else ("", line) for line in lines[:_LINES]]
    if len(lines) > _LINES:
        marked.append(("", f"… and {len(lines) - _LINES} more lines"))
    return Change(path, kind, tuple(marked))


def _lines(client: CodeCommitClient, name: str, commit_id: str, path: str) -> list[str] | None:
    content = client.get_file(repositoryName=name, commitSpecifier=commit_id, filePath=path)["fileContent"]
    text = text_of(content) if len(content) <= SHOWN else None
    return None if text is None else text.splitlines(keepends=True)


def _parents(name: str, branch: str, path: str) -> list[tuple[str, str]]:
    """Return the folders above a path, from the root, with their addresses."""
    parts = path.split("/")[:-1]
    return [
        (part, links.browse(name, branch, "/".join(parts[: index + 1]))) for index, part in enumerate(parts)
    ]


def _date(person: Mapping[str, str]) -> int | None:
    """Return the time of an author or committer in milliseconds; CodeCommit has git's `seconds +zone`."""
    seconds = person.get("date", "").partition(" ")[0]
    return int(seconds) * 1000 if seconds.isdecimal() else None


_ROOT = "/codesuite/codecommit/repositories"
PAGES: Mapping[str, Render] = {
    "/codecommit/home": listing,
    "/codesuite/codecommit/home": listing,
    _ROOT: listing,
    f"{_ROOT}/<name>/browse": browse,
    f"{_ROOT}/<name>/browse/refs/heads/<path:branch>": browse,
    f"{_ROOT}/<name>/browse/refs/heads/<path:branch>/--/<path:path>": browse,
    f"{_ROOT}/<name>/browse/<commit_id>/--/<path:path>": browse,
    f"{_ROOT}/<name>/browse/--/<path:path>": browse,
    f"{_ROOT}/<name>/branches": browse,
    f"{_ROOT}/<name>/commits": commits,
    f"{_ROOT}/<name>/commits/refs/heads/<path:branch>": commits,
    f"{_ROOT}/<name>/commit/<commit_id>": commit,
}
