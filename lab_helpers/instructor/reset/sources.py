"""Where a lab's source is: its CodeCommit repository, or a repository in its bucket.

The names of the operations are boto3's. In the bucket, objects are named and ordered as git-remote-s3 does
it for `s3+zip://BUCKET/source`, so that git goes on from there. Contract: git-remote-s3 (awslabs), README,
"Repo as S3 Source for AWS CodePipeline" and "How S3 remote work". Its lock is not taken: a reset looks again.
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
from lab_helpers.instructor.reset.target import Image
from lab_helpers.names import Names

if TYPE_CHECKING:
    from mypy_boto3_codecommit import CodeCommitClient
    from mypy_boto3_codecommit.type_defs import DeleteFileEntryTypeDef, PutFileEntryTypeDef
    from mypy_boto3_codepipeline.literals import SourceRevisionTypeType
    from mypy_boto3_s3 import S3Client

README = "README.md"
FIRST_MESSAGE = "Describe the branches"
AUTHOR, EMAIL = "MLOps workshop", "lab@mlops-workshop.invalid"

_SCHEME = "s3+zip://"
_BUNDLE = re.compile(r"([0-9a-f]{40})\.bundle")
_SUBSTITUTED = "buildspec.yml"
"""Has the commit's id in the zip file (gitattributes, export-subst): a build knows it from nowhere else."""
_SUMMARY = "codepipeline-artifact-revision-summary"


class SourceError(RuntimeError):
    """A repository that can't be read or written; the message is git's."""


class Revision(TypedDict):
    """A commit as CodePipeline StartPipelineExecution wants it, for whichever source action."""

    revisionType: SourceRevisionTypeType
    revisionValue: str


class Remote(Protocol):
    """The repository of one lab. botocore's ClientError passes through."""

    @property
    def name(self) -> str:
        """Return what people call it."""

    @property
    def resource(self) -> tuple[str, str]:
        """Return kind and id of the resource that it is in, in the inventory's words."""

    def tip(self, branch: str) -> str:
        """Return a branch's newest commit; empty where there is no such branch."""

    def files(self, branch: str) -> tuple[str, dict[str, str]] | None:
        """Return newest commit and git's blob ids by path. None without the branch, or when it is amiss."""

    def seed(self, readme: bytes) -> None:
        """Make the first commit on `main` unless there is one."""

    def begun(self, branch: str) -> bool:
        """Tell whether a branch is nothing but the newest commit of `main`."""

    def begin(self, branch: str) -> None:
        """Let a branch be the newest commit of `main`, which exists."""

    def commit(self, image: Image, tip: str) -> None:
        """Let the image's branch, now at `tip`, hold the image's files and the README and nothing else."""

    def known_as(self, branch: str, commit: str) -> str:
        """Return the revision by which executions know a commit; empty when they can't have got it."""

    def revision(self, branch: str, commit: str) -> Revision:
        """Return what to start an execution of a commit with."""


def in_bucket(clone_url: str) -> bool:
    """Tell whether the address of a repository is one in a bucket."""
    return clone_url.startswith(_SCHEME)


def remote_of(clients: Clients, names: Names, clone_url: str) -> Remote:
    """Return the repository at an address, the top stack's RepositoryCloneUrl; without one CodeCommit's."""
    if in_bucket(clone_url):
        bucket, _, prefix = clone_url.removeprefix(_SCHEME).partition("/")
        return BucketRemote(clients("s3"), bucket, prefix)
    return CodeCommitRemote(clients("codecommit"), names.repository)


class CodeCommitRemote:
    """A repository of CodeCommit, by its API."""

    def __init__(self, codecommit: CodeCommitClient, repository: str) -> None:
        self._codecommit, self.name = codecommit, repository
        self.resource = ("codecommit-repository", repository)

    def tip(self, branch: str) -> str:
        """Return a branch's newest commit; empty where there is no such branch."""
        try:
            found = self._codecommit.get_branch(repositoryName=self.name, branchName=branch)
        except ClientError as error:
            if error.response["Error"]["Code"] != "BranchDoesNotExistException":
                raise
            return ""
        return str(found["branch"]["commitId"])

    def files(self, branch: str) -> tuple[str, dict[str, str]] | None:
        """Return newest commit and the files at its root."""
        tip = self.tip(branch)
        return (tip, self._files(tip)) if tip else None

    def _files(self, commit: str) -> dict[str, str]:
        folder = self._codecommit.get_folder(repositoryName=self.name, commitSpecifier=commit, folderPath="/")
        return {one["absolutePath"]: one["blobId"] for one in folder["files"]}

    def seed(self, readme: bytes) -> None:
        """Make the first commit on `main` unless there is one."""
        if self.tip("main"):
            return
        self._codecommit.create_commit(
            repositoryName=self.name,
            branchName="main",
            commitMessage=FIRST_MESSAGE,
            putFiles=[{"filePath": README, "fileContent": readme}],
        )

    def begun(self, branch: str) -> bool:
        """Tell whether a branch is nothing but the newest commit of `main`."""
        return self.tip(branch) == self.tip("main")

    def begin(self, branch: str) -> None:
        """Delete a branch and make it at `main`."""
        first = self.tip("main")
        self._codecommit.delete_branch(repositoryName=self.name, branchName=branch)
        self._codecommit.create_branch(repositoryName=self.name, branchName=branch, commitId=first)

    def commit(self, image: Image, tip: str) -> None:
        """Commit what differs at the root; nothing when nothing does."""
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
        """Return the commit: CodePipeline calls it the same."""
        return commit

    def revision(self, _branch: str, commit: str) -> Revision:
        """Return the commit as StartPipelineExecution wants it."""
        return {"revisionType": "COMMIT_ID", "revisionValue": commit}


class BucketRemote:
    """A repository in a versioned bucket, as git-remote-s3 keeps it.

    Below `prefix`, a branch is `refs/heads/BRANCH/COMMIT.bundle` (its whole history) and, for CodePipeline,
    `refs/heads/BRANCH/repo.zip`. An interrupted push leaves two bundles, or an older zip file: what writes
    here leaves one bundle, and `revision` a zip file of the right commit. Raises SourceError.
    """

    def __init__(self, s3: S3Client, bucket: str, prefix: str) -> None:
        self._s3, self._bucket, self._prefix = s3, bucket, prefix
        self.name, self.resource = f"{_SCHEME}{bucket}/{prefix}", ("bucket", bucket)

    def tip(self, branch: str) -> str:
        """Return a branch's newest commit; empty where there is no such branch."""
        return next(iter(self._bundles(branch)), "")

    def files(self, branch: str) -> tuple[str, dict[str, str]] | None:
        """Return newest commit and all its files. None without the branch, or when it has several bundles."""
        bundles = self._bundles(branch)
        if len(bundles) != 1:
            return None  # git-remote-s3 pushes to no branch of several: it is to be made good
        with self._clone(branch, bundles[0]) as clone:
            return bundles[0], clone.files(bundles[0])

    def seed(self, readme: bytes) -> None:
        """Make the first commit on `main` unless there is one."""
        bundles = self._bundles("main")
        if len(bundles) == 1:
            return
        with self._clone("main", *bundles[:1]) as clone:
            first = bundles[0] if bundles else clone.commit("", {README: readme}, {}, FIRST_MESSAGE)
            self._push(clone, "main", first)

    def begun(self, branch: str) -> bool:
        """Tell whether a branch is the newest commit of `main`, its zip file too."""
        first = self._bundles("main")[:1]
        return self._bundles(branch) == first and bool(self.known_as(branch, *first))

    def begin(self, branch: str) -> None:
        """Put the newest commit of `main` in place of a branch."""
        first = self.tip("main")
        with self._clone("main", first) as clone:
            self._push(clone, branch, first)

    def commit(self, image: Image, tip: str) -> None:
        """Commit what differs; nothing when nothing does."""
        with self._clone(image.branch, tip) as clone:
            now = clone.files(tip)
            kept = {name: blob for name, blob in now.items() if name == README and name not in image.files}
            if now != {**kept, **image.blobs}:
                self._push(clone, image.branch, clone.commit(tip, image.files, kept, image.message))
            elif self._bundles(image.branch) != [tip]:
                self._push(clone, image.branch, tip)

    def known_as(self, branch: str, commit: str) -> str:
        """Return the version of the zip file if its Content-Disposition says that it is of this commit."""
        try:
            found = self._s3.head_object(Bucket=self._bucket, Key=self._zip_key(branch))
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"404", "NoSuchKey"}:
                raise
            return ""
        return str(found.get("VersionId", "")) if source_zip.is_of(found, commit) else ""

    def revision(self, branch: str, commit: str) -> Revision:
        """Return the version of the zip file; it is made again unless it is what a push should leave."""
        version = self.known_as(branch, commit)
        if not version or not self._tells_commit(branch, version, commit):
            with self._clone(branch, commit) as clone:
                clone.point(branch, commit)
                version = self._put_zip(clone, branch, commit)
        return {"revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": version}

    def _tells_commit(self, branch: str, version: str, commit: str) -> bool:
        """Tell whether a zip file is of a commit and says so to the build (a clone may lack attributes)."""
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
        """Return the commits that have a bundle under a branch, newest first; it should be one."""
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
        """Give a clone for a while that has the history of these commits of a branch."""
        with TemporaryDirectory(prefix="reset-source-") as directory:
            clone = _Clone(Path(directory))
            for commit in commits:
                found = self._s3.get_object(Bucket=self._bucket, Key=self._bundle_key(branch, commit))
                clone.unbundle(found["Body"].read())
            yield clone

    def _push(self, clone: _Clone, branch: str, commit: str) -> None:
        """Let a branch be a commit, in git-remote-s3's order: at every moment there is one that is whole."""
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
        """Upload the zip file of a commit, which the branch points at; return its version."""
        put = self._s3.put_object(
            Bucket=self._bucket,
            Key=self._zip_key(branch),
            Body=clone.archive(branch),
            Metadata={_SUMMARY: clone.summary(commit)},
            ContentDisposition=source_zip.disposition(commit),
        )
        return str(put["VersionId"])


class _Clone:
    """A bare clone in a directory, made with plumbing: nobody's settings for git have a say."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._git("init", "--quiet", "--bare")
        (directory / "info").mkdir(exist_ok=True)
        (directory / "info" / "attributes").write_text(f"{_SUBSTITUTED} export-subst\n")

    def unbundle(self, content: bytes) -> None:
        """Take over what a bundle holds; what its reference was called does not matter."""
        path = self._directory / "given.bundle"
        path.write_bytes(content)
        self._git("bundle", "unbundle", str(path))

    def files(self, commit: str) -> dict[str, str]:
        """Return blob ids by path."""
        listed = self._git("ls-tree", "-r", "-z", commit).decode().split("\0")
        rows = [row.partition("\t") for row in listed if row]
        return {path: about.split()[2] for about, _, path in rows}

    def commit(self, parent: str, files: Mapping[str, bytes], kept: Mapping[str, str], message: str) -> str:
        """Make a commit of new files and kept blobs, and return its id; an empty `parent` is none."""
        blobs = {name: self._text("hash-object", "-w", "--stdin", given=text) for name, text in files.items()}
        rows = "".join(f"100644 {blob}\t{name}\0" for name, blob in {**kept, **blobs}.items())
        self._git("update-index", "-z", "--index-info", given=rows.encode())
        parents = ["-p", parent] if parent else []
        return self._text("commit-tree", self._text("write-tree"), *parents, given=f"{message}\n".encode())

    def point(self, branch: str, commit: str) -> None:
        """Let a branch be a commit."""
        self._git("update-ref", f"refs/heads/{branch}", commit)

    def bundle(self, branch: str) -> bytes:
        """Return a branch with its whole history; the bundle calls it `refs/heads/BRANCH`, as a push does."""
        path = self._directory / "made.bundle"
        self._git("bundle", "create", "--quiet", str(path), f"refs/heads/{branch}")
        return path.read_bytes()

    def archive(self, branch: str) -> bytes:
        """Return the zip file of a branch, the commit's id in its buildspec.yml and in its comment."""
        return self._git("archive", "--format", "zip", f"refs/heads/{branch}")

    def summary(self, commit: str) -> str:
        """Return abbreviated id and subject, as far as S3's metadata can hold them (ASCII, 2 KB in all)."""
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
            raise SourceError("the lab's repository is in its bucket: install git to reset it") from error
        if done.returncode:
            raise SourceError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout
