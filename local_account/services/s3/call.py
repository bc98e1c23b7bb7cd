"""One request and its answer, as the operations see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_account.services.s3.errors import S3Error
from local_account.services.s3.wire import chunked

if TYPE_CHECKING:
    from local_account.foundation.acting import Caller
    from local_account.gateway.streams import Segmented, Stream
    from local_account.services.s3.wire.signatures import Signature

LARGEST_DOCUMENT = 2 * 1024 * 1024
"""Bytes of a request's document: a thousand keys to delete, ten thousand parts."""


@dataclass(slots=True)
class Call:
    """A request that is who it says it is.

    ``headers`` have lower-case names; ``key`` and ``query`` are decoded. ``caller`` is the role's session
    that signed it, None for the account's own credentials or, if ``anonymous``, for nobody.
    """

    operation: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    stream: Stream
    signature: Signature | None
    caller: Caller | None
    request_id: str
    source_ip: str
    anonymous: bool = False

    @property
    def is_own(self) -> bool:
        """Whether a service of the account made the request, for itself or as a role."""
        return not self.anonymous and "x-amz-security-token" not in self.headers

    @property
    def version_id(self) -> str | None:
        """The version that the request names. Raises S3Error InvalidArgument for an empty one."""
        given = self.query.get("versionId")
        if given == "":
            raise S3Error(
                "InvalidArgument",
                "Version id cannot be the empty string",
                ArgumentName="versionId",
                ArgumentValue="",
            )
        return given

    def document(self, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the whole body, its checksums verified. Raises S3Error.

        ``headers`` are those that are about the body, where some are not.
        """
        from local_account.services.s3.wire.checksums import Verifier

        body = chunked.body_of(self.stream, self.headers, self.signature)
        verifier = Verifier(self.headers if headers is None else headers, default="")
        chunks = []
        size = 0
        while chunk := body.read(65_536):
            size += len(chunk)
            if size > LARGEST_DOCUMENT:
                raise S3Error("MaxMessageLengthExceeded")
            verifier.update(chunk)
            chunks.append(chunk)
        verifier.finish(body.trailers)
        return b"".join(chunks)

    def number(self, name: str, default: int, most: int) -> int:
        """Return a number of the query, at most ``most``. Raises S3Error InvalidArgument."""
        given = self.query.get(name, "")
        if not given:
            return default
        if not given.isascii() or not given.isdecimal():
            raise S3Error(
                "InvalidArgument",
                f"Provided {name} not an integer or within integer range",
                ArgumentName=name,
                ArgumentValue=given,
            )
        number = int(given)
        if number > 2_147_483_647:
            raise S3Error(
                "InvalidArgument",
                f"Argument {name} must be an integer between 0 and 2147483647",
                ArgumentName=name,
                ArgumentValue=given,
            )
        return min(number, most)


@dataclass(slots=True)
class Reply:
    """An answer: bytes, or what is in files (its Content-Length is in the headers)."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Segmented = b""


def xml(body: bytes, headers: dict[str, str] | None = None) -> Reply:
    """Return an answer that is an XML document."""
    return Reply(200, {"Content-Type": "application/xml", **(headers or {})}, body)
