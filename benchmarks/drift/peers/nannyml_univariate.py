"""Judge windows with NannyML's UnivariateDriftCalculator and its defaults: any column's alert is drift.

The defaults are Jensen-Shannon distances and a threshold of 0.1. A window is a chunk, as large as the chunks
of the training data, as its documentation advises.
"""

import warnings

import nannyml
import pandas as pd
from answering import answer, frame

warnings.simplefilter("ignore")


def judge(trial):
    """Return for each window whether a column alerts, and which ones do."""
    names, fitted = list(trial["training"]), {}
    found = []
    for window in trial["windows"]:
        rows = len(window[names[0]])
        if rows not in fitted:
            calculator = nannyml.UnivariateDriftCalculator(names, chunk_size=rows)
            fitted[rows] = calculator.fit(frame(pd, trial["training"], trial["categories"]))
        found.append(verdict(names, fitted[rows].calculate(frame(pd, window, trial["categories"]))))
    return found


def verdict(names, result):
    """Read the alerts of the window's only chunk."""
    table = result.filter(period="analysis").to_df()
    drifted = [name for name in names if bool(table[name, "jensen_shannon", "alert"].iloc[-1])]
    return {"alarm": bool(drifted), "columns": drifted}


if __name__ == "__main__":
    answer(judge, "nannyml", "pandas", "numpy", "scipy")
