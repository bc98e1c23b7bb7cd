#!/usr/bin/env bash
# With one more row of training data, Evidently calls nearly every small window drifted: up to 1,000 rows it
# tests (Kolmogorov-Smirnov, 0.05), from 1,001 on it compares a Wasserstein distance with 0.1, which small
# windows exceed by chance. The change is documented, what it does to windows of 50 rows is not. Set
# `num_method`, or compare windows of many hundred rows. An empty column ends the whole report with an error.
#
# Seen with evidently 0.7.23 and pandas 2.3.3 on Python 3.11, windows of 50 normal numbers, none drifted:
#   training data of 1000 rows: 3 of 100 windows drifted
#   training data of 1001 rows: 96 of 100 windows drifted
#   a column without values: ValueError
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
export DO_NOT_TRACK=1
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet evidently==0.7.23 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1

cat >"$directory/look.py" <<'PYTHON'
import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import DriftedColumnsCount
from evidently.presets import DataDriftPreset

random = np.random.default_rng(0)


def report(metric, columns, training, window):
    definition = DataDefinition(numerical_columns=columns)
    now, before = (Dataset.from_pandas(one, data_definition=definition) for one in (window, training))
    return Report([metric]).run(now, before).dict()["metrics"][0]["value"]


for rows in (1000, 1001):
    found = sum(
        report(DriftedColumnsCount(), ["x"], *(pd.DataFrame({"x": random.normal(size=n)}) for n in (rows, 50)))["count"]
        for _ in range(100)
    )
    print(f"training data of {rows} rows: {found:.0f} of 100 windows drifted")
training = pd.DataFrame({"x": random.normal(size=500), "y": random.normal(size=500)})
try:
    print(report(DataDriftPreset(), ["x", "y"], training, training.assign(y=np.nan)))
except ValueError as error:
    print(f"a column without values: {type(error).__name__}")
PYTHON

"$directory/venv/bin/python" -W ignore "$directory/look.py" 2>"$directory/words" | tee "$directory/seen.txt"
diff - "$directory/seen.txt" <<'SEEN'
training data of 1000 rows: 3 of 100 windows drifted
training data of 1001 rows: 96 of 100 windows drifted
a column without values: ValueError
SEEN
echo "as described"
