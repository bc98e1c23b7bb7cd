"""AWS CodeCommit: repositories, branches and commits over bare git repositories.

Contract: the AWS CodeCommit API Reference, operation by operation. Pushing and cloning are in
:mod:`~local_account.services.codecommit.git_server`.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from local_account.foundation.account import Commit
from local_account.foundation.errors import Params, ServiceError
from local_account.foundation.system_tags import limited
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service
from local_account.services.codecommit.file_changes import (
    FILE_BYTES,
    MODE_NAMES,
    changed_files,
    clean_path,
    described,
    removal,
)
from local_account.services.codecommit.git_repository import ZERO_ID, Author, Entry, GitError, GitRepository
from local_account.services.codecommit.git_server import (
    REPOSITORIES,
    Repository,
    announce_made_push,
    announce_push,
    repository_path,
)

if TYPE_CHECKING:
    from mypy_boto3_codecommit.type_defs import (
        BatchGetRepositoriesInputTypeDef,
        CreateBranchInputTypeDef,
        CreateCommitInputTypeDef,
        CreateRepositoryInputTypeDef,
        DeleteBranchInputTypeDef,
        DeleteRepositoryInputTypeDef,
        GetBranchInputTypeDef,
        GetCommitInputTypeDef,
        GetDifferencesInputTypeDef,
        GetFileInputTypeDef,
        GetFolderInputTypeDef,
        GetRepositoryInputTypeDef,
        ListBranchesInputTypeDef,
        ListRepositoriesInputTypeDef,
        ListTagsForResourceInputTypeDef,
        PutFileInputTypeDef,
        TagResourceInputTypeDef,
        UntagResourceInputTypeDef,
        UpdateDefaultBranchInputTypeDef,
        UpdateRepositoryDescriptionInputTypeDef,
        UpdateRepositoryNameInputTypeDef,
    )

    from local_account.foundation.store import Table

_PAGE = 1000
_BATCH = 100
_COMMIT_ID = re.compile(r"[0-9a-f]{40}")
_SPECIFIER = re.compile(r"[\w./+-]+")


class CodeCommit(Service):
    """The CodeCommit API.

    Lacks: `BatchGetCommits`, `CreatePullRequest`, `CreateApprovalRuleTemplate`, `DeleteFile`, `GetBlob`,
    `ListFileCommitHistory`, `MergeBranchesByFastForward` (and the other merges), `PostCommentForPullRequest`,
    `PutRepositoryTriggers`.

    Refuses (CreateRepository): `kmsKeyId`.
    """

    name = "codecommit"
    # Nearly every request that does not match the model has an invalid repository name.
    validation_error: ClassVar[str] = "InvalidRepositoryNameException"

    def start(self) -> None:
        """Finish what a killed account left: half-made renames and repositories, unannounced pushes."""
        for document in self._table.values():
            self._finish_renaming(document)
        names = set(self._table.keys())
        directory = self.account.config.state_dir / "codecommit"
        for path in directory.iterdir() if directory.exists() else []:
            if path.name.removesuffix(".git") not in names:
                shutil.rmtree(path)
        for name in names:
            repository = GitRepository(repository_path(self.account, name))
            repository.write_hooks()
            for push in repository.unannounced():
                announce_push(self.account, name, push)

    def commit(self, repository: str, revision: str) -> Commit:
        """Return a commit and its files, without history (`foundation.account.Repositories`)."""
        path = repository_path(self.account, repository)
        if not path.is_dir():
            raise LookupError(f"The CodeCommit repository {repository} does not exist")
        git = GitRepository(path)
        found = git.resolve(revision)
        if found is None:
            branch = revision.removeprefix("refs/heads/")
            missing = f"branch {branch}" if branch != revision else f"commit {revision}"
            raise LookupError(f"The CodeCommit repository {repository} has no {missing}")
        try:
            archive = git.git("archive", "--format=zip", found)
            details = git.git("show", "--no-patch", "--format=%aI%n%cI%n%B", found).decode()
        except GitError as error:
            raise LookupError(f"The commit {found} cannot be read: {error}") from error
        author_date, committer_date, message = details.split("\n", 2)
        return Commit(found, author_date, committer_date, message, archive)

    # --- repositories

    def create_repository(self, params: CreateRepositoryInputTypeDef) -> Answer:
        """CreateRepository."""
        name = params["repositoryName"]
        _check_name(name)
        if "kmsKeyId" in params:
            raise ServiceError(
                "OperationNotAllowedException", "kmsKeyId is not supported by the local account: leave it out"
            )
        tags = limited(dict(params.get("tags", {})), "TooManyTagsException")
        with self._table.lock:
            self._check_free(name)
            GitRepository.create(repository_path(self.account, name))
            now = self.account.now()
            document: Repository = {
                "repositoryName": name,
                "repositoryId": str(uuid.uuid4()),
                "creationDate": now,
                "lastModifiedDate": now,
                "repositoryDescription": params.get("repositoryDescription"),
                "tags": tags,
            }
            self._table.put(name, document)
        return {"repositoryMetadata": self._metadata(document)}

    def get_repository(self, params: GetRepositoryInputTypeDef) -> Answer:
        """GetRepository."""
        return {"repositoryMetadata": self._metadata(self._document(params["repositoryName"]))}

    def batch_get_repositories(self, params: BatchGetRepositoriesInputTypeDef) -> Answer:
        """BatchGetRepositories."""
        names = params["repositoryNames"]
        if len(names) > _BATCH:
            raise ServiceError(
                "MaximumRepositoryNamesExceededException",
                f"At most {_BATCH} names are allowed, not {len(names)}",
            )
        found = {name: document for name in names if (document := self._table.get(name))}
        missing = [name for name in names if name not in found]
        return {
            "repositories": [self._metadata(document) for document in found.values()],
            "repositoriesNotFound": missing,
            "errors": [
                {
                    "repositoryName": name,
                    "errorCode": "RepositoryDoesNotExistException",
                    "errorMessage": f"{name} does not exist",
                }
                for name in missing
            ],
        }

    def list_repositories(self, params: ListRepositoriesInputTypeDef) -> Answer:
        """ListRepositories."""
        key = params.get("sortBy", "repositoryName")
        ordered = sorted(
            self._table.values(), key=lambda one: one[key], reverse=params.get("order") == "descending"
        )
        shown = [{key: one[key] for key in ("repositoryName", "repositoryId")} for one in ordered]
        repositories, token = page(shown, params.get("nextToken"), _PAGE, "InvalidContinuationTokenException")
        return {"repositories": repositories, "nextToken": token}

    def delete_repository(self, params: DeleteRepositoryInputTypeDef) -> Answer:
        """DeleteRepository: deleting a repository that does not exist is not an error."""
        name = params["repositoryName"]
        document = self._table.get(name)
        if document is None:
            return {}
        self._table.delete(name)
        shutil.rmtree(repository_path(self.account, name), ignore_errors=True)
        return {"repositoryId": document["repositoryId"]}

    def update_repository_description(self, params: UpdateRepositoryDescriptionInputTypeDef) -> Answer:
        """UpdateRepositoryDescription: removes the old description if none is given."""
        self._document(params["repositoryName"])
        with self._table.update(params["repositoryName"]) as document:
            document["repositoryDescription"] = params.get("repositoryDescription")
            document["lastModifiedDate"] = self.account.now()
        return {}

    def update_repository_name(self, params: UpdateRepositoryNameInputTypeDef) -> Answer:
        """UpdateRepositoryName."""
        old, new = params["oldName"], params["newName"]
        _check_name(new)
        with self._table.lock:
            document = self._document(old)
            self._check_free(new)
            document |= {
                "repositoryName": new,
                "renamedFrom": old,
                "lastModifiedDate": self.account.now(),
            }
            self._table.put(new, document)
            self._finish_renaming(document)
        return {}

    def update_default_branch(self, params: UpdateDefaultBranchInputTypeDef) -> Answer:
        """UpdateDefaultBranch."""
        repository = self._repository(params["repositoryName"])
        self._tip(repository, params["defaultBranchName"])
        repository.set_default_branch(params["defaultBranchName"])
        return {}

    # --- branches

    def get_branch(self, params: GetBranchInputTypeDef) -> Answer:
        """GetBranch."""
        for member, code in (("repositoryName", "Repository"), ("branchName", "Branch")):
            if not params.get(member):
                raise ServiceError(f"{code}NameRequiredException", f"{member} is required")
        branch = params["branchName"]
        commit = self._tip(self._repository(params["repositoryName"]), branch)
        return {"branch": {"branchName": branch, "commitId": commit}}

    def list_branches(self, params: ListBranchesInputTypeDef) -> Answer:
        """ListBranches."""
        names = list(self._repository(params["repositoryName"]).branches())
        branches, token = page(names, params.get("nextToken"), _PAGE, "InvalidContinuationTokenException")
        return {"branches": branches, "nextToken": token}

    def create_branch(self, params: CreateBranchInputTypeDef) -> Answer:
        """CreateBranch."""
        name, branch, commit = params["repositoryName"], params["branchName"], params["commitId"]
        repository = self._repository(name)
        _check_branch(repository, branch)
        if not _COMMIT_ID.fullmatch(commit):
            raise ServiceError("InvalidCommitIdException", f"The commit id {commit} is not valid")
        if repository.resolve(commit) is None:
            raise ServiceError("CommitDoesNotExistException", f"The commit {commit} does not exist in {name}")
        try:
            push = repository.move(f"refs/heads/{branch}", commit, ZERO_ID)
        except GitError as error:
            raise ServiceError(
                "BranchNameExistsException", f"The branch {branch} cannot be created in {name}: {error}"
            ) from error
        announce_made_push(self.account, name, push)
        return {}

    def delete_branch(self, params: DeleteBranchInputTypeDef) -> Answer:
        """DeleteBranch: deleting a branch that does not exist is not an error."""
        name, branch = params["repositoryName"], params["branchName"]
        repository = self._repository(name)
        commit = repository.branches().get(branch)
        if commit is None:
            return {}
        if branch == repository.default_branch():
            raise ServiceError(
                "DefaultBranchCannotBeDeletedException",
                f"{branch} is the default branch of {name}: set another branch as the default first",
            )
        push = repository.move(f"refs/heads/{branch}", ZERO_ID, commit)
        announce_made_push(self.account, name, push)
        return {"deletedBranch": {"branchName": branch, "commitId": commit}}

    # --- reading

    def get_commit(self, params: GetCommitInputTypeDef) -> Answer:
        """GetCommit."""
        name, commit = params["repositoryName"], params["commitId"]
        repository = self._repository(name)
        if not _COMMIT_ID.fullmatch(commit):
            raise ServiceError("InvalidCommitIdException", f"The commit id {commit} is not valid")
        if repository.resolve(commit) is None:
            raise ServiceError(
                "CommitIdDoesNotExistException", f"The commit {commit} does not exist in {name}"
            )
        shown = repository.git(
            "show",
            "--no-patch",
            "--date=raw",
            "--format=%T%x00%P%x00%an%x00%ae%x00%ad%x00%cn%x00%ce%x00%cd%x00%B",
            commit,
        )
        tree, parents, *people, message = shown.decode(errors="replace").split("\0")
        author, committer = (
            {"name": name, "email": email, "date": date} for name, email, date in (people[:3], people[3:])
        )
        return {
            "commit": {
                "commitId": commit,
                "treeId": tree,
                "parents": parents.split(),
                "message": message.removesuffix("\n"),
                "author": author,
                "committer": committer,
                "additionalData": "",
            }
        }

    def get_file(self, params: GetFileInputTypeDef) -> Answer:
        """GetFile."""
        repository = self._repository(params["repositoryName"])
        commit, path = self._commit(repository, params), clean_path(params["filePath"])
        entries = repository.entries(commit, path=path)
        if not entries or entries[0].kind != "blob":
            raise ServiceError(
                "FileDoesNotExistException", f"The file {path} does not exist in commit {commit}"
            )
        content = repository.blob(entries[0].object_id)
        if len(content) > FILE_BYTES:
            raise ServiceError("FileTooLargeException", f"{path} is larger than 6 MB: clone the repository")
        return {
            "commitId": commit,
            "blobId": entries[0].object_id,
            "filePath": path,
            "fileMode": MODE_NAMES.get(entries[0].mode, "NORMAL"),
            "fileSize": len(content),
            "fileContent": content,
        }

    def get_folder(self, params: GetFolderInputTypeDef) -> Answer:
        """GetFolder: ``/`` or the empty path is the root."""
        repository = self._repository(params["repositoryName"])
        commit = self._commit(repository, params)
        path = params["folderPath"].strip("/")
        tree = repository.folder(commit, clean_path(path)) if path else repository.resolve(commit, "tree")
        if tree is None:
            raise ServiceError(
                "FolderDoesNotExistException", f"The folder {path} does not exist in commit {commit}"
            )
        answer: Params = {"commitId": commit, "folderPath": path, "treeId": tree}
        answer |= {"subFolders": [], "files": [], "symbolicLinks": [], "subModules": []}
        for entry in repository.entries(tree):
            shown = {
                "absolutePath": f"{path}/{entry.path}" if path else entry.path,
                "relativePath": entry.path,
            }
            if entry.kind == "tree":
                answer["subFolders"].append({"treeId": entry.object_id, **shown})
            elif entry.kind == "commit":
                answer["subModules"].append({"commitId": entry.object_id, **shown})
            else:
                mode = MODE_NAMES.get(entry.mode, "NORMAL")
                member = "symbolicLinks" if mode == "SYMLINK" else "files"
                answer[member].append({"blobId": entry.object_id, "fileMode": mode, **shown})
        return answer

    def get_differences(self, params: GetDifferencesInputTypeDef) -> Answer:
        """GetDifferences: of whole commits; a path limits the comparison."""
        repository = self._repository(params["repositoryName"])
        after = self._commit(repository, {"commitSpecifier": params["afterCommitSpecifier"]})
        before = params.get("beforeCommitSpecifier")
        old = self._files(
            repository, self._commit(repository, {"commitSpecifier": before}) if before else None
        )
        new = self._files(repository, after)
        below = [
            prefix.strip("/") for prefix in (params.get("beforePath"), params.get("afterPath")) if prefix
        ]
        differences = []
        for path in sorted(old.keys() | new.keys()):
            one, other = old.get(path), new.get(path)
            if one == other or not all(path == prefix or path.startswith(f"{prefix}/") for prefix in below):
                continue
            change: Params = {"changeType": "A" if one is None else "D" if other is None else "M"}
            for member, entry in (("beforeBlob", one), ("afterBlob", other)):
                if entry:
                    change[member] = {"blobId": entry.object_id, "path": path, "mode": entry.mode}
            differences.append(change)
        if params.get("MaxResults", 1) < 1:
            raise ServiceError("InvalidMaxResultsException", "MaxResults must be 1 or more")
        shown, token = page(
            differences,
            params.get("NextToken"),
            params.get("MaxResults", _PAGE),
            "InvalidContinuationTokenException",
        )
        return {"differences": shown, "NextToken": token}

    # --- writing

    def put_file(self, params: PutFileInputTypeDef) -> Answer:
        """PutFile."""
        path = clean_path(params["filePath"])
        file = {"filePath": path, "fileContent": params["fileContent"]}
        if "fileMode" in params:
            file["fileMode"] = params["fileMode"]
        commit = self._write(
            {**params, "putFiles": [file], "authorName": params.get("name")},
            no_change="SameFileContentException",
            message=params.get("commitMessage") or f"Edited {path}",
        )
        blobs = {one["absolutePath"]: one["blobId"] for one in commit["filesAdded"] + commit["filesUpdated"]}
        return {"commitId": commit["commitId"], "treeId": commit["treeId"], "blobId": blobs[path]}

    def create_commit(self, params: CreateCommitInputTypeDef) -> Answer:
        """CreateCommit."""
        return self._write(
            params,
            no_change="NoChangeException",
            message=params.get("commitMessage") or "Edited with CreateCommit",
        )

    def _write(self, params: Mapping[str, Any], no_change: str, message: str) -> Params:
        name, branch = params["repositoryName"], params["branchName"]
        repository = self._repository(name)
        _check_branch(repository, branch)
        parent = self._parent(repository, params)
        before = self._files(repository, parent)
        after = changed_files(repository, before, params)
        changed = [entry for path, entry in after.items() if entry != before.get(path)]
        deleted = [entry for path, entry in before.items() if path not in after]
        if not changed and not deleted:
            raise ServiceError(no_change, f"The branch {branch} already has this content")
        removals = [removal(entry.path) for entry in deleted]
        tree = repository.write_tree(parent, [*removals, *changed])
        author = Author(params.get("authorName") or "root", params.get("email") or "")
        commit = repository.write_commit(tree, parent, author, message)
        try:
            push = repository.move(f"refs/heads/{branch}", commit, parent or ZERO_ID)
        except GitError as error:
            raise ServiceError(
                "ParentCommitIdOutdatedException",
                f"{branch} has been modified in the meantime: get its tip with get-branch and try again",
            ) from error
        announce_made_push(self.account, name, push)
        return {
            "commitId": commit,
            "treeId": tree,
            "filesAdded": described(entry for entry in changed if entry.path not in before),
            "filesUpdated": described(entry for entry in changed if entry.path in before),
            "filesDeleted": described(deleted),
        }

    def _parent(self, repository: GitRepository, params: Mapping[str, Any]) -> str | None:
        branch, parent = params["branchName"], params.get("parentCommitId")
        branches = repository.branches()
        if not branches:
            return None
        tip = branches.get(branch)
        if tip is None:
            raise ServiceError(
                "BranchDoesNotExistException", f"The branch {branch} does not exist: create it first"
            )
        if not parent:
            raise ServiceError(
                "ParentCommitIdRequiredException", f"parentCommitId is required; the tip of {branch} is {tip}"
            )
        if not _COMMIT_ID.fullmatch(parent):
            raise ServiceError("InvalidParentCommitIdException", f"The commit id {parent} is not valid")
        if repository.resolve(parent) is None:
            raise ServiceError("ParentCommitDoesNotExistException", f"The commit {parent} does not exist")
        if parent != tip:
            raise ServiceError(
                "ParentCommitIdOutdatedException",
                f"{parent} is not the current tip of {branch}, which is {tip}",
            )
        return tip

    # --- tags

    def tag_resource(self, params: TagResourceInputTypeDef) -> Answer:
        """TagResource."""
        with self._table.update(self._tagged(params)) as document:
            document["tags"] = limited({**document["tags"], **params["tags"]}, "TooManyTagsException")
        return {}

    def untag_resource(self, params: UntagResourceInputTypeDef) -> Answer:
        """UntagResource."""
        with self._table.update(self._tagged(params)) as document:
            document["tags"] = {k: v for k, v in document["tags"].items() if k not in params["tagKeys"]}
        return {}

    def list_tags_for_resource(self, params: ListTagsForResourceInputTypeDef) -> Answer:
        """ListTagsForResource."""
        return {"tags": self._document(self._tagged(params))["tags"]}

    # --- shared

    @property
    def _table(self) -> Table[Repository]:
        return self.account.store.table(REPOSITORIES, Repository)

    def _document(self, name: str) -> Repository:
        document = self._table.get(name)
        if document is None:
            raise ServiceError("RepositoryDoesNotExistException", f"{name} does not exist")
        return document

    def _check_free(self, name: str) -> None:
        if self._table.get(name):
            raise ServiceError("RepositoryNameExistsException", f"Repository named {name} already exists")

    def _finish_renaming(self, document: Repository) -> None:
        # New document first, then the directory, old document last: one of the names is always complete.
        old, new = document.pop("renamedFrom", None), document["repositoryName"]
        if old is None:
            return
        if repository_path(self.account, old).exists():
            repository_path(self.account, old).rename(repository_path(self.account, new))
        self._table.delete(old)
        self._table.put(new, document)

    def _repository(self, name: str) -> GitRepository:
        self._document(name)
        return GitRepository(repository_path(self.account, name))

    def _tagged(self, params: Mapping[str, Any]) -> str:
        prefix, _, name = params["resourceArn"].rpartition(":")
        if f"{prefix}:{name}" != self.account.arn("codecommit", name):
            raise ServiceError(
                "InvalidResourceArnException", f"{params['resourceArn']} is not a repository in this account"
            )
        self._document(name)
        return str(name)

    def _metadata(self, document: Repository) -> Params:
        name, region = document["repositoryName"], self.account.config.region
        with suppress(GitError):  # deleted in the meantime
            document["defaultBranch"] = GitRepository(repository_path(self.account, name)).default_branch()
        host = f"git-codecommit.{region}.amazonaws.com/v1/repos/{name}"
        return {
            **{key: value for key, value in document.items() if key != "tags"},
            "accountId": self.account.config.account_id,
            "cloneUrlHttp": f"https://{host}",
            "cloneUrlSsh": f"ssh://{host}",
            "Arn": self.account.arn("codecommit", name),
        }

    def _tip(self, repository: GitRepository, branch: str) -> str:
        _check_branch(repository, branch)
        commit = repository.branches().get(branch)
        if commit is None:
            raise ServiceError("BranchDoesNotExistException", f"The branch {branch} does not exist")
        return commit

    def _commit(self, repository: GitRepository, params: Mapping[str, Any]) -> str:
        specifier = params.get("commitSpecifier", "HEAD")
        if not _SPECIFIER.fullmatch(specifier) or specifier.startswith("-"):
            raise ServiceError("InvalidCommitException", f"{specifier} is not a commit, branch or tag")
        commit = repository.resolve(specifier)
        if commit is None:
            raise ServiceError("CommitDoesNotExistException", f"{specifier} does not exist")
        return commit

    def _files(self, repository: GitRepository, commit: str | None) -> dict[str, Entry]:
        entries = repository.entries(commit, recursive=True) if commit else []
        return {entry.path: entry for entry in entries}


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name) or name.endswith(".git") or set(name) == {"."}:
        raise ServiceError(
            "InvalidRepositoryNameException",
            f"The repository name {name} is not valid: use 1 to 100 letters, digits, '.', '_' and '-', "
            "not ending in .git",
        )


def _check_branch(repository: GitRepository, branch: str) -> None:
    if not repository.is_valid_branch(branch):
        raise ServiceError("InvalidBranchNameException", f"{branch} is not a valid branch name")
