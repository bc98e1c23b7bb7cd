#!/usr/bin/env bash
# Two libraries for drift install without a conflict and cannot be imported, because of what their metadata leaves
# out: Evidently allows pandas 3 and uses a private function of pandas 2; NannyML imports statsmodels and does not
# require it. Both work once pandas 2.3.3 and statsmodels are named, so pin what they leave open.
#
# Seen with evidently 0.7.23 and nannyml 0.13.1 on Python 3.11, evidently beside pandas 3.1.1:
#   evidently: ImportError: cannot import name 'infer_dtype_from_object'
#   nannyml: ModuleNotFoundError: No module named 'statsmodels'
#   with pandas==2.3.3, and statsmodels for nannyml: both import
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
export DO_NOT_TRACK=1 NML_DISABLE_USAGE_LOGGING=1

imports() { # NAME: the last line of what importing it says
  local said
  if said=$("$directory/$1/bin/python" -W ignore -c "import $1" 2>&1); then
    echo "$1: imports"
  else
    said=$(tail -n 1 <<<"$said")
    echo "$1: ${said%% from \'pandas*}"
  fi
}

try() { # NAME VERSION PANDAS: installs it, tries it, adds what is missing, tries again
  python3 -m venv "$directory/$1"
  "$directory/$1/bin/pip" install --quiet "$1==$2" "pandas$3" 2>"$directory/log"
  "$directory/$1/bin/pip" check >/dev/null && echo "$1: pip finds no broken requirements"
  imports "$1"
  "$directory/$1/bin/pip" install --quiet pandas==2.3.3 statsmodels==0.15.0 2>"$directory/log"
  imports "$1"
}

{
  try evidently 0.7.23 "==3.1.1"
  try nannyml 0.13.1 "==2.3.3"
} | tee "$directory/seen.txt"
diff - "$directory/seen.txt" <<'SEEN'
evidently: pip finds no broken requirements
evidently: ImportError: cannot import name 'infer_dtype_from_object'
evidently: imports
nannyml: pip finds no broken requirements
nannyml: ModuleNotFoundError: No module named 'statsmodels'
nannyml: imports
SEEN
echo "as described"
