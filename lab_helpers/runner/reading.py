"""Pages for reading along: all notebooks as HTML, with the outputs of a run if there is one.

Each page is complete in itself: diagrams and plots are inside, with their alternative texts, and a policy in
its head keeps it from loading or running anything. Colors follow the reader's choice of light or dark.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_helpers.exercises import cells
from lab_helpers.runner.pages import exporter
from lab_helpers.runner.report import STYLE

SOLUTIONS = "solutions"
_LINK = re.compile(r'href="(?P<name>[\w./-]+)\.ipynb(?P<rest>[#"])')
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_TEMPLATE = """
{%- extends 'index.html.j2' -%}
{% block html_head_js %}{{ resources.reading.head }}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block html_head_css %}{{ resources.reading.style }}{% endblock %}
{% block body_header %}<body class="jp-Notebook">{{ resources.reading.links }}<main>{% endblock %}
{% block data_widget_view %}{{ self.data_text() }}{% endblock %}
"""
_STYLE = """
:root{color-scheme:light dark;
--jp-mirror-editor-operator-color:#7a12b8;--jp-mirror-editor-meta-color:#7a12b8;
--jp-mirror-editor-comment-color:#2f6868;--jp-mirror-editor-number-color:#006d00}
@media (prefers-color-scheme:light){
.jp-RenderedText pre .ansi-red-fg{color:#b22b31}.jp-RenderedText pre .ansi-green-fg{color:#00702c}
.jp-RenderedText pre .ansi-yellow-fg{color:#7d5800}.jp-RenderedText pre .ansi-blue-fg{color:#1f5fb5}
.jp-RenderedText pre .ansi-magenta-fg{color:#94308b}.jp-RenderedText pre .ansi-cyan-fg{color:#0b6477}}
@media screen and (prefers-color-scheme:dark){:root{
--jp-mirror-editor-operator-color:#c792ea;--jp-mirror-editor-meta-color:#c792ea;
--jp-mirror-editor-comment-color:#7fbfbf;--jp-mirror-editor-number-color:var(--md-green-400)}}
body.jp-Notebook{max-width:64rem;margin:0 auto;padding:1rem;overflow:visible}
nav.reading{display:flex;flex-wrap:wrap;gap:1.5rem;padding:.5rem 0;font-family:var(--jp-content-font-family)}
nav.reading a,.jp-RenderedHTMLCommon a{color:var(--jp-content-link-color);text-decoration:underline!important}
.jp-InputPrompt,.jp-OutputPrompt{display:none}
.jp-Cell{padding:.25rem 0}
.jp-OutputArea-output{overflow-x:auto}
.jp-RenderedHTMLCommon img{max-width:100%;height:auto}
"""
"""Links in text are underlined, and colors of code have the contrast of WCAG AA, which JupyterLab's lack."""


@dataclass(frozen=True)
class Page:
    """A notebook among the pages."""

    source: Path
    name: str
    """Below the folder of the pages, without ending, such as `solutions/03_train`."""
    executed: bool

    @property
    def title(self) -> str:
        """The notebook's first heading."""
        text = "\n".join(cell["source"] for cell in cells(self.source, "markdown"))
        heading = re.search(r"^# +(.+)$", text, flags=re.MULTILINE)
        return heading.group(1).strip() if heading else self.source.stem


def find(notebooks: Path, run: Path | None = None) -> list[Page]:
    """Return the pages to write: lessons, then solutions, each as it was executed in `run` if it was."""
    pages = []
    for shipped in [*sorted(notebooks.glob("*.ipynb")), *sorted((notebooks / SOLUTIONS).glob("*.ipynb"))]:
        place = shipped.relative_to(notebooks)
        executed = run / place if run else None
        found = executed if executed and executed.exists() else shipped
        pages.append(Page(found, place.with_suffix("").as_posix(), found is executed))
    return pages


def newest_run(runs: Path) -> Path | None:
    """Return the folder of the newest run of all notebooks from 01 on, or None."""
    complete = [one.parent for one in runs.glob("*/summary.json") if any(one.parent.glob("01_*.ipynb"))]
    return max(complete, key=lambda one: (one / "summary.json").stat().st_mtime, default=None)


def write(pages: Sequence[Page], output: Path) -> Path:
    """Write all pages and an index of them, and return the index."""
    names = {page.name for page in pages}
    for group in (
        [page for page in pages if not page.name.startswith(SOLUTIONS)],
        [page for page in pages if page.name.startswith(SOLUTIONS)],
    ):
        for number, page in enumerate(group):
            around = (group[number - 1] if number else None, *group[number + 1 : number + 2])
            _write_page(page, around, output, names)
    index = output / "index.html"
    index.parent.mkdir(parents=True, exist_ok=True)
    index.write_text(_index(pages), encoding="utf-8")
    return index


def _write_page(page: Page, around: Sequence[Page | None], output: Path, names: set[str]) -> None:
    up = "../" * page.name.count("/")
    links = [("All notebooks", f"{up}index.html")]
    links += [(one.title, f"{Path(one.name).name}.html") for one in around if one]
    items = "".join(f'<a href="{target}">{html.escape(text)}</a>' for text, target in links)
    reading = {
        "head": f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        "style": f"<style>{_dark()}{_STYLE}</style>",
        "links": f'<nav class="reading" aria-label="Notebooks">{items}</nav>',
    }
    body, _ = exporter(_TEMPLATE).from_filename(str(page.source), resources={"reading": reading})

    def followed(link: re.Match[str]) -> str:
        parts: list[str] = []
        for part in (Path(page.name).parent / link["name"]).parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        return f'href="{link["name"]}.html{link["rest"]}' if "/".join(parts) in names else link[0]

    target = output / f"{page.name}.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_LINK.sub(followed, body), encoding="utf-8")


def _dark() -> str:
    """Return JupyterLab's dark theme, for readers who prefer it."""
    folders = (Path(one) for one in exporter(_TEMPLATE).template_paths)
    theme = next(one for folder in folders if (one := folder / "static" / "theme-dark.css").exists())
    return f"@media screen and (prefers-color-scheme: dark) {{{theme.read_text(encoding='utf-8')}}}"


def _index(pages: Sequence[Page]) -> str:
    ran = any(page.executed for page in pages)

    def items(solutions: bool) -> str:
        return "".join(
            f'<li><a href="{page.name}.html">{html.escape(page.title)}</a>'
            f"{' (without outputs)' if ran and not (page.executed or solutions) else ''}</li>"
            for page in pages
            if page.name.startswith(SOLUTIONS) is solutions
        )

    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>MLOps workshop</title><style>:root{{color-scheme:light dark}}{STYLE}</style></head>"
        f"<body><main><h1>MLOps workshop</h1><ul>{items(False)}</ul>"
        f"<h2>Solutions</h2><p>Try the exercises first.</p><ul>{items(True)}</ul></main></body></html>\n"
    )
