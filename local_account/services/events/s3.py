"""Events of Amazon S3, published after the request that created or deleted an object.

The contract is the Amazon S3 User Guide, "Using EventBridge" and "EventBridge event message structure".
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

from local_account.foundation.errors import Params
from local_account.moto_backend.backend import s3_bucket

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

    from local_account.foundation.account import Account

_MARKER_ETAG = "d41d8cd98f00b204e9800998ecf8427e"  # of empty content, as in the documented example


class Change(NamedTuple):
    """What a request did to one object: the operation, and the members of ``detail.object``."""

    reason: str
    object: Params
    deletion: str = ""


def after_s3_request(
    account: Account, environ: dict[str, Any], status: int, headers: Mapping[str, str]
) -> None:
    """Publish the events of an S3 request if its bucket sends events to EventBridge.

    Parameters
    ----------
    environ
        The WSGI environment; its ``werkzeug.request`` has the body.
    status, headers
        The response's status and headers.
    """
    if environ["REQUEST_METHOD"] not in ("PUT", "POST", "DELETE") or status >= 300:
        return
    # WSGI passes the path unquoted, its bytes as latin-1; a plus sign in it is a literal plus sign.
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").lstrip("/")
    bucket, _, key = path.partition("/")
    record = s3_bucket(account.config.account_id, bucket)
    configuration = record and record.notification_configuration
    if not configuration or configuration.event_bridge is None:
        return
    answered = {name.lower(): value for name, value in headers.items()}
    for change in _changes(account, environ, answered, bucket, key):
        detail: Params = {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {**change.object, "sequencer": f"{time.time_ns():016X}"},
            "request-id": answered.get("x-amzn-requestid", ""),
            "requester": account.config.account_id,
            "source-ip-address": environ.get("REMOTE_ADDR", ""),
            "reason": change.reason,
        }
        kind = "Object Created"
        if change.deletion:
            kind = "Object Deleted"
            detail["deletion-type"] = change.deletion
        account.bus.publish("aws.s3", kind, detail, [f"arn:aws:s3:::{bucket}"])


def _changes(
    account: Account, environ: dict[str, Any], headers: dict[str, str], bucket: str, key: str
) -> Iterator[Change]:
    request: Request = environ["werkzeug.request"]
    query = {name for name in parse_qs(request.query_string.decode(), keep_blank_values=True)
             if not _signs(name)}  # fmt: skip
    match request.method:
        case "PUT" if key and not query and "x-amz-copy-source" in request.headers:
            yield Change("CopyObject", _stored(account, bucket, key))
        case "PUT" if key and not query:
            length = request.headers.get(
                "x-amz-decoded-content-length", request.headers.get("Content-Length")
            )
            size = int(length) if length else len(request.get_data())
            version = headers.get("x-amz-version-id")
            yield Change("PutObject", _object(key, size, headers.get("etag", ""), version))
        case "POST" if key and query == {"uploadId"}:
            yield Change("CompleteMultipartUpload", _stored(account, bucket, key))
        case "POST" if not key and not query:
            upload = request.files.get("file")
            filename = (upload.filename if upload else None) or ""
            name = request.form["key"].replace("${filename}", filename)
            yield Change("POST Object", _stored(account, bucket, name))
        case "DELETE" if key and query <= {"versionId"}:
            marker = headers.get("x-amz-delete-marker") == "true" and "versionId" not in query
            yield _deleted("DeleteObject", key, headers.get("x-amz-version-id"), marker)
        case "POST" if not key and query == {"delete"}:
            versioned = s3_bucket(account.config.account_id, bucket).is_versioned
            for item in ET.fromstring(request.get_data()).iterfind("{*}Object"):  # noqa: S314 - answered by moto
                version = item.findtext("{*}VersionId")
                marker = versioned and version is None
                yield _deleted("DeleteObjects", item.findtext("{*}Key") or "", version, marker)


def _signs(name: str) -> bool:
    """Return whether a query parameter is part of a presigned URL, or is added by an SDK."""
    return name.lower().startswith("x-amz-") or name in ("AWSAccessKeyId", "Signature", "Expires", "x-id")


def _object(key: str, size: int, etag: str, version: str | None) -> Params:
    known: Params = {"key": key, "size": size, "etag": etag.strip('"')}
    return known | ({"version-id": version} if version and version != "null" else {})


def _stored(account: Account, bucket: str, key: str) -> Params:
    head = account.client("s3").head_object(Bucket=bucket, Key=key)
    return _object(key, head["ContentLength"], head["ETag"], head.get("VersionId"))


def _deleted(reason: str, key: str, version: str | None, marker: bool) -> Change:
    known: Params = {"key": key} | ({"etag": _MARKER_ETAG} if marker else {})
    known |= {"version-id": version} if version and version != "null" else {}
    return Change(reason, known, "Delete Marker Created" if marker else "Permanently Deleted")
