"""The registry that ``docker login``, ``push`` and ``pull`` talk to.

Contract: the OCI Distribution Specification 1.1 (end-1 to end-13) with Docker schema 2 manifests, and
"Using the Docker HTTP API" (Basic authentication with a password from GetAuthorizationToken) in the Amazon
ECR User Guide. Layers stream to and from the disk; none is ever held in memory as a whole.

Differs from AWS: the registry is at `127.0.0.1:PORT`, which every engine takes without configuration, and
that is what `repositoryUri` says. The API also takes AWS's name, `ACCOUNT.dkr.ecr.REGION.amazonaws.com/…`,
and so does Docker where the workshop has started the engine. With another engine (Docker Desktop, one that
was there before), or if port 80 is taken, a build says that the name is not known; outside of builds, Docker
asks AWS, which refuses the password. What asks a registry without the engine (`docker manifest`, a buildx
builder in a container) needs `repositoryUri`.

Differs from AWS: `docker push` and `docker pull` are not judged by IAM: whoever has a password of
GetAuthorizationToken may do both.
"""

from __future__ import annotations

import errno
import json
import logging
import re
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.utils import send_file
from werkzeug.wrappers import Request, Response

from local_account.foundation.errors import ServiceError
from local_account.services.ecr import registry_password
from local_account.services.ecr.blobs import DigestError, RangeError, UnknownUploadError, Upload
from local_account.services.ecr.images import MANIFEST_BYTES, OCI_INDEX, Images, Manifest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from mypy_boto3_ecr.type_defs import ImageIdentifierTypeDef

    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

_PATH = re.compile(
    r"/v2/(?P<name>[a-z0-9._/-]+)/(?:(?P<tags>tags)/list|manifests/(?P<manifest>[^/]+)|blobs/uploads/"
    r"(?P<upload>[0-9a-f]*)|blobs/(?P<blob>[^/]+:[^/]+)|referrers/(?P<referrers>[^/]+))"
)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_RANGE = re.compile(r"(\d+)-(\d+)")
_ERRORS = {  # for errors of the images: what the specification and ECR's own registry answer
    "RepositoryNotFoundException": ("NAME_UNKNOWN", 404),
    "ImageNotFoundException": ("MANIFEST_UNKNOWN", 404),
    "LayersNotFoundException": ("MANIFEST_BLOB_UNKNOWN", 404),
    "ReferencedImagesNotFoundException": ("MANIFEST_BLOB_UNKNOWN", 404),
    "ImageTagAlreadyExistsException": ("TAG_INVALID", 400),
    "ImageDigestDoesNotMatchException": ("DIGEST_INVALID", 400),
    "InvalidParameterException": ("MANIFEST_INVALID", 400),
    "ImageReferencedByManifestList": ("DENIED", 403),
}


_FAULTS: tuple[tuple[type[Exception], str, int], ...] = (
    (DigestError, "DIGEST_INVALID", 400),
    (UnknownUploadError, "BLOB_UPLOAD_UNKNOWN", 404),
    (ClientDisconnected, "BLOB_UPLOAD_INVALID", 400),
    (RequestEntityTooLarge, "SIZE_INVALID", 413),
)


class _RefusedError(Exception):
    """An answer in the specification's error format."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def registry_app(account: Account) -> WSGIApplication:
    """Return the WSGI application that serves the images of all ECR repositories of the account."""
    registry = _Registry(account)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        connection = environ.get("werkzeug.socket")
        if connection is not None:  # many small answers in sequence: none may wait for a delayed ACK
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        response = registry.answer(Request(environ))
        response.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
        return response(environ, start_response)

    return app


class _Registry:
    def __init__(self, account: Account) -> None:
        self._account = account
        self._images = Images(account)

    def answer(self, request: Request) -> Response:
        """Answer any request, errors included."""
        try:
            self._authenticate(request)
            return self._route(request)
        except Exception as error:
            return _error(*self._explain(request, error))

    def _explain(self, request: Request, error: Exception) -> tuple[str, str, int]:
        if isinstance(error, _RefusedError):
            return error.code, str(error), error.status
        if isinstance(error, ServiceError):
            code, status = _ERRORS.get(error.code, ("DENIED", error.status))
            create = f": aws ecr create-repository --repository-name {_repository_of(request)}"
            return code, error.message + (create if code == "NAME_UNKNOWN" else ""), status
        for kind, code, status in _FAULTS:
            if isinstance(error, kind):
                return code, str(error), status
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            # docker gives up at these words; without them it would try five more times.
            return "DENIED", f"no space left on device: free some for {self._account.config.state_dir}", 507
        log.error("%s %s failed", request.method, request.path, exc_info=error)
        return "UNKNOWN", f"{type(error).__name__}: {error}", 500

    def _authenticate(self, request: Request) -> None:
        given = request.authorization
        user, password = (given.username or "", given.password or "") if given else ("", "")
        if given is None or not registry_password.is_valid(self._account, user, password):
            raise _RefusedError(
                "UNAUTHORIZED",
                "log in first: aws ecr get-login-password | docker login --username AWS --password-stdin "
                f"{request.host}",
                401,
            )

    def _route(self, request: Request) -> Response:
        if request.path in ("/v2", "/v2/"):
            return _json({})
        if request.path == "/v2/_catalog":
            return self._list(request, "repositories", sorted(self._images.table.keys()))
        match = _PATH.fullmatch(request.path)
        if match is None:
            raise _RefusedError("UNSUPPORTED", f"{request.path} is not a registry path", 404)
        name = match["name"]
        handlers: dict[str, Callable[[Request, str, str], Response]] = {
            "tags": self._tags,
            "manifest": self._manifest,
            "upload": self._upload,
            "blob": self._blob,
            "referrers": self._referrers,
        }
        document = self._images.repository(name)
        kind = next(kind for kind in handlers if match[kind] is not None)
        readable = kind not in ("tags", "referrers") or request.method in ("GET", "HEAD")
        response = (
            handlers[kind](request, document["repositoryName"], match[kind])
            if readable
            else Response(status=405)
        )
        if response.status_code == 405:
            raise _RefusedError("UNSUPPORTED", f"{request.method} is not supported here", 405)
        return response

    # --- listings

    def _tags(self, request: Request, name: str, _: str) -> Response:
        tags = sorted(self._images.repository(name)["tags"])
        return self._list(request, "tags", tags, name=name)

    def _list(self, request: Request, member: str, names: list[str], **more: str) -> Response:
        last, size = request.args.get("last"), request.args.get("n", type=int)
        left = [name for name in names if last is None or name > last]
        shown = left if size is None else left[: max(size, 0)]
        response = _json({**more, member: shown})
        if shown and len(shown) < len(left):
            query = urlencode({"n": size, "last": shown[-1]})
            response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
        return response

    def _referrers(self, request: Request, name: str, digest: str) -> Response:
        wanted = request.args.get("artifactType")
        self._images.blobs.path(digest)
        manifests = [
            {
                "mediaType": record["mediaType"],
                "digest": found,
                "size": self._images.blobs.size(found),
                "artifactType": record["artifactMediaType"],
            }
            for found, record in self._images.repository(name)["images"].items()
            if record["subject"] == digest and wanted in (None, record["artifactMediaType"])
        ]
        response = _json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}, OCI_INDEX)
        if wanted:
            response.headers["OCI-Filters-Applied"] = "artifactType"
        return response

    # --- manifests

    def _manifest(self, request: Request, name: str, reference: str) -> Response:
        by_digest = ":" in reference
        if not by_digest and not _TAG.fullmatch(reference):
            raise _RefusedError("TAG_INVALID", f"{reference} is not a valid tag", 400)
        if by_digest:
            self._images.blobs.path(reference)
        image_id = cast("ImageIdentifierTypeDef", {"imageDigest" if by_digest else "imageTag": reference})
        if request.method == "PUT":
            return self._put_manifest(request, name, None if by_digest else reference, image_id)
        found = self._images.find(name, image_id)
        if found is None:
            raise _RefusedError("MANIFEST_UNKNOWN", f"{name} has no image {reference}", 404)
        digest, record = found
        if request.method == "DELETE":
            self._images.delete(name, image_id)
            return Response(status=202)
        if request.method not in ("GET", "HEAD"):
            return Response(status=405)
        response = Response(self._images.blobs.read(digest), content_type=record["mediaType"])
        response.headers["Docker-Content-Digest"] = digest
        return response

    def _put_manifest(
        self, request: Request, name: str, tag: str | None, image_id: ImageIdentifierTypeDef
    ) -> Response:
        request.max_content_length = MANIFEST_BYTES
        manifest = Manifest.parse(request.get_data(), request.mimetype or None)
        digest = self._images.put(name, manifest, tag, digest=image_id.get("imageDigest"))
        response = Response(status=201)
        response.headers["Location"] = f"/v2/{name}/manifests/{digest}"
        response.headers["Docker-Content-Digest"] = digest
        if manifest.subject:
            response.headers["OCI-Subject"] = manifest.subject
        return response

    # --- blobs

    def _blob(self, request: Request, name: str, digest: str) -> Response:
        blobs = self._images.blobs
        size = blobs.claim(digest) if request.method == "HEAD" else blobs.size(digest)
        if size is None:
            raise _RefusedError("BLOB_UNKNOWN", f"{name} has no blob {digest}", 404)
        if request.method not in ("GET", "HEAD"):
            return Response(status=405)
        response = send_file(
            blobs.path(digest), request.environ, mimetype="application/octet-stream", etag=False
        )
        response.headers["Docker-Content-Digest"] = digest
        return response

    def _upload(self, request: Request, name: str, upload_id: str) -> Response:
        if not upload_id:
            return self._start_upload(request, name) if request.method == "POST" else Response(status=405)
        upload = self._images.blobs.upload(upload_id)
        if request.method in ("PATCH", "PUT"):
            return self._continue_upload(request, name, upload)
        if request.method == "DELETE":
            self._images.blobs.drop_upload(upload)
            return Response(status=204)
        return _progress(name, upload, 204) if request.method == "GET" else Response(status=405)

    def _continue_upload(self, request: Request, name: str, upload: Upload) -> Response:
        try:
            self._append(request, upload)
        except RangeError as error:
            response = _error("BLOB_UPLOAD_INVALID", str(error), 416)
            response.headers.update(_where(name, upload))
            return response
        if request.method == "PATCH":
            return _progress(name, upload, 202)
        return self._finish(name, upload, request.args.get("digest", ""))

    def _start_upload(self, request: Request, name: str) -> Response:
        blobs = self._images.blobs
        mount, digest = request.args.get("mount"), request.args.get("digest")
        # Layers are shared by all repositories: whatever "from" names, the blob is found.
        if mount and blobs.claim(mount) is not None:
            return _created(name, mount)
        upload = blobs.start_upload()
        if digest is None:
            return _progress(name, upload, 202)
        self._append(request, upload)
        return self._finish(name, upload, digest)

    def _append(self, request: Request, upload: Upload) -> None:
        stated = _RANGE.fullmatch(request.headers.get("Content-Range", ""))
        try:
            upload.append(request.stream, int(stated[1]) if stated else None)
        except (OSError, ClientDisconnected):
            self._images.blobs.drop_upload(upload)
            raise

    def _finish(self, name: str, upload: Upload, digest: str) -> Response:
        self._images.blobs.finish_upload(upload, digest)
        return _created(name, digest)


def _repository_of(request: Request) -> str:
    match = _PATH.fullmatch(request.path)
    return match["name"] if match else "NAME"


def _created(name: str, digest: str) -> Response:
    response = Response(status=201)
    response.headers["Location"] = f"/v2/{name}/blobs/{digest}"
    response.headers["Docker-Content-Digest"] = digest
    return response


def _progress(name: str, upload: Upload, status: int) -> Response:
    return Response(status=status, headers=_where(name, upload))


def _where(name: str, upload: Upload) -> dict[str, str]:
    return {
        "Location": f"/v2/{name}/blobs/uploads/{upload.id}",
        "Range": f"0-{max(upload.size - 1, 0)}",
        "Docker-Upload-UUID": upload.id,
    }


def _json(document: Any, content_type: str = "application/json") -> Response:
    return Response(json.dumps(document), content_type=content_type)


def _error(code: str, message: str, status: int) -> Response:
    response = _json({"errors": [{"code": code, "message": message}]})
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="Amazon ECR",service="ecr"'
    return response
