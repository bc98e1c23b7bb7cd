"""A list of all keys under a prefix, page by page."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.growth.objects import BOTO3, LEAN, PREFIX, SMALL
from benchmarks.growth.plan import Notes, Plan
from benchmarks.growth.servers import FAILURES, Server
from benchmarks.growth.wire import Connection

PAGE = 1_000
TOKEN = re.compile(rb"<NextContinuationToken>([^<]+)</NextContinuationToken>")
KEY = re.compile(rb"<Key>")


@dataclass(frozen=True)
class Listed:
    """What a list gave: keys, and the seconds between requests and answers."""

    server: str
    client: str
    keys: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Keys per second."""
        return self.keys / self.seconds


def listing(servers: Sequence[Server], plan: Plan, notes: Notes) -> list[Listed]:
    """List `PREFIX` on each server, with both clients; a list that takes too long counts as far as it got."""
    found: list[Listed] = []
    for server in servers:
        for client, walk in ((LEAN, _lean), (BOTO3, _boto3)):
            try:
                keys, seconds = walk(server, plan.listing_seconds)
            except FAILURES as error:
                notes.leave_out(server.name, f"list, {client}: {error}", peer=server.is_peer)
                continue
            if keys:
                found.append(one := Listed(server.name, client, keys, seconds))
                notes.say(f"list: {server.name} {client} {keys:,} keys in {seconds:.2f} s")
                if keys < (wanted := plan.stages[-1].objects):
                    line = f"list, {client}: all but {keys:,} of {wanted:,} keys"
                    notes.leave_out(one.server, line, peer=server.is_peer)
    return found


def _lean(server: Server, limit: float) -> tuple[int, float]:
    connection, signer = Connection(server.port), server.signer
    keys, seconds, token = 0, 0.0, ""
    try:
        while seconds < limit:
            query = {"list-type": "2", "max-keys": str(PAGE), "prefix": PREFIX}
            if token:
                query["continuation-token"] = token
            request = signer.s3("GET", f"/{SMALL}", query=query)
            begin = time.perf_counter()
            answer = connection.call(request)
            seconds += time.perf_counter() - begin
            keys += len(KEY.findall(answer.body))
            following = TOKEN.search(answer.body)
            if following is None:
                break
            token = following[1].decode().replace("&amp;", "&")
    finally:
        connection.close()
    return keys, seconds


def _boto3(server: Server, limit: float) -> tuple[int, float]:
    pages: Any = server.client("s3").get_paginator("list_objects_v2").paginate(Bucket=SMALL, Prefix=PREFIX)
    keys, begin = 0, time.perf_counter()
    for page in pages:
        keys += page["KeyCount"]
        if time.perf_counter() - begin > limit:
            break
    return keys, time.perf_counter() - begin
