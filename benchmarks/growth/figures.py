"""The figures of the part `growth`, and what they have to reach."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.figures import Figure
from benchmarks.growth.channel import Placed
from benchmarks.growth.large import Transfer
from benchmarks.growth.lines import LinesPoint
from benchmarks.growth.listing import Listed
from benchmarks.growth.objects import BOTO3, LEAN, LEAN_SEVERAL, Point
from benchmarks.growth.rest import Labs, Resting
from benchmarks.growth.servers import ACCOUNT, EMPTY_ACCOUNT, MINISTACK, MOTO

GROWTH = 1.2
TIMES = {MOTO: 2.5, MINISTACK: 1.5}
TIMES_LISTING = 3
MB_PER_SECOND = 200
ABOVE_IDLE_MB = 40
LINES_PER_SECOND = 100_000
RESIDENT_MB = 150
IDLE_PERCENT = 2
TIMES_BY_HAND = 1.5
CLIENTS = {
    LEAN: "one connection",
    LEAN_SEVERAL: "several connections",
    BOTO3: "boto3",
}


@dataclass
class Results:
    """All that was measured."""

    objects: list[Point] = field(default_factory=list)
    listing: list[Listed] = field(default_factory=list)
    large: list[Transfer] = field(default_factory=list)
    lines: list[LinesPoint] = field(default_factory=list)
    channel: list[Placed] = field(default_factory=list)
    resting: list[Resting] = field(default_factory=list)
    labs: Labs | None = None

    def figures(self, failed: Sequence[str] = ()) -> Iterator[Figure]:
        """Yield every figure; `failed` says what this account did not do."""
        yield from _details(self.objects)
        yield from _growth(self.objects)
        yield from _ratios(self.objects)
        yield from _listing(self.listing)
        yield from _large(self.large)
        yield from _lines(self.lines)
        yield from _channel(self.channel)
        yield from _resting(self.resting, self.labs)
        about = ", ".join(failed) or "this account was measured to the end of every part"
        yield Figure("growth.left_out", len(failed), "", about, 0)


def slug(label: str) -> str:
    """Return a label as a part of a figure's name."""
    return label.lower().replace(",", "").replace(" ", "_")


def _details(points: Sequence[Point]) -> Iterator[Figure]:
    for one in points:
        name = f"growth.{one.operation}_1kb.{one.server}.{slug(one.stage)}.{one.client}"
        about = f"{one.stored / 1e6:,.0f} MB, {one.objects:,} objects, {CLIENTS[one.client]}"
        yield Figure(f"{name}.p50_ms", one.p50_ms, "ms", about, detail=True)
        yield Figure(f"{name}.p99_ms", one.p99_ms, "ms", about, detail=True)
        yield Figure(f"{name}.per_second", one.per_second, "1/s", about, detail=True)


def _of(points: Sequence[Point], server: str, operation: str, client: str) -> list[Point]:
    return [one for one in points if (one.server, one.operation, one.client) == (server, operation, client)]


def _growth(points: Sequence[Point]) -> Iterator[Figure]:
    for client in (LEAN, BOTO3):
        ours = _of(points, ACCOUNT, "put", client)
        empty = {one.stage: one for one in _of(points, EMPTY_ACCOUNT, "put", client)}
        if not ours:
            continue
        first, last = ours[0], ours[-1]
        about = f"PutObject of 1 KB, {CLIENTS[client]}, {first.stage} to {last.stage}"
        name = f"growth.put_1kb_{client}"
        for point, when in ((first, "first"), (last, "last")):
            yield Figure(f"{name}_{when}_p50_ms", point.p50_ms, "ms", f"{about}: {point.stage}, median")
            yield Figure(f"{name}_{when}_p99_ms", point.p99_ms, "ms", "of it the 99th percentile")
        yield Figure(f"{name}_first_to_last_ratio", last.p50_ms / first.p50_ms, "×", f"{about}: medians")
        if last.stage in empty:
            # In the same minute: a machine that has become slower since the first stage is not growth.
            yield Figure(
                f"{name}_growth_ratio",
                last.p50_ms / empty[last.stage].p50_ms,
                "×",
                "the last stage to an empty account in the same minute",
                GROWTH,
            )


def _ratios(points: Sequence[Point]) -> Iterator[Figure]:
    """Yield how many times as many requests as each peer: the lowest of all stages that both reached."""
    for peer, at_least in TIMES.items():
        for operation in ("put", "get"):
            for client, about in CLIENTS.items():
                ours = {one.stage: one for one in _of(points, ACCOUNT, operation, client)}
                ratios = [
                    (ours[other.stage].per_second / other.per_second, other.stage)
                    for other in _of(points, peer, operation, client)
                    if other.stage in ours
                ]
                if ratios:
                    lowest, stage = min(ratios)
                    yield Figure(
                        f"growth.{operation}_{client}_to_{peer}_ratio",
                        lowest,
                        "×",
                        f"{about}, per second; lowest of {len(ratios)} stages: {stage}",
                        # boto3's own work is the same for all servers: its ratios are lower.
                        at_least=None if client == BOTO3 else at_least,
                    )


def _listing(listed: Sequence[Listed]) -> Iterator[Figure]:
    by_server = {(one.server, one.client): one for one in listed}
    for one in listed:
        name = f"growth.list.{one.server}.{one.client}"
        about = f"{one.keys:,} keys under a prefix, {CLIENTS[one.client]}"
        yield Figure(f"{name}.keys_per_second", one.per_second, "1/s", about, detail=True)
        yield Figure(f"{name}.seconds", one.seconds, "s", about, detail=one.server != ACCOUNT)
    for client in (LEAN, BOTO3):
        ours = by_server.get((ACCOUNT, client))
        for peer in TIMES:
            theirs = by_server.get((peer, client))
            if ours and theirs:
                yield Figure(
                    f"growth.list_{client}_to_{peer}_ratio",
                    ours.per_second / theirs.per_second,
                    "×",
                    f"keys per second, {CLIENTS[client]}",
                    at_least=TIMES_LISTING if (peer, client) == (MOTO, LEAN) else None,
                )


def _large(transfers: Sequence[Transfer]) -> Iterator[Figure]:
    for one in transfers:
        name, ours = f"growth.{one.direction}_1gb.{one.server}.{one.client}", one.server == ACCOUNT
        about = f"{one.direction} of 1 GB, {one.client.replace('_', ' ')}"
        rate, above = MB_PER_SECOND if ours else None, ABOVE_IDLE_MB if ours else None
        yield Figure(
            f"{name}.mb_per_second", one.mb_per_second, "MB/s", about, at_least=rate, detail=not ours
        )
        yield Figure(f"{name}.cpu_seconds", one.cpu_seconds, "s", "CPU time of the server", detail=True)
        yield Figure(
            f"{name}.above_idle_mb", one.above_idle_mb, "MB", "memory above idle", above, detail=not ours
        )


def _lines(points: Sequence[LinesPoint]) -> Iterator[Figure]:
    for one in points:
        name = f"growth.log_lines.{one.server}.{one.stored}.{one.client}"
        about = f"1,000 lines at {one.stored:,} stored, {CLIENTS[one.client]}"
        yield Figure(f"{name}.p50_ms", one.p50_ms, "ms", about, detail=True)
        yield Figure(f"{name}.p99_ms", one.p99_ms, "ms", about, detail=True)
        yield Figure(f"{name}.per_second", one.lines_per_second, "1/s", about, detail=True)
        yield Figure(f"{name}.read_ms", one.read_ms, "ms", "GetLogEvents of the last 1,000", detail=True)
    for client in (LEAN, BOTO3):
        ours = [one for one in points if (one.server, one.client) == (ACCOUNT, client)]
        empty = {one.stored: one for one in points if (one.server, one.client) == (EMPTY_ACCOUNT, client)}
        if not ours:
            continue
        first, last, name = ours[0], ours[-1], f"growth.log_lines_{client}"
        about = f"PutLogEvents of 1,000 lines, {CLIENTS[client]}"
        lean = client == LEAN
        for point, when in ((first, "first"), (last, "last")):
            at = f"{about}: median at {point.stored:,} stored"
            yield Figure(f"{name}_{when}_p50_ms", point.p50_ms, "ms", at)
        yield Figure(f"{name}_first_to_last_ratio", last.p50_ms / first.p50_ms, "×", f"{about}: medians")
        if last.stored in empty:
            yield Figure(
                f"{name}_growth_ratio",
                last.p50_ms / empty[last.stored].p50_ms,
                "×",
                "the last to a new stream of an empty account in the same minute",
                GROWTH,
            )
        yield Figure(
            f"{name}_per_second",
            last.lines_per_second,
            "1/s",
            f"lines at {last.stored:,} stored, {CLIENTS[client]}",
            at_least=LINES_PER_SECOND if lean else None,
        )


def _channel(rounds: Sequence[Placed]) -> Iterator[Figure]:
    if not rounds:
        return
    for name, about in (
        ("upload", "upload of the channel's file, boto3"),
        ("to_training", "from then to `Training`"),
        ("copy", "by hand: copy of the file"),
        ("docker", "by hand: docker create, docker cp, docker start"),
    ):
        seconds = statistics.median(getattr(one, name) for one in rounds)
        yield Figure(f"growth.channel_{name}_seconds", seconds, "s", about)
    ratio = statistics.median(one.ratio for one in rounds)
    about = f"upload to `Training` against by hand, median of {len(rounds)} rounds"
    yield Figure("growth.channel_to_hand_ratio", ratio, "×", about, TIMES_BY_HAND)


def _resting(resting: Sequence[Resting], labs: Labs | None) -> Iterator[Figure]:
    for one in resting:
        ours, name = one.server == ACCOUNT, f"growth.rest.{one.server}"
        yield Figure(
            f"{name}.resident_mb",
            one.resident_mb,
            "MB",
            "memory with everything stored",
            RESIDENT_MB if ours else None,
            detail=not ours,
        )
        yield Figure(
            f"{name}.idle_percent",
            one.idle_percent,
            "%",
            "of a core while idle, with everything stored",
            IDLE_PERCENT if ours else None,
            detail=not ours,
        )
    if labs:
        name, about = f"growth.labs_{labs.number}", f"with everything stored and {labs.number} labs"
        yield Figure(f"{name}_up_seconds", labs.up_seconds, "s", f"fleet up of {labs.number} labs then")
        yield Figure(f"{name}_ready_again_seconds", labs.ready_again_seconds, "s", f"start {about}")
        for one, when in ((labs.grown, "grown"), (labs.restarted, "restarted")):
            yield Figure(f"{name}_{when}_mb", one.resident_mb, "MB", f"memory {about}, {when}", RESIDENT_MB)
            yield Figure(
                f"{name}_{when}_idle_percent", one.idle_percent, "%", f"{about}, {when}", IDLE_PERCENT
            )
