"""The account's own clients are answered in their own thread, and a service sees what HTTP would bring."""

import gc
import io
import json
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from werkzeug.wrappers import Request, Response

from local_account.foundation.acting import ActingClient, send_role
from local_account.foundation.config import free_port
from local_account.foundation.direct import Direct
from local_account.gateway import own_requests
from local_account.gateway.gateway import service_of
from local_account.gateway.heads import head_of
from local_account.gateway.streams import DisconnectedError
from local_account.services.s3.wire import signatures
from local_account.services.s3.wire.signatures import Credentials
from tests.sessions import make_client


class Application:
    """Keeps what it was asked, and by which thread; answers with `answer`."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.threads: list[threading.Thread] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        self.requests.append(request)
        self.threads.append(threading.current_thread())
        return self.answer(request)(environ, start_response)


def connected(direct: Direct, service: str, region: str = "eu-central-1") -> Any:
    client = make_client(
        service,
        region_name=region,
        aws_access_key_id="AKIAOWN",
        aws_secret_access_key="secret",
        endpoint_url=f"http://127.0.0.1:{free_port()}",
    )
    client.meta.events.register("before-call", send_role)
    direct.connect(client, "AKIAOWN")
    return client


def answering(answer: Callable[[Request], Response]) -> tuple[Direct, Application]:
    direct, application = Direct(), Application(answer)
    direct.answer = partial(own_requests.answer, application)
    return direct, application


def test_a_request_arrives_whole_in_the_senders_thread() -> None:
    direct, application = answering(lambda _: Response(json.dumps({"Endpoints": []})))

    assert connected(direct, "sagemaker").list_endpoints(NameContains="ä")["Endpoints"] == []

    (request,) = application.requests
    assert application.threads == [threading.current_thread()]
    assert (request.method, request.headers["X-Amz-Target"]) == ("POST", "SageMaker.ListEndpoints")
    assert json.loads(request.get_data()) == {"NameContains": "ä"}
    assert service_of(request) == "sagemaker"
    assert "Credential=AKIAOWN/" in request.headers["Authorization"]
    assert "/eu-central-1/" in request.headers["Authorization"]


def test_a_path_with_strange_characters_and_a_streamed_answer() -> None:
    direct, application = answering(lambda request: Response(request.get_data()[::-1], status=200))

    answer = connected(direct, "sagemaker-runtime").invoke_endpoint(EndpointName="a b/c", Body=b"\x00\xff")

    assert answer["Body"].read() == b"\xff\x00"
    assert application.requests[0].path == "/endpoints/a b/c/invocations"


def test_a_refusal_is_the_clients_error() -> None:
    said = json.dumps({"__type": "ValidationException", "message": "no"})
    direct, _ = answering(lambda _: Response(said, status=400))

    with pytest.raises(ClientError, match=r"\(ValidationException\).*: no"):
        connected(direct, "sagemaker").list_endpoints()


def test_what_answers_does_not_act_as_the_sender_does() -> None:
    direct = Direct()
    inner = connected(direct, "sts")

    def answer(request: Request) -> Response:
        if request.headers.get("X-Amz-Target"):
            inner.get_caller_identity()
            return Response("{}")
        return Response("<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>")

    application = Application(answer)
    direct.answer = partial(own_requests.answer, application)
    ActingClient(connected(direct, "sagemaker"), "arn:aws:iam::123456789012:role/x").list_endpoints()

    roles = [request.headers.get("X-Local-Account-Role") for request in application.requests]
    assert roles == ["arn:aws:iam::123456789012:role/x", None]


def test_a_presigned_url_has_its_signature() -> None:
    direct, _ = answering(lambda _: Response())

    url = connected(direct, "sts").generate_presigned_url("get_caller_identity")

    assert "X-Amz-Signature=" in url


def test_before_and_after_the_account_serves_clients_use_http() -> None:
    direct = Direct()

    with pytest.raises(EndpointConnectionError):
        connected(direct, "sagemaker").list_endpoints()


class Files:
    """An answer in two files."""

    def __init__(self, directory: Path) -> None:
        self.closed = False
        self._parts = [directory / "one", directory / "two"]
        for part in self._parts:
            part.write_bytes(b"-" + part.name.encode() * 1000 + b"-")

    def segments(self) -> Sequence[tuple[Path, int, int]]:
        return [(part, 1, 3000) for part in self._parts]

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("read from the files")

    def close(self) -> None:
        self.closed = True


def sends(files: Files, request: Request) -> Response:
    return Response(files, headers={"Content-Length": "6000"}, direct_passthrough=True)


CONTENT = b"one" * 1000 + b"two" * 1000


def test_an_answer_in_files_is_read_as_it_is_needed_and_let_go_at_its_end(tmp_path: Path) -> None:
    direct, _ = answering(partial(sends, files := Files(tmp_path)))

    body = connected(direct, "s3").get_object(Bucket="b", Key="k")["Body"]

    assert [body.read(2000), body.read(0), body.read(2000)] == [CONTENT[:2000], b"", CONTENT[2000:4000]]
    assert not files.closed
    assert (body.read(), files.closed) == (CONTENT[4000:], True)
    assert body.read(1) == b""


def test_an_answer_in_files_is_read_line_by_line_as_any_file(tmp_path: Path) -> None:
    direct, _ = answering(partial(sends, Files(tmp_path)))

    with connected(direct, "s3").get_object(Bucket="b", Key="k")["Body"] as raw:
        assert io.BufferedReader(raw, 999).read() == CONTENT


def test_whoever_can_read_files_finds_them_until_the_answer_is_closed(tmp_path: Path) -> None:
    direct, _ = answering(partial(sends, files := Files(tmp_path)))

    with connected(direct, "s3").get_object(Bucket="b", Key="k")["Body"] as raw:
        assert raw.read(4000) == CONTENT[:4000]
        assert raw.segments() == [(tmp_path / "two", 1001, 2000)]
        assert not files.closed
    assert files.closed


def test_an_answer_that_nobody_reads_is_let_go(tmp_path: Path) -> None:
    direct, _ = answering(partial(sends, files := Files(tmp_path)))

    connected(direct, "s3").get_object(Bucket="b", Key="k")
    gc.collect()

    assert files.closed


def test_a_request_to_s3_is_signed_whatever_its_key_and_metadata() -> None:
    verified: list[Any] = []

    def answer(request: Request) -> Response:
        head, now = head_of(request.environ), datetime.now(UTC)
        verified.append(signatures.verify(head, lambda _: Credentials("secret"), now))
        verified.append({name: value for name, value in head.headers.items() if "meta" in name})
        verified.append(request.environ["wsgi.input"].read())
        return Response()

    direct, application = answering(answer)

    connected(direct, "s3").put_object(
        Bucket="bucket", Key="a b/../ü+%//c~?#", Body=b"content", Metadata={"a_b-c": "d"}
    )

    signature, metadata, content = verified
    assert signature.access_key_id == "AKIAOWN"
    assert (metadata, content) == ({"x-amz-meta-a_b-c": "d"}, b"content")
    assert application.requests[0].path == "/bucket/a b/../ü+%//c~?#"


def test_a_file_is_read_as_the_service_takes_it() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"content")
        read: list[tuple[bytes, int]] = []

        def answer(request: Request) -> Response:
            while piece := request.environ["wsgi.input"].read(4):
                read.append((piece, file.tell()))
            return Response()

        direct, _ = answering(answer)
        connected(direct, "s3").put_object(Bucket="b", Key="k", Body=file)
    assert read == [(b"cont", 4), (b"ent", 7)]


def test_a_file_that_has_become_shorter_is_not_taken_for_a_whole_one() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"content")
        file.seek(0)

        def answer(request: Request) -> Response:
            file.truncate(3)
            return Response(request.environ["wsgi.input"].read(7))

        direct, _ = answering(answer)
        with pytest.raises(DisconnectedError, match="4 bytes of a request are missing"):
            connected(direct, "s3").put_object(Bucket="b", Key="k", Body=file)
