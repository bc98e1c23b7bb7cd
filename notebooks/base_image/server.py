"""The HTTP side of the container: one socket, a process per vCPU, limits, and a clean shutdown.

`serve` starts the workers, replaces any that dies, and on SIGTERM lets requests that have begun finish.
A worker is one event loop (uvloop). The parser of Node.js (httptools) reads HTTP, and reads each distinct
request head only once. Small requests that arrive together are answered together, in the loop; large ones
are answered in a thread beside it, so that `/ping` never waits behind them. Nothing here knows about models.
"""

import asyncio
import fcntl
import gc
import logging
import mmap
import os
import resource
import signal
import socket
import sys
import termios
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from http import HTTPStatus
from math import inf
from typing import NamedTuple, cast

import httptools
import orjson
import uvloop

MAX_BODY = 6_291_456  # bytes: what InvokeEndpoint accepts
MAX_HEADERS = 32_768  # bytes of the URL and all headers, plus 32 per header (as RFC 9113 counts)
MAX_WORKERS = 256
MAX_CONNECTIONS = 1_000  # per worker; beyond that, only /ping is answered
MAX_HELD = 134_217_728  # bytes of request bodies in a worker's memory, complete or not
MAX_WAITING = 16_777_216  # bytes of request bodies that wait for a worker's thread
LARGE = 32_768  # bytes: a body of this size goes to the thread; smaller ones are answered together up to it
MAX_HEADS = 256  # parsed heads that a worker remembers
SHORT_HEAD = 1_024  # bytes: longer heads are not remembered
REQUEST_SECONDS = 10  # to send a whole request, and to take the next SLOWEST bytes of an answer
SLOWEST = 65_536  # bytes of an answer, or all that is left of it
IDLE_SECONDS = 75  # between two requests
LINGER_SECONDS = 2  # for the client to close after the last answer; cut off sooner, it might not see it
DRAIN_SECONDS = 25  # SageMaker kills a container 30 seconds after SIGTERM
END_OF_HEAD = b"\r\n\r\n"
PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
logger = logging.getLogger("server")


class Head(NamedTuple):
    """The head of a request: header names in lower case, `length` of the body in bytes."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    keep_alive: bool
    length: int

    def header(self, name: bytes) -> str:
        """Return the value of a header, or an empty string."""
        return self.headers.get(name, b"").decode("latin-1")


class Request(NamedTuple):
    """A complete request."""

    head: Head
    body: bytes


class Response(NamedTuple):
    """What is sent back; `headers` are complete lines, each with its CRLF."""

    body: bytes
    media_type: str = "application/json"
    status: int = 200
    headers: str = ""


class RefusedError(Exception):
    """A request that is refused: the HTTP status, what is wrong, and additional header lines."""

    def __init__(self, status: int, message: str, headers: str = "") -> None:
        super().__init__(message)
        self.status, self.headers = status, headers

    def response(self) -> Response:
        """Return what is wrong, as JSON."""
        return Response(orjson.dumps({"error": str(self)[:500]}), status=self.status, headers=self.headers)


class BusyError(RefusedError):
    """There is more to do than this server can do: refusing at once beats queueing without end."""

    def __init__(self) -> None:
        super().__init__(503, "the server is busy; try again in a second", "Retry-After: 1\r\n")


Answer = Callable[[list[Request]], list[Response]]  # one response per request, or one exception for all


class Connection(asyncio.Protocol):
    """One client: asyncio delivers its bytes, httptools parses them, and answers go out in order."""

    transport: asyncio.Transport

    def __init__(self, worker: "Worker") -> None:
        self.worker = worker
        self.parser = httptools.HttpRequestParser(self)
        self.queue: deque[Request | RefusedError] = deque()  # to be answered, in order
        self.reading = self.in_headers = False  # in the middle of a request; in the middle of its headers
        self.computing = self.blocked = False  # an answer is being computed; the client is not reading
        self.piece = b""  # the data being parsed, if it begins a request
        self.closing = self.lost = False  # further data is ignored; the client is gone
        self.wants_continue = False
        self.held, self.left = 0, inf  # bytes of bodies in memory; of answers unsent at the last check

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the client (asyncio)."""
        self.transport = cast(asyncio.Transport, transport)
        self.worker.connections.add(self)
        self.allow(IDLE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client (asyncio)."""
        self.closing = self.lost = True
        self.queue.clear()
        self.worker.leave(self)
        self.hold(-self.held)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, and answer what is complete (asyncio)."""
        if self.closing:
            return
        start = b"" if self.reading else data[: data.find(END_OF_HEAD) + 4]
        head = self.worker.heads.get(start)
        if head and len(start) + head.length == len(data):  # exactly one request, with a head that we know
            self.hold(head.length)
            self.queue.append(Request(head, data[len(start) :]))
        else:
            self.piece = b"" if self.reading else data
            self.parse(data)
            self.piece = b""
        self.work()

    def parse(self, data: bytes) -> None:
        """Let the parser find requests, or what is wrong with them."""
        try:
            self.parser.feed_data(data)
            if self.in_headers:  # the parser does not report a header before its end
                self.unfinished += len(data)
                self.check_headers(self.unfinished)
        except httptools.HttpParserUpgrade:
            self.closing = True  # the client offers another protocol: answer in this one, then close
        except (httptools.HttpParserError, RefusedError) as error:
            why = error if isinstance(error, RefusedError) else error.__context__
            self.refuse(why if isinstance(why, RefusedError) else RefusedError(400, f"not HTTP: {error}"))

    def eof_received(self) -> bool:
        """Keep the connection if a client that is done sending still waits for answers (asyncio)."""
        self.closing = True
        return bool(self.queue or self.computing)

    def pause_writing(self) -> None:
        """Read no more requests while the client does not take its answers (asyncio)."""
        self.blocked = True
        self.transport.pause_reading()
        self.allow(REQUEST_SECONDS)

    def resume_writing(self) -> None:
        """Resume: the client has taken its answers (asyncio)."""
        self.blocked = False
        self.go_on()

    def on_message_begin(self) -> None:
        """Start a request (httptools)."""
        self.url, self.headers, self.parts = b"", dict[bytes, bytes](), list[bytes]()
        self.header_size = self.unfinished = self.body_size = 0
        self.reading = self.in_headers = True
        self.allow(REQUEST_SECONDS)

    def on_url(self, part: bytes) -> None:
        """Collect the URL (httptools)."""
        self.url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header (httptools)."""
        name = name.lower()
        self.headers[name] = self.headers[name] + b"," + value if name in self.headers else value
        self.header_size += len(name) + len(value) + 32

    def on_headers_complete(self) -> None:
        """Refuse a request that announces too much (httptools)."""
        self.in_headers = False
        self.check_headers(self.header_size + len(self.url))
        self.check_body(int(self.headers.get(b"content-length", 0)))
        self.wants_continue = self.headers.get(b"expect", b"").lower() == b"100-continue"

    def on_body(self, part: bytes) -> None:
        """Collect the body (httptools)."""
        self.wants_continue = False
        self.parts.append(part)
        self.body_size += len(part)
        self.check_body(self.body_size)
        self.hold(len(part))
        if self.worker.held > MAX_HELD:
            raise BusyError

    def on_message_complete(self) -> None:
        """Queue the request (httptools)."""
        self.reading = self.wants_continue = False
        method, path = self.parser.get_method().decode(), self.url.partition(b"?")[0].decode("latin-1")
        keep_alive = self.parser.should_keep_alive()
        request = Request(Head(method, path, self.headers, keep_alive, self.body_size), b"".join(self.parts))
        self.queue.append(request)
        size = self.piece.find(END_OF_HEAD) + 4
        if size + self.body_size == len(self.piece) and not self.parser.should_upgrade():
            self.worker.remember(self.piece[:size], request.head)

    def check_headers(self, size: int) -> None:
        """Refuse excessive headers."""
        if size > MAX_HEADERS:
            raise RefusedError(431, f"headers may have at most {MAX_HEADERS} bytes")

    def check_body(self, size: int) -> None:
        """Refuse a body that InvokeEndpoint would refuse as well."""
        if size > MAX_BODY:
            raise RefusedError(413, f"a body may have at most {MAX_BODY} bytes")

    def hold(self, size: int) -> None:
        """Count the bytes of bodies in memory."""
        self.held += size
        self.worker.held += size

    def allow(self, seconds: float) -> None:
        """Give the client this long for its next step."""
        self.deadline = self.worker.now + seconds

    def expire(self) -> None:
        """End what takes too long; the worker calls this after the deadline."""
        if self.closing or self.blocked:
            left = self.unsent()
            if left and left + SLOWEST <= self.left:
                self.left = left
                self.allow(REQUEST_SECONDS)  # slow, but making progress
            else:
                self.transport.abort()
        elif self.reading:
            self.refuse(RefusedError(408, f"a request must be complete within {REQUEST_SECONDS} seconds"))
            self.work()
        else:
            self.closing = True
            self.transport.close()

    def unsent(self) -> int:
        """Return how many bytes of answers the client has not taken, including those in the kernel."""
        in_kernel = fcntl.ioctl(self.transport.get_extra_info("socket"), termios.TIOCOUTQ, bytes(4))
        return self.transport.get_write_buffer_size() + int.from_bytes(in_kernel, sys.byteorder)

    def idle(self) -> bool:
        """Return whether no request is under way and no answer is left to send."""
        return not (self.closing or self.reading or self.queue or self.computing or self.unsent())

    def refuse(self, why: RefusedError) -> None:
        """Read no more; answer what came before, then refuse."""
        self.closing = True
        self.queue.append(why)

    def work(self) -> None:
        """Answer the complete requests in order."""
        while self.queue and not (self.computing or self.blocked):
            request = self.queue.popleft()
            if isinstance(request, RefusedError):
                self.reply(request.response(), last=True)
            elif self.worker.refuses(request):
                self.hold(-len(request.body))
                self.reply(BusyError().response(), last=not request.head.keep_alive)
            else:
                self.computing, self.deadline = True, inf
                if len(request.body) < LARGE:
                    self.worker.collect(self, request)
                else:
                    self.transport.pause_reading()  # until it is answered
                    self.worker.compute(self, request)
        if self.computing or self.blocked:
            return
        if self.closing:
            self.leave()
        elif self.wants_continue:
            self.wants_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def answered(self, request: Request, response: Response) -> None:
        """Send an answer, and continue."""
        self.computing = False
        if not self.lost:
            self.hold(-len(request.body))
            if request.head.method == "HEAD":
                response = response._replace(body=b"")
            self.reply(response, last=not request.head.keep_alive)
            self.go_on()

    def go_on(self) -> None:
        """Resume reading and answering once an answer is computed or the client has taken one."""
        if not (self.computing or self.blocked or self.transport.is_closing()):
            self.transport.resume_reading()
            self.work()

    def reply(self, response: Response, *, last: bool) -> None:
        """Send a response; after the last one, nothing more is read or answered."""
        last = last or self.worker.draining or self.worker.crowded
        self.transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: %b\r\n%b%b\r\n%b"
            % (
                response.status,
                PHRASES[response.status],
                response.media_type.encode(),
                len(response.body),
                b"close" if last else b"keep-alive",
                self.worker.date,
                response.headers.encode(),
                response.body,
            )
        )
        self.left = inf
        if last:
            self.closing = True
            self.queue.clear()
        self.allow(REQUEST_SECONDS if last or self.reading else IDLE_SECONDS)

    def leave(self) -> None:
        """Announce the end of the answers; the client closes once it has read them, or time runs out."""
        if not self.transport.is_closing():
            self.allow(LINGER_SECONDS)
            self.transport.write_eof()


class Worker:
    """A process that answers: an event loop, its connections, and a thread for large requests.

    `shares` holds the number of connections of every worker; this worker is `number`.
    """

    def __init__(self, listener: socket.socket, answer: Answer, shares: memoryview, number: int) -> None:
        self.listener, self.answer = listener, answer
        self.shares, self.number = shares, number
        self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self.thread = ThreadPoolExecutor(1)
        self.connections: set[Connection] = set()
        self.arriving: set[asyncio.Task[object]] = set()
        self.heads: dict[bytes, Head] = {}  # what the parser made of these bytes
        self.collected: deque[tuple[Connection, Request]] = deque()
        self.held = self.waiting = 0
        self.draining = False
        self.pause: asyncio.TimerHandle | None = None  # set while this worker ignores the listener
        self.now, self.date = self.loop.time(), b""  # updated by every tick

    @property
    def crowded(self) -> bool:
        """Whether this worker has more connections than it serves."""
        return len(self.connections) > MAX_CONNECTIONS

    @property
    def ahead(self) -> bool:
        """Whether this worker has more connections than its share."""
        fewest = min(self.shares)
        return bool(self.shares[self.number] - fewest > fewest // 8)

    def run(self) -> None:
        """Answer requests until SIGTERM."""
        self.shares[self.number] = 0
        self.loop.add_signal_handler(signal.SIGTERM, self.drain)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        self.loop.add_reader(self.listener, self.accept)
        self.tick()
        self.loop.run_forever()

    def accept(self) -> None:
        """Take a connection, or leave it for a millisecond to workers that have fewer."""
        if self.ahead:
            self.look_away(0.001)
        else:
            self.take()

    def take(self) -> bool:
        """Take a connection; return whether there was one."""
        try:
            client, _ = self.listener.accept()
        except BlockingIOError:  # another worker was faster
            return False
        except OSError:
            logger.exception("cannot accept a connection")
            self.look_away(1)
            return False
        self.shares[self.number] += 1
        task = self.loop.create_task(self.loop.connect_accepted_socket(lambda: Connection(self), client))
        self.arriving.add(task)
        task.add_done_callback(self.arriving.discard)
        return True

    def look_away(self, seconds: float) -> None:
        """Leave the listener to the other workers for a while."""
        self.loop.remove_reader(self.listener)
        self.pause = self.loop.call_later(seconds, self.look_again)

    def look_again(self) -> None:
        """Take a connection if one is still waiting, no matter who has more."""
        if self.pause and not self.draining:
            self.pause.cancel()
            self.pause = None
            self.loop.add_reader(self.listener, self.accept)
            self.take()

    def leave(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        self.connections.discard(connection)
        self.shares[self.number] -= 1
        if self.pause and not self.ahead:
            self.look_again()

    def remember(self, start: bytes, head: Head) -> None:
        """Keep what the parser made of a head, because clients send the same one again and again."""
        if len(start) <= SHORT_HEAD:
            if len(self.heads) == MAX_HEADS:
                self.heads.clear()
            self.heads[start] = head

    def refuses(self, request: Request) -> bool:
        """Return whether there is too much to do already."""
        size = len(request.body)
        too_large = size >= LARGE and self.waiting + size > MAX_WAITING
        return too_large or (self.crowded and request.head.path != "/ping")

    def collect(self, connection: Connection, request: Request) -> None:
        """Answer a small request once everything that arrived with it has been read."""
        if not self.collected:
            self.loop.call_soon(self.answer_collected)
        self.collected.append((connection, request))

    def answer_collected(self) -> None:
        """Answer small requests together, as long as their bodies add up to less than a large one."""
        taken, size = list[tuple[Connection, Request]](), 0
        while self.collected and size < LARGE:
            taken.append(self.collected.popleft())
            size += len(taken[-1][1].body)
        if self.collected:
            self.loop.call_soon(self.answer_collected)
        responses = self.respond([request for _, request in taken])
        for (connection, request), response in zip(taken, responses, strict=True):
            connection.answered(request, response)

    def compute(self, connection: Connection, request: Request) -> None:
        """Answer a large request in the thread."""

        def computed(done: asyncio.Future[list[Response]]) -> None:
            self.waiting -= len(request.body)
            connection.answered(request, *done.result())

        self.waiting += len(request.body)
        self.loop.run_in_executor(self.thread, self.respond, [request]).add_done_callback(computed)

    def respond(self, requests: list[Request]) -> list[Response]:
        """Answer requests, whatever they hold: a bad one does not affect those that came with it."""
        try:
            return self.answer(requests)
        except Exception as error:
            if len(requests) > 1:
                return [self.respond([request])[0] for request in requests]
            if isinstance(error, RefusedError):
                return [error.response()]
            logger.exception("a request failed")
            return [RefusedError(500, "the request failed; the server's log has the reason").response()]

    def tick(self) -> None:
        """Update the time, and end connections that have run out of it."""
        self.now, self.date = self.loop.time(), b"Date: %b\r\n" % formatdate(usegmt=True).encode()
        for connection in list(self.connections):
            if connection.deadline < self.now:
                connection.expire()
            elif self.draining and connection.idle():
                connection.deadline = min(connection.deadline, self.now + 0.5)
        if self.draining and not self.connections and not self.arriving:
            self.loop.stop()
        self.loop.call_later(0.1 if self.draining else 1, self.tick)

    def drain(self) -> None:
        """Take what is in the queue, then no more connections; answer every request that has begun."""
        while self.take():
            pass
        self.loop.remove_reader(self.listener)
        self.listener.close()
        self.draining = True
        self.loop.call_later(DRAIN_SECONDS, self.loop.stop)
        self.tick()


def setting(name: str, default: int, highest: int) -> int:
    """Return a number from 1 to `highest` in the environment; ends the program if it is something else."""
    text = os.environ.get(name, "").strip()
    if text and not (text.isascii() and text.isdigit() and 1 <= int(text[:10]) <= highest):
        sys.exit(f"{name} is {text!r}: use a whole number from 1 to {highest}, or leave it out for {default}")
    return int(text or default)


def serve(load: Callable[[], Answer], *, port: int, workers: int) -> None:
    """Serve HTTP on `port` until SIGTERM, answering with what `load` returns, in workers forked from here.

    This way the model is loaded once, its memory is shared, and a worker is replaced in milliseconds while
    clients wait in the queue of the socket. Raises OSError if the port is taken, and whatever `load` raises.
    """
    inbox, outbox = socket.socketpair()
    outbox.setblocking(False)
    signal.set_wakeup_fd(outbox.fileno())  # each signal becomes a byte in the inbox, whichever thread gets it
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    # Threads of OpenMP do not survive a fork: a worker would wait for them for ever. One for each worker is
    # enough, and a library reads this when it is loaded.
    os.environ["OMP_NUM_THREADS"] = "1"
    answer = load()
    listener = socket.create_server(("", port), backlog=4096)
    listener.setblocking(False)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if os.getuid() == 0:  # SageMaker starts every container as root; `nobody` is enough to serve
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    # What exists now stays, so no collection has to look at it. The rows of a usual request are fewer objects
    # than the threshold, so they do not start a collection.
    gc.freeze()
    gc.set_threshold(10_000)
    shares = memoryview(mmap.mmap(-1, 4 * workers)).cast("I")  # each worker writes its own entry
    started: dict[int, tuple[int, float]] = {}  # process id: number, start time
    logger.info("serving on port %d with %d workers", port, workers)
    while True:
        while len(started) < workers:
            number = min({*range(workers)} - {number for number, _ in started.values()})
            started[fork(listener, answer, shares, number)] = number, time.monotonic()
        if {signal.SIGTERM, signal.SIGINT} & set(inbox.recv(64)):
            break
        for pid in [pid for pid in started if os.waitpid(pid, os.WNOHANG)[0]]:
            logger.error("worker %d has died; a new one takes its place", pid)
            if time.monotonic() - started.pop(pid)[1] < 1:
                time.sleep(0.2)  # do not keep the machine busy with a worker that dies at once
    listener.close()
    for pid in started:
        os.kill(pid, signal.SIGTERM)
    for pid in started:
        os.waitpid(pid, 0)


def fork(listener: socket.socket, answer: Answer, shares: memoryview, number: int) -> int:
    """Start a worker and return its process id; a signal that comes early waits for its handler."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if pid := os.fork():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return pid
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the supervisor passes it on
        Worker(listener, answer, shares, number).run()
    except BaseException:
        logger.exception("a worker failed")
    os._exit(0)
