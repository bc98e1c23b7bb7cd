"""From shifted data to recovered quality: labeled traffic, what happened meanwhile, and one picture of both.

Right answers are counted by inference id, as in notebook 07: clients' requests have one, and the true labels
come later.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lab_helpers import approvals, comparisons, executions, keys, monitoring
from lab_helpers.comparisons import Share
from lab_helpers.endpoints import Row
from lab_helpers.errors import WorkshopError
from lab_helpers.examples import Examples
from lab_helpers.executions import Execution, ExecutionFailed
from lab_helpers.lab import Lab
from lab_helpers.monitoring import Traffic
from lab_helpers.names import DEPLOY_PRD, HUMAN_APPROVAL, TRAIN_APPROVAL
from lab_helpers.picture import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Answer = str | float
FEWEST = 25
"""Requests of one point in the picture: fewer say nothing."""
Z = 1.96
"""Of a 95 % interval."""


class RetrainingError(WorkshopError, RuntimeError):
    """There is too little data to retrain with, or nothing to show; the message says why."""


@dataclass(frozen=True)
class Labeled:
    """A window of requests whose true labels are known: which answers were right, and who gave them."""

    name: str
    release: str
    """The execution that trained the model which answered."""
    since: datetime
    until: datetime
    rights: tuple[bool, ...]

    @property
    def at(self) -> datetime:
        """The middle of the window."""
        return self.since + (self.until - self.since) / 2

    @property
    def share(self) -> float:
        """The share of right answers, from 0 to 1."""
        return sum(self.rights) / len(self.rights)

    def __str__(self) -> str:
        return f"{self.name}: {self.share:.1%} of {len(self.rights)} answers are right"


@dataclass(frozen=True)
class Event:
    """Something that happened, for the picture."""

    at: datetime
    text: str


def halves(known: Examples, most: int) -> tuple[list[int], list[int]]:
    """Return the places of at most `most` rows, spread evenly, as two halves with the same classes.

    The first half is labeled and learned from; the second is not, so that nothing is measured on rows that
    were learned from. Raises RetrainingError if there are too few rows to compare.
    """
    step = max(1, math.ceil(len(known.rows) / most))
    chosen = sorted(range(0, len(known.rows), step), key=lambda place: (str(known.answers[place]), place))
    first, second = sorted(chosen[::2]), sorted(chosen[1::2])
    if len(second) < FEWEST:
        raise RetrainingError(
            f"{len(chosen)} rows are too few: take at least {2 * FEWEST} requests, and data with as many rows"
        )
    return first, second


def compare(name: str, release: str, traffic: Traffic, truth: Sequence[Answer], known: Examples) -> Labeled:
    """Return how good the answers to a window of traffic were, now that the true labels are there.

    A regressor's answer is right within three times the root mean squared error of its evaluation.
    """
    algorithm = known.algorithms[0]
    near = 0.0 if known.evaluation["classes"] else known.tolerance(algorithm)

    def right(answer: Answer, label: Answer) -> bool:
        if known.evaluation["classes"]:
            return str(answer) == str(label)
        return abs(float(answer) - float(label)) <= near

    rights = tuple(right(*pair) for pair in zip(traffic.labels, truth, strict=True))
    return Labeled(name, release, traffic.since, traffic.until, rights)


def may_be_as_good(new: Labeled, old: Labeled) -> bool:
    """Return whether a window of answers is not clearly worse than another; chance has its 95 % interval."""
    before, after = (Share(one.name, sum(one.rights), len(one.rights)) for one in (old, new))
    return comparisons.compare(before, after).high >= 0


def put_labeled(lab: Lab, rows: Sequence[Row], truth: Sequence[Answer], known: Examples) -> str:
    """Put labeled rows where the training pipeline finds them, as a file of its own, and return its key.

    The columns are those of the training data. The rule for labeled data sees it if it is enabled.
    """
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([*known.evaluation.get("features", {}), known.evaluation.get("target", "target")])
    lines.writerows(
        [*("" if cell is None else cell for cell in row), label]
        for row, label in zip(rows, truth, strict=True)
    )
    key = f"{keys.LABELED}{datetime.now(UTC):%Y%m%d%H%M%S}.csv"
    lab.client("s3").put_object(Bucket=lab.bucket, Key=key, Body=text.getvalue().encode())
    return key


def forget(lab: Lab, key: str) -> None:
    """Delete a file of labeled data: the next training does not use it. The bucket keeps its versions."""
    lab.client("s3").delete_object(Bucket=lab.bucket, Key=key)


def follow_unchanged(lab: Lab, execution_id: str) -> tuple[Execution, str]:
    """Follow an execution that has started although no data is new; return it, and why it has ended.

    The launcher refuses it if there is nothing new to learn. If it trains because the image or the
    hyperparameters are new, it is rejected when it asks for a decision: the data has not changed.
    """
    pipeline = lab.names.train_pipeline
    try:
        found = executions.follow(lab, pipeline, execution_id, until=HUMAN_APPROVAL, rejected_too=True)
    except ExecutionFailed:
        found = executions.get(lab, pipeline, execution_id)
        failed = found.failed_action
        return found, failed.summary if failed else found.reason
    approvals.decide(lab, found, "reject", "the data has not changed")
    found = executions.get(lab, pipeline, execution_id)
    return found, f"rejected in {HUMAN_APPROVAL}: image or settings are new, but the data is not"


def alarm_began(lab: Lab, endpoint: str) -> datetime:
    """Return since when the alarm for drift is in its state (DescribeAlarms)."""
    if not (found := monitoring.described_alarm(lab, endpoint)):
        raise RetrainingError(f"there is no alarm {endpoint}-drift: release to PRD in notebook 04 first")
    return found.get("StateTransitionedTimestamp", found["StateUpdatedTimestamp"])


def events(execution: Execution, started: str) -> Iterator[Event]:
    """Yield what happened to an execution, in order: it started, was refused or judged, decided, released."""
    began = [action.began for action in execution.actions if action.began]
    if began:
        yield Event(min(began), started)
    for stage, good, bad in (
        ("Train", "", "the launcher refuses it"),
        (TRAIN_APPROVAL, "the gate approves", "the gate rejects"),
        (HUMAN_APPROVAL, "a person approves", "a person rejects"),
        (DEPLOY_PRD, "the new release serves", "the release fails"),
    ):
        for action in execution.stage(stage):
            text = good if action.status == "Succeeded" else bad
            if action.ended and action.changed and text:
                yield Event(action.changed, text)


def interval(right: int, asked: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson)."""
    share, spread = right / asked, Z * Z / asked
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / asked + spread / (4 * asked)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def picture(traffic: Sequence[Labeled], happened: Sequence[Event]) -> Picture:
    """Plot the quality of the release in production over time, with what happened meanwhile.

    Each point is a window of labeled requests with its 95 % interval; its color is the release that answered.
    Raises RetrainingError without any traffic.
    """
    import matplotlib.pyplot as plt  # noqa: PLC0415

    if not traffic:
        raise RetrainingError("there is no labeled traffic to show: run the cells above")
    happened = sorted(happened, key=lambda event: event.at)
    began = min([one.since for one in traffic] + [event.at for event in happened])

    ended = max([one.until for one in traffic] + [event.at for event in happened])
    length = (ended - began).total_seconds() or 1.0
    unit, seconds = ("minutes", 60) if length > 240 else ("seconds", 1)

    def since(at: datetime) -> float:
        return (at - began).total_seconds() / seconds

    figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
    for number, event in enumerate(happened, start=1):
        axes.axvline(since(event.at), color="gray", linewidth=0.8, linestyle=":")
        # Events may be seconds apart: neighbors have their numbers at different heights.
        height = 1.04 + 0.07 * ((number - 1) % 4)
        axes.annotate(str(number), (since(event.at), height), fontsize=8, ha="center")
        axes.plot([], [], " ", label=f"{number}  {event.text}")
    releases = list(dict.fromkeys(one.release for one in traffic))
    for number, (release, marker) in enumerate(zip(releases, itertools.cycle("osD^v"), strict=False)):
        _plot(axes, [one for one in traffic if one.release == release], since, f"C{number}", marker)
    axes.set(xlabel=unit, ylabel="share of right answers", ylim=(0, 1.34))
    axes.set_xlim(-0.03 * length / seconds, 1.14 * length / seconds)  # room for the last point's words
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_title("What clients got from PRD, once the true labels were there", loc="left", fontsize=10)
    figure.legend(loc="outside lower left", fontsize=8, ncols=2)
    told, said = "; ".join(map(str, traffic)), ", ".join(event.text for event in happened)
    return Picture(figure, f"Quality of PRD over time. {told}. Meanwhile: {said}.")


def _plot(
    axes: Axes, traffic: Sequence[Labeled], since: Callable[[datetime], float], color: str, marker: str
) -> None:
    bounds = [interval(sum(one.rights), len(one.rights)) for one in traffic]
    axes.errorbar(
        [since(one.at) for one in traffic],
        [one.share for one in traffic],
        yerr=[
            [one.share - low for one, (low, _) in zip(traffic, bounds, strict=True)],
            [high - one.share for one, (_, high) in zip(traffic, bounds, strict=True)],
        ],
        fmt=f"{marker}-",
        color=color,
        capsize=3,
        label=f"release {traffic[0].release[:8]}",
    )
    for one in traffic:
        axes.annotate(
            f"{one.name}: {one.share:.0%}",
            (since(one.at), one.share),
            xytext=(8, 5),
            textcoords="offset points",
            fontsize=8,
        )


def of(truth: Mapping[str, Answer], traffic: Traffic) -> list[Answer]:
    """Return the true labels of some traffic in its order, merged by inference id."""
    return [truth[name] for name in traffic.ids]
