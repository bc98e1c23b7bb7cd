"""Connections to the gateway as clients use them: many requests on one, any body, an orderly close."""

import http.client
import threading
from collections.abc import Iterator

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from local_account.gateway.connections import KeepAliveHandler


@Request.application
def application(request: Request) -> Response:
    if request.path == "/fails":
        raise RuntimeError("no")
    if request.path == "/unread":
        return Response("not read")
    if request.path == "/nothing":
        return Response(status=204)
    return Response(b"%d" % len(request.get_data()), headers={"Content-Length": "2"})


class Listener:
    def __init__(self) -> None:
        self.closed = threading.Event()
        self.server = make_server(
            "127.0.0.1", 0, application, threaded=True, request_handler=KeepAliveHandler.until(self.closed)
        )
        self.server.daemon_threads = True  # type: ignore[attr-defined]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=5)


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_one_connection_serves_requests_in_turn(listener: Listener) -> None:
    connection = listener.connect()
    connection.connect()
    socket = connection.sock
    for method, path, body, answer in (
        ("POST", "/", b"x" * 42, b"42"),
        ("POST", "/unread", b"y" * 100_000, b"not read"),  # does not end up in the next request
        ("GET", "/", None, b"0"),
        ("HEAD", "/", None, b""),
        ("DELETE", "/nothing", None, b""),
        ("POST", "/", b"12345", b"5"),
    ):
        connection.request(method, path, body)
        assert connection.getresponse().read() == answer
        assert connection.sock is socket


def test_chunks_and_expectations(listener: Listener) -> None:
    connection = listener.connect()
    connection.request("POST", "/", iter([b"ab", b"cde"]), encode_chunked=True)
    assert connection.getresponse().read() == b"5"
    connection.request("POST", "/", b"abc", headers={"Expect": "100-continue"})
    assert connection.getresponse().read() == b"3"


def test_a_failing_application_is_a_500_and_the_connection_stays_open(listener: Listener) -> None:
    connection = listener.connect()
    connection.request("GET", "/fails")
    response = connection.getresponse()
    response.read()
    assert response.status == 500
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"0"


def test_nothing_is_answered_after_the_end(listener: Listener) -> None:
    connection = listener.connect()
    connection.request("GET", "/")
    connection.getresponse().read()
    listener.closed.set()
    connection.request("POST", "/", b"lost")
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()
