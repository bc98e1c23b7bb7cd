"""What is measured: sizes, how far each server is filled, and the seconds that each step may take."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

PARTS = ("objects", "listing", "large", "logs", "channel", "labs")
Report = Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """How much an account holds: bytes in objects of up to `Plan.big` bytes, and objects of 1 KB."""

    label: str
    stored: int
    objects: int


@dataclass(frozen=True)
class Plan:
    """The sizes of a measurement. Times are limits: what is not done by then is left out, and said."""

    stages: tuple[Stage, ...] = (
        Stage("empty", 0, 0),
        Stage("50 MB", 50_000_000, 0),
        Stage("500 MB", 500_000_000, 0),
        Stage("5 GB", 5_000_000_000, 0),
        Stage("10,000 objects", 5_000_000_000, 10_000),
        Stage("100,000 objects", 5_000_000_000, 100_000),
    )
    big: int = 64_000_000
    small: int = 1_000
    peer_stored: int = 500_000_000
    """Peers hold what they are given in memory: they get no more than this in bytes, and as many objects."""
    fill_seconds: float = 400
    rounds: int = 3
    requests: int = 2_000
    """Most requests of one measurement; it also ends after `request_seconds`."""
    request_seconds: float = 1.0
    connections: int = 4
    transfer: int = 1_000_000_000
    transfer_rounds: int = 3
    peer_transfer_rounds: int = 1
    listing_seconds: float = 120
    lines: int = 1_000
    stored_lines: tuple[int, ...] = (0, 10_000, 100_000, 300_000, 1_000_000)
    batches: int = 20
    lines_seconds: float = 240
    channel_rounds: int = 3
    labs: int = 30
    history: int = 5
    """How often each lab ran its pipelines."""
    idle_seconds: float = 20
    labs_idle_seconds: float = 65
    """The account gives freed memory back once a minute."""
    rest_seconds: float = 30
    """How long the machine may take to become idle before a measurement."""

    def scaled(self, factor: float) -> Plan:
        """Return a plan with every size and count multiplied: 0.01 tries everything out in two minutes."""
        if factor == 1:
            return self

        def times(value: int) -> int:
            return round(value * factor)

        stages = [Stage(one.label, times(one.stored), times(one.objects)) for one in self.stages]
        return Plan(
            stages=tuple(stages),
            big=times(self.big),
            small=self.small,
            peer_stored=times(self.peer_stored),
            fill_seconds=max(10, self.fill_seconds * factor),
            rounds=1,
            requests=max(20, times(self.requests)),
            transfer=times(self.transfer),
            transfer_rounds=1,
            listing_seconds=max(10, self.listing_seconds * factor),
            stored_lines=tuple(times(one) for one in self.stored_lines),
            batches=max(2, times(self.batches)),
            lines_seconds=max(10, self.lines_seconds * factor),
            channel_rounds=1,
            labs=max(1, times(self.labs)),
            idle_seconds=max(2, self.idle_seconds * factor),
            labs_idle_seconds=max(2, self.labs_idle_seconds * factor),
            rest_seconds=2,
        )


@dataclass
class Notes:
    """Says what is going on, and keeps what was left out and why."""

    left_out: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """What was left out of this account's own figures."""

    def say(self, line: str) -> None:
        """Show progress."""
        print(f"  growth: {line}", file=sys.stderr, flush=True)

    def leave_out(self, who: str, line: str, *, peer: bool = False) -> None:
        """Show and keep what was not measured; peers need not be able to do everything."""
        self.left_out.append(f"{who} {line}")
        if not peer:
            self.failed.append(f"{who} {line}")
        self.say(f"left out: {who} {line}")
