"""Passes what the Docker Engine sends to AWS's name of a registry on to the local account that is meant.

Accounts on one machine may have the same name, so it is the password from GetAuthorizationToken that tells
whose registry is meant: it begins with the port (`local_account.services.ecr.registry_password`). The
registry checks the rest. Runs as a program, with nothing but the standard library: it is started as root, for
port 80, and then goes on as the user.
"""

import asyncio
import base64
import binascii
import contextlib
import json
import os
import socket
import sys

LOOPBACK = "127.0.0.1"
ADDRESSES = [f"127.69.67.{last}" for last in range(82, 92)]  # "ECR"; one for each engine of this machine
_HEAD_BYTES = 64 * 1024
_CHUNK_BYTES = 256 * 1024
_PER_CONNECTION = (b"connection:", b"keep-alive:", b"expect:")


def port_of(head: bytes) -> int | None:
    """Return the port of the registry that the password in a request's head belongs to, or None."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() != b"authorization":
            continue
        with contextlib.suppress(ValueError, binascii.Error):
            kind, _, credentials = value.strip().partition(b" ")
            password = base64.b64decode(credentials).partition(b":")[2] if kind.lower() == b"basic" else b""
            port = int(base64.urlsafe_b64decode(password).split(b".")[0])
            return port if 0 < port < 65536 else None
    return None


def closing(head: bytes) -> bytes:
    """Return the head of a request or an answer after which the connection ends.

    The next request may be meant for another account.
    """
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(_PER_CONNECTION)]
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


def refusal(status: str, code: str, message: str) -> bytes:
    """Return an answer of our own, in the format of the OCI Distribution Specification."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    lines = [
        f"HTTP/1.1 {status}",
        "Docker-Distribution-Api-Version: registry/2.0",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if status.startswith("401"):
        lines.append('WWW-Authenticate: Basic realm="Amazon ECR",service="ecr"')
    return "\r\n".join([*lines, "", ""]).encode() + body


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one connection."""
    try:
        await _answer(reader, writer)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # one side is gone, or does not speak HTTP
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    port = port_of(head)
    if port is None:
        wanted = (
            "log in first: aws ecr get-login-password | docker login --username AWS --password-stdin HOST"
        )
        writer.write(refusal("401 Unauthorized", "UNAUTHORIZED", wanted))
        await writer.drain()
        return
    try:
        its_reader, its_writer = await asyncio.open_connection(LOOPBACK, port, limit=_HEAD_BYTES)
    except OSError:
        gone = f"the local account whose registry had port {port} is not running: start it, and log in again"
        # docker repeats a push for as long as the status is one of a server's errors.
        writer.write(refusal("404 Not Found", "NAME_UNKNOWN", gone))
        await writer.drain()
        return
    its_writer.write(closing(head))
    # The answer ends the connection, and so does a client that gives up.
    both = [asyncio.create_task(_copy(reader, its_writer)), asyncio.create_task(_return(its_reader, writer))]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        its_writer.close()
        for one in both:
            one.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _return(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(closing(await reader.readuntil(b"\r\n\r\n")))
    await _copy(reader, writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()


def listen(port: int = 80) -> socket.socket:
    """Return a socket at the first address that is free. Raises OSError if none is."""
    reason = ""
    for address in ADDRESSES:
        try:
            return socket.create_server((address, port), backlog=128)
        except OSError as error:
            reason = error.strerror or str(error)
    raise OSError(f"nothing can listen on port {port} ({reason})")


async def serve(listener: socket.socket, engine: int) -> None:
    """Relay connections until the process `engine` has ended."""
    ended = asyncio.Event()
    descriptor = os.pidfd_open(engine)
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    # The loop has only weak references to what it runs, and a stream drops its own with the connection.
    running: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(relay(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(begin, sock=listener, limit=_HEAD_BYTES)
    print(listener.getsockname()[0], flush=True)
    await ended.wait()
    server.close()


def main(engine: str, user: str, group: str) -> None:
    """Listen as root, and go on as the user."""
    try:
        listener = listen()
    except OSError as error:
        sys.exit(str(error))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))
    asyncio.run(serve(listener, int(engine)))


if __name__ == "__main__":
    main(*sys.argv[1:])
