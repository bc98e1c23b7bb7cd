"""Judge windows with Evidently's DataDriftPreset: there is drift if half of the columns have drifted.

Only the preset's first metric is computed, by which it judges: those of columns take ten times as long.
"""

import warnings

import pandas as pd
from answering import answer, frame
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import DriftedColumnsCount

warnings.simplefilter("ignore")


def judge(trial):
    """Return for each window whether the data set has drifted, and which columns have."""
    names = list(trial["training"])
    definition = DataDefinition(
        numerical_columns=[name for name in names if name not in trial["categories"]],
        categorical_columns=trial["categories"],
    )

    def dataset(columns):
        return Dataset.from_pandas(frame(pd, columns, trial["categories"]), data_definition=definition)

    training = dataset(trial["training"])
    return [
        verdict(Report([DriftedColumnsCount()]).run(dataset(window), training)) for window in trial["windows"]
    ]


def verdict(snapshot):
    """Return whether the share reaches the limit, and a number for each drifted column: it names none."""
    (found,) = snapshot.dict()["metrics"]
    columns = [str(number) for number in range(int(found["value"]["count"]))]
    return {"alarm": found["value"]["share"] >= found["config"]["drift_share"], "columns": columns}


if __name__ == "__main__":
    answer(judge, "evidently", "pandas", "numpy", "scipy")
