"""The notebooks from first to last cell: `python -m lab_helpers run`."""

import sys

# Optional libraries that nbformat and papermill load where they are installed, without need here: a checker
# of internationalised URIs, two seconds (the notebook format has no such strings), and a client of Hadoop.
for _name in ("rfc3987_syntax", "pyarrow"):
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]
