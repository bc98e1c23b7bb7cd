#!/usr/bin/env bash
# One missing value switches a feature off in alibi-detect's TabularDrift: its p-value is NaN, no comparison
# with NaN is true, and so the detector says that there is no drift, however far all other values have moved.
# Nothing warns. Count missing values yourself, and leave them out before you ask.
#
# Seen with alibi-detect 0.13.0 and SciPy 1.17.1 on Python 3.11, a feature that moved by 5 standard deviations:
#   no value missing: is_drift 1
#   1 of 200 missing: is_drift 0, p-value nan
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet alibi-detect==0.13.0 scipy==1.17.1 numpy==1.26.4 pandas==2.3.3

cat >"$directory/look.py" <<'PYTHON'
import numpy as np
from alibi_detect.cd import TabularDrift

random = np.random.default_rng(0)
training, window = random.normal(size=(500, 2)), random.normal(size=(200, 2))
window[:, 0] += 5
detector = TabularDrift(training)
found = detector.predict(window)["data"]
print(f"no value missing: is_drift {found['is_drift']}")
window[0, 0] = np.nan
found = detector.predict(window)["data"]
print(f"1 of 200 missing: is_drift {found['is_drift']}, p-value {found['p_val'][0]}")
PYTHON

"$directory/venv/bin/python" -W ignore "$directory/look.py" 2>"$directory/words" | tee "$directory/seen.txt"
diff - "$directory/seen.txt" <<'SEEN'
no value missing: is_drift 1
1 of 200 missing: is_drift 0, p-value nan
SEEN
echo "as described"
