"""The same training without the workshop: read, fit, and nothing else. Runs in the model image.

Given a directory, it also writes what the peers serve: the fitted estimators with joblib, those of the source
workshop with five jobs, and scikit-learn's own predictions for the whole data set.
"""

import csv
import json
import sys
import time
from pathlib import Path

import joblib
import model
import numpy as np
from sklearn.model_selection import train_test_split

TEST_SHARE, SPLIT_SEED = 0.2, 0  # as in training.py, without the time it takes to import that
[file] = Path("/opt/ml/input/data/training").glob("*.csv")
with file.open(newline="") as lines:
    table = list(csv.DictReader(lines))
rows = np.array([[row[name] for name in model.FEATURES] for row in table], dtype=np.float64)
labels = np.array([row[model.TARGET] for row in table])
fit_rows, _, fit_labels, _ = train_test_split(
    rows, labels, test_size=TEST_SHARE, random_state=SPLIT_SEED, stratify=labels
)
estimators = model.estimators(model.Hyperparameters())
began = time.perf_counter()
for estimator in estimators.values():
    estimator.fit(fit_rows, fit_labels)
print(json.dumps({"fit_seconds": time.perf_counter() - began}))

if len(sys.argv) > 1:
    target = Path(sys.argv[1])
    expected = {}
    for algorithm, estimator in estimators.items():
        expected[algorithm] = {
            "labels": estimator.predict(rows).tolist(),
            "probabilities": estimator.predict_proba(rows).tolist(),
        }
        for folder, jobs in (("joblib", None), ("source", 5)):
            (target / folder).mkdir(exist_ok=True)
            if "n_jobs" in estimator.get_params():
                estimator.set_params(n_jobs=jobs)
            joblib.dump(estimator, target / folder / f"{algorithm}.joblib")
    (target / "expected.json").write_text(json.dumps(expected))
