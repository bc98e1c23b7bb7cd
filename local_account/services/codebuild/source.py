"""Where a build's source comes from: CodePipeline, CodeCommit, Amazon S3 or nowhere."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_account.foundation.artifact_metadata import REVISION
from local_account.services.codebuild import archive

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from botocore.response import StreamingBody
    from mypy_boto3_codebuild.type_defs import ProjectSourceTypeDef
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef


class SourceError(Exception):
    """The source could not be fetched; the build fails in DOWNLOAD_SOURCE (``CLIENT_ERROR``)."""


@dataclass(frozen=True)
class Fetched:
    """A source on disk; ``version`` is the commit id or object version, if there is one."""

    directory: Path
    version: str | None = None


def s3_location(text: str) -> tuple[str, str]:
    """Split ``bucket/key``, or an ARN of an S3 object, into bucket and key."""
    bucket, _, key = text.removeprefix("arn:aws:s3:::").removeprefix("s3://").partition("/")
    return bucket, key


def fetch(
    source: ProjectSourceTypeDef, version: str | None, directory: Path, s3: S3Client, env: Mapping[str, str]
) -> Fetched:
    """Fetch a source into ``directory``.

    ``source`` has the keys of ProjectSource; for type CODEPIPELINE its ``location`` is the artifact.
    Raises SourceError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kind = source["type"]
    if kind == "NO_SOURCE":
        return Fetched(directory)
    if kind == "CODECOMMIT":
        return _clone(source["location"], version, directory, env)
    bucket, key = s3_location(source["location"])
    if kind == "S3" and key.endswith("/"):
        return _folder(bucket, key, directory, s3)
    return _object(bucket, key, version if kind == "S3" else None, directory, s3)


def _object(bucket: str, key: str, version: str | None, directory: Path, s3: S3Client) -> Fetched:
    where = f"s3://{bucket}/{key}"
    package = directory.with_suffix(".zip")
    try:
        asked: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": key}
        if version:
            asked["VersionId"] = version
        answer = s3.get_object(**asked)
        _save(answer["Body"], package)
    except s3.exceptions.ClientError as error:
        raise _unreadable(error, bucket, key) from error
    try:
        archive.unpack(package, directory)
    except zipfile.BadZipFile as error:
        raise SourceError(f"the source {where} is not a valid zip archive: {error}") from error
    finally:
        package.unlink(missing_ok=True)
    return Fetched(directory, answer["Metadata"].get(REVISION) or answer.get("VersionId"))


def _folder(bucket: str, prefix: str, directory: Path, s3: S3Client) -> Fetched:
    found = False
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                relative = item["Key"].removeprefix(prefix)
                path = (directory / relative).resolve()
                if relative.endswith("/") or not relative or not path.is_relative_to(directory.resolve()):
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                _save(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"], path)
                found = True
    except s3.exceptions.ClientError as error:
        raise _unreadable(error, bucket, prefix) from error
    if not found:
        raise SourceError(f"there is nothing under s3://{bucket}/{prefix}")
    return Fetched(directory)


def _save(body: StreamingBody, path: Path) -> None:
    with path.open("wb") as file:
        for chunk in body.iter_chunks(1 << 20):
            file.write(chunk)


def _unreadable(error: ClientError, bucket: str, key: str) -> SourceError:
    """Return the error of DOWNLOAD_SOURCE in the words of CodeBuild, which quotes S3's."""
    fault, answer = error.response["Error"], error.response["ResponseMetadata"]
    return SourceError(
        f"{fault['Code']}: {fault['Message']}\n\tstatus code: {answer['HTTPStatusCode']}, "
        f"request id: {answer.get('RequestId', '')}, host id: {answer.get('HostId', '')} "
        f"for primary source and source version arn:aws:s3:::{bucket}/{key}"
    )


def _clone(url: str, version: str | None, directory: Path, env: Mapping[str, str]) -> Fetched:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], env=dict(env), cwd=directory, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SourceError(
                f"git {arguments[0]} of {url} failed: {done.stderr.strip() or done.stdout.strip()}"
            )
        return done.stdout.strip()

    git("clone", "--quiet", url, ".")
    if version:
        git("checkout", "--quiet", version.removeprefix("refs/heads/").removeprefix("refs/tags/"))
    return Fetched(directory, git("rev-parse", "HEAD"))


def fetch_text(arn: str, s3: S3Client) -> str:
    """Read the S3 object that an ARN names; raise SourceError."""
    bucket, key = s3_location(arn)
    try:
        return str(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
    except (s3.exceptions.ClientError, UnicodeDecodeError) as error:
        raise SourceError(f"s3://{bucket}/{key} cannot be read: {error}") from error
