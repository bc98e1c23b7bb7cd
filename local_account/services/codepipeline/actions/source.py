"""Source actions: a commit of CodeCommit, an object version of Amazon S3.

Output variables and artifacts as in the "CodeCommit" and "Amazon S3 source action" references.
"""

from __future__ import annotations

import json

from local_account.foundation.errors import ServiceError
from local_account.services.codepipeline import artifacts
from local_account.services.codepipeline.context import ActionFailed, Context, Outcome, lacks_permission
from local_account.services.codepipeline.records import Artifact

_ARCHIVE = ("GetBranch", "GetCommit", "UploadArchive", "GetUploadArchiveStatus")
"""What reading a commit takes of the role ("CodeCommit source action reference"). The local account packs it
without UploadArchive, which is an operation of CodePipeline's only."""


def codecommit(context: Context) -> Outcome:
    """Put the files of a commit, without history, into the artifact (OutputArtifactFormat CODE_ZIP)."""
    name, branch = context.configuration["RepositoryName"], context.configuration["BranchName"]
    override = context.source_revision
    try:
        context.require("codecommit", *_ARCHIVE, repositoryName=name)
    except ServiceError as error:
        raise ActionFailed(
            "PermissionError", _not_permitted(f"AWS CodeCommit repository named {name}", error.message)
        ) from error
    try:
        found = context.account.repositories.commit(
            name, override["revisionValue"] if override else f"refs/heads/{branch}"
        )
    except LookupError as error:
        raise ActionFailed("ConfigurationError", str(error)) from error
    commit, message = found.commit_id, found.message.strip()
    output = _put(context, found.archive, commit)
    config = context.account.config
    return Outcome(
        variables={
            "AuthorDate": found.author_date,
            "BranchName": branch,
            "CommitId": commit,
            "CommitMessage": message,
            "CommitterDate": found.committer_date,
            "RepositoryName": name,
        },
        artifacts=output,
        summary=message[:2048] or None,
        external_id=commit,
        revision={
            "revisionId": commit,
            "revisionSummary": message[:2048] or "-",
            "created": context.account.now(),
            "revisionUrl": f"{config.console_url}/codecommit/home"
            f"?region={config.region}#/repository/{name}/commit/{commit}",
        },
    )


def connection(context: Context) -> Outcome:
    """Put the files of a commit behind a connection into the artifact (OutputArtifactFormat CODE_ZIP).

    Contract: "CodeStarSourceConnection for Bitbucket Cloud, GitHub, …" in the CodePipeline User Guide.
    """
    arn, full_name = context.configuration["ConnectionArn"], context.configuration["FullRepositoryId"]
    branch, override = context.configuration["BranchName"], context.source_revision
    try:
        context.require(arn.split(":")[2], "UseConnection", ConnectionArn=arn)
    except ServiceError as error:
        raise ActionFailed(
            "PermissionError",
            f"Unable to use Connection: {arn}. The provided role does not have sufficient permissions.",
        ) from error
    revision = override["revisionValue"] if override else f"refs/heads/{branch}"
    try:
        provider, repository = context.account.connections.repository(arn, full_name)
        found = context.account.repositories.commit(repository, revision)
    except LookupError as error:
        raise ActionFailed("ConfigurationError", str(error)) from error
    commit, message = found.commit_id, found.message.strip()
    summary = json.dumps({"ProviderType": provider, "CommitMessage": message[:1900]})
    return Outcome(
        variables={
            "AuthorDate": found.author_date,
            "BranchName": branch,
            "CommitId": commit,
            "CommitMessage": message,
            "ConnectionArn": arn,
            "FullRepositoryName": full_name,
        },
        artifacts=_put(context, found.archive, commit),
        summary=summary,
        external_id=commit,
        revision={
            "revisionId": commit,
            "revisionSummary": summary,
            "created": context.account.now(),
            "revisionUrl": f"https://{context.account.config.region}.console.aws.amazon.com/codesuite/settings/"
            f"connections/redirect?connectionArn={arn}&referenceType=COMMIT"
            f"&FullRepositoryId={full_name}&Commit={commit}",
        },
    )


def s3(context: Context) -> Outcome:
    """Use one version of an object as the artifact, whatever its content."""
    bucket, key = context.configuration["S3Bucket"], context.configuration["S3ObjectKey"]
    override, version = context.source_revision, None
    if override and override["revisionType"] == "S3_OBJECT_KEY":
        key = override["revisionValue"]
    elif override:
        version = override["revisionValue"]
    client = context.client("s3")
    try:
        if client.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
            raise ActionFailed(
                "ConfigurationError",
                f"The bucket {bucket} is not versioned: enable versioning for a source bucket",
            )
        found = client.get_object(Bucket=bucket, Key=key, **({"VersionId": version} if version else {}))
        content = found["Body"].read()
    except client.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        if lacks_permission(error):
            said = f"Amazon S3:AccessDenied:{error.response['Error']['Message']}"
            raise ActionFailed(
                "PermissionError", _not_permitted(f"Amazon S3 bucket named {bucket}", said)
            ) from error
        of = f" (version {version})" if version else ""
        raise ActionFailed(
            "ConfigurationError",
            f"The object with key '{key}'{of} in the bucket '{bucket}' cannot be read: {code}",
        ) from error
    version = found["VersionId"]
    # CodePipeline API, SourceRevision: the uploader's summary, in the object's metadata.
    summary = found["Metadata"].get("codepipeline-artifact-revision-summary", "")[:2048]
    summary = summary or f"Amazon S3 version id: {version}"
    return Outcome(
        variables={
            "BucketName": bucket,
            "ETag": found["ETag"].strip('"'),
            "ObjectKey": key,
            "VersionId": version,
        },
        artifacts=_put(context, content, version),
        summary=summary,
        external_id=version,
        revision={
            "revisionId": version,
            "revisionSummary": summary,
            "created": found["LastModified"],
            "revisionUrl": f"{context.account.config.console_url}/s3/object/{bucket}?prefix={key}",
        },
    )


def _not_permitted(what: str, said: str) -> str:
    return (
        f"The service role or action role doesn\u2019t have the permissions required to access the {what}. "
        f"Update the IAM role permissions, and then try again. Error: {said}"
    )


def _put(context: Context, content: bytes, revision: str) -> dict[str, Artifact]:
    ((name, location),) = context.outputs.items()
    client = context.client("s3")
    try:
        client.put_object(
            Bucket=location["bucket"],
            Key=location["key"],
            Body=content,
            ContentType="application/zip",
            Metadata=artifacts.metadata(context, revision),
        )
    except client.exceptions.ClientError as error:
        raise ActionFailed(
            "PermissionError" if lacks_permission(error) else "JobFailed",
            f"Upload to S3 failed with the following error: {error.response['Error']['Message']}",
        ) from error
    return {name: {**location, "revision": revision}}
