"""Content-addressed files: the layers, configurations and manifests of every image of the account.

Contract: "Pushing blobs" in the OCI Distribution Specification 1.1. A blob is stored under its digest
complete or not at all; an upload lives in memory and a part file, and is lost when the account stops.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import IO

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHUNK = 1 << 20
_CLAIM_SECONDS = 3600.0


class DigestError(Exception):
    """A digest that is malformed, uses an unknown algorithm, or does not match the content."""


class RangeError(Exception):
    """A part of an upload that does not begin where the last one ended."""


class UnknownUploadError(Exception):
    """An upload that does not exist or no longer exists."""


def digest_of(content: bytes) -> str:
    """Return the digest of in-memory content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Upload:
    """One blob being uploaded."""

    def __init__(self, path: Path) -> None:
        self.id = path.name
        self.path = path
        self.size = 0
        self._hash = hashlib.sha256()
        self._lock = threading.Lock()
        path.touch()

    def append(self, stream: IO[bytes], start: int | None = None) -> int:
        """Append a stream and return the size so far; OSError leaves the upload unusable.

        Raises RangeError if the part does not begin (``start``, in bytes) where the last one ended.
        """
        with self._lock:
            if start is not None and start != self.size:
                raise RangeError(f"the next part of the upload begins at byte {self.size}, not {start}")
            with self.path.open("ab", buffering=0) as file:
                while chunk := stream.read(_CHUNK):
                    file.write(chunk)
                    self._hash.update(chunk)
                    self.size += len(chunk)
            return self.size

    @property
    def digest(self) -> str:
        """Digest of what has arrived so far."""
        return f"sha256:{self._hash.hexdigest()}"


class Blobs:
    """The files of a registry.

    A blob that a client was told about is *claimed* (since its modification time) until a manifest refers to
    it, so that collecting unreferenced blobs takes nothing away from a push in progress.
    """

    def __init__(self, root: Path) -> None:
        self._root = root / "blobs"
        self._parts = root / "uploads"
        shutil.rmtree(self._parts, ignore_errors=True)  # half-written: their clients are gone
        for directory in (self._root, self._parts):
            directory.mkdir(parents=True, exist_ok=True)
        self._uploads: dict[str, Upload] = {}

    def path(self, digest: str) -> Path:
        """Return the path of a blob, whether or not it exists; raise DigestError."""
        if not _DIGEST.fullmatch(digest):
            raise DigestError(f"{digest} is not a sha256 digest (sha256: and 64 hexadecimal digits)")
        value = digest.removeprefix("sha256:")
        return self._root / value[:2] / value

    def size(self, digest: str) -> int | None:
        """Return the size of a blob in bytes, or None if there is none."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def claim(self, digest: str) -> int | None:
        """Return the size like ``size``, and keep the blob for a push in progress."""
        try:
            os.utime(self.path(digest))
        except FileNotFoundError:
            return None
        return self.size(digest)

    def read(self, digest: str) -> bytes:
        """Return a small blob."""
        return self.path(digest).read_bytes()

    def write(self, content: bytes) -> str:
        """Store a small blob, claimed, and return its digest."""
        digest = digest_of(content)
        if self.claim(digest) is None:
            part = self._parts / uuid.uuid4().hex
            part.write_bytes(content)
            self._keep(part, digest)
        return digest

    def start_upload(self) -> Upload:
        """Begin an upload."""
        upload = Upload(self._parts / uuid.uuid4().hex)
        self._uploads[upload.id] = upload
        return upload

    def upload(self, upload_id: str) -> Upload:
        """Return an upload that was begun. Raises UnknownUploadError."""
        try:
            return self._uploads[upload_id]
        except KeyError as error:
            raise UnknownUploadError(f"there is no upload {upload_id}: start again") from error

    def finish_upload(self, upload: Upload, digest: str) -> None:
        """Turn an upload into a claimed blob; if the digest differs, drop it and raise DigestError."""
        self.path(digest)
        if upload.digest != digest:
            self.drop_upload(upload)
            raise DigestError(f"the digest of the content is {upload.digest}, not {digest}")
        self._uploads.pop(upload.id, None)
        self._keep(upload.path, digest)

    def drop_upload(self, upload: Upload) -> None:
        """Drop an upload and free its space."""
        self._uploads.pop(upload.id, None)
        upload.path.unlink(missing_ok=True)

    def release(self, digests: Iterable[str]) -> None:
        """End the claims on blobs: a manifest now refers to them."""
        for digest in digests:
            if self.size(digest) is not None:
                os.utime(self.path(digest), (0, 0))

    def collect(self, digests: Iterable[str]) -> None:
        """Delete those of the blobs that are not claimed."""
        for digest in digests:
            path = self.path(digest)
            if path.exists() and path.stat().st_mtime < time.time() - _CLAIM_SECONDS:
                path.unlink(missing_ok=True)

    def digests(self) -> list[str]:
        """Return the digest of every blob."""
        return [f"sha256:{path.name}" for path in self._root.glob("*/*")]

    def _keep(self, part: Path, digest: str) -> None:
        path = self.path(digest)
        path.parent.mkdir(exist_ok=True)
        part.replace(path)
        os.utime(path)
