"""HTTP as no client should send it: refused once with 4xx and closed, or understood; never guessed at.

Contract: RFC 9112 (framing, section 6.3: what has two lengths is refused), RFC 9110 (Expect, methods).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.notebooks.base_image import wire
from tests.notebooks.base_image.model_container import Container
from tests.notebooks.base_image.wire import chunked, chunks

pytestmark = pytest.mark.docker
GOOD = [5.1, 3.5, 1.4, 0.2]
BODY = json.dumps({"instances": [GOOD]}).encode()
ONE_ROW = wire.request(BODY)
LIMIT = 6_291_456
HALF_SENT_SECONDS = 10
"""A request that is not complete after so long is given up, however its bytes drip in."""


@pytest.fixture(scope="module", autouse=True)
def no_process_is_replaced(shared_server: Container) -> Iterator[None]:
    before = shared_server.identities()
    yield
    assert shared_server.identities() == before


def post(*fields: str, body: bytes = BODY, line: str = "POST /invocations HTTP/1.1") -> bytes:
    """A request with exactly these header fields after Host and Content-Type."""
    head = "\r\n".join([line, "Host: model", "Content-Type: application/json", *fields])
    return head.encode("latin-1") + b"\r\n\r\n" + body


LENGTH = f"Content-Length: {len(BODY)}"
SMUGGLED = b"GET /ping HTTP/1.1\r\nHost: model\r\n\r\n"

MALFORMED = {
    "length and chunked": post(LENGTH, "Transfer-Encoding: chunked", body=chunks(BODY) + SMUGGLED),
    "chunked and length": post(
        "Transfer-Encoding: chunked", "Content-Length: 4", body=chunks(BODY) + SMUGGLED
    ),
    "zero length and chunked": post(
        "Content-Length: 0", "Transfer-Encoding: chunked", body=chunks(BODY) + SMUGGLED
    ),
    "two lengths": post(LENGTH, "Content-Length: 5", body=BODY + SMUGGLED),
    "a list of lengths": post(f"Content-Length: {len(BODY)}, 5", body=BODY + SMUGGLED),
    "negative length": post("Content-Length: -1"),
    "length with a plus": post(f"Content-Length: +{len(BODY)}"),
    "hexadecimal length": post("Content-Length: 0x22"),
    "length that is text": post("Content-Length: many"),
    "empty length": post("Content-Length:"),
    "length with a space": post("Content-Length: 2 2"),
    "length of 100 digits": post("Content-Length: " + "9" * 100),
    "length of 2^64": post(f"Content-Length: {2**64 + len(BODY)}"),
    "unknown coding": post("Transfer-Encoding: gzip", body=chunks(BODY) + SMUGGLED),
    "chunked not last": post("Transfer-Encoding: chunked, identity", body=chunks(BODY) + SMUGGLED),
    "almost chunked": post("Transfer-Encoding: xchunked", body=chunks(BODY) + SMUGGLED),
    "chunked twice": post(
        "Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=chunks(BODY) + SMUGGLED
    ),
    "space before the colon": post("Content-Length : 5", LENGTH),
    "space in a name": post("Content Length: 5", LENGTH),
    "no name": post(": value", LENGTH),
    "no colon": post("nonsense", LENGTH),
    "NUL in a name": post("X\x00Y: 1", LENGTH),
    "NUL in a value": post("X: a\x00b", LENGTH),
    "bare CR in a value": post("X: a\rb", LENGTH),
    "bad chunk size": chunked(b"zz\r\n" + BODY + b"\r\n0\r\n\r\n" + SMUGGLED),
    "negative chunk size": chunked(b"-5\r\n" + BODY + b"\r\n0\r\n\r\n" + SMUGGLED),
    "chunk size beyond 64 bits": chunked(b"F" * 17 + b"\r\n" + BODY),
    "chunk longer than it says": chunked(b"5\r\n" + BODY + b"\r\n0\r\n\r\n" + SMUGGLED),
    "no method": b" /ping HTTP/1.1\r\nHost: model\r\n\r\n",
    "another protocol": b"GET /ping SPDY/3\r\nHost: model\r\n\r\n",
    "version 9": b"GET /ping HTTP/9.9\r\nHost: model\r\n\r\n",
    "HTTP/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("16030100f0010000ec0303") + bytes(240),
    "zeros": bytes(1_000),
    "noise": bytes(range(255, 127, -1)) * 8,
    "a path with a space": b"GET /pi ng HTTP/1.1\r\nHost: model\r\n\r\n",
    "a path of control characters": b"GET /\x01\x02 HTTP/1.1\r\nHost: model\r\n\r\n",
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_malformed_http_is_refused_once_and_the_connection_closed(server: Container, fault: str) -> None:
    with server.connect(timeout=5) as connection:
        connection.send(MALFORMED[fault])
        answers = connection.rest()
    assert len(answers) == 1, answers  # a second answer would be the smuggled request's
    assert answers[0].status in ({400, 413} if "length of" in fault else {400, 405, 413, 431}), answers
    assert answers[0].error


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n" + ONE_ROW,
        post(LENGTH, LENGTH),
        post("content-length: " + str(len(BODY))),
        post(LENGTH, "X-Empty:", "X-Latin: \xe9\xff", "X-Long: " + "y" * 4000),
        post(LENGTH, *[f"X-{number}: {number}" for number in range(40)]),
        post(LENGTH, line="POST /invocations?a=b#c HTTP/1.1"),
        post(LENGTH, line="POST http://model/invocations HTTP/1.1"),
        post(LENGTH, "Expect: nothing-special"),
        post(LENGTH, "Connection: upgrade", "Upgrade: websocket"),
        post(LENGTH, line="POST /invocations HTTP/1.0"),
        ONE_ROW.replace(b"\r\n", b"\n", 4),
        ONE_ROW.replace(b"Host: model\r\n", b""),
        b"GET /ping\r\nHost: model\r\n\r\n",
    ],
    ids=lambda data: repr(data[:60]),
)
def test_odd_requests_are_answered_or_refused_but_never_lost(server: Container, data: bytes) -> None:
    with server.connect(timeout=5) as connection:
        answer = connection.ask(data)
        if answer.status == 200:
            assert answer.json().get("predictions", ["setosa"]) == ["setosa"]
        else:
            assert 400 <= answer.status < 500
            assert answer.error


@pytest.mark.parametrize(
    "body",
    [
        chunks(BODY),
        chunks(*[bytes([byte]) for byte in BODY]),
        b'%X;name=value;quoted="a;b"\r\n%s\r\n0\r\n\r\n' % (len(BODY), BODY),
        b"0000%x\r\n%s\r\n000\r\n\r\n" % (len(BODY), BODY),
        chunks(BODY)[:-2] + b"Digest: none\r\nX-More: 1\r\n\r\n",
    ],
    ids=["one", "a byte each", "extensions", "zeros in front", "trailers"],
)
def test_chunked_bodies_are_understood(server: Container, body: bytes) -> None:
    with server.connect(timeout=5) as connection:
        for _ in range(2):
            assert connection.ask(chunked(body)).json()["predictions"] == ["setosa"]


def test_a_chunked_body_over_the_limit_is_413(server: Container) -> None:
    part = b" " * 65_536
    with server.connect(timeout=10) as connection:
        connection.send(chunked(chunks(*[part] * (LIMIT // len(part) + 40))))
        answer = connection.receive()
    assert answer.status == 413
    assert answer.error


def sent_until_closed(connection: wire.Connection, data: bytes, *, within: float) -> bool:
    """Whether the server closes within so many seconds while `data` is sent again and again."""
    end = time.monotonic() + within
    try:
        while time.monotonic() < end:
            connection.send(data)
    except OSError:
        return True
    return False


def test_a_chunked_body_without_end_is_cut_off(server: Container) -> None:
    before = server.resident()
    with server.connect(timeout=10) as connection:
        connection.send(chunked(b""))
        assert sent_until_closed(connection, b"10000\r\n" + b" " * 65_536 + b"\r\n", within=10)
    assert server.resident() - before < 32_000_000


def test_chunks_of_a_byte_do_not_cost_more_than_their_bytes(server: Container) -> None:
    body = BODY.ljust(200_000)
    with server.connect(timeout=60) as connection:
        assert (
            connection.ask(chunked(b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")).status
            == 200
        )


REPEATED = {
    "a request": post(LENGTH),
    "a query": post(LENGTH, line="POST /invocations?a=b HTTP/1.1"),
    "no body": wire.request(path="/ping"),
    "a protocol offered": post(LENGTH, "Connection: Upgrade", "Upgrade: h2c"),
    "the last one": post(LENGTH, "Connection: close"),
    "HTTP/1.0": post(LENGTH, line="POST /invocations HTTP/1.0"),
    "patience": post(LENGTH, "Expect: 100-continue"),
    "HEAD": wire.request(method="HEAD", path="/ping"),
    "chunks": chunked(chunks(BODY)),
    "lines before it": b"\r\n\r\n" + post(LENGTH),
    "a header of 2 KB": post(LENGTH, "X: " + "y" * 2_000),
}


@pytest.mark.parametrize("kind", REPEATED)
def test_a_head_that_is_known_means_what_it_meant_the_first_time(server: Container, kind: str) -> None:
    """The server parses a head once; in one piece, in two, and once more in one it has to be the same."""

    def exchange(*pieces: bytes) -> tuple[list[tuple[int, dict[str, str], bytes]], bool]:
        answers: list[tuple[int, dict[str, str], bytes]] = []
        with server.connect(timeout=2) as connection:
            for piece in pieces:
                connection.send(piece)
                time.sleep(0.02)
            while True:
                try:
                    answer = connection.receive(head=kind == "HEAD")
                except wire.ClosedError:
                    return answers, True
                except TimeoutError:
                    return answers, False
                if answer.status != 100:
                    kept = {name: value for name, value in answer.headers.items() if name != "date"}
                    answers.append((answer.status, kept, answer.body))

    data = REPEATED[kind]
    whole = [exchange(data) for _ in range(2 * len(server.workers()))]  # each worker has seen it then
    cut = len(data) // 2
    assert whole == [exchange(data[:cut], data[cut:])] * len(whole)
    assert len(whole[0][0]) == 1
    assert exchange(data + data)[0] in (whole[0][0] * 2, whole[0][0] if whole[0][1] else ())


def test_a_known_head_does_not_hide_what_follows_it(server: Container) -> None:
    with server.connect(timeout=5) as connection:
        for _ in range(3):
            assert connection.ask(ONE_ROW).status == 200
        connection.send(ONE_ROW + wire.request(path="/ping"))  # more than the known length
        assert [connection.receive().status for _ in range(2)] == [200, 200]
        connection.send(ONE_ROW[:-1])  # less than the known length
        time.sleep(0.05)
        connection.send(ONE_ROW[-1:] + b"\r\n\r\n")  # empty lines are no request, whatever came before
        assert connection.receive().status == 200
        connection.send(wire.request(path="/ping"))
        assert connection.receive().json() == {"status": "ready"}
        connection.send(b"\r\n\r\n")
        time.sleep(0.05)
        assert connection.ask(ONE_ROW).json()["predictions"] == ["setosa"]


def test_thousands_of_different_heads_are_all_understood(server: Container) -> None:
    before = server.resident()
    with server.connect(timeout=10) as connection:
        for number in range(5_000):
            answer = connection.ask(post(LENGTH, f"X-Request: {number:0500}"))
            assert answer.status == 200
    assert server.resident() - before < 16_000_000


def test_expect_100_continue(server: Container) -> None:
    with server.connect(timeout=5) as connection:
        for _ in range(2):
            connection.send(post(LENGTH, "Expect: 100-continue", body=b""))
            assert connection.receive().status == 100
            connection.send(BODY)
            assert connection.receive().json()["predictions"] == ["setosa"]
        # A client may stop waiting for 100 Continue and send the body.
        connection.send(post(LENGTH, "Expect: 100-continue"))
        answer = connection.receive()
        if answer.status == 100:
            answer = connection.receive()
        assert answer.status == 200


def test_expect_100_continue_is_refused_before_the_body_is_sent(server: Container) -> None:
    with server.connect(timeout=5) as connection:
        connection.send(post(f"Content-Length: {LIMIT + 1}", "Expect: 100-continue", body=b""))
        answer = connection.receive()
        assert (answer.status, bool(answer.error)) == (413, True)


def test_pipelined_requests_are_answered_in_their_order(server: Container) -> None:
    batches = [wire.request({"instances": [GOOD] * (1 + number % 7)}) for number in range(200)]
    batches[50] = wire.request(b"{")
    batches[100] = wire.request(path="/ping")
    with server.connect(timeout=10) as connection:
        connection.send(b"".join(batches))
        answers = [connection.receive() for _ in batches]
    assert answers[50].status == 400
    assert answers[100].json() == {"status": "ready"}
    for number in set(range(200)) - {50, 100}:
        assert len(answers[number].json()["predictions"]) == 1 + number % 7


def test_requests_cut_at_any_byte_are_put_together(server: Container) -> None:
    data = wire.request(BODY, headers={"Accept": "application/json"})
    with server.connect(timeout=5) as connection:
        for cut in range(1, len(data), 3):
            connection.send(data[:cut])
            time.sleep(0.001)
            connection.send(data[cut:])
            assert connection.receive().status == 200


def test_a_connection_lives_for_thousands_of_requests(server: Container) -> None:
    with server.connect(timeout=5) as connection:
        for _ in range(2_000):
            assert connection.ask(ONE_ROW).status == 200


def test_connection_close_and_http_1_0_are_honoured(server: Container) -> None:
    for data in (
        wire.request(BODY, headers={"Connection": "close"}),
        wire.request(BODY, headers={"Connection": "Close"}),
        post(LENGTH, line="POST /invocations HTTP/1.0"),
        b"GET /ping HTTP/1.0\r\n\r\n",
    ):
        with server.connect(timeout=5) as connection:
            connection.send(data)
            assert [answer.status for answer in connection.rest()] == [200]


def test_a_client_that_says_it_has_finished_still_gets_its_answer(server: Container) -> None:
    with server.connect(timeout=5) as connection:
        connection.send(ONE_ROW)
        connection.finish()
        assert [answer.status for answer in connection.rest()] == [200]


def test_half_a_request_and_the_end_is_not_waited_for(server: Container) -> None:
    for part in (b"", b"POST", ONE_ROW[:40], ONE_ROW[:-1]):
        with server.connect(timeout=5) as connection:
            connection.send(part)
            connection.finish()
            assert all(400 <= answer.status < 500 for answer in connection.rest())


def test_head_has_no_body(server: Container) -> None:
    with server.connect(timeout=5) as connection:
        for path in ("/ping", "/execution-parameters"):
            answer = connection.ask(wire.request(method="HEAD", path=path))
            assert answer.status in {200, 405}
        # Were there a body, it would now be read as the beginning of this answer.
        assert connection.ask(ONE_ROW).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        [f"X-{number}: {number}" for number in range(1_000)],
        [f"X-{number}: {number}" for number in range(20_000)],
        ["X: " + "y" * 1_000_000],
        ["y" * 1_000_000 + ": x"],
        ["X-Amzn-SageMaker-Custom-Attributes: " + "algorithm=logistic," * 60_000],
        ["Accept: " + "a/b," * 250_000],
        ["Cookie: " + "y" * 7_000] * 100,
    ],
    ids=[
        "1,000 fields",
        "20,000 fields",
        "1 MB value",
        "1 MB name",
        "1 MB attributes",
        "1 MB Accept",
        "700 KB",
    ],
)
def test_absurd_headers_are_refused(server: Container, fields: list[str]) -> None:
    with server.connect(timeout=10) as connection:
        connection.send(post(LENGTH, *fields))
        answer = connection.receive()
        assert answer.status in {400, 431}
        assert answer.error


def test_a_request_line_without_end_is_refused(server: Container) -> None:
    with server.connect(timeout=10) as connection:
        connection.send(b"GET /" + b"x" * 1_000_000)
        answer = connection.receive()
        assert answer.status in {400, 404, 414, 431}
        assert answer.error


def test_headers_without_end_are_cut_off(server: Container) -> None:
    before = server.resident()
    with server.connect(timeout=10) as connection:
        connection.send(b"GET /ping HTTP/1.1\r\n")
        assert sent_until_closed(connection, b"X: " + b"y" * 65_000 + b"\r\n", within=10)
    assert server.resident() - before < 32_000_000


def test_half_sent_requests_are_given_up_and_others_are_served_meanwhile(server: Container) -> None:
    began = time.monotonic()

    def drip(data: bytes) -> Callable[[wire.Connection], None]:
        def send(connection: wire.Connection) -> None:
            for byte in data:
                connection.send(bytes([byte]))
                time.sleep(0.2)

        return send

    def half(data: bytes) -> Callable[[wire.Connection], None]:
        return lambda connection: connection.send(data)

    stalled = {
        "half a header": half(ONE_ROW[:40]),
        "half a body": half(ONE_ROW[:-5]),
        "no body": half(post(LENGTH, body=b"")),
        "half a chunk": half(chunked(b"22\r\n{")),
        "no last chunk": half(chunked(chunks(BODY)[:-5])),
        "a header byte at a time": drip(b"GET /ping HTTP/1.1\r\nX: " + b"y" * 1_000),
        "a body byte at a time": drip(post("Content-Length: 1000", body=b" " * 1_000)),
        "a second request": half(ONE_ROW + ONE_ROW[:-5]),
    }
    closed_after: dict[str, float] = {}

    def stall(name: str) -> None:
        with server.connect(timeout=5) as connection:
            try:
                stalled[name](connection)
            except OSError:
                closed_after[name] = time.monotonic() - began
            else:
                if connection.is_closed(within=HALF_SENT_SECONDS + 8):
                    closed_after[name] = time.monotonic() - began

    threads = [threading.Thread(target=stall, args=[name]) for name in stalled]
    for thread in threads:
        thread.start()
    slowest = 0.0
    while any(thread.is_alive() for thread in threads) and time.monotonic() - began < HALF_SENT_SECONDS + 10:
        asked = time.monotonic()
        assert server.ask(ONE_ROW).status == 200
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.05)
    for thread in threads:
        thread.join(timeout=5)
    assert set(closed_after) == set(stalled)
    assert min(closed_after.values()) > HALF_SENT_SECONDS - 1
    assert max(closed_after.values()) < HALF_SENT_SECONDS + 6
    assert slowest < 2


def test_an_idle_connection_is_kept_longer_than_a_half_sent_request(server: Container) -> None:
    with server.connect(timeout=5) as connection:
        assert connection.ask(ONE_ROW).status == 200
        time.sleep(3)
        assert connection.ask(ONE_ROW).status == 200


def test_answers_that_nobody_reads_do_not_pile_up(server: Container) -> None:
    many = wire.request({"instances": [GOOD] * 2_000})
    before = server.resident()
    connections = [server.connect(timeout=0.3, receive_buffer=4096) for _ in range(8)]
    try:
        sent = 0
        for connection in connections:
            try:
                for _ in range(200):  # 7 MB of requests, 22 MB of answers on each connection
                    connection.send(many)
                    sent += 1
            except OSError:
                pass  # the server has stopped reading, as it should
        assert server.ask(ONE_ROW).status == 200
        assert server.resident() - before < 80_000_000, f"{sent} requests"
    finally:
        for connection in connections:
            connection.close()


def test_a_slow_reader_gets_everything_and_holds_nobody_up(server: Container) -> None:
    with server.connect(timeout=60, receive_buffer=2048) as slow:
        slow.send(wire.request({"instances": [GOOD] * 40_000}))
        time.sleep(0.5)
        for _ in range(50):
            assert server.ask(ONE_ROW).status == 200  # a server that waited for the reader would wait forever
        assert len(slow.receive().json()["predictions"]) == 40_000


def test_clients_that_vanish_do_no_harm(server: Container) -> None:
    import socket
    import struct

    many = wire.request({"instances": [GOOD] * 5_000})
    for number in range(100):
        connection = server.connect(timeout=5)
        connection.send(many[: len(many) if number % 2 else len(many) // 2])
        if number % 3 == 0:  # a reset instead of an orderly close
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert server.ask(ONE_ROW).status == 200
