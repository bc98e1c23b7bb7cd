"""A page for the projector: everyone's progress in one self-contained file."""

from __future__ import annotations

import html
import os
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from lab_helpers.instructor.fleet.progress import ago
from lab_helpers.instructor.fleet.report import NOTEBOOKS, Row, total

TITLES = {"01": "base image", "02": "model image", "03": "train", "04": "endpoint", "05": "stress test"}
_STYLE = """
:root { color-scheme: light dark; --ink: #1a1c20; --soft: #5d6470; --ground: #f6f7f9; --card: #fff;
  --line: #dfe3e8; --done: #1f8a5b; --here: #2563c9; --bad: #b3261e; --badground: #fdeceb; }
@media (prefers-color-scheme: dark) { :root { --ink: #eceef1; --soft: #9aa3b0; --ground: #14161a;
  --card: #1e2126; --line: #333942; --done: #3ec28a; --here: #6ea3ff; --bad: #ff8a80;
  --badground: #3a1f1e; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2vw; background: var(--ground); color: var(--ink);
  font: clamp(14px, 1.05vw, 22px)/1.4 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: 1.5em; align-items: baseline; margin-bottom: 1em; }
h1 { font-size: 1.7em; margin: 0; }
header p { margin: 0; color: var(--soft); }
ol.funnel { list-style: none; display: flex; gap: .6em; margin: 0 0 1.2em; padding: 0; flex-wrap: wrap; }
ol.funnel li { flex: 1 1 8em; background: var(--card); border: 1px solid var(--line); border-radius: .5em;
  padding: .5em .8em; }
ol.funnel b { font-size: 1.6em; display: block; font-variant-numeric: tabular-nums; }
ul.labs { list-style: none; margin: 0; padding: 0; display: grid; gap: .6em;
  grid-template-columns: repeat(auto-fill, minmax(17em, 1fr)); }
ul.labs > li { background: var(--card); border: 1px solid var(--line); border-left: .35em solid var(--line);
  border-radius: .5em; padding: .6em .8em; overflow: hidden; }
ul.labs > li.failed { border-color: var(--bad); background: var(--badground); }
.who { display: flex; justify-content: space-between; gap: .6em; }
.who b { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.who span { color: var(--soft); white-space: nowrap; }
.steps { display: flex; gap: .3em; margin: .4em 0; }
.steps i { flex: 1; text-align: center; font-style: normal; font-size: .8em; border-radius: .3em;
  border: 1px solid var(--line); color: var(--soft); font-variant-numeric: tabular-nums; }
.steps i.done { background: var(--done); border-color: var(--done); color: var(--card); }
.steps i.here { border: 2px solid var(--here); color: var(--here); font-weight: 700; }
.now { color: var(--soft); min-height: 1.4em; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.failed .now { color: var(--bad); white-space: normal; display: -webkit-box; -webkit-line-clamp: 2;
  -webkit-box-orient: vertical; }
"""


def page(rows: Sequence[Row], now: datetime, seconds: int, *, names: bool = True) -> str:
    """Return the page as of `now`; a browser reloads it every `seconds`.

    It shows names (or lab ids, without `names`), progress and failures, but no e-mail addresses.
    """
    failed = sum(bool(row.progress.failures) for row in rows)
    head = [
        f"{len(rows)} participant{'' if len(rows) == 1 else 's'}",
        {0: "no one needs help", 1: "1 needs help"}.get(failed, f"{failed} need help"),
        f"{total(rows):.2f} USD per hour",
        f"as of {now.astimezone():%H:%M:%S}",
    ]
    funnel = "".join(
        f"<li><b>{sum(row.progress.reached == number for row in rows)}</b>{number} {TITLES[number]}</li>"
        for number in NOTEBOOKS
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{seconds}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>MLOps workshop</title><style>{_STYLE}</style></head><body>"
        f"<header><h1>MLOps workshop</h1>{''.join(f'<p>{html.escape(one)}</p>' for one in head)}</header>"
        f'<ol class="funnel" aria-label="Participants at each notebook">{funnel}</ol>'
        f'<ul class="labs">{"".join(_card(row, now, names) for row in rows)}</ul></body></html>\n'
    )


def write_page(path: Path, content: str) -> None:
    """Write the page atomically: a browser never reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
    Path(unfinished).chmod(0o644)
    Path(unfinished).replace(path)


def _card(row: Row, now: datetime, names: bool) -> str:
    progress, lab = row.progress, row.participant.lab_id or "default"
    marks = {"done": "✓ ", "here": "▶ ", "": ""}
    steps = "".join(
        f'<i class="{step}">{marks[step]}{number}</i>'
        for number, step in zip(NOTEBOOKS, row.steps, strict=True)
    )
    if progress.failures:
        said = "✗ " + "; ".join(f"{one.what}: {_short(one.why)}" for one in progress.failures)
    else:
        said = progress.doing
    return (
        f'<li{" class=failed" if progress.failures else ""}><div class="who">'
        f"<b>{html.escape(row.name if names else lab)}</b>"
        f"<span>{html.escape(ago(progress.last_activity, now))}</span></div>"
        f'<div class="steps">{steps}</div><div class="now">{html.escape(said)}</div></li>'
    )


def _short(why: str, limit: int = 140) -> str:
    line = why.strip().split("\n", 1)[0]
    return line if len(line) <= limit else line[: limit - 1] + "…"
