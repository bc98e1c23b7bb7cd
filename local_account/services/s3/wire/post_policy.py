"""Uploads from a browser: a form whose policy was signed by someone who may write.

Contract: Amazon S3 API Reference, "Browser-based uploads using POST" and "POST policy"; "POST Object".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from local_account.gateway.streams import Stream
from local_account.services.s3.wire.credentials import Lookup


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form up to its file, and the file.

    ``fields`` have lower-case names; ``file`` is still to be read; `check` limits its size. ``filename`` has
    no directories, and ``${filename}`` in the key is already replaced.
    """

    fields: Mapping[str, str]
    filename: str
    content_type: str
    file: Upload


class Upload:
    """The file of a form, read as it arrives."""

    smallest: int = 0
    largest: int = 5 * 1024**3

    def read(self, size: int = -1, /) -> bytes:
        """Return at most ``size`` bytes, b"" at the end of the file.

        Raises S3Error: EntityTooLarge as soon as the file is larger than allowed, EntityTooSmall at its end,
        MalformedPOSTRequest or IncompleteBody if the form is cut off.
        """
        raise NotImplementedError


def read_form(stream: Stream, content_type: str) -> Form:
    """Read a form up to its file.

    Raises S3Error: MalformedPOSTRequest, IncorrectNumberOfFilesInPostRequest (none),
    MaxPostPreDataLengthExceededError (fields of more than 20,000 bytes), InvalidArgument (no key).
    """
    raise NotImplementedError


def check(form: Form, bucket: str, lookup: Lookup, now: datetime) -> str:
    """Verify a form's signature and policy; return the access key id that signed it, "" if it is anonymous.

    Applies ``content-length-range`` to the form's file. Raises S3Error: AccessDenied ("Invalid according to
    Policy: …"), InvalidPolicyDocument, InvalidAccessKeyId, InvalidArgument, SignatureDoesNotMatch.
    """
    raise NotImplementedError


def headers_of(form: Form) -> dict[str, str]:
    """Return the fields that a PUT would send as headers (Content-Type, x-amz-meta-…), by lower-case name."""
    raise NotImplementedError
