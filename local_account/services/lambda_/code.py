"""Deployment packages: accept a zip from the request or from S3, check it, unpack each content once.

Lambda keeps a copy of the zip, as on AWS: `Code.Location` of GetFunction is its address. Who knows it, reads
it; the name in it is a digest of the content.

Differs from AWS (GetFunction): the address in `Code.Location` is valid until the code changes, and not for
ten minutes.

Refuses (CreateFunction, UpdateFunctionCode): images and layers; deploy a zip archive. A package is copied
from S3 (`S3ObjectStorageMode` `COPY`), and not referred to there.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shutil
import stat
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from werkzeug.wrappers import Request, Response

from local_account.foundation.acting import calling_role
from local_account.foundation.errors import ServiceError

if TYPE_CHECKING:
    from local_account.foundation.account import Account

_ZIPPED_LIMIT = 52_428_800
_UNZIPPED_LIMIT = 262_144_000
_INVALID = "InvalidParameterValueException"
PATH = "/_lambda/code/"
_ZIP = ".zip"
_ADDRESS = re.compile(r"[A-Za-z0-9_-]+/[0-9a-f]{32}")


@dataclass(frozen=True)
class Package:
    """A deployment package."""

    content: bytes

    @property
    def sha256(self) -> str:
        """The digest in the form of ``CodeSha256``: base64."""
        return base64.b64encode(hashlib.sha256(self.content).digest()).decode()

    @property
    def directory(self) -> str:
        """Name of the directory for this content."""
        return hashlib.sha256(self.content).hexdigest()[:32]


def fetch(account: Account, code: Mapping[str, Any]) -> Package:
    """Return the package that the members of ``FunctionCode`` describe. Raises ServiceError."""
    for member in ("ImageUri", "SourceKMSKeyArn"):
        if code.get(member):
            raise ServiceError(
                _INVALID, f"{member} is not supported by the local account: deploy a zip archive"
            )
    if code.get("S3ObjectStorageMode", "COPY") != "COPY":
        raise ServiceError(
            _INVALID, "S3ObjectStorageMode REFERENCE is not supported by the local account: use COPY"
        )
    content = code.get("ZipFile")
    if content is not None:
        if len(content) >= _ZIPPED_LIMIT:
            raise ServiceError(
                "RequestEntityTooLargeException",
                f"Zipped size must be smaller than {_ZIPPED_LIMIT} bytes",
                status=413,
            )
        return Package(content)
    if "S3Bucket" not in code or "S3Key" not in code:
        raise ServiceError(_INVALID, "Please provide a source for function code.")
    source = {"Bucket": code["S3Bucket"], "Key": code["S3Key"]}
    if "S3ObjectVersion" in code:
        source["VersionId"] = code["S3ObjectVersion"]
    try:
        # With the caller's permissions: Lambda has no role of its own for this.
        return Package(account.client("s3", calling_role()).get_object(**source)["Body"].read())
    except ClientError as error:
        fault = error.response["Error"]
        if fault.get("Code") == "AccessDenied":
            raise ServiceError(
                "AccessDeniedException",
                "Your access has been denied by S3, please make sure your request credentials have "
                f"permission to GetObject for {source['Bucket']}/{source['Key']}. "
                f"S3 Error Code: AccessDenied. S3 Error Message: {fault.get('Message')}",
                status=403,
            ) from error
        raise ServiceError(
            _INVALID,
            f"Error occurred while GetObject. S3 Error Code: {fault.get('Code')}. "
            f"S3 Error Message: {fault.get('Message')}",
        ) from error


def unpack(package: Package, directory: Path) -> Path:
    """Unpack a package below ``directory`` unless that was done before; return the code's directory."""
    target = directory / package.directory
    if target.exists():
        return target
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".{uuid.uuid4().hex}"
    temporary.mkdir(parents=True)
    try:
        with _open(package) as archive:
            for member in archive.infolist():
                _extract(archive, member, temporary)
        _copy(directory, target.name).write_bytes(package.content)
        temporary.rename(target)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise _unreadable() from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def check(package: Package) -> None:
    """Raise ServiceError unless ``unpack`` would accept the package (``DryRun``)."""
    _open(package).close()


def _unreadable(why: str = "") -> ServiceError:
    return ServiceError(
        _INVALID,
        "Could not unzip uploaded file. Please check your file, then try to upload again."
        + (f" ({why})" if why else ""),
    )


def _open(package: Package) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(io.BytesIO(package.content))
    except zipfile.BadZipFile as error:
        raise _unreadable() from error
    members = archive.infolist()
    if not members:
        raise ServiceError(_INVALID, "Uploaded file must be a non-empty zip")
    if sum(member.file_size for member in members) >= _UNZIPPED_LIMIT:
        raise ServiceError(_INVALID, f"Unzipped size must be smaller than {_UNZIPPED_LIMIT} bytes")
    for member in members:
        path = PurePosixPath(member.filename)
        if path.is_absolute() or ".." in path.parts:
            raise _unreadable(f"'{member.filename}' points outside the package")
    return archive


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, directory: Path) -> None:
    path = Path(archive.extract(member, directory))
    mode = member.external_attr >> 16
    if stat.S_ISLNK(mode):
        # A link is written as a text file: it could lead out of the package.
        return
    if stat.S_ISREG(mode) and mode & 0o777:
        path.chmod((mode & 0o777) | stat.S_IRUSR | stat.S_IWUSR)


def sweep(directory: Path, keep: set[str]) -> None:
    """Remove code of a function that no version uses any more."""
    if not directory.is_dir():
        return
    for path in directory.iterdir():
        if path.suffix == _ZIP:
            if path.stem not in keep:
                path.unlink()
        elif path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)


def location(account: Account, directory: Path, name: str) -> dict[str, Any]:
    """Return ``FunctionCodeLocation``; without an address for code of an older build, which has no copy."""
    if not _copy(directory, name).exists():
        return {"RepositoryType": "S3"}
    url = f"{account.config.endpoint_url}{PATH}{directory.name}/{name}{_ZIP}"
    return {"RepositoryType": "S3", "Location": url}


def download(directory: Path, request: Request) -> Response:
    """Answer a request for the copy of a zip; ``directory`` has those of all functions."""
    function, _, name = request.path.removeprefix(PATH).removesuffix(_ZIP).partition("/")
    if not _ADDRESS.fullmatch(f"{function}/{name}"):
        return Response("Not found", 404)
    try:
        return Response(_copy(directory / function, name).read_bytes(), content_type="application/zip")
    except FileNotFoundError:
        return Response("Not found", 404)


def _copy(directory: Path, name: str) -> Path:
    return directory / f"{name}{_ZIP}"
