"""Plots of results. matplotlib is imported only when a plot is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lab_helpers.endpoints import percentile
from lab_helpers.picture import Picture
from lab_helpers.traffic import FAILED, NEW, OLD

if TYPE_CHECKING:
    from lab_helpers.comparisons import Comparison
    from lab_helpers.load import Measurement
    from lab_helpers.metrics import Recorded
    from lab_helpers.scaling import Observation
    from lab_helpers.traffic import Log
    from lab_helpers.training import Evaluation


PER_ROW = 3
"""Confusion matrices beside each other; more could not be read."""


def scores(evaluation: Evaluation, thresholds: Mapping[str, float] | None = None) -> Picture:
    """Plot each algorithm's accuracy and recall per class as bars, the quality gate's thresholds as lines.

    A model that predicts numbers has one bar for each algorithm: r2.
    """
    import matplotlib.pyplot as plt  # noqa: PLC0415

    classes = evaluation["classes"]
    labels = ["accuracy", *(f"recall\n{name}" for name in classes)] if classes else ["r2"]
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    algorithms = evaluation["algorithms"]
    width = 0.8 / len(algorithms)
    for i, (algorithm, found) in enumerate(algorithms.items()):
        shares = [found["accuracy"], *(found["recall"][name] for name in classes)] if classes else []
        values = shares or [found.get("r2", 0.0)]
        places = [x + (i - (len(algorithms) - 1) / 2) * width for x in range(len(labels))]
        bars = axes.bar(places, values, width, label=algorithm)
        axes.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
    for (name, threshold), style in zip((thresholds or {}).items(), ("--", ":"), strict=False):
        axes.axhline(threshold, linestyle=style, color="gray", label=f"{name} {threshold:g}")
    lowest = min(bar.get_height() for container in axes.containers for bar in container)
    axes.set(
        ylim=(min(0.0, 1.15 * lowest), 1.15),
        title=f"Scores on {evaluation['rows']['test']} rows that training did not see",
    )
    axes.set_xticks(range(len(labels)), labels)
    figure.legend(loc="outside right center", fontsize=8)
    found_scores = "; ".join(
        f"{algorithm}: "
        + ", ".join(
            f"{label.replace(chr(10), ' of ')} {bar.get_height():.2f}"
            for label, bar in zip(labels, bars, strict=True)
        )
        for algorithm, bars in zip(algorithms, axes.containers, strict=True)
    )
    gate = "".join(f", {name} {threshold:g}" for name, threshold in (thresholds or {}).items())
    return Picture(figure, f"Bars of scores. {found_scores}{gate and '. Thresholds' + gate[1:]}.")


def confusion(evaluation: Evaluation) -> Picture:
    """Plot one confusion matrix per algorithm: rows are the true classes, columns the predicted ones.

    A model that predicts numbers confuses no classes: its errors are plotted instead, in the target's unit.
    """
    import matplotlib.pyplot as plt  # noqa: PLC0415

    classes, algorithms = evaluation["classes"], evaluation["algorithms"]
    if not classes:
        return _errors(evaluation)
    rows = -(-len(algorithms) // PER_ROW)
    figure, grid = plt.subplots(
        rows, min(len(algorithms), PER_ROW), figsize=(8, 3.4 * rows), layout="constrained", squeeze=False
    )
    for axes in grid.flat[len(algorithms) :]:
        axes.set_axis_off()
    for axes, (algorithm, found) in zip(grid.flat, algorithms.items(), strict=False):
        matrix = found["confusion_matrix"]
        axes.imshow(matrix, cmap="Blues")
        for row, counts in enumerate(matrix):
            for column, count in enumerate(counts):
                dark = count > max(map(max, matrix)) / 2
                axes.text(column, row, count, ha="center", va="center", color="white" if dark else "black")
        axes.set(title=algorithm, xlabel="predicted", ylabel="true")
        axes.set_xticks(range(len(classes)), classes, fontsize=8)
        axes.set_yticks(range(len(classes)), classes, fontsize=8)
    mistakes = [
        f"{algorithm}: "
        + (
            ", ".join(
                f"{count} {classes[row]} taken for {classes[column]}"
                for row, counts in enumerate(found["confusion_matrix"])
                for column, count in enumerate(counts)
                if count and row != column
            )
            or "no mistake"
        )
        for algorithm, found in algorithms.items()
    ]
    return Picture(figure, f"Confusion matrices. {'; '.join(mistakes)}.")


def _errors(evaluation: Evaluation) -> Picture:
    import matplotlib.pyplot as plt  # noqa: PLC0415

    algorithms = evaluation["algorithms"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained", sharey=True)
    for axes, title, values in (
        (left, "mean absolute error", [one["mean_absolute_error"] for one in algorithms.values()]),
        (right, "root mean squared error", [one["root_mean_squared_error"] for one in algorithms.values()]),
    ):
        axes.bar_label(axes.bar(list(algorithms), values), fmt="%.4g", fontsize=8, padding=2)
        axes.set(title=title)
        axes.margins(y=0.15)
    said = "; ".join(
        f"{algorithm}: mean absolute error {found['mean_absolute_error']:.4g}, root mean squared error "
        f"{found['root_mean_squared_error']:.4g}"
        for algorithm, found in algorithms.items()
    )
    return Picture(figure, f"Bars of errors. {said}.")


def latency(milliseconds: Mapping[str, Sequence[float]]) -> Picture:
    """Plot one box per series of milliseconds, with the median and the 95th percentile in its label."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    labels = [
        f"{name}\np50 {percentile(v, 50):.1f} ms, p95 {percentile(v, 95):.1f} ms"
        for name, v in milliseconds.items()
    ]
    figure, axes = plt.subplots(figsize=(8, 0.9 + 0.7 * len(labels)), layout="constrained")
    axes.boxplot(list(milliseconds.values()), orientation="horizontal", widths=0.6)
    axes.set_yticks(range(1, len(labels) + 1), labels, fontsize=8)
    axes.set(
        title="Latency of a request for one row, as the client sees it", xlabel="milliseconds", xlim=(0, None)
    )
    said = "; ".join(label.replace("\n", ": ") for label in labels)
    return Picture(figure, f"Box plots of latency. {said}.")


def histogram(measurements: Sequence[Measurement]) -> Picture:
    """Plot the distribution of latencies, one histogram per load, with p50, p90 and p99 as lines.

    Both axes are logarithmic, so that the few slow requests are visible.
    """
    import matplotlib.pyplot as plt  # noqa: PLC0415

    answered = [one for one in measurements if one.latencies]
    figure, grid = plt.subplots(
        max(len(answered), 1), 1, figsize=(8, 0.8 + 1.7 * len(answered)), layout="constrained", squeeze=False,
        sharex=True,
    )  # fmt: skip
    everything = [1000 * seconds for one in answered for seconds in one.latencies] or [1.0]
    low, high = min(everything) * 0.9, max(everything) * 1.1
    edges = [low * (high / low) ** (i / 60) for i in range(61)]
    for axes, one in zip(grid[:, 0], answered, strict=False):
        axes.hist([1000 * seconds for seconds in one.latencies], bins=edges, color="tab:blue", alpha=0.7)
        for percent, style in ((50, "-"), (90, "--"), (99, ":")):
            value = 1000 * percentile(one.latencies, percent)
            axes.axvline(value, linestyle=style, color="black", label=f"p{percent} {value:.1f} ms")
        axes.set(xscale="log", yscale="log", ylabel="requests")
        axes.set_ylim(bottom=0.7)  # so that a single request is visible as a bar
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
        axes.set_title(f"{one.users} users, {one.answered:,} answers", fontsize=9, loc="left")
        axes.legend(fontsize=8, loc="upper left")
    grid[-1, 0].set_xlabel("milliseconds")
    said = "; ".join(
        f"{one.users} users: "
        + ", ".join(
            f"p{percent} {1000 * percentile(one.latencies, percent):.1f} ms" for percent in (50, 90, 99)
        )
        for one in answered
    )
    return Picture(figure, f"Histograms of latency. {said or 'No answers'}.")


def throughput(measurement: Measurement) -> Picture:
    """Plot answers and failures per second over the duration of one load."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
    width = max(measurement.seconds / 40, 0.05)
    edges = [i * width for i in range(int(measurement.seconds / width) + 2)]
    ended = [b + s for b, s in zip(measurement.begun, measurement.latencies, strict=True)]
    for times, label, color in (
        (ended, "answered", "tab:blue"),
        (measurement.failed_at, "failed", "tab:red"),
    ):
        if times:
            axes.hist(
                times, bins=edges, weights=[1 / width] * len(times), label=label, color=color, alpha=0.7
            )
    axes.set(
        title=f"{measurement.users} users", xlabel="seconds", ylabel="requests per second", ylim=(0, None)
    )
    axes.legend(fontsize=8)
    said = f"{len(ended):,} answers and {len(measurement.failed_at):,} failures"
    return Picture(
        figure,
        f"Requests per second over {measurement.seconds:.0f} seconds with {measurement.users} users: {said}.",
    )


def scaling(seen: Sequence[Observation], target: float, per_minute: float) -> Picture:
    """Plot the load per instance against the target, and below it how the number of instances followed.

    CloudWatch's newest minute is shown as it was read: incomplete while it lasts.
    """
    import matplotlib.pyplot as plt  # noqa: PLC0415

    seconds = [(one.when - seen[0].when).total_seconds() for one in seen]
    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 4), layout="constrained", sharex=True)
    above.step(
        seconds, [per_minute / max(one.current, 1) for one in seen], where="post", label="sent per instance"
    )
    above.plot(
        seconds, [one.per_instance or 0 for one in seen], ".", color="gray", label="CloudWatch, newest minute"
    )
    above.axhline(target, linestyle="--", color="black", label=f"target {target:g}")
    above.set(ylabel="per minute", ylim=(0, None))
    alarmed = [one.high == "ALARM" for one in seen]
    above.fill_between(
        seconds, 0, 1, where=alarmed, step="post", alpha=0.15, color="tab:red", label="alarm high",
        transform=above.get_xaxis_transform(),
    )  # fmt: skip
    below.step(seconds, [one.desired for one in seen], where="post", linestyle="--", label="desired")
    below.step(seconds, [one.current for one in seen], where="post", label="in service")
    below.set(xlabel="seconds", ylabel="instances", ylim=(0, None))
    below.yaxis.get_major_locator().set_params(integer=True)
    for axes in (above, below):
        axes.legend(fontsize=8, loc="upper left")
    said = (
        f"In {seconds[-1]:.0f} seconds, from {seen[0].current} to {seen[-1].current} instances, "
        f"at most {max(one.current for one in seen)}. The alarm high was "
        f"{'seen in ALARM' if any(alarmed) else 'never in ALARM'}; the target is {target:g} per minute"
    )
    return Picture(figure, f"Load per instance above, number of instances below. {said}.")


def where_time_goes(client_seconds: float, recorded: Recorded) -> Picture:
    """Plot the client's mean latency, split into what CloudWatch recorded and the rest."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    parts = {
        "ModelLatency": recorded.model,
        "OverheadLatency": recorded.overhead,
        "network and client": max(client_seconds - recorded.model - recorded.overhead, 0.0),
    }
    figure, axes = plt.subplots(figsize=(8, 1.8), layout="constrained")
    left = 0.0
    for name, seconds in parts.items():
        axes.barh([""], [1000 * seconds], left=left, label=f"{name} {1000 * seconds:.1f} ms")
        left += 1000 * seconds
    axes.set(title="Where the mean request spends its time", xlabel="milliseconds")
    figure.legend(fontsize=8, loc="outside lower center", ncols=3)
    said = ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in parts.items())
    return Picture(figure, f"One bar, the mean request in parts: {said}.")


def fleets(log: Log, limit: float | None = None) -> Picture:
    """Plot who answered in each second of a steady load, and below it the share of wrong answers.

    `limit` is where the alarm for wrong answers goes off.
    """
    import matplotlib.pyplot as plt  # noqa: PLC0415

    colors = {OLD: "tab:blue", NEW: "tab:orange", FAILED: "tab:red"}
    last = max((one.at for one in log.requests), default=0.0)
    width = max(1.0, last / 120)  # seconds; more bars than that could not be told apart
    edges = [i * width for i in range(int(last / width) + 2)]
    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 4.2), layout="constrained", sharex=True)
    times = {who: [one.at for one in log.requests if one.who == who] for who in colors}
    shown = {who: found for who, found in times.items() if found}
    above.hist(
        list(shown.values()), bins=edges, weights=[[1 / width] * len(one) for one in shown.values()],
        stacked=True, label=list(shown), color=[colors[who] for who in shown],
    )  # fmt: skip
    above.set(ylabel="requests per second", ylim=(0, None))
    judged = [[one for one in log.requests if low <= one.at < low + width] for low in edges[:-1]]
    shares = [
        (low, sum(one.right is False for one in found) / len(found))
        for low, found in zip(edges, judged, strict=False)
        if found
    ]
    below.step([low for low, _ in shares], [share for _, share in shares], where="post", color="black")
    below.set(xlabel="seconds", ylabel="share of wrong answers", ylim=(0, 1))
    if limit is not None:
        below.axhline(limit, linestyle="--", color="gray", label=f"alarm above {limit:.0%} in a minute")
        below.legend(fontsize=8, loc="upper left")
    for at, what in log.marks:
        for axes in (above, below):
            axes.axvline(at, linestyle=":", color="black")
        above.annotate(what, (at, 1), xycoords=("data", "axes fraction"), fontsize=8, va="top", rotation=90)
    above.legend(fontsize=8, loc="lower left")
    said = ", ".join(f"{who} {len(found):,}" for who, found in times.items())
    return Picture(
        figure,
        f"Requests per second by who answered, over {last:.0f} seconds: {said}. Wrong answers: "
        f"{log.wrong(OLD):,} of the old fleet, {log.wrong(NEW):,} of the new one.",
    )


def differences(comparisons: Sequence[Comparison]) -> Picture:
    """Plot the difference of two shares, in points, with its interval: one line for each comparison."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.5 * len(comparisons)), layout="constrained")
    labels = [f"{one.first.count + one.second.count:,} requests" for one in comparisons]
    for place, one in enumerate(comparisons):
        reach = [[one.difference - one.low], [one.high - one.difference]]
        axes.errorbar(
            100 * one.difference, place, xerr=[[100 * side[0]] for side in reach], fmt="o", capsize=4,
            color="tab:green" if one.told_apart else "tab:gray",
        )  # fmt: skip
    axes.axvline(0, linestyle="--", color="black")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel=f"points that {comparisons[0].second.name} is better than {comparisons[0].first.name}")
    axes.margins(y=0.4)
    axes.invert_yaxis()
    said = "; ".join(f"{label}: {one!r}" for label, one in zip(labels, comparisons, strict=True))
    return Picture(figure, f"Differences with their intervals. {said}.")
