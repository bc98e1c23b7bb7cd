"""A lab's source: its CodeCommit repository, or a repository in its bucket.

Operation names are boto3's. In the bucket, objects are named and written as git-remote-s3 does for
`s3+zip://BUCKET/source`, so that git can continue from there. Contract: git-remote-s3 (awslabs), README,
"Repo as S3 Source for AWS CodePipeline" and "How S3 remote work". Its lock is not taken: a reset reads again.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol, TypedDict

from botocore.exceptions import ClientError

from lab_helpers import source_zip
from lab_helpers.clients import Clients
from lab_helpers.names import Names
from lab_helpers.way_back.target import Image

if TYPE_CHECKING:
    from mypy_boto3_codecommit import CodeCommitClient
    from mypy_boto3_codecommit.type_defs import DeleteFileEntryTypeDef, PutFileEntryTypeDef
    from mypy_boto3_codepipeline.literals import SourceRevisionTypeType
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

README = "README.md"
FIRST_MESSAGE = "Describe the branches"
AUTHOR, EMAIL = "MLOps workshop", "lab@mlops-workshop.invalid"

_SCHEME = "s3+zip://"
_BUNDLE = re.compile(r"([0-9a-f]{40})\.bundle")
_SUBSTITUTED = "buildspec.yml"
"""The file that gets the commit's id in the zip file (gitattributes, export-subst), for the build."""
_SUMMARY = "codepipeline-artifact-revision-summary"


class SourceError(RuntimeError):
    """A repository cannot be read or written; the message is git's."""


class Revision(TypedDict):
    """A commit as CodePipeline StartPipelineExecution takes it, for either source action."""

    revisionType: SourceRevisionTypeType
    revisionValue: str


class Remote(Protocol):
    """The repository of one lab. Its methods raise botocore's ClientError."""

    @property
    def name(self) -> str:
        """Return the name to show to people."""

    @property
    def resource(self) -> tuple[str, str]:
        """Return the inventory's kind and id of the resource that holds the repository."""

    def tip(self, branch: str) -> str:
        """Return a branch's newest commit; empty if there is no such branch."""

    def files(self, branch: str) -> tuple[str, dict[str, str]] | None:
        """Return the newest commit and git's blob ids by path; None if the branch is missing or damaged."""

    def seed(self, readme: bytes) -> None:
        """Create the first commit on `main` unless there is one."""

    def begun(self, branch: str) -> bool:
        """Return whether a branch is exactly at the newest commit of `main`."""

    def begin(self, branch: str) -> None:
        """Move a branch to the newest commit of `main`, which must exist."""

    def commit(self, image: Image, tip: str) -> None:
        """Commit on the image's branch (at `tip`) so that it holds only its files and the README."""

    def known_as(self, branch: str, commit: str) -> str:
        """Return the revision under which executions know a commit; empty if no execution can have it."""

    def revision(self, branch: str, commit: str) -> Revision:
        """Return the source revision with which to start an execution of a commit."""


def in_bucket(clone_url: str) -> bool:
    """Return whether a repository URL points to a bucket."""
    return clone_url.startswith(_SCHEME)


def remote_of(clients: Clients, names: Names, clone_url: str) -> Remote:
    """Return the repository at a URL (the top stack's RepositoryCloneUrl); without one, CodeCommit's."""
    if in_bucket(clone_url):
        bucket, _, prefix = clone_url.removeprefix(_SCHEME).partition("/")
        return BucketRemote(clients("s3"), bucket, prefix)
    return CodeCommitRemote(clients("codecommit"), names.repository)


class CodeCommitRemote:
    """A CodeCommit repository, through its API."""

    def __init__(self, codecommit: CodeCommitClient, repository: str) -> None:
        self._codecommit, self.name = codecommit, repository
        self.resource = ("codecommit-repository", repository)

    def tip(self, branch: str) -> str:
        """Return a branch's newest commit; empty if there is no such branch."""
        try:
            found = self._codecommit.get_branch(repositoryName=self.name, branchName=branch)
        except ClientError as error:
            if error.response["Error"]["Code"] != "BranchDoesNotExistException":
                raise
            return ""
        return str(found["branch"]["commitId"])

    def files(self, branch: str) -> tuple[str, dict[str, str]] | None:
        """Return the newest commit and the files at its root."""
        tip = self.tip(branch)
        return (tip, self._files(tip)) if tip else None

    def _files(self, commit: str) -> dict[str, str]:
        folder = self._codecommit.get_folder(repositoryName=self.name, commitSpecifier=commit, folderPath="/")
        return {one["absolutePath"]: one["blobId"] for one in folder["files"]}

    def seed(self, readme: bytes) -> None:
        """Create the first commit on `main` unless there is one."""
        if self.tip("main"):
            return
        self._codecommit.create_commit(
            repositoryName=self.name,
            branchName="main",
            commitMessage=FIRST_MESSAGE,
            putFiles=[{"filePath": README, "fileContent": readme}],
        )

    def begun(self, branch: str) -> bool:
        """Return whether a branch is exactly at the newest commit of `main`."""
        return self.tip(branch) == self.tip("main")

    def begin(self, branch: str) -> None:
        """Delete a branch and create it again at `main`."""
        first = self.tip("main")
        self._codecommit.delete_branch(repositoryName=self.name, branchName=branch)
        self._codecommit.create_branch(repositoryName=self.name, branchName=branch, commitId=first)

    def commit(self, image: Image, tip: str) -> None:
        """Commit the files at the root that differ, if any."""
        now = self._files(tip)
        put: list[PutFileEntryTypeDef] = [
            {"filePath": name, "fileContent": content}
            for name, content in image.files.items()
            if now.get(name) != image.blobs[name]
        ]
        superfluous: list[DeleteFileEntryTypeDef] = [
            {"filePath": name} for name in now if name not in {*image.files, README}
        ]
        if not put and not superfluous:
            return
        self._codecommit.create_commit(
            repositoryName=self.name,
            branchName=image.branch,
            parentCommitId=tip,
            authorName=AUTHOR,
            email=EMAIL,
            commitMessage=image.message,
            putFiles=put,
            deleteFiles=superfluous,
        )

    def known_as(self, _branch: str, commit: str) -> str:
        """Return the commit: CodePipeline uses the same id."""
        return commit

    def revision(self, _branch: str, commit: str) -> Revision:
        """Return the commit as StartPipelineExecution takes it."""
        return {"revisionType": "COMMIT_ID", "revisionValue": commit}


class BucketRemote:
    """A repository in a versioned bucket, as git-remote-s3 keeps it.

    Below `prefix`, a branch is `refs/heads/BRANCH/COMMIT.bundle` (its whole history) and, for CodePipeline,
    `refs/heads/BRANCH/repo.zip`. An interrupted push leaves two bundles, or an older zip file. Every write
    here leaves one bundle, and `revision` a zip file of the right commit. Raises SourceError.
    """

    def __init__(self, s3: S3Client, bucket: str, prefix: str) -> None:
        self._s3, self._bucket, self._prefix = s3, bucket, prefix
        self.name, self.resource = f"{_SCHEME}{bucket}/{prefix}", ("bucket", bucket)

    def tip(self, branch: str) -> str:
        """Return a branch's newest commit; empty if there is no such branch."""
        return next(iter(self._bundles(branch)), "")

    def files(self, branch: str) -> tuple[str, dict[str, str]] | None:
        """Return the newest commit and its files; None if the branch is missing or has several bundles."""
        bundles = self._bundles(branch)
        if len(bundles) != 1:
            return None  # git-remote-s3 does not push to a branch with several bundles: it must be repaired
        with self._clone(branch, bundles[0]) as clone:
            return bundles[0], clone.files(bundles[0])

    def seed(self, readme: bytes) -> None:
        """Create the first commit on `main` unless there is one."""
        bundles = self._bundles("main")
        if len(bundles) == 1:
            return
        with self._clone("main", *bundles[:1]) as clone:
            first = bundles[0] if bundles else clone.commit("", {README: readme}, {}, FIRST_MESSAGE)
            self._push(clone, "main", first)

    def begun(self, branch: str) -> bool:
        """Return whether a branch, and its zip file if there is one, is at the newest commit of `main`.

        A branch to which nothing was pushed since it was created has no zip file.
        """
        first = self._bundles("main")[:1]
        if not first or self._bundles(branch) != first:
            return False
        found = self._zip(branch)
        return found is None or source_zip.is_of(found, *first)

    def begin(self, branch: str) -> None:
        """Replace a branch by the newest commit of `main`."""
        first = self.tip("main")
        with self._clone("main", first) as clone:
            self._push(clone, branch, first)

    def commit(self, image: Image, tip: str) -> None:
        """Commit the files that differ, if any."""
        with self._clone(image.branch, tip) as clone:
            now = clone.files(tip)
            kept = {name: blob for name, blob in now.items() if name == README and name not in image.files}
            if now != {**kept, **image.blobs}:
                self._push(clone, image.branch, clone.commit(tip, image.files, kept, image.message))
            elif self._bundles(image.branch) != [tip]:
                self._push(clone, image.branch, tip)

    def known_as(self, branch: str, commit: str) -> str:
        """Return the version of the zip file if its Content-Disposition names this commit."""
        found = self._zip(branch)
        return str(found.get("VersionId", "")) if found and source_zip.is_of(found, commit) else ""

    def _zip(self, branch: str) -> HeadObjectOutputTypeDef | None:
        try:
            return self._s3.head_object(Bucket=self._bucket, Key=self._zip_key(branch))
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"404", "NoSuchKey"}:
                raise
            return None

    def revision(self, branch: str, commit: str) -> Revision:
        """Return the version of the zip file; write it again unless it is what a push would leave."""
        version = self.known_as(branch, commit)
        if not version or not self._tells_commit(branch, version, commit):
            with self._clone(branch, commit) as clone:
                clone.point(branch, commit)
                version = self._put_zip(clone, branch, commit)
        return {"revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": version}

    def _tells_commit(self, branch: str, version: str, commit: str) -> bool:
        """Return whether a zip file is of a commit and tells the build so (a clone may lack attributes)."""
        found = self._s3.get_object(Bucket=self._bucket, Key=self._zip_key(branch), VersionId=version)
        try:
            with zipfile.ZipFile(io.BytesIO(found["Body"].read())) as archive:
                told = archive.read(_SUBSTITUTED) if _SUBSTITUTED in archive.namelist() else b""
                return archive.comment == commit.encode() and b"$Format:" not in told
        except zipfile.BadZipFile:
            return False

    # --- objects

    def _folder(self, branch: str) -> str:
        return f"{self._prefix}/refs/heads/{branch}/"

    def _zip_key(self, branch: str) -> str:
        return source_zip.key(branch, self._prefix)

    def _bundle_key(self, branch: str, commit: str) -> str:
        return f"{self._folder(branch)}{commit}.bundle"

    def _bundles(self, branch: str) -> list[str]:
        """Return the commits that have a bundle under a branch, newest first; there should be one."""
        folder = self._folder(branch)
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=folder)
        found = [
            (one["LastModified"], match[1])
            for page in pages
            for one in page.get("Contents", ())
            if (match := _BUNDLE.fullmatch(one["Key"].removeprefix(folder)))
        ]
        return [commit for _, commit in sorted(found, reverse=True)]

    @contextmanager
    def _clone(self, branch: str, *commits: str) -> Iterator[_Clone]:
        """Yield a temporary clone with the history of these commits of a branch."""
        with TemporaryDirectory(prefix="reset-source-") as directory:
            clone = _Clone(Path(directory))
            for commit in commits:
                found = self._s3.get_object(Bucket=self._bucket, Key=self._bundle_key(branch, commit))
                clone.unbundle(found["Body"].read())
            yield clone

    def _push(self, clone: _Clone, branch: str, commit: str) -> None:
        """Move a branch to a commit, in git-remote-s3's order: a complete bundle exists at every moment."""
        old = [one for one in self._bundles(branch) if one != commit]
        clone.point(branch, commit)
        self._s3.put_object(
            Bucket=self._bucket, Key=self._bundle_key(branch, commit), Body=clone.bundle(branch)
        )
        self._put_head(branch)
        for one in old:
            self._s3.delete_object(Bucket=self._bucket, Key=self._bundle_key(branch, one))
        self._put_zip(clone, branch, commit)

    def _put_head(self, branch: str) -> None:
        key = f"{self._prefix}/HEAD"
        listed = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=key)
        if key not in {one["Key"] for one in listed.get("Contents", ())}:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=f"refs/heads/{branch}".encode())

    def _put_zip(self, clone: _Clone, branch: str, commit: str) -> str:
        """Upload the zip file of a commit that the branch points to; return its version."""
        put = self._s3.put_object(
            Bucket=self._bucket,
            Key=self._zip_key(branch),
            Body=clone.archive(branch),
            Metadata={_SUMMARY: clone.summary(commit)},
            ContentDisposition=source_zip.disposition(commit),
        )
        return str(put["VersionId"])


class _Clone:
    """A bare clone in a directory, made with plumbing commands so that no git settings apply."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._git("init", "--quiet", "--bare")
        (directory / "info").mkdir(exist_ok=True)
        (directory / "info" / "attributes").write_text(f"{_SUBSTITUTED} export-subst\n")

    def unbundle(self, content: bytes) -> None:
        """Fetch the content of a bundle, whatever its reference is called."""
        path = self._directory / "given.bundle"
        path.write_bytes(content)
        self._git("bundle", "unbundle", str(path))

    def files(self, commit: str) -> dict[str, str]:
        """Return blob ids by path."""
        listed = self._git("ls-tree", "-r", "-z", commit).decode().split("\0")
        rows = [row.partition("\t") for row in listed if row]
        return {path: about.split()[2] for about, _, path in rows}

    def commit(self, parent: str, files: Mapping[str, bytes], kept: Mapping[str, str], message: str) -> str:
        """Create a commit of new files and kept blobs and return its id; an empty `parent` means none."""
        blobs = {name: self._text("hash-object", "-w", "--stdin", given=text) for name, text in files.items()}
        rows = "".join(f"100644 {blob}\t{name}\0" for name, blob in {**kept, **blobs}.items())
        self._git("update-index", "-z", "--index-info", given=rows.encode())
        parents = ["-p", parent] if parent else []
        return self._text("commit-tree", self._text("write-tree"), *parents, given=f"{message}\n".encode())

    def point(self, branch: str, commit: str) -> None:
        """Move a branch to a commit."""
        self._git("update-ref", f"refs/heads/{branch}", commit)

    def bundle(self, branch: str) -> bytes:
        """Return a bundle of a branch with its whole history, as `refs/heads/BRANCH` like a push."""
        path = self._directory / "made.bundle"
        self._git("bundle", "create", "--quiet", str(path), f"refs/heads/{branch}")
        return path.read_bytes()

    def archive(self, branch: str) -> bytes:
        """Return the zip file of a branch, with the commit's id in its buildspec.yml and its comment."""
        return self._git("archive", "--format", "zip", f"refs/heads/{branch}")

    def summary(self, commit: str) -> str:
        """Return the abbreviated id and subject, as far as they fit S3's metadata (ASCII, 2 KB in total)."""
        said = self._text("log", "-1", "--pretty=%h %s", commit)
        return said.encode("ascii", "replace").decode()[:1024]

    def _text(self, *arguments: str, given: bytes = b"") -> str:
        return self._git(*arguments, given=given).decode().strip()

    def _git(self, *arguments: str, given: bytes = b"") -> bytes:
        own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment = {
            **own,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_DIR": str(self._directory),
            "GIT_AUTHOR_NAME": AUTHOR,
            "GIT_AUTHOR_EMAIL": EMAIL,
            "GIT_COMMITTER_NAME": AUTHOR,
            "GIT_COMMITTER_EMAIL": EMAIL,
        }
        try:
            done = subprocess.run(
                ["git", *arguments], input=given, capture_output=True, check=False, env=environment
            )
        except FileNotFoundError as error:
            raise SourceError(
                "git is not installed, and the lab's repository is in its bucket: install git to reset it"
            ) from error
        if done.returncode:
            raise SourceError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout
