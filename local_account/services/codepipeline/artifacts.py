"""Artifacts: zip archives in the artifact store, at PIPELINE/ARTIFACT/RANDOM."""

from __future__ import annotations

import io
import secrets
import string
import zipfile
from typing import Any

from local_account.foundation.artifact_metadata import PIPELINE, REVISION
from local_account.services.codepipeline.context import ActionFailed, Context, lacks_permission
from local_account.services.codepipeline.records import Artifact

_ALPHABET = string.ascii_letters + string.digits


def new_location(bucket: str, pipeline: str, name: str) -> Artifact:
    """Return where an output artifact goes; 20 and 10 characters of the names, as CodePipeline does."""
    tail = "".join(secrets.choice(_ALPHABET) for _ in range(7))
    return {"bucket": bucket, "key": f"{pipeline[:20]}/{name[:10]}/{tail}"}


def metadata(context: Context, revision: str) -> dict[str, str]:
    """Return the S3 metadata that tells a consumer what an artifact was made from."""
    return {PIPELINE: context.pipeline, REVISION: revision}


def input_artifact(context: Context, name: str) -> Artifact:
    """Return where an input artifact is; raise ActionFailed if no action has produced it."""
    artifact = context.artifacts.get(name)
    if artifact is None:
        raise ActionFailed("ConfigurationError", f"This execution has no artifact {name}")
    return artifact


def read_file(context: Context, reference: str) -> str:
    """Read ``Artifact::path`` as text; raise ActionFailed with the reason."""
    name, _, path = reference.partition("::")
    artifact = input_artifact(context, name)
    where = f"s3://{artifact['bucket']}/{artifact['key']}"
    s3: Any = context.client("s3")
    try:
        content = s3.get_object(Bucket=artifact["bucket"], Key=artifact["key"])["Body"].read()
    except s3.exceptions.ClientError as error:
        if lacks_permission(error):
            raise ActionFailed(
                "PermissionError",
                f"Unable to access the artifact with Amazon S3 object key '{artifact['key']}' located in the "
                f"Amazon S3 artifact bucket '{artifact['bucket']}'. The provided role does not have "
                "sufficient permissions.",
            ) from error
        raise ActionFailed(
            "ConfigurationError",
            f"The artifact {name} cannot be read from {where}: {error}. Did the action that produces it put "
            "it there (for a build: the artifacts section of its buildspec)?",
        ) from error
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(path).decode()
    except zipfile.BadZipFile as error:
        raise ActionFailed(
            "ConfigurationError", f"The artifact {name} ({where}) is not a valid zip archive: {error}"
        ) from error
    except KeyError as error:
        raise ActionFailed(
            "ConfigurationError", f"File [{path}] does not exist in artifact [{name}]"
        ) from error
    except UnicodeDecodeError as error:
        raise ActionFailed(
            "ConfigurationError", f"File [{path}] in artifact [{name}] is not UTF-8 text: {error}"
        ) from error
