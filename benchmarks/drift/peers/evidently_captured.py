"""Read captured data and write Evidently's default drift report of it; print what each step took.

python evidently_captured.py TRAINING.csv CAPTURE REPORT READER, where READER is `pandas`, as pandas reads
JSON Lines, or `orjson`, the fastest way to the same DataFrame that we know.
"""

import json
import sys
import time
import warnings
from pathlib import Path

BEGIN = time.perf_counter()
warnings.simplefilter("ignore")

import orjson  # noqa: E402
import pandas as pd  # noqa: E402
from evidently import DataDefinition, Dataset, Report  # noqa: E402
from evidently.presets import DataDriftPreset  # noqa: E402

IMPORTED = time.perf_counter()


def read_pandas(paths):
    """Return the captured rows and answers as pandas reads them."""
    parts = []
    for path in paths:
        lines = pd.read_json(path, lines=True)
        asked = lines["captureData"].map(lambda one: json.loads(one["endpointInput"]["data"])["instances"][0])
        answered = lines["captureData"].map(
            lambda one: json.loads(one["endpointOutput"]["data"])["predictions"][0]
        )
        parts.append(pd.DataFrame(asked.tolist()).assign(prediction=answered))
    return pd.concat(parts, ignore_index=True)


def read_orjson(paths):
    """Return the same, with a loop of our own."""
    rows, answers = [], []
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                data = orjson.loads(line)["captureData"]
                rows += orjson.loads(data["endpointInput"]["data"])["instances"]
                answers += orjson.loads(data["endpointOutput"]["data"])["predictions"]
    return pd.DataFrame(rows).assign(prediction=answers)


def main():
    """Do as a script would that people run instead of the check."""
    training, capture, report, reader = sys.argv[1:]
    reference = pd.read_csv(training)
    *features, target = reference.columns
    reference = reference.rename(columns={target: "prediction"})
    read = {"pandas": read_pandas, "orjson": read_orjson}[reader]
    current = read(sorted(Path(capture).rglob("*.jsonl")))
    current.columns = [*features, "prediction"]
    done = time.perf_counter()
    definition = DataDefinition(numerical_columns=features, categorical_columns=["prediction"])
    now, before = (Dataset.from_pandas(one, data_definition=definition) for one in (current, reference))
    snapshot = Report([DataDriftPreset()]).run(now, before)
    ran = time.perf_counter()
    Path(report).mkdir(exist_ok=True)
    snapshot.save_html(str(Path(report) / "report.html"))
    snapshot.save_json(str(Path(report) / "report.json"))
    saved = time.perf_counter()
    steps = {"import": IMPORTED - BEGIN, "read": done - IMPORTED, "report": ran - done, "write": saved - ran}
    print(json.dumps({"rows": len(current), **steps}))


if __name__ == "__main__":
    main()
