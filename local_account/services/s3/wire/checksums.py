"""Checksums of objects: what a client promised is verified while its body passes, once.

Contract: Amazon S3 User Guide, "Checking object integrity for data uploads in Amazon S3"; Amazon S3 API
Reference, "Error responses". CRC32C and CRC64NVME are computed by AWS's own library.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from local_account.services.s3.errors import S3Error
from local_account.services.s3.wire.credentials import UNSIGNED

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"
_SIZES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}
_TYPES = {
    "CRC32": (FULL_OBJECT, COMPOSITE),
    "CRC32C": (FULL_OBJECT, COMPOSITE),
    "CRC64NVME": (FULL_OBJECT,),
    "SHA1": (COMPOSITE,),
    "SHA256": (COMPOSITE,),
}
_HEADERS = {f"x-amz-checksum-{name.lower()}": name for name in ALGORITHMS}
_UNSUPPORTED = (
    "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
    f"[{', '.join(ALGORITHMS)}]"
)
_SHA256 = re.compile("[0-9a-f]{64}")
_NOT_CHECKSUMS = frozenset(("x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"))


@dataclass(frozen=True, slots=True)
class Digest:
    """What a body turned out to be: its size in bytes, ETag (hexadecimal MD5) and checksums in base64."""

    size: int
    etag: str
    checksums: Mapping[str, str]


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A CRC with the interface of hashlib."""

    def __init__(self, algorithm: str) -> None:
        self._compute = _crc(algorithm)
        self._size = _SIZES[algorithm]
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        """Take the next piece."""
        self._value = self._compute(data, self._value)

    def digest(self) -> bytes:
        """Return the checksum, in network byte order."""
        return self._value.to_bytes(self._size, "big")


class Verifier:
    """Computes what the headers call for while the body passes through `update`, and compares at the end.

    Parameters
    ----------
    headers
        Of the request, by lower-case name: ``content-md5``, ``x-amz-checksum-…``, ``x-amz-trailer``,
        ``x-amz-sdk-checksum-algorithm``, ``x-amz-content-sha256``.
    default
        The algorithm to compute if the client names none (S3: ``CRC64NVME``); "" for none.
    also
        An algorithm to compute in any case, and to report beside the client's; "" for none.

    Raises S3Error: InvalidDigest, InvalidRequest (more than one checksum, an unknown algorithm, a value that
    cannot be one), InvalidArgument (``x-amz-content-sha256``).
    """

    def __init__(self, headers: Mapping[str, str], *, default: str = "CRC64NVME", also: str = "") -> None:
        self._md5_given = _md5(headers.get("content-md5"))
        self._content_given = _content_sha256(headers.get("x-amz-content-sha256", ""))
        self._value, self._trailer = _promise(headers)
        self.algorithm = _HEADERS[self._trailer] if self._trailer else self._value[0] or default
        """The checksum that is computed; "" for none."""
        self._size = 0
        self._etag = hashlib.md5(usedforsecurity=False)
        self._hashes: dict[str, _Hash] = {}
        for name in (self.algorithm, also):
            if name and name not in self._hashes:
                self._hashes[name] = _hash(name)
        self._reported = tuple(self._hashes)
        if self._content_given and "SHA256" not in self._hashes:
            self._hashes["SHA256"] = _hash("SHA256")
        self._updates = (self._etag.update, *(one.update for one in self._hashes.values()))

    def update(self, chunk: bytes | memoryview) -> None:
        """Take the next piece of content."""
        self._size += len(chunk)
        for update in self._updates:
            update(chunk)

    def finish(self, trailers: Mapping[str, str] | None = None) -> Digest:
        """Return what came, once the body has ended.

        Raises S3Error: BadDigest, XAmzContentSHA256Mismatch, MalformedTrailerError (the announced trailer is
        missing), InvalidRequest (the trailer's value cannot be a checksum).
        """
        if self._content_given:
            computed = self._hashes["SHA256"].digest().hex()
            if computed != self._content_given:
                raise S3Error(
                    "XAmzContentSHA256Mismatch",
                    ClientComputedContentSHA256=self._content_given,
                    S3ComputedContentSHA256=computed,
                )
        md5 = self._etag.digest()
        if self._md5_given and md5 != self._md5_given:
            raise S3Error(
                "BadDigest",
                ExpectedDigest=_text(self._md5_given),
                CalculatedDigest=_text(md5),
            )
        reported = {name: _text(self._hashes[name].digest()) for name in self._reported}
        given = self._trailer_value(trailers or {}) if self._trailer else self._value[1]
        if given and given != reported[self.algorithm]:
            raise S3Error(
                "BadDigest", f"The {self.algorithm} you specified did not match the calculated checksum."
            )
        return Digest(self._size, md5.hex(), reported)

    def _trailer_value(self, trailers: Mapping[str, str]) -> str:
        value = trailers.get(self._trailer)
        if value is None:
            raise S3Error("MalformedTrailerError")
        return _checked(self._trailer, value)


def algorithm_of(name: str) -> str:
    """Return one of `ALGORITHMS` for a client's spelling of it; raise S3Error InvalidRequest for others."""
    if name.upper() not in ALGORITHMS:
        raise S3Error("InvalidRequest", _UNSUPPORTED)
    return name.upper()


def header_of(algorithm: str) -> str:
    """Return the header of an algorithm's checksum: ``x-amz-checksum-crc32``."""
    return f"x-amz-checksum-{algorithm.lower()}"


def check_part(upload: str, part: str) -> None:
    """Check a part's algorithm against the one that its upload was created with ("" for none).

    Raises S3Error InvalidRequest.
    """
    if upload and upload != part:
        raise S3Error(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.lower()}, actual checksum "
            f"Type: {part.lower() or 'null'}",
        )


def checksum_type(algorithm: str, asked: str = "") -> str:
    """Return FULL_OBJECT or COMPOSITE for a multipart upload: what was asked for, or the default.

    Raises S3Error InvalidRequest for a combination that S3 does not have (full-object SHA, composite
    CRC64NVME).
    """
    if not asked:
        return FULL_OBJECT if algorithm == "CRC64NVME" else COMPOSITE
    kind = asked.upper()
    if kind not in (FULL_OBJECT, COMPOSITE):
        raise S3Error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
    if kind not in _TYPES[algorithm]:
        raise S3Error(
            "InvalidRequest",
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
        )
    return kind


def composite(algorithm: str, parts: Sequence[str]) -> str:
    """Return the composite checksum of parts' checksums (base64), as ``BASE64-COUNT``."""
    whole = _hash(algorithm)
    for part in parts:
        whole.update(base64.b64decode(part))
    return f"{_text(whole.digest())}-{len(parts)}"


def full_object(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """Return the checksum (base64) of the whole from each part's checksum (base64) and size. CRCs only."""
    whole = 0
    for checksum, size in parts:
        whole = _combine(algorithm)(whole, int.from_bytes(base64.b64decode(checksum), "big"), size)
    return _text(whole.to_bytes(_SIZES[algorithm], "big"))


def multipart_etag(etags: Sequence[str]) -> str:
    """Return the ETag of a multipart object from its parts' ETags: ``MD5-COUNT``, without quotes."""
    joined = b"".join(bytes.fromhex(etag.strip('"')) for etag in etags)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(etags)}"


def _hash(algorithm: str) -> _Hash:
    if algorithm == "SHA1":
        return hashlib.sha1(usedforsecurity=False)
    return hashlib.sha256() if algorithm == "SHA256" else _Crc(algorithm)


@cache
def _crc(algorithm: str) -> Callable[[bytes | memoryview, int], int]:
    if algorithm == "CRC32":
        return zlib.crc32
    from awscrt import checksums as crt  # 12 MB, which an account that stores nothing does not need

    found: Callable[[bytes | memoryview, int], int]
    found = crt.crc32c if algorithm == "CRC32C" else crt.crc64nvme
    return found


@cache
def _combine(algorithm: str) -> Callable[[int, int, int], int]:
    from awscrt import checksums as crt

    combine: dict[str, Callable[[int, int, int], int]] = {
        "CRC32": crt.combine_crc32,
        "CRC32C": crt.combine_crc32c,
        "CRC64NVME": crt.combine_crc64nvme,
    }
    return combine[algorithm]


def _promise(headers: Mapping[str, str]) -> tuple[tuple[str, str], str]:
    """Return algorithm and value of a checksum header ("" for none), and the trailer that is to have one."""
    names = [name for name in headers if name.startswith("x-amz-checksum-") and name not in _NOT_CHECKSUMS]
    trailer = headers.get("x-amz-trailer", "").strip().lower()
    if len(names) > 1:
        raise S3Error(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    if names and trailer:
        raise S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header")
    if trailer and trailer not in _HEADERS:
        raise S3Error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
    if names and names[0] not in _HEADERS:
        raise S3Error("InvalidRequest", _UNSUPPORTED)
    name = names[0] if names else trailer
    announced = headers.get("x-amz-sdk-checksum-algorithm")
    if announced is not None:
        if not name:
            raise S3Error(
                "InvalidRequest",
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
                "x-amz-trailer headers were found.",
            )
        if announced.upper() != _HEADERS[name]:
            raise S3Error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
    if names:
        return (_HEADERS[name], _checked(name, headers[name])), ""
    return ("", ""), trailer


def _checked(name: str, value: str) -> str:
    try:
        if len(base64.b64decode(value, validate=True)) == _SIZES[_HEADERS[name]]:
            return value
    except (binascii.Error, ValueError):
        pass
    raise S3Error("InvalidRequest", f"Value for {name} header is invalid.")


def _md5(given: str | None) -> bytes:
    if given is None:
        return b""
    try:
        digest = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise S3Error("InvalidDigest", **{"Content-MD5": given})
    return digest


def _content_sha256(given: str) -> str:
    """Return the hash that was signed; "" where the body was not."""
    if given in ("", UNSIGNED) or given.startswith("STREAMING-"):
        return ""
    if not _SHA256.fullmatch(given):
        raise S3Error(
            "InvalidArgument",
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a "
            "valid sha256 value.",
            ArgumentName="x-amz-content-sha256",
            ArgumentValue=given,
        )
    return given


def _text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
