"""A page per executed notebook: nbconvert's page in a tenth of the time, as a run has to wait for it."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

_FOCUSABLE = re.compile(
    r'<div (?:id="[^"]*" )?class="(?:[^"]* )?(?:jp-Cell-inputWrapper|jp-OutputArea-output)(?: [^"]*)?"'
)
_WITHOUT_ALT = re.compile(r"<img(?![^>]*\salt=)")
_ALT = '<img alt="No description has been provided for this image"'


def write_page(notebook: Path) -> Path:
    """Write `NAME.html` beside an executed notebook and return its path."""
    body, _ = exporter().from_filename(str(notebook))
    page = notebook.with_suffix(".html")
    page.write_text(body, encoding="utf-8")
    return page


@functools.cache
def exporter(template: str = "") -> Any:
    """Return nbconvert's HTMLExporter without the steps that take most of its time.

    `template` is Jinja that extends nbconvert's `index.html.j2`, instead of that itself.

    Those are a search for harmful tags in code that Pygments has already escaped, and parsing and printing
    the whole page to set three attributes. The output is the same, with the diagrams inside, so that a page
    can be sent to someone.
    """
    from jinja2 import pass_context  # noqa: PLC0415 - half a second, for which only a run has to pay
    from markupsafe import Markup  # noqa: PLC0415
    from nbconvert.exporters.html import HTMLExporter  # noqa: PLC0415
    from nbconvert.exporters.templateexporter import TemplateExporter  # noqa: PLC0415
    from nbconvert.filters import Highlight2HTML, clean_html  # noqa: PLC0415
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath  # noqa: PLC0415
    from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter  # noqa: PLC0415

    highlight = Highlight2HTML()

    def highlighted(*code: Any, **about: Any) -> Markup:
        return Markup(highlight(*code, **about))  # noqa: S704 - Pygments has escaped it

    def cleaned(text: Any) -> Any:
        return text if isinstance(text, Markup) else clean_html(text)

    class Renderer(IPythonRenderer):  # type: ignore[misc] # nbconvert has no types
        """Embeds images, but parses no HTML that has none.

        The parser sees `<details>` without its text and its end, and closes it: hints would not be folded.
        """

        def _html_embed_images(self, html: str) -> str:
            return str(super()._html_embed_images(html)) if "<img" in html else html

    class Exporter(HTMLExporter):  # type: ignore[misc] # nbconvert has no types
        @pass_context
        def markdown2html(self, context: Any, source: str) -> str:
            renderer = Renderer(
                escape=False,
                attachments=context.get("cell", {}).get("attachments", {}),
                embed_images=self.embed_images,
                path=context.get("resources", {}).get("metadata", {}).get("path", ""),
                anchor_link_text=self.anchor_link_text,
                exclude_anchor_links=self.exclude_anchor_links,
                **self.lexer_options,
            )
            return str(MarkdownWithMath(renderer=renderer).render(source))

        def from_notebook_node(
            self, nb: Any, resources: dict[str, Any] | None = None, **kw: Any
        ) -> tuple[str, dict[str, Any]]:
            language = nb.metadata.get("language_info", {})
            highlight.pygments_lexer = language.get("pygments_lexer") or language.get("name") or "ipython3"
            resources = self._init_resources(resources)
            kinds = WidgetsDataTypeFilter(
                notebook_metadata=self._nb_metadata, parent=self, resources=resources
            )
            self.register_filter("filter_data_type", kinds)
            body, resources = TemplateExporter.from_notebook_node(self, nb, resources, **kw)
            return accessible(body), resources or {}

    return Exporter(
        filters={"highlight_code": highlighted, "clean_html": cleaned},
        embed_images=True,
        **({"raw_template": template} if template else {}),  # an empty one would replace nbconvert's own
    )


def accessible(page: str) -> str:
    """Make cells and outputs reachable by keyboard, and give images an alt text, as HTMLExporter does."""
    return _WITHOUT_ALT.sub(_ALT, _FOCUSABLE.sub(r'\g<0> tabindex="0"', page))
