"""One object of 1 GB, up and down: with boto3's transfer manager, and in one stream."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.growth.memory import Peak
from benchmarks.growth.plan import Notes, Plan
from benchmarks.growth.servers import FAILURES, Server
from benchmarks.growth.wire import EMPTY, Connection, Payload, WireError
from benchmarks.lab import rest

BUCKET, KEY = "growth-large", "data"
BOTO3, STREAM = "boto3", "one_stream"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Transfer:
    """One direction with one client: medians of the rounds, and the most memory above idle."""

    server: str
    client: str
    direction: str
    mb_per_second: float
    above_idle_mb: float
    cpu_seconds: float
    """Processor time of the server: the rate also depends on the client, which shares the machine."""


def write_random(path: Path, size: int) -> Path:
    """Write a file that does not compress."""
    with path.open("wb") as file:
        for begin in range(0, size, CHUNK):
            file.write(os.urandom(min(CHUNK, size - begin)))
    return path


def large(servers: Sequence[Server], plan: Plan, room: Path, notes: Notes) -> list[Transfer]:
    """Upload and download on each server; what arrives has to be what was sent."""
    source = write_random(room / "large.bin", plan.transfer)
    payload = Payload.of(source)
    found: list[Transfer] = []
    for server in servers:
        s3 = server.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        for client, steps in (
            (BOTO3, _boto3(s3, payload, room / "copy.bin")),
            (STREAM, _stream(server, payload)),
        ):
            try:
                found += (both := _rounds(server, client, steps, payload.size, plan))
            except FAILURES as error:
                line = f"{payload.size / 1e6:.0f} MB, {client}: {error}"
                notes.leave_out(server.name, line, peer=server.is_peer)
                continue
            finally:
                s3.delete_object(Bucket=BUCKET, Key=KEY)
            for one in both:
                above = f"{one.above_idle_mb:.0f} MB above idle"
                rate = f"{one.mb_per_second:.0f} MB/s, {one.cpu_seconds:.1f} s of CPU"
                notes.say(f"{one.direction} {one.server} {one.client}: {rate}, {above}")
    source.unlink()
    return found


Steps = tuple[Callable[[], None], Callable[[], None]]


def _rounds(server: Server, client: str, steps: Steps, size: int, plan: Plan) -> list[Transfer]:
    rounds = plan.peer_transfer_rounds if server.is_peer else plan.transfer_rounds
    found: list[Transfer] = []
    rates: dict[str, list[float]] = {"upload": [], "download": []}
    busy: dict[str, list[float]] = {"upload": [], "download": []}
    above = dict.fromkeys(rates, 0.0)
    for _ in range(rounds):
        for direction, step in zip(rates, steps, strict=True):
            rest(plan.rest_seconds)
            with Peak(server) as peak:
                before, begin = server.cpu_seconds, time.perf_counter()
                step()
                rates[direction].append(size / 1e6 / (time.perf_counter() - begin))
                busy[direction].append(server.cpu_seconds - before)
            above[direction] = max(above[direction], peak.above)
    for direction, measured in rates.items():
        rate, cpu = statistics.median(measured), statistics.median(busy[direction])
        found.append(Transfer(server.name, client, direction, rate, above[direction], cpu))
    return found


def _boto3(s3: Any, payload: Payload, copy: Path) -> Steps:
    """boto3's transfer manager with its defaults: parts of 8 MB, ten threads, CRC32 of each part."""
    source = payload.body

    def download() -> None:
        s3.download_file(BUCKET, KEY, str(copy))
        size = copy.stat().st_size
        copy.unlink()
        if size != payload.size:
            raise WireError(f"{size} bytes came back of {payload.size}")

    return lambda: s3.upload_file(str(source), BUCKET, KEY), download


def _stream(server: Server, payload: Payload) -> Steps:
    """One PutObject from a file, one GetObject into nothing; signed, and its digests computed, before."""
    signer = server.signer

    def call(method: str) -> Callable[[], None]:
        def run() -> None:
            request = signer.s3(method, f"/{BUCKET}/{KEY}", payload if method == "PUT" else EMPTY)
            connection = Connection(server.port)
            answer = connection.call(request, keep=False)
            connection.close()
            if method == "GET" and answer.size != payload.size:
                raise WireError(f"{answer.size} bytes came back of {payload.size}")

        return run

    return call("PUT"), call("GET")
