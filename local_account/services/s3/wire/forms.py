"""Forms that upload a file from a browser, read as they arrive.

Contract: Amazon S3 API Reference, "POST Object"; RFC 7578.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData, Preamble

from local_account.gateway.streams import Stream
from local_account.services.s3.errors import S3Error

_READ = 65_536
_FIELD_BYTES = 20_480
_HELD_BYTES = 1024**2  # what the decoder may hold: the end of a part's headers, or of a piece, is missing
_NOT_HEADERS = frozenset(
    ("x-amz-signature", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token")
)
_HEADERS = frozenset(
    ("cache-control", "content-type", "content-disposition", "content-encoding", "content-md5", "expires")
)


class Upload:
    """The file of a form, read as it arrives."""

    def __init__(self, decoder: MultipartDecoder, stream: Stream) -> None:
        self._decoder = decoder
        self._stream = stream
        self._buffer = bytearray()
        self._ended = False
        self._size = 0
        self.smallest = 0
        """Bytes that the file must have at least."""
        self.largest = 5 * 1024**3
        """Bytes that the file may have at most."""

    def read(self, size: int = -1, /) -> bytes:
        """Return ``size`` bytes, or all that remain if there are fewer, or for -1; b"" at the end.

        Raises S3Error: EntityTooLarge as soon as the file is larger than allowed, EntityTooSmall at its end,
        MalformedPOSTRequest or IncompleteBody if the form is cut off.
        """
        while not self._ended and (size < 0 or len(self._buffer) < size):
            event = _next(self._decoder, self._stream)
            if not isinstance(event, Data):
                raise S3Error("MalformedPOSTRequest")
            self._buffer += event.data
            self._size += len(event.data)
            self._ended = not event.more_data
            self._check_size()
        if size < 0:
            size = len(self._buffer)
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece

    def _check_size(self) -> None:
        if self._size > self.largest:
            raise S3Error("EntityTooLarge", ProposedSize=str(self._size), MaxSizeAllowed=str(self.largest))
        if self._ended and self._size < self.smallest:
            raise S3Error("EntityTooSmall", ProposedSize=str(self._size), MinSizeAllowed=str(self.smallest))


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form up to its file, and the file.

    ``fields`` have lower-case names; ``file`` is still to be read; `post_policy.check` limits its size.
    ``filename`` has no directories, and ``${filename}`` in the key is already replaced.
    """

    fields: Mapping[str, str]
    filename: str
    content_type: str
    file: Upload


def read_form(stream: Stream, content_type: str) -> Form:
    """Read a form up to its file.

    Raises S3Error: MalformedPOSTRequest, IncorrectNumberOfFilesInPostRequest (none),
    MaxPostPreDataLengthExceededError (fields of more than 20 KB), InvalidArgument (no key).
    """
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise S3Error("MalformedPOSTRequest")
    decoder = MultipartDecoder(options["boundary"].encode(), _HELD_BYTES)
    fields: dict[str, str] = {}
    size = 0
    while True:
        event = _next(decoder, stream)
        if isinstance(event, Epilogue):
            raise S3Error("IncorrectNumberOfFilesInPostRequest")
        if isinstance(event, Field | File):  # what its name says: clients give other fields file names, too
            if event.name == "file":
                break
            value = _value(decoder, stream, _FIELD_BYTES - size)
            size += len(event.name) + len(value)
            fields[event.name.lower()] = value.decode("utf-8", "replace")
    is_file = isinstance(event, File)
    filename = event.filename.replace("\\", "/").rpartition("/")[2] if isinstance(event, File) else ""
    if "key" not in fields:
        raise missing_field("key")
    if is_file:
        fields["key"] = fields["key"].replace("${filename}", filename)
    kept = fields.get("content-type", "binary/octet-stream")
    return Form(fields, filename, kept, Upload(decoder, stream))


def headers_of(form: Form) -> dict[str, str]:
    """Return the fields that a PUT would send as headers (Content-Type, x-amz-meta-…), by lower-case name.

    As in a request's head, their characters are bytes (latin-1), but for metadata, which is text.
    """
    headers = {
        name: value if name.startswith("x-amz-meta-") else value.encode().decode("latin-1")
        for name, value in form.fields.items()
        if name in _HEADERS or (name.startswith("x-amz-") and name not in _NOT_HEADERS)
    }
    if "acl" in form.fields:
        headers["x-amz-acl"] = form.fields["acl"]
    return headers


def missing_field(name: str) -> S3Error:
    """Return the error for a form without a field that it must have."""
    return S3Error(
        "InvalidArgument",
        f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of "
        "the fields.",
        ArgumentName=name,
        ArgumentValue="",
    )


def _next(decoder: MultipartDecoder, stream: Stream) -> Field | File | Data | Epilogue:
    """Return the next event of a form."""
    while True:
        try:
            event = decoder.next_event()
            if isinstance(event, NeedData):
                decoder.receive_data(stream.read(_READ) or None)
            elif not isinstance(event, Preamble):
                assert isinstance(event, Field | File | Data | Epilogue)  # noqa: S101 - the other events
                return event
        except (ValueError, RequestEntityTooLarge) as error:
            raise S3Error("MalformedPOSTRequest") from error


def _value(decoder: MultipartDecoder, stream: Stream, limit: int) -> bytes:
    value = b""
    while True:
        event = _next(decoder, stream)
        if not isinstance(event, Data):
            raise S3Error("MalformedPOSTRequest")
        value += event.data
        if len(value) > limit:
            raise S3Error("MaxPostPreDataLengthExceededError", MaxPostPreDataLengthBytes=str(_FIELD_BYTES))
        if not event.more_data:
            return value
