"""Answers on the wire: status line, headers that every answer has, documents of errors.

Contract: Amazon S3 API Reference, "Common Response Headers" and "Error responses".
"""

from __future__ import annotations

import base64
import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from local_account.foundation.errors import pointed
from local_account.services.s3.call import Reply
from local_account.services.s3.documents import escape

if TYPE_CHECKING:
    from local_account.services.s3.errors import S3Error

STATUS_LINES = {one.value: f"{one.value} {one.phrase}" for one in HTTPStatus}
_WITHOUT_BODY = (204, 304)


def host_id(request_id: str) -> str:
    """Return the second id of a request, which S3 makes of its host."""
    return base64.b64encode(hashlib.sha256(request_id.encode()).digest()).decode()


def headers_of(reply: Reply, request_id: str) -> list[tuple[str, str]]:
    """Return the headers of an answer, as WSGI has them."""
    return [
        ("x-amz-id-2", host_id(request_id)),
        ("x-amz-request-id", request_id),
        *reply.headers.items(),
        ("Server", "AmazonS3"),
    ]


def of_error(error: S3Error, method: str, path: str, request_id: str) -> Reply:
    """Return the answer to a request that failed; HEAD and 304 have no document."""
    headers = dict(error.headers)
    if method == "HEAD" or error.status in _WITHOUT_BODY:
        return Reply(error.status, headers)
    fields = dict(error.fields) or {"Resource": path}
    elements = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in fields.items())
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{error.code}</Code>'
        f"<Message>{escape(pointed(error.message, 's3'))}</Message>{elements}"
        f"<RequestId>{request_id}</RequestId><HostId>{host_id(request_id)}</HostId></Error>"
    )
    return Reply(error.status, {"Content-Type": "application/xml", **headers}, body.encode())
