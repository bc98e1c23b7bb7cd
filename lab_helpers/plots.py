"""Pictures of what people would rather look at than read. matplotlib is imported when a plot is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_helpers.endpoints import percentile


def scores(evaluation: Mapping[str, Any], thresholds: Mapping[str, float] | None = None) -> Any:
    """Accuracy and recall per class of each algorithm as bars; thresholds of the quality gate as lines."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    classes = evaluation["classes"]
    labels = ["accuracy", *(f"recall\n{name}" for name in classes)]
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    algorithms = evaluation["algorithms"]
    width = 0.8 / len(algorithms)
    for i, (algorithm, found) in enumerate(algorithms.items()):
        values = [found["accuracy"], *(found["recall"][name] for name in classes)]
        places = [x + (i - (len(algorithms) - 1) / 2) * width for x in range(len(labels))]
        bars = axes.bar(places, values, width, label=algorithm)
        axes.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
    for (name, threshold), style in zip((thresholds or {}).items(), ("--", ":"), strict=False):
        axes.axhline(threshold, linestyle=style, color="grey", label=f"{name} {threshold:g}")
    axes.set(ylim=(0, 1.15), title=f"Scores on {evaluation['rows']['test']} rows that training did not see")
    axes.set_xticks(range(len(labels)), labels)
    figure.legend(loc="outside right center", fontsize=8)
    return _shown(figure)


def confusion(evaluation: Mapping[str, Any]) -> Any:
    """One confusion matrix per algorithm: rows are the true classes, columns the predicted ones."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    classes, algorithms = evaluation["classes"], evaluation["algorithms"]
    figure, grid = plt.subplots(1, len(algorithms), figsize=(8, 3.4), layout="constrained", squeeze=False)
    for axes, (algorithm, found) in zip(grid[0], algorithms.items(), strict=True):
        matrix = found["confusion_matrix"]
        axes.imshow(matrix, cmap="Blues")
        for row, counts in enumerate(matrix):
            for column, count in enumerate(counts):
                dark = count > max(map(max, matrix)) / 2
                axes.text(column, row, count, ha="center", va="center", color="white" if dark else "black")
        axes.set(title=algorithm, xlabel="predicted", ylabel="true")
        axes.set_xticks(range(len(classes)), classes, fontsize=8)
        axes.set_yticks(range(len(classes)), classes, fontsize=8)
    return _shown(figure)


def latency(milliseconds: Mapping[str, Sequence[float]]) -> Any:
    """One box per series of milliseconds, with the median and the 95th percentile in its label."""
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
    return _shown(figure)


def _shown(figure: Any) -> Any:
    # Closed, or the inline backend shows it a second time at the end of the cell.
    import matplotlib.pyplot as plt  # noqa: PLC0415

    plt.close(figure)
    return figure
