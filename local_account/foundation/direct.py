"""The account's own clients reach its gateway in their own thread, without a connection.

Half of the requests that the account answers are its own: CloudFormation creates a resource, a pipeline
starts a build. Over HTTP, a signature, two heads and two changes of thread would be added to each. What a
service sees is the same.
"""

from __future__ import annotations

import contextvars
import io
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Direct:
    """A way for boto3 clients to a WSGI application of this process.

    ``application`` is None until the account listens and after it has stopped: clients then use HTTP.
    """

    def __init__(self) -> None:
        self.application: Application | None = None

    def connect(self, client: Any, access_key_id: str) -> None:
        """Have a boto3 client's requests answered here; they name their signer, but have no signature.

        S3's clients can't be connected: S3 verifies signatures, and streams bodies.
        """
        from botocore import UNSIGNED

        def choose_signer(signature_version: object, **_: Any) -> object:
            presigns = str(signature_version).endswith(("-query", "-presign-post"))
            return UNSIGNED if self.application and not presigns else None

        def name_signer(
            request: AWSRequest, signature_version: object, signing_name: str, region_name: str, **_: Any
        ) -> None:
            if signature_version is UNSIGNED:
                own = request.context.get("signing", {})
                region, service = own.get("region", region_name), own.get("signing_name", signing_name)
                credential = f"{access_key_id}/20000101/{region}/{service}/aws4_request"
                request.headers["Authorization"] = (
                    f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=none"
                )

        def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
            if self.application is None:
                return None
            # As in the thread of a connection: who answers knows nothing of the role that the sender acts as.
            return contextvars.Context().run(_answer, self.application, request)

        for event, handler in (
            ("choose-signer", choose_signer),
            ("before-sign", name_signer),
            ("before-send", send),
        ):
            client.meta.events.register(event, handler)


class _Raw(io.BytesIO):
    """The body of an answer, as botocore reads urllib3's."""

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self.read()


def _answer(application: Application, request: AWSPreparedRequest) -> AWSResponse:
    from botocore.awsrequest import AWSResponse

    begun: list[tuple[str, Any]] = []

    def start(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        begun.append((status, headers))

    result = application(_environ(request), start)
    try:
        body = b"".join(result)
    finally:
        if close := getattr(result, "close", None):
            close()
    status, headers = begun[-1]
    return AWSResponse(request.url, int(status.split(" ", 1)[0]), headers, _Raw(body))


def _environ(request: AWSPreparedRequest) -> dict[str, Any]:
    """Return the WSGI environment (PEP 3333) of a request that botocore is about to send."""
    url = urlsplit(request.url)
    body = _content(request.body)
    target = f"{url.path}?{url.query}" if url.query else url.path
    environ: dict[str, Any] = {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "SERVER_NAME": url.hostname,
        "SERVER_PORT": str(url.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SCRIPT_NAME": "",
        "REMOTE_ADDR": url.hostname,
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote_to_bytes(url.path).decode("latin-1"),
        "QUERY_STRING": url.query,
        "REQUEST_URI": target,
        "RAW_URI": target,
        "HTTP_HOST": url.netloc,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = _text(value)
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _content(body: Any) -> bytes:
    if body is None:
        return b""
    content = body.read() if hasattr(body, "read") else body
    return content.encode() if isinstance(content, str) else bytes(content)
