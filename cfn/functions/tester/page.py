"""The report page: one file of HTML with everything inside, and no script.

It is read in a browser (as an object of S3) and in notebook 04, by light and in the dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from monitor.report import ReportDocument

from . import figures
from .findings import FindingsDocument, Measured, score

STYLE = """
:root { color-scheme: light dark; --page: #fff; --words: #1f2328; --quiet: #59636e; --rule: #d1d9e0;
  --good: #1a7f37; --bad: #cf222e; --first: #0969da; --second: #bc4c00; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --words: #f0f6fc; --quiet: #9198a1;
  --rule: #3d444d; --good: #3fb950; --bad: #f85149; --first: #4493f8; --second: #f0883e; } }
body { background: var(--page); color: var(--words); font: 15px/1.5 system-ui, sans-serif;
  margin: 0 auto; max-width: 980px; padding: 16px; }
h1 { font-size: 1.4em; } h2 { font-size: 1.15em; margin-top: 1.8em; }
code { overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: 8px 0; } .wide { overflow-x: auto; }
th, td { border-bottom: 1px solid var(--rule); padding: 3px 12px 3px 0; text-align: left;
  vertical-align: top; }
.verdict { border-left: 6px solid var(--good); padding: 4px 12px; }
.verdict.failed { border-color: var(--bad); }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; } .quiet { color: var(--quiet); }
.row { display: flex; flex-wrap: wrap; gap: 20px; align-items: flex-start; }
svg { max-width: 100%; height: auto; } svg text { fill: var(--words); font-size: 12px; }
svg text.quiet { fill: var(--quiet); } svg text.strong { font-weight: 600; }
.right { fill: var(--good); } .wrong { fill: var(--bad); } .cell, .frame { stroke: var(--rule); }
.frame { fill: none; } .grid { stroke: var(--rule); } .ideal { stroke: var(--quiet); stroke-dasharray: 4 3; }
.series0 { fill: var(--first); } .series1 { fill: var(--second); } .soft { fill-opacity: 0.55; }
.bar0, .bar1 { stroke-width: 3; } .bar0 { stroke: var(--first); } .bar1 { stroke: var(--second); }
"""


def page(findings: FindingsDocument, report: ReportDocument) -> str:
    """Return the page about one execution: `findings` about DEV, and the monitor's `report`."""
    title = f"Model of execution {findings['pipelineExecutionId']}"
    verdict = "verdict" if findings["passed"] and findings["tested"] else "verdict failed"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="{verdict}">{escape(findings["summary"])}</p>',
    ]
    if findings["algorithms"]:
        regression = findings["task"] == "regression"
        parts += _scores(findings, "r2" if regression else "accuracy")
        parts += _differences(findings)
        parts += _regression(findings) if regression else _classification(findings)
        parts += ["<h2>Latency of DEV</h2>", _quiet("requests for one row, one after the other")]
        parts.append(figures.latency(findings["latency"]))
    parts += _tests(findings)
    parts += _gate(report)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _gate(report: ReportDocument) -> Iterable[str]:
    job = report["trainingJob"]
    yield "<h2>The quality gate</h2>"
    yield f"<p>TrainApproval: {escape(report['summary'])}</p>"
    rows = [
        [check["name"], f"{check['value']:.4f}", f"{check['threshold']:.4f}", _passed(check["passed"])]
        for check in report["checks"]
    ]
    if rows:
        yield _table(["check", "value", "at least", ""], rows)
    parameters = ", ".join(f"{name}={value}" for name, value in job["hyperParameters"].items())
    about = {
        "training job": job["name"],
        "image": job["image"],
        "model": job["modelDataUrl"],
        "hyperparameters": parameters or "none",
    }
    cells = [[name, f"<code>{escape(str(value))}</code>"] for name, value in about.items()]
    yield _table(["", ""], cells, html=True)


def _tests(findings: FindingsDocument) -> Iterable[str]:
    if not findings["checks"]:
        return
    yield f"<h2>Tests of {escape(findings['endpoint'])}</h2>"
    rows = [[str(one["name"]), _passed(bool(one["passed"])), str(one["said"])] for one in findings["checks"]]
    yield _table(["test", "", "what was seen"], rows)


def _classification(findings: FindingsDocument) -> Iterable[str]:
    classes, rows = findings["classes"], findings["rows"]
    production = findings["production"]
    theirs = production["algorithms"] if production else {}
    yield "<h2>Confusion matrices</h2>"
    yield _quiet(f"{rows} rows that training did not see")
    for name, one in findings["algorithms"].items():
        found = {"DEV": one, **({"PRD": theirs[name]} if name in theirs else {})}
        yield _row(
            figures.confusion(f"{name}, {where}", it["confusionMatrix"], classes)
            for where, it in found.items()
        )
    yield "<h2>Recall of each class</h2>"
    yield _quiet("the lines are 95 % intervals (Wilson): few rows leave much open")
    for name, one in findings["algorithms"].items():
        both = {f"{name}, DEV": one["recall"]}
        if name in theirs:
            both[f"{name}, PRD"] = theirs[name]["recall"]
        yield _row([figures.recall(both)])
    if sure := {
        name: one["calibration"] for name, one in findings["algorithms"].items() if one["calibration"]
    }:
        yield "<h2>Calibration of DEV</h2>"
        yield _quiet(
            "how often predictions are right, by the probability that they came with; a calibrated model is "
            "on the line, and larger dots stand for more predictions"
        )
        yield _row(figures.calibration(name, bins) for name, bins in sure.items())


def _regression(findings: FindingsDocument) -> Iterable[str]:
    production = findings["production"]
    theirs = production["algorithms"] if production else {}
    yield "<h2>Predictions</h2>"
    yield _quiet(f"{findings['target']} of {findings['rows']} rows that training did not see")
    found = []
    for name, one in findings["algorithms"].items():
        both = {"DEV": one["predictions"], **({"PRD": theirs[name]["predictions"]} if name in theirs else {})}
        found.append(figures.scatter(name, findings["truth"], both))
    yield _row(found)


def _scores(findings: FindingsDocument, measure: str) -> Iterable[str]:
    production = findings["production"]
    theirs: Mapping[str, Measured] = production["algorithms"] if production else {}
    rows = [
        [name, f"{score(one):.4f}", f"{score(theirs[name]):.4f}" if name in theirs else "",
         str(production["differing"].get(name, 0)) if production and name in theirs else ""]
        for name, one in findings["algorithms"].items()
    ]  # fmt: skip
    heads = ["algorithm", f"{measure}, DEV", f"{measure}, PRD", "rows that differ"]
    if not theirs:  # two empty columns would look as if something were missing
        heads, rows = heads[:2], [row[:2] for row in rows]
    yield f"<h2>Scores on {findings['rows']} rows that training did not see</h2>"
    yield _table(heads, rows)
    if production is None:
        yield _quiet("nothing in production yet")
    elif not production["compared"]:
        yield f'<p class="bad">PRD was not compared: {escape(production["reason"])}</p>'
    else:
        yield _quiet(f"PRD serves execution {production['pipelineExecutionId']}")


def _differences(findings: FindingsDocument) -> Iterable[str]:
    production = findings["production"]
    if not production or not production["compared"]:
        return
    yield "<h2>Where DEV and PRD differ</h2>"
    found, count = findings["differences"], sum(production["differing"].values())
    if not found:
        yield _quiet(f"nowhere: the same answers for all {findings['rows']} rows")
        return
    right = {who: sum(one["right"] == who for one in found) for who in ("DEV", "PRD", "neither")}
    yield f"<p>Right in these rows: {', '.join(f'{who} {n}' for who, n in right.items())}.</p>"
    rows = [
        [
            one["algorithm"],
            ", ".join(f"{name} {'missing' if v is None else v}" for name, v in one["features"].items()),
            str(one["truth"]),
            str(one["dev"]),
            str(one["prd"]),
            one["right"],
        ]
        for one in found
    ]
    yield _table(["algorithm", "row", findings["target"], "DEV", "PRD", "right"], rows)
    if count > len(found):
        yield _quiet(f"the first {len(found)} of {count}")


def _table(heads: list[str], rows: Iterable[list[str]], *, html: bool = False) -> str:
    """Return a table; `html` says that its cells are HTML. Marks of `_passed` always are."""
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{cell if html or cell in _MARKS else escape(cell)}</td>' for cell in row)}</tr>"
        for row in rows
    )
    head = f"<thead><tr>{top}</tr></thead>" if any(heads) else ""
    name = escape(" and ".join(filter(None, heads)) or "about the model")
    # On a narrow screen it scrolls, and so it needs to be reachable by keyboard.
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="Table: {name}">'
        f"<table>{head}<tbody>{body}</tbody></table></div>"
    )


_MARKS = ('<span class="good">passed</span>', '<span class="bad">failed</span>')


def _passed(passed: bool) -> str:
    return _MARKS[0] if passed else _MARKS[1]


def _row(found: Iterable[str]) -> str:
    return f'<div class="row">{"".join(found)}</div>'


def _quiet(words: str) -> str:
    return f'<p class="quiet">{escape(words)}</p>'
