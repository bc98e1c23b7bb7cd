"""The notebooks from first to last cell: `python -m lab_helpers run`."""

import sys

# An optional format checker of jsonschema, which nbformat imports, spends two seconds on a grammar for
# internationalised URIs. The notebook format (nbformat, "The Notebook file format") has no such strings.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
