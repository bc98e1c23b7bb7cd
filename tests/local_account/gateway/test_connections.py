"""Connections to the gateway as clients use them: many requests on one, any body, an orderly close."""

import http.client
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from local_account.gateway.connections import KeepAliveHandler
from local_account.gateway.heads import head_of
from local_account.gateway.streams import Segmented

MB = 1024**2


class Files:
    """An answer in two files."""

    def __init__(self, directory: Path, size: int) -> None:
        self.closed = threading.Event()
        self._parts = [directory / "one", directory / "two"]
        for part in self._parts:
            part.write_bytes(b"-" + part.name[-1].encode() * size + b"-")
        self._size = size

    def segments(self) -> Sequence[tuple[Path, int, int]]:
        return [(part, 1, self._size) for part in self._parts]

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("sent from the files")

    def close(self) -> None:
        self.closed.set()


class Application:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.taken: list[int] = []
        self.files: list[Files] = []

    def __call__(self, environ: dict[str, object], start_response: object) -> object:
        request = Request(environ)
        return getattr(self, request.path.strip("/") or "count")(request)(environ, start_response)

    def count(self, request: Request) -> Response:
        return Response(b"%d" % len(request.get_data()))

    def fails(self, _: Request) -> Response:
        raise RuntimeError("no")

    def fails_later(self, _: Request) -> Response:
        def body() -> Iterator[bytes]:
            yield b"x" * MB
            raise RuntimeError("no")

        return Response(body(), headers={"Content-Length": str(2 * MB)})

    def unread(self, _: Request) -> Response:
        return Response("not read")

    def nothing(self, _: Request) -> Response:
        return Response(status=204)

    def not_modified(self, _: Request) -> Response:
        return Response(status=304, headers={"ETag": '"a"'})

    def pieces(self, request: Request) -> Response:
        """Takes the body as it comes."""
        while piece := request.environ["wsgi.input"].read(100_000):
            self.taken.append(len(piece))
        return Response(b"%d" % sum(self.taken))

    def stream(self, _: Request) -> Response:
        return Response((b"x" * 100_000 for _ in range(40)), headers={"Content-Length": "4000000"})

    def unmeasured(self, _: Request) -> Response:
        return Response(b"x" * 100_000 for _ in range(4))

    def file(self, request: Request) -> Response:
        size = int(request.args["size"])
        body: Segmented = Files(self.directory, size)
        self.files.append(body)  # type: ignore[arg-type]
        return Response(body, 206, {"Content-Length": str(2 * size)}, direct_passthrough=True)

    def header(self, request: Request) -> Response:
        head = head_of(request.environ)
        return Response(f"{head.path}|{head.query}|{request.path}|{head.headers}")


class Listener:
    def __init__(self, directory: Path) -> None:
        self.closed = threading.Event()
        self.application = Application(directory)
        self.server = make_server(
            "127.0.0.1",
            0,
            self.application,  # type: ignore[arg-type]
            threaded=True,
            request_handler=KeepAliveHandler.until(self.closed),  # type: ignore[arg-type]
        )
        self.server.daemon_threads = True  # type: ignore[attr-defined]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=5)

    def say(self, *pieces: bytes) -> bytes:
        """Send bytes as they are; return all that comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.server.server_port), timeout=5) as raw:
            for piece in pieces:
                raw.sendall(piece)
            raw.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: raw.recv(65_536), b""))


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    made = Listener(tmp_path_factory.mktemp("files"))
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


def test_a_long_body_arrives_in_pieces_and_is_asked_for_when_it_is_read(listener: Listener) -> None:
    listener.application.taken.clear()
    with socket.create_connection(("127.0.0.1", listener.server.server_port), timeout=5) as raw:
        raw.sendall(
            b"PUT /pieces HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert raw.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(b"x" * 3_000_000)
        assert raw.recv(1000).endswith(b"3000000")
    assert max(listener.application.taken) == 100_000


def test_a_long_body_that_is_refused_is_never_asked_for(listener: Listener) -> None:
    answer = listener.say(
        b"PUT /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\nExpect: 100-continue\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in answer


def test_a_refused_client_that_sends_on_still_reads_its_answer(listener: Listener) -> None:
    head = b"PUT /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"
    assert listener.say(head, *([b"x" * MB] * 20)).endswith(b"not read")


def test_an_unread_body_of_some_megabytes_does_not_end_the_connection(listener: Listener) -> None:
    connection = listener.connect()
    connection.connect()
    before = connection.sock
    for _ in range(2):
        connection.request("POST", "/unread", b"x" * 3 * MB)
        assert connection.getresponse().read() == b"not read"
        assert connection.sock is before


def test_a_body_that_is_cut_off_is_nobodys_request(listener: Listener) -> None:
    for length in (100, 3_000_000):  # held and streamed
        head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode()
        assert listener.say(head, b"x" * (length - 1)) == b""


def test_requests_that_arrive_together_are_answered_in_order(listener: Listener) -> None:
    one = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    last = b"GET /unread HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answers = listener.say(one + one + last)
    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert answers.endswith(b"not read")


@settings(deadline=None, max_examples=25)
@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.data())
def test_chunks_may_be_split_anywhere(listener: Listener, chunks: list[bytes], data: st.DataObject) -> None:
    body = b"".join(b"%X;name=value\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    raw = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        + body
        + b"0\r\nTrailer: value\r\n\r\n"
    )
    at = data.draw(st.integers(0, len(raw)))
    assert listener.say(raw[:at], raw[at:]).endswith(b"\r\n\r\n%d" % len(b"".join(chunks)))


@pytest.mark.parametrize("chunks", [b"x\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"-1\r\n", b"1" * 5000 + b"\r\n"])
def test_chunks_that_are_none_are_a_bad_request(listener: Listener, chunks: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert listener.say(head, chunks).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /", 400),
        (b"GET / HTTP/2.0", 505),
        (b"G<T / HTTP/1.1", 400),
        (b"GET nowhere HTTP/1.1", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded", 400),
        (b"GET / HTTP/1.1\r\nHost : a", 400),
        (b"GET / HTTP/1.1\r\nHost: a\nX: b", 400),
        (b"GET / HTTP/1.1\r\nNoColon", 400),
        (b"GET / HTTP/1.1\r\nX: nu\0ll", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: +1", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip", 501),
        (b"POST / HTTP/1.1\r\nExpect: much", 417),
        (b"GET / HTTP/1.1\r\n" + b"\r\n".join(b"a: b" for _ in range(101)), 431),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 70_000, 431),
    ],
)
def test_what_is_not_a_request_is_refused(listener: Listener, head: bytes, status: int) -> None:
    assert listener.say(head + b"\r\n\r\n").startswith(b"HTTP/1.1 %d " % status)


def test_a_head_is_kept_as_it_was_sent(listener: Listener) -> None:
    answer = listener.say(
        b"GET /%68eader/?a=%20b&c HTTP/1.1\r\nHost: a\r\nX-Amz-Meta-my_key: 1\r\nx-amz-meta-my-key:  2 \r\n"
        b"Accept: a\r\nACCEPT: b\r\nConnection: close\r\n\r\n"
    )
    headers = {
        "host": "a",
        "x-amz-meta-my_key": "1",
        "x-amz-meta-my-key": "2",
        "accept": "a,b",
        "connection": "close",
    }
    assert answer.endswith(f"/%68eader/|a=%20b&c|/header/|{headers}".encode())


def test_an_absolute_target_names_the_host(listener: Listener) -> None:
    answer = listener.say(b"GET http://b:80/header?x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"/header|x|/header|{'host': 'b:80'" in answer


def test_http_1_0_closes_unless_it_is_asked_not_to(listener: Listener) -> None:
    assert b"\r\nConnection: close\r\n" in listener.say(b"GET /unread HTTP/1.0\r\n\r\n")
    kept = listener.say(b"GET /unread HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
    assert kept.count(b"\r\nConnection: keep-alive\r\n") == 2


def test_answers_have_the_length_that_they_say(listener: Listener) -> None:
    connection = listener.connect()
    for method, path, status, length, body in (
        ("GET", "/stream", 200, "4000000", 4_000_000),
        ("HEAD", "/stream", 200, "4000000", 0),
        ("GET", "/unmeasured", 200, "400000", 400_000),
        ("GET", "/nothing", 204, None, 0),
        ("GET", "/not_modified", 304, None, 0),
        ("GET", "/file?size=100", 206, "200", 200),
        ("GET", "/file?size=1000000", 206, "2000000", 2_000_000),
        ("HEAD", "/file?size=1000000", 206, "2000000", 0),
        ("GET", "/unread", 200, "8", 8),
    ):
        connection.request(method, path)
        response = connection.getresponse()
        assert (response.status, response.headers["Content-Length"], len(response.read())) == (
            status,
            length,
            body,
        )


def test_files_are_sent_in_order_and_released(listener: Listener) -> None:
    for size in (10, 300_000):
        connection = listener.connect()
        connection.request("GET", f"/file?size={size}")
        assert connection.getresponse().read() == b"e" * size + b"o" * size
        assert listener.application.files[-1].closed.wait(5)


def test_a_file_is_released_when_the_client_goes_away(listener: Listener) -> None:
    with socket.create_connection(("127.0.0.1", listener.server.server_port), timeout=5) as raw:
        raw.sendall(b"GET /file?size=20000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        raw.recv(1000)
    assert listener.application.files[-1].closed.wait(5)


def test_an_answer_that_fails_halfway_is_not_completed(listener: Listener) -> None:
    connection = listener.connect()
    connection.request("GET", "/fails_later")
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()


def test_nothing_is_answered_after_the_end(listener: Listener) -> None:
    connection = listener.connect()
    connection.request("GET", "/")
    connection.getresponse().read()
    listener.closed.set()
    try:
        connection.request("POST", "/", b"lost")
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
    finally:
        listener.closed.clear()
