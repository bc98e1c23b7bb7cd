"""The report on a run, beside the notebooks and their pages: summary.json and an index page."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from lab_helpers.display import duration
from lab_helpers.runner.execute import Result, Status

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2128}
table{border-collapse:collapse;width:100%}
td,th{padding:.4rem .6rem;text-align:left;border-bottom:1px solid #d0d7de}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.banner{padding:1rem;border-radius:6px;margin:1rem 0}
.failed,.interrupted{background:#ffebe9}.succeeded{background:#dafbe1}
pre{overflow:auto;background:#f6f8fa;padding:.8rem}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}a{color:#79b8ff}pre{background:#161b22}
.failed,.interrupted{background:#5a1e22}.succeeded{background:#12361f}td,th{border-color:#30363d}}
"""


def overall(results: Sequence[Result]) -> Status:
    """Return the status of the whole run: that of the first notebook that did not succeed, if any."""
    return next((result.status for result in results if result.status != "succeeded"), "succeeded")


def write_summary(
    directory: Path, results: Sequence[Result], started: datetime, seconds: float, waited: float = 0.0
) -> Path:
    """Write `summary.json`: status, durations in seconds, and notebook, cell and cause of a failure."""
    summary: dict[str, Any] = {
        "status": overall(results),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "waited_seconds": round(waited, 3),
        "notebooks": [],
    }
    for result in results:
        entry = asdict(result) | {"seconds": round(result.seconds, 3)}
        entry["output"] = result.output.name if result.output and result.output.exists() else None
        summary["notebooks"].append(entry)
    path = directory / "summary.json"
    path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return path


def write_index(directory: Path, results: Sequence[Result], started: datetime, seconds: float) -> Path:
    """Write `index.html`: the summary, links to the pages, and a banner that links to a failed cell."""
    status = overall(results)
    banner = f"All {len(results)} notebooks ran to their last cell in {duration(seconds)}."
    if failed := next((result for result in results if result.failure), None):
        banner = _failure_banner(directory, failed)
    rows = "".join(
        f"<tr><td>{_link(directory, result)}</td><td>{result.status}</td>"
        f'<td class="n">{result.executed}/{result.cells}</td>'
        f'<td class="n">{duration(result.seconds)}</td></tr>'
        for result in results
    )
    page = directory / "index.html"
    page.write_text(
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>MLOps workshop run</title>"
        f"<style>{STYLE}</style><h1>MLOps workshop run</h1>"
        f"<p>{started:%Y-%m-%d %H:%M:%S %Z}</p><div class='banner {status}'>{banner}</div>"
        "<table><thead><tr><th>notebook</th><th>status</th>"
        "<th class='n'>cells</th><th class='n'>time</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></html>\n",
        encoding="utf-8",
    )
    return page


def _link(directory: Path, result: Result) -> str:
    name = html.escape(result.name)
    return f'<a href="{name}.html">{name}</a>' if (directory / f"{result.name}.html").exists() else name


def _failure_banner(directory: Path, result: Result) -> str:
    failure = result.failure
    if failure is None:
        return ""
    where = f"<b>{html.escape(result.name)}</b>"
    if failure.cell:
        where += f", cell {failure.cell}: {html.escape(failure.title)}"
    if (directory / f"{result.name}.html").exists():
        # papermill puts this anchor in front of a failed cell.
        where = f'<a href="{html.escape(result.name)}.html#papermill-error-cell">{where}</a>'
    verb = "Stopped" if result.status == "interrupted" else "Failed"
    cause = html.escape(failure.cause[:2000])
    trace = f"<details><summary>Traceback</summary><pre>{html.escape(failure.traceback)}</pre></details>"
    return f"{verb} in {where}<pre>{cause}</pre>{trace if failure.traceback else ''}"
