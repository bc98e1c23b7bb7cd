#!/usr/bin/env bash
# The bytes of a model that skl2onnx converts depend on Python's hash seed: it collects the operator sets of a
# model in a set of (domain, version) pairs and writes them in the order in which that set is walked. Every
# number of the model is the same; a digest of its file is not. A program that promises the same bytes for the
# same training has to sort `opset_import` (or set PYTHONHASHSEED).
#
# Seen with skl2onnx 1.20.0, onnx 1.22.0 and scikit-learn 1.8.0 on Python 3.11:
#   seeds 1 to 40 give two different files; with opset_import sorted, one
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet skl2onnx==1.20.0 onnx==1.22.0 scikit-learn==1.8.0

cat >"$directory/convert.py" <<'PYTHON'
import hashlib

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rows = np.arange(24, dtype=np.float64).reshape(8, 3) % 7
labels = np.array(["a", "b", "a", "b", "b", "a", "b", "a"])
pipeline = make_pipeline(StandardScaler(), LogisticRegression(random_state=0)).fit(rows, labels)
kind = [("rows", DoubleTensorType([None, 3]))]
model = to_onnx(pipeline, initial_types=kind, options={"zipmap": False}, target_opset=17)
model.producer_version = model.doc_string = model.graph.name = ""  # what may differ for other reasons
as_written = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()[:12]
ordered = sorted(model.opset_import, key=lambda one: one.domain)
del model.opset_import[:]
model.opset_import.extend(ordered)
print(as_written, hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()[:12])
PYTHON

for seed in $(seq 1 40); do
  PYTHONHASHSEED=$seed "$directory/venv/bin/python" "$directory/convert.py"
done >"$directory/digests.txt"
written=$(cut -d' ' -f1 "$directory/digests.txt" | sort -u | wc -l)
ordered=$(cut -d' ' -f2 "$directory/digests.txt" | sort -u | wc -l)
echo "different files of 40 seeds: $written as written, $ordered with opset_import sorted"
[ "$written" -eq 2 ]
[ "$ordered" -eq 1 ]
echo "as described"
