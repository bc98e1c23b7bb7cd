#!/usr/bin/env bash
# skl2onnx never ends converting a tree that splits rows by whether a value is missing. scikit-learn gives such
# a split the threshold infinity (all numbers go left, missing values right); skl2onnx looks for the float32
# next to the threshold by halving an interval, and with infinity the interval never shrinks. Trees and forests
# learn such splits as soon as a missing value says something about the class. A program that converts what it
# has trained has to look for infinite thresholds first, or to limit the time.
#
# Seen with skl2onnx 1.20.0, onnx 1.23.2 and scikit-learn 1.9.1 on Python 3.11:
#   without a missing value in the data, the conversion ends at once; with one, it was stopped after 60 s
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet skl2onnx==1.20.0 onnx==1.23.2 scikit-learn==1.9.1

cat >"$directory/convert.py" <<'PYTHON'
import sys
import warnings

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.tree import DecisionTreeClassifier

warnings.simplefilter("ignore")
rows = np.array([[1.0], [float(sys.argv[1])], [5.0], [6.0]] * 5)
tree = DecisionTreeClassifier(random_state=0).fit(rows, ["x", "y", "x", "x"] * 5)
print("thresholds", sorted(set(tree.tree_.threshold[tree.tree_.feature >= 0].tolist())))
to_onnx(tree, initial_types=[("rows", DoubleTensorType([None, 1]))])
PYTHON

timeout 60 "$directory/venv/bin/python" "$directory/convert.py" 3
code=0
timeout 60 "$directory/venv/bin/python" "$directory/convert.py" nan || code=$?
[ "$code" -eq 124 ]
echo "as described"
