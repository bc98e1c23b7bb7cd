"""What AWS has for a function in tests: archives of training jobs, and errors."""

import io
import json
import tarfile
from typing import Any

from botocore.exceptions import ClientError


def archived(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def missing(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Operation")


def model_error(said: str, status: int = 400) -> ClientError:
    found: Any = {
        "Error": {"Code": "ModelError", "Message": "Received client error"},
        "OriginalStatusCode": status,
        "OriginalMessage": json.dumps({"error": said}),
    }
    return ClientError(found, "InvokeEndpoint")
