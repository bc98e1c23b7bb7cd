"""AWS::CodeCommit::Repository."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterator
from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    ResourceError,
    without,
)
from local_account.services.cloudformation.providers.simple import SimpleProvider
from local_account.services.cloudformation.providers.tags import retag

_FILES = 100
"""*Quotas in CodeCommit*: files in one commit of CreateCommit."""


class Repository(SimpleProvider):
    """AWS::CodeCommit::Repository: ``Ref`` gives its id."""

    type = "AWS::CodeCommit::Repository"
    name_property = "RepositoryName"
    name_limit = 100
    service = "codecommit"
    key = "repositoryName"
    create_with = "create_repository"
    ref = ("repositoryMetadata", "repositoryId")
    apart = ("Code",)

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Leave out the first content, which is a commit of its own."""
        return without(super().parameters(ctx, props), "Code")

    def finish(self, ctx: Context, props: Properties) -> None:
        """Commit the content of an archive, as *AWS::CodeCommit::Repository Code* describes it."""
        if "Code" in props:
            _commit(ctx, props["Code"])

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Change name, description and tags."""
        codecommit = ctx.client("codecommit")
        # A changed Code is ignored: "If you change it after the repository is created, nothing happens."
        for name in ("Triggers", "KmsKeyId"):
            if props.get(name) != old.get(name):
                raise ResourceError(f"Property {name} is not supported by the local account")
        if props["RepositoryName"] != old["RepositoryName"]:
            codecommit.update_repository_name(oldName=old["RepositoryName"], newName=props["RepositoryName"])
        if props.get("RepositoryDescription") != old.get("RepositoryDescription"):
            codecommit.update_repository_description(
                repositoryName=props["RepositoryName"],
                repositoryDescription=props.get("RepositoryDescription", ""),
            )
        retag(codecommit, "codecommit", _metadata(ctx, props)["Arn"], props, old)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """ARN, addresses, id and name."""
        answer = ctx.client("codecommit").get_repository(repositoryName=props["RepositoryName"])
        metadata = answer["repositoryMetadata"]
        return {
            "Arn": metadata["Arn"],
            "CloneUrlHttp": metadata["cloneUrlHttp"],
            "CloneUrlSsh": metadata["cloneUrlSsh"],
            "Name": metadata["repositoryName"],
            "RepositoryId": metadata["repositoryId"],
        }

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteRepository, which does not fail if there is none."""
        ctx.client("codecommit").delete_repository(repositoryName=props["RepositoryName"])


def _commit(ctx: Context, code: Properties) -> None:
    """Commit the files of an archive in S3, a hundred at a time: a commit through the API has no more."""
    where = {"Bucket": code["S3"]["Bucket"], "Key": code["S3"]["Key"]}
    if "ObjectVersion" in code["S3"]:
        where["VersionId"] = code["S3"]["ObjectVersion"]
    archive = ctx.client("s3").get_object(**where)["Body"].read()
    try:
        files = list(_files(archive))
    except zipfile.BadZipFile as error:
        raise ResourceError(f"s3://{where['Bucket']}/{where['Key']} is not a ZIP archive") from error
    parent: Properties = {}
    for first in range(0, len(files), _FILES):
        commit = ctx.client("codecommit").create_commit(
            repositoryName=ctx.name,
            branchName=code.get("BranchName", "main"),
            authorName="AWS CodeCommit",
            commitMessage="Initial commit by AWS CloudFormation",
            putFiles=files[first : first + _FILES],
            **parent,
        )
        parent = {"parentCommitId": commit["commitId"]}


def _files(archive: bytes) -> Iterator[Properties]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        for entry in opened.infolist():
            if not entry.is_dir():
                mode = "EXECUTABLE" if entry.external_attr >> 16 & stat.S_IXUSR else "NORMAL"
                yield {"filePath": entry.filename, "fileMode": mode, "fileContent": opened.read(entry)}


def _metadata(ctx: Context, props: Properties) -> dict[str, Any]:
    answer = ctx.client("codecommit").get_repository(repositoryName=props["RepositoryName"])
    return answer["repositoryMetadata"]  # type: ignore[no-any-return]
