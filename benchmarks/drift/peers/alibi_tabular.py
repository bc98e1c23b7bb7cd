"""Judge windows with alibi-detect's TabularDrift and its defaults: its own is_drift (Bonferroni, 0.05)."""

import logging
import warnings

import numpy as np
from alibi_detect.cd import TabularDrift
from answering import answer, numbers

warnings.simplefilter("ignore")
logging.disable()


def judge(trial):
    """Return for each window whether there is drift, and in which columns."""
    names, categories = list(trial["training"]), trial["categories"]
    codes = {name: {} for name in categories}

    def table(columns):
        # The detector wants numbers: each category has its own, in the order in which they come.
        return np.column_stack(
            [
                [codes[name].setdefault(cell, len(codes[name])) for cell in columns[name]]
                if name in categories
                else numbers(columns[name])
                for name in names
            ]
        )

    places = {names.index(name): None for name in categories}
    detector = TabularDrift(table(trial["training"]), categories_per_feature=places or None)
    found = []
    for window in trial["windows"]:
        data = detector.predict(table(window))["data"]
        drifted = [name for name, p in zip(names, data["p_val"], strict=True) if p < data["threshold"]]
        found.append({"alarm": bool(data["is_drift"]), "columns": drifted})
    return found


if __name__ == "__main__":
    answer(judge, "alibi-detect", "numpy", "scipy")
