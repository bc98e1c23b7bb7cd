"""The account's own clients are answered in their own thread, and a service sees what HTTP would bring."""

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from werkzeug.wrappers import Request, Response

from local_account.foundation.acting import ActingClient, send_role
from local_account.foundation.config import free_port
from local_account.foundation.direct import Direct
from local_account.gateway.gateway import service_of
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
    direct.application = application
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

    direct.application = application = Application(answer)
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
